"""Connections: SQLite made safe for several writers, PostgreSQL as it is."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

BUSY = 10  # s a writer waits for another one


def make_engine(url: str, read_only: bool = False) -> Engine:
    """An engine for a database URL. Parameters never reach a log or an error message.

    A connection with the option `write` begins immediately: two deferred transactions that read, then write
    lose one of the updates, or fail.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
        if read_only:
            engine = engine.execution_options(postgresql_readonly=True)
        return engine
    engine = create_engine(
        parsed,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=24,
        # None: we write BEGIN ourselves, the driver's own guess would be deferred.
        connect_args={"isolation_level": None, "timeout": BUSY},
    )
    event.listen(engine, "connect", _reading if read_only else _writing)
    event.listen(engine, "begin", _begin)
    return engine


def _writing(connection: Any, _: object) -> None:
    # secure_delete: what is overwritten is gone from the file; temp_store: nothing opened reaches /tmp.
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "temp_store=MEMORY",
        "synchronous=FULL",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _reading(connection: Any, _: object) -> None:
    for pragma in ("query_only=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
