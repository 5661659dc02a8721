"""Triggers that freeze signed records and let the audit only grow. Migrations drop them all and make them again here.

SQLite's batch mode rebuilds a table and loses its triggers without a word, so no migration writes one.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, inspect


@dataclass(frozen=True)
class Trigger:
    """What refuses a statement on a table, unless `condition` is false, and with which words."""

    table: str
    verb: str
    condition: str
    says: str


FROZEN: Final = "a signed record cannot change"
GROWS: Final = "the audit only grows"
_SIGNED: Final = "EXISTS (SELECT 1 FROM record WHERE id = {row}.record_id AND signed)"

# INSERT too: REPLACE deletes the old row without firing a DELETE trigger.
ROWS: Final = {
    "part_insert": Trigger("part", "INSERT", _SIGNED.format(row="NEW"), FROZEN),
    "part_update": Trigger("part", "UPDATE", f"{_SIGNED.format(row='OLD')} OR {_SIGNED.format(row='NEW')}", FROZEN),
    "part_delete": Trigger("part", "DELETE", _SIGNED.format(row="OLD"), FROZEN),
    "record_insert": Trigger("record", "INSERT", "EXISTS (SELECT 1 FROM record WHERE id = NEW.id AND signed)", FROZEN),
    "record_update": Trigger(
        "record",
        "UPDATE",
        "OLD.signed AND (NOT NEW.signed OR OLD.rev <> NEW.rev OR OLD.id <> NEW.id OR OLD.case_id <> NEW.case_id"
        " OR OLD.tag <> NEW.tag)",
        FROZEN,
    ),
    "record_delete": Trigger("record", "DELETE", "OLD.signed", FROZEN),
    "audit_insert": Trigger(
        "audit",
        "INSERT",
        "NEW.seq IS NULL OR NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)",
        GROWS,
    ),
    "audit_update": Trigger("audit", "UPDATE", "OLD.seq = OLD.seq", GROWS),
    "audit_delete": Trigger("audit", "DELETE", "OLD.seq = OLD.seq", GROWS),
}
# PostgreSQL empties a table without touching a row.
TRUNCATES: Final = {
    "part_truncate": Trigger("part", "TRUNCATE", "EXISTS (SELECT 1 FROM record WHERE signed)", FROZEN),
    "record_truncate": Trigger("record", "TRUNCATE", "EXISTS (SELECT 1 FROM record WHERE signed)", FROZEN),
    "audit_truncate": Trigger("audit", "TRUNCATE", "EXISTS (SELECT 1 FROM audit)", GROWS),
}

_END: Final = {"DELETE": "RETURN OLD;", "TRUNCATE": "RETURN NULL;"}


def create(connection: Connection) -> None:
    """Make all triggers of the tables that are there."""
    tables = set(inspect(connection).get_table_names())
    for name, one in _all(connection.dialect.name).items():
        if one.table not in tables:
            continue
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(_lite(name, one))
        else:
            body = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${_body(one)}$$"
            connection.exec_driver_sql(body)
            level = "STATEMENT" if one.verb == "TRUNCATE" else "ROW"
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {one.verb} ON {one.table} FOR EACH {level} EXECUTE FUNCTION {name}()"
            )


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
    full = (
        "SELECT DISTINCT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"  # others have their own
    )
    found = connection.exec_driver_sql(lite if connection.dialect.name == "sqlite" else full)
    return sorted(found.scalars())


def expected(dialect: str) -> list[str]:
    """The triggers that a database of this kind must have, sorted."""
    return sorted(_all(dialect))


def wrong(connection: Connection) -> list[str]:
    """The triggers that are not there, or not as they were made, sorted."""
    lite = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    full = (
        "SELECT tgname, CASE tgenabled WHEN 'O' THEN p.prosrc ELSE '' END FROM pg_trigger t"
        " JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT tgisinternal"
    )
    dialect = connection.dialect.name
    there = {name: text for name, text in connection.exec_driver_sql(lite if dialect == "sqlite" else full)}
    return [
        name
        for name, one in sorted(_all(dialect).items())
        if (_lite(name, one) if dialect == "sqlite" else _body(one)) != there.get(name)
    ]


def _lite(name: str, one: Trigger) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {one.verb} ON {one.table} WHEN {one.condition}"
        f" BEGIN SELECT RAISE(ABORT, '{one.says}'); END"
    )


def _body(one: Trigger) -> str:
    end = _END.get(one.verb, "RETURN NEW;")
    return f" BEGIN IF {one.condition} THEN RAISE EXCEPTION '{one.says}'; END IF; {end} END "


def _all(dialect: str) -> dict[str, Trigger]:
    return ROWS if dialect == "sqlite" else ROWS | TRUNCATES
