"""Procrastinate's tables, in a PostgreSQL schema of their own: they tell other machines that there is work.

A job carries the id of a press item and nothing else. Jobs are hints, the items are the truth: so the schema is made
anew when the library's version changes, a lost job is made again by `renew`, and one job too many does no harm. On
SQLite, and where Procrastinate is not installed, all of this is nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Connection,
    DateTime,
    String,
    and_,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import INTERVAL, JSONB

from clinic.persistence.models import PressItem, PressWorker
from clinic.persistence.press_queue import TAKEN, WAITING

SCHEMA: Final = "procrastinate"
QUEUE: Final = "press"
TASK: Final = "press_item"
CLAIMED: Final = "clinic_claimed"  # the channel on which a machine says that it waits for a key
SEARCH: Final = f"{SCHEMA},pg_catalog,pg_temp"
STALLED: Final = 30  # s without a sign of life of the worker that has a job

# No more than our own constant is put in.
_FUNCTIONS: Final = f"SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace"  # noqa: S608  # nosec B608
_VERSION: Final = select(func.obj_description(func.to_regnamespace(SCHEMA), "pg_namespace"))

_item: Final[Any] = PressItem.__table__
_job: Final = table(
    "procrastinate_jobs",
    *(column(name) for name in ("queue_name", "task_name", "worker_id")),
    column("status", String),
    column("args", JSONB),
    schema=SCHEMA,
)
_worker: Final = table("procrastinate_workers", column("id"), column("last_heartbeat", DateTime(True)), schema=SCHEMA)
_OF_JOB: Final = _job.c.args["item_id"].astext
_STATUS: Final = cast(_job.c.status, String)
_ASKED: Final = exists().where(PressWorker.revoked.is_(False))  # nobody there, nobody to tell
_ALIVE: Final = exists().where(
    _worker.c.id == _job.c.worker_id,
    _worker.c.last_heartbeat > func.now() - cast(f"{STALLED} seconds", INTERVAL),
)
_WANTED: Final = exists().where(cast(_item.c.id, String) == _OF_JOB, _item.c.state.in_((WAITING, TAKEN)))
_DEAD: Final = delete(_job).where(
    or_(
        _STATUS.not_in(("todo", "doing")),
        and_(_STATUS == "doing", not_(_ALIVE)),
        and_(_STATUS == "todo", not_(_WANTED)),
    )
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
    before = connection.exec_driver_sql("SELECT current_setting('search_path')").scalar_one()
    connection.exec_driver_sql(f"SET LOCAL search_path = {SEARCH}")
    driver: Any = connection.connection.driver_connection
    driver.execute(SchemaManager.get_schema())  # many statements at once, which only the driver takes
    connection.exec_driver_sql(f"SET LOCAL search_path = {before}")
    for name in connection.exec_driver_sql(_FUNCTIONS).scalars().all():
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
        _tell(connection, _item.c.id.in_(list(items)))


def renew(connection: Connection, now: datetime) -> int:
    """Away with jobs that nobody will end; a new job for each item that waits without one. How many were made.

    An item waits, too, whose machine let its lease pass.
    """
    if not ready(connection):
        return 0
    connection.execute(_DEAD)
    free = or_(_item.c.state == WAITING, and_(_item.c.state == TAKEN, _item.c.until <= now))
    told = exists().where(cast(_item.c.id, String) == _OF_JOB)
    return _tell(connection, and_(free, not_(told)))


def _tell(connection: Connection, which: Any) -> int:
    args = func.jsonb_build_object("item_id", cast(_item.c.id, String))
    asked = select(literal(QUEUE), literal(TASK), args).where(which, _ASKED).order_by(_item.c.n)
    told = insert(_job).from_select(["queue_name", "task_name", "args"], asked)
    return connection.execute(told, execution_options={"preserve_rowcount": True}).rowcount


def _made_by(connection: Connection) -> str | None:
    found: str | None = connection.execute(_VERSION).scalar()
    return found
