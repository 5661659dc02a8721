"""Procrastinate's tables, in a PostgreSQL schema of their own: they tell other machines that there is work.

A job carries the id of a press item and nothing else. Jobs are hints, the items are the truth: so the schema is made
anew when the library's version changes, a lost job is made again by `renew`, and one job too many does no harm. On
SQLite, and where Procrastinate is not installed, all of this is nothing.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

SCHEMA: Final = "procrastinate"
QUEUE: Final = "press"
TASK: Final = "press_item"
SEARCH: Final = f"{SCHEMA},pg_catalog,pg_temp"
STALLED: Final = 30  # s without a sign of life of the worker that has a job

_THERE: Final = text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')")
_FUNCTIONS: Final = text("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = to_regnamespace(:schema)")
_NEW: Final = (
    "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args)"
    " SELECT :queue, :task, jsonb_build_object('item_id', one.id::text)"
)
_ASKED: Final = " WHERE EXISTS (SELECT FROM press_worker WHERE NOT revoked)"  # nobody there, nobody to tell
_ANNOUNCE: Final = text(f"{_NEW} FROM unnest(CAST(:ids AS uuid[])) AS one(id){_ASKED}")
_RENEW: Final = text(
    f"{_NEW} FROM press_item AS one{_ASKED}"
    " AND (one.state = 'waiting' OR (one.state = 'taken' AND one.until < :now))"
    " AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs AS job WHERE job.args ->> 'item_id' = one.id::text)"
)
_TIDY: Final = text(
    "DELETE FROM procrastinate.procrastinate_jobs AS job"
    " WHERE job.status NOT IN ('todo', 'doing')"
    " OR (job.status = 'doing' AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_workers AS one"
    "   WHERE one.id = job.worker_id AND one.last_heartbeat > now() - make_interval(secs => :stalled)))"
    " OR (job.status = 'todo' AND NOT EXISTS (SELECT FROM press_item AS one"
    "   WHERE one.id::text = job.args ->> 'item_id' AND one.state IN ('waiting', 'taken')))"
)


def installed() -> bool:
    """Whether Procrastinate is there; nothing of it is imported."""
    return find_spec("procrastinate") is not None


def prepare(connection: Connection) -> None:
    """Make Procrastinate's schema, or make it anew for another version of it. Part of the caller's transaction."""
    if connection.dialect.name != "postgresql" or not installed():
        return
    from importlib.metadata import version

    from procrastinate.schema import SchemaManager

    made, wanted = _made_by(connection), version("procrastinate")
    if made == wanted:
        return
    connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{wanted}'")
    before = str(connection.exec_driver_sql("SELECT current_setting('search_path')").scalar_one())
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": SEARCH})
    connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": before})
    for name in connection.execute(_FUNCTIONS, {"schema": SCHEMA}).scalars().all():
        # Its functions name its tables without their schema; a caller need not know where these are.
        connection.exec_driver_sql(f"ALTER FUNCTION {name} SET search_path = {SEARCH}")


def drop(connection: Connection) -> None:
    """Away with it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def ready(connection: Connection) -> bool:
    """Whether this database has Procrastinate's tables."""
    return connection.dialect.name == "postgresql" and bool(_made_by(connection))


def announce(connection: Connection, items: Iterable[UUID]) -> None:
    """Tell other machines of new items, in the transaction that makes them. Nothing where no machine is accepted."""
    if ready(connection):
        asked = {"ids": list(items), "queue": QUEUE, "task": TASK}
        connection.execute(_ANNOUNCE, asked)


def renew(connection: Connection, now: object) -> int:
    """Away with jobs that nobody will end; a new job for each item that waits without one. How many were made.

    An item waits, too, whose worker let its lease pass.
    """
    if not ready(connection):
        return 0
    connection.execute(_TIDY, {"stalled": STALLED})
    return connection.execute(_RENEW, {"queue": QUEUE, "task": TASK, "now": now}).rowcount


def _made_by(connection: Connection) -> str | None:
    found: str | None = connection.execute(_THERE, {"schema": SCHEMA}).scalar()
    return found
