"""Triggers that freeze signed records. Migrations drop them all and make them again from here.

SQLite's batch mode rebuilds a table and loses its triggers without a word, so no migration writes one.
"""

from sqlalchemy import Connection

_SIGNED = "EXISTS (SELECT 1 FROM record WHERE id = {row}.record_id AND signed)"
_ABORT = "BEGIN SELECT RAISE(ABORT, 'a signed record cannot change'); END"

# INSERT too: REPLACE deletes the old row without firing a DELETE trigger.
SQLITE = {
    "part_insert": ("part", "INSERT", _SIGNED.format(row="NEW")),
    "part_update": ("part", "UPDATE", f"{_SIGNED.format(row='OLD')} OR {_SIGNED.format(row='NEW')}"),
    "part_delete": ("part", "DELETE", _SIGNED.format(row="OLD")),
    "record_insert": ("record", "INSERT", "EXISTS (SELECT 1 FROM record WHERE id = NEW.id AND signed)"),
    "record_update": (
        "record",
        "UPDATE",
        "OLD.signed AND (NOT NEW.signed OR OLD.rev <> NEW.rev OR OLD.id <> NEW.id OR OLD.case_id <> NEW.case_id"
        " OR OLD.tag <> NEW.tag)",
    ),
    "record_delete": ("record", "DELETE", "OLD.signed"),
}

_FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF {condition} THEN RAISE EXCEPTION 'a signed record cannot change'; END IF;
  {end}
END $$"""


def create(connection: Connection) -> None:
    """Make all triggers."""
    for name, (table, verb, condition) in SQLITE.items():
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {condition} {_ABORT}")
        else:
            _create_function(connection, name, condition, "RETURN OLD;" if verb == "DELETE" else "RETURN NEW;")
            _create_trigger(connection, name, verb, table, "ROW")
    if connection.dialect.name != "sqlite":
        for table in ("part", "record"):
            _create_function(
                connection, f"{table}_truncate", "EXISTS (SELECT 1 FROM record WHERE signed)", "RETURN NULL;"
            )
            _create_trigger(connection, f"{table}_truncate", "TRUNCATE", table, "STATEMENT")


def drop(connection: Connection) -> None:
    """Drop all triggers that are there; a table may not be there yet."""
    for name in names(connection):
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql(f"DROP FUNCTION {name}() CASCADE")


def names(connection: Connection) -> list[str]:
    """The triggers that the database has, sorted."""
    lite = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    full = "SELECT DISTINCT tgname FROM pg_trigger WHERE NOT tgisinternal"
    found = connection.exec_driver_sql(lite if connection.dialect.name == "sqlite" else full)
    return sorted(found.scalars())


def expected(dialect: str) -> list[str]:
    """The triggers that a database of this kind must have, sorted."""
    return sorted([*SQLITE, *([] if dialect == "sqlite" else ["part_truncate", "record_truncate"])])


def _create_function(connection: Connection, name: str, condition: str, end: str) -> None:
    connection.exec_driver_sql(_FUNCTION.format(name=name, condition=condition, end=end))


def _create_trigger(connection: Connection, name: str, verb: str, table: str, level: str) -> None:
    connection.exec_driver_sql(
        f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH {level} EXECUTE FUNCTION {name}()"
    )
