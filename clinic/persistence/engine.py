"""Connections: SQLite, encrypted by SQLCipher and made safe for several writers; PostgreSQL as it is."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import sqlcipher3.dbapi2
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from clinic.domain.errors import VaultLocked

HELD: Final = "clinic_line"  # whether a connection is at the head of the line of writers
BUSY: Final = 10  # s a writer waits for another one
PLAINTEXT: Final = b"SQLite format 3\0"
# secure_delete: what is overwritten is gone from the file; temp_store: nothing opened reaches /tmp.
WRITING: Final = ("journal_mode=WAL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY", "synchronous=FULL")
READING: Final = ("query_only=ON", "temp_store=MEMORY")
# The option of an engine that row-level security hears: account, role, day, reason. Of the transaction, never longer.
TOLD: Final = "clinic_told"
_TELL: Final = (
    "SELECT set_config('clinic.account', %s, true), set_config('clinic.role', %s, true),"
    " set_config('clinic.today', %s, true), set_config('clinic.reason', %s, true)"
)

Key = bytes | Callable[[], bytes]  # the database's raw key, or who gives it at each connection

# What opens the file of an engine, for a snapshot; gone with the engine.
_CIPHERS: "WeakKeyDictionary[Engine, Cipher]" = WeakKeyDictionary()


class Cipher:
    """Opens connections to an encrypted file with a raw key. Shows neither."""

    __slots__ = ("_key", "_path")

    def __init__(self, path: Path, key: "Key") -> None:
        self._path, self._key = path, key

    def __call__(self) -> Any:
        """A connection that reads. Raises VaultLocked: another key, or a file without one."""
        refuse_plaintext(self._path)
        # None: we write BEGIN ourselves, the driver's own guess would be deferred.
        made = sqlcipher3.dbapi2.connect(str(self._path), timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            set_key(made, self._key if isinstance(self._key, bytes) else self._key())
            made.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except VaultLocked:
            made.close()
            raise
        except sqlcipher3.dbapi2.DatabaseError as error:
            made.close()
            if isinstance(error, sqlcipher3.dbapi2.OperationalError):
                raise  # busy, or the disk
            raise VaultLocked("the database belongs to another instance than the keys, or is damaged.") from None
        return made

    def copy(self, path: Path) -> None:
        """A consistent copy of the file while others write, by SQLite's backup API, under the same key.

        Raises sqlcipher3's DatabaseError: the disk, or a copy that is not whole.
        """
        touch(path)
        with closing(self()) as source, closing(Cipher(path, self._key)()) as copied:
            source.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE").fetchone()  # one file, no log beside it
            if copied.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlcipher3.dbapi2.DatabaseError("the copy is not whole")

    def __repr__(self) -> str:
        return "<Cipher>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a key does not leave its process")


def make_engine(url: str, key: Key | None = None, read_only: bool = False) -> Engine:
    """An engine for a database URL; SQLite needs the database's key. Parameters never reach a log or an error.

    A connection with the option `write` begins immediately: two deferred transactions that read, then write
    lose one of the updates, or fail. Raises VaultLocked without a key; so does a first connection with a wrong one.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
        event.listen(engine, "begin", _tell)
        if read_only:
            engine = engine.execution_options(postgresql_readonly=True)
        return engine
    path = database_file(url)
    if key is None or path is None or not parsed.database:
        raise VaultLocked("the database opens with its key only.")
    cipher = Cipher(path, key)
    engine = create_engine(
        f"sqlite:///{path}",
        module=sqlcipher3.dbapi2,
        creator=cipher,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=16,
        max_overflow=32,
        pool_use_lifo=True,  # what was used last has its pages in memory, decrypted
    )
    event.listen(engine, "connect", _reading if read_only else _writing)
    _one_by_one(engine)
    _CIPHERS[engine] = cipher
    return engine


def snapshot(engine: Engine, path: Path) -> None:
    """A copy of an engine's SQLite database in a new file, mode 0600, encrypted as it is. See `Cipher.copy`."""
    _CIPHERS[engine].copy(path)


def database_file(url: str) -> Path | None:
    """SQLite's file; None on PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def key_literal(key: bytes) -> str:
    """A raw key as SQLCipher reads it, without deriving anything from it."""
    return f"\"x'{key.hex()}'\""


def set_key(connection: Any, key: bytes) -> None:
    """The first statements of a connection. The log off, or a wrong key prints lines of its own."""
    connection.execute("PRAGMA cipher_log_level=NONE")
    connection.execute(f"PRAGMA key={key_literal(key)}")


def fitting(path: Path, keys: Iterable[bytes]) -> bytes:
    """The key of several that opens a file: there are two while it is changed. Raises VaultLocked."""
    *others, last = keys
    for key in others:
        try:
            Cipher(path, key)().close()
        except VaultLocked:
            continue
        return key
    return last


def refuse_plaintext(path: Path) -> None:
    """Raises VaultLocked for a SQLite file that is not encrypted; one that is not there, or empty, passes."""
    try:
        with path.open("rb") as file:
            start = file.read(len(PLAINTEXT))
    except OSError:
        return
    if start == PLAINTEXT:
        raise VaultLocked(f"{path} is not encrypted. A demo of an earlier version? Delete the folder and start again.")


def touch(path: Path) -> None:
    """Make SQLite's file, for its owner only; the log beside it takes the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def _writing(connection: Any, _: object) -> None:
    for pragma in WRITING:
        connection.execute(f"PRAGMA {pragma}")


def _reading(connection: Any, _: object) -> None:
    for pragma in READING:
        connection.execute(f"PRAGMA {pragma}")


def _tell(connection: Connection) -> None:
    told = connection.get_execution_options().get(TOLD)
    if told is not None:
        driver: Any = connection.connection.driver_connection  # past the guard: it is no statement of anybody's
        driver.execute(_TELL, told)


def _one_by_one(engine: Engine) -> None:
    """Writers of this process wait in line for SQLite's one write lock, from BEGIN until they give the connection back.

    SQLite knows no line: whoever comes too late sleeps up to 0.1 s and looks again, and half the time of all pages was
    such sleep when fifty people worked. Writers of other processes still meet that way.
    """
    line = threading.Lock()

    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        if write and not connection.info.get(HELD):
            connection.info[HELD] = line.acquire(timeout=BUSY)  # else SQLite says that it is busy
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    def checkin(_: object, record: ConnectionPoolEntry) -> None:
        if record.info.pop(HELD, False):
            line.release()

    event.listen(engine, "begin", begin)
    event.listen(engine, "checkin", checkin)
