"""How migrations run here; Alembic executes this file. `schema.py` hands over the connection.

SQLite: with foreign keys on, rebuilding a table deletes the rows that refer to it, in silence; and a trigger that
names another table makes the rebuild fail. So: keys off before BEGIN, triggers away, migrate, triggers back,
check every reference, compare the counts. All of it is one transaction.
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, inspect

from clinic.persistence import row_security, triggers, worker_rights
from clinic.persistence.models import Base


def migrate(connection: Connection) -> None:
    """Run the migrations that were asked for, between the checks."""
    connection = connection.execution_options(write=True)
    driver: Any = connection.connection.driver_connection  # the pragma does nothing inside a transaction
    if connection.dialect.name == "sqlite":
        driver.execute("PRAGMA foreign_keys=OFF")
    try:
        with connection.begin():
            before = counts(connection)
            triggers.drop(connection)
            row_security.drop(connection)
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=True,
                transactional_ddl=False,  # ours is the transaction
            )
            context.run_migrations()
            check(connection, before)
            if inspect(connection).has_table("part"):
                triggers.create(connection)
                worker_rights.create(connection)
                row_security.create(connection)
    finally:
        if connection.dialect.name == "sqlite":
            driver.execute("PRAGMA foreign_keys=ON")


def counts(connection: Connection) -> dict[str, int]:
    """Rows by table."""
    tables = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    quote = connection.dialect.identifier_preparer.quote
    return {
        name: connection.exec_driver_sql(f"SELECT count(*) FROM {quote(name)}").scalar_one()  # noqa: S608 - quoted  # nosec B608
        for name in tables
    }


def check(connection: Connection, before: dict[str, int]) -> None:
    """Refuse a migration that lost or doubled rows, or left a reference to nothing."""
    after = counts(connection)
    wrong = [name for name in before if name in after and before[name] != after[name]]
    if wrong:
        raise RuntimeError(f"the migration changed the number of rows in {', '.join(wrong)}")
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError("the migration left a reference to a row that is not there")


migrate(context.config.attributes["connection"])
