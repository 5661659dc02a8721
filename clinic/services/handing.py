"""Keys for other machines: whoever claimed an item is handed its key, sealed to that machine by the keyholder.

One thread in the server. Of several web processes one does it at a time: it holds a lock of the database, which goes
with it, and the next one takes over. The lock saves work and no more: a machine may take it too, so whoever has it not
hands out what waits for too long. Handed twice is no harm.
"""

import threading
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from clinic import logs
from clinic.domain.errors import ClinicError, NotFound
from clinic.persistence import press_jobs, press_queue
from clinic.persistence.models import PressHanded, PressItem
from clinic.persistence.press_queue import writing
from clinic.persistence.store import Store
from clinic.services.machines import KEPT

LOOK: Final = 1.0  # s between two looks, if nobody calls
LATE: Final = timedelta(seconds=5)  # that nobody handed anything for: whoever holds the lock does not do it
PURGE: Final = 3600.0  # s between two clearings of what was handed long ago
LOCK: Final = 0x5EC5_BA5F  # PostgreSQL: one hands at a time


class Handing:
    """The thread of one process; nothing on SQLite. `stop` waits until it has ended."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._purged = -PURGE

    def start(self) -> None:
        """Begin; returns at once."""
        if self._store.engine.dialect.name == "postgresql" and press_jobs.installed() and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="handing", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    # ------------------------------------------------------------------ the thread
    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listening()
            except Exception as error:  # the database is away, or locked; only its type and place are said
                facts = {"error": type(error).__name__, "at": logs.frame(error.__traceback__)}
                logs.log.warning("handing", extra=facts)
            self._stopping.wait(2 * LOOK)

    def _listening(self) -> None:
        """Hand out as long as this connection, which holds the lock, lives."""
        import psycopg

        url = self._store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as channel:
            while not self._stopping.is_set() and not self._alone(channel):
                with suppress(ClinicError, SQLAlchemyError):
                    self.once(LATE)
                self._stopping.wait(2 * LOOK)
            channel.execute(f"LISTEN {press_jobs.CLAIMED}")
            while not self._stopping.is_set():
                with suppress(ClinicError, SQLAlchemyError):  # locked, or busy: there is a next time
                    self.once()
                for _ in channel.notifies(timeout=LOOK, stop_after=1):
                    pass

    def _alone(self, channel: Any) -> bool:
        return bool(channel.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()[0])

    def once(self, waited: timedelta = timedelta()) -> int:
        """Hand out all keys that are waited for, this long; now and then look after old rows. How many were handed."""
        now, engine = self._store.clock(), writing(self._store.engine)
        with engine.connect() as connection:
            waiting = press_queue.unhanded(connection, now, waited)
        done = sum(self._hand(id_, token) for id_, token in waiting)
        if monotonic() - self._purged >= PURGE:
            self._purged = monotonic()
            with engine.begin() as connection:
                old = self._store.today() - timedelta(KEPT)
                connection.execute(delete(PressHanded).where(PressHanded.day < old))
        return done

    def _hand(self, id_: UUID, token: UUID) -> bool:
        """One key, and a row that says who has it, before it leaves; a machine that gets none gives the item up."""
        engine = writing(self._store.engine)
        try:
            handed = self._store.keyholder.item_key(id_, token)
        except NotFound:
            with engine.begin() as connection:
                press_queue.give_back(connection, id_, token)
            return False
        with engine.begin() as connection:
            mine = PressItem.id == id_, PressItem.token == token
            worker = connection.execute(select(PressItem.worker_id).where(*mine)).scalar()
            if worker is None or not press_queue.hand(connection, id_, token, handed):
                return False
            row = {"worker_id": worker, "item_id": id_, "day": self._store.today()}
            connection.execute(insert(PressHanded).values(**row).on_conflict_do_nothing())
        return True
