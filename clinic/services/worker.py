"""A print machine: told by Procrastinate that there is work, it claims an item, draws it in a child, hands in the PDF.

It needs a way into PostgreSQL by a role of its own, a key, and fonts: no instance, no keyholder, no record. What it
opens is one sheet at a time. Its children come from a zygote that is started before the key is read.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import URL, Connection, Engine, func, make_url, select, update
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError

from clinic import logs
from clinic.domain.errors import ClinicError, Usage
from clinic.persistence import press_jobs, press_queue, press_sealing
from clinic.persistence.engine import make_engine
from clinic.persistence.models import PressItem, PressWorker
from clinic.persistence.press_queue import LEASE, Claimed
from clinic.persistence.press_sealing import Work
from clinic.persistence.sealing import Damaged
from clinic.press.press import Press, PressError
from clinic.services import enrol_worker, worker_key

KEYS: Final = ("worker_database_url", "worker_key_file", "press_places")
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
PAUSES: Final = (0.01, 0.5)  # s between two looks for the key: the first, the longest
AGAIN: Final = 2.0  # s until a database that is away is tried again
RENEWED: Final = LEASE.total_seconds() / 3
ACCEPTED_AGAIN: Final = 10.0  # s until a machine that nobody accepted asks again
LOOK: Final = 30.0  # s between two looks whether it still is
POOL: Final = 20  # places at most


@dataclass(frozen=True)
class Machine:
    """What a print machine runs with. `places`: sheets at once."""

    database: URL
    key_file: Path
    places: int


# --------------------------------------------------------------------------- settings
def load(
    config: Path | None = None, key_file: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Machine:
    """From a TOML file and the environment, which wins; a key file that is named wins over both. Raises Usage."""
    values = _read(config) | {
        key: environment[f"CLINIC_{key.upper()}"] for key in KEYS if environment.get(f"CLINIC_{key.upper()}")
    }
    url = values.get("worker_database_url")
    if not url:
        raise Usage("Name the database: CLINIC_WORKER_DATABASE_URL, or worker_database_url in a file (--config FILE).")
    return Machine(
        safe(str(url)), key_file or Path(values.get("worker_key_file") or enrol_worker.KEY_FILE), _places(values)
    )


def safe(text: str) -> URL:
    """A database address that shows no password to a network. Raises Usage.

    Beyond this machine its certificate must be checked: `sslmode=verify-full`.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise Usage("worker_database_url is no address of a database.") from None
    if url.get_backend_name() != "postgresql":
        raise Usage("A print machine needs PostgreSQL: worker_database_url begins with postgresql://")
    asked = [one for key in ("host", "hostaddr") for one in _texts(url.query.get(key))]
    if "service" in url.query or os.environ.get("PGHOSTADDR"):
        asked.append("?")  # named in another file: nobody here knows where it leads
    hosts = [part for one in [url.host or os.environ.get("PGHOST", ""), *asked] for part in one.split(",")]
    if all(one in LOOPBACK or one.startswith("/") or not one for one in hosts):
        return url
    if _texts(url.query.get("sslmode")) != ["verify-full"]:
        raise Usage("The database is elsewhere: worker_database_url needs sslmode=verify-full and sslrootcert.")
    return url


def _texts(value: str | tuple[str, ...] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Usage(f"{path} cannot be read ({type(problem).__name__}).") from None
    if unknown := sorted(set(values) - set(KEYS)):
        raise Usage(f"{path}: unknown setting {unknown[0]}. Known: {', '.join(KEYS)}.")
    return values


def _places(values: Mapping[str, Any]) -> int:
    found = str(values.get("press_places") or os.cpu_count() or 1)
    if not (found.isascii() and found.isdecimal() and 1 <= int(found) <= POOL):
        raise Usage(f"press_places is {found}; on a print machine it is a number from 1 to {POOL}.")
    return int(found)


# --------------------------------------------------------------------------- one item
def draw(press: Press, work: Work) -> bytes:
    """The PDF of an item: a given page is stamped in a child that is used again, a filled one gets its own child."""
    if work.kind == "given":
        return press.given(work.page, work.words)
    with press.child() as child:
        return press.pdf(work.page.with_words(work.words) if work.words else work.page, child)


class Drawing:
    """Claims, draws and ends items for one machine; threads may share it. `stopping`: do not wait any longer."""

    def __init__(
        self, engine: Engine, press: Press, key: X25519PrivateKey, me: UUID, stopping: threading.Event
    ) -> None:
        self._engine, self._press, self._key, self._me, self._stopping = engine, press, key, me, stopping

    def item(self, item_id: UUID) -> bool:
        """Draw this item, if nobody else does. Whether its result is in. Raises OperationalError before the claim."""
        with self._engine.begin() as connection:
            found = press_queue.claim(connection, _now(connection), self._me, item_id=item_id)
            if found:
                connection.execute(select(func.pg_notify(press_jobs.CLAIMED, "")))
        if not found:
            return False
        one, since = found[0], time.monotonic()
        handed = self._handed(one)
        if handed is None:
            return False
        key = press_sealing.open_from(self._key, handed, one.id, one.token, self._me)
        try:
            work = press_sealing.open_work(key, one.id, one.sealed)
            result = press_sealing.seal_result(key, one.id, draw(self._press, work))
        except PressError as error:
            # Kind and place in code: never a word of the sheet.
            logs.log.warning("press", extra={"event": "error", "error": error.kind, "at": error.where or logs.NOWHERE})
            if error.kind == "lost":  # nobody's fault: somebody may try again
                return self._end(one, since, press_queue.give_back)
            return self._end(one, since, _failed)
        except (Damaged, ClinicError, ValueError):
            return self._end(one, since, _failed)
        return self._end(one, since, lambda connection, id_, token: press_queue.finish(connection, id_, token, result))

    def _handed(self, one: Claimed) -> bytes | None:
        """Our way to the item's key; it comes as soon as the server has looked. None: the item is not ours any more.

        However long the server is away, the item stays ours: it is no fault of the sheet.
        """
        pause, longest = PAUSES
        renewed = time.monotonic()
        asked = select(PressItem.handed).where(PressItem.id == one.id, PressItem.token == one.token)
        while True:
            with suppress(OperationalError), self._engine.begin() as connection:
                row = connection.execute(asked).one_or_none()
                if row is None:
                    return None
                if row.handed is not None:
                    return bytes(row.handed)
                if self._stopping.is_set():
                    press_queue.give_back(connection, one.id, one.token)
                    return None
                if time.monotonic() - renewed > RENEWED:
                    press_queue.renew(connection, one.id, one.token, _now(connection))
                    renewed = time.monotonic()
            if self._stopping.is_set() and time.monotonic() - renewed > RENEWED:
                return None  # the database is away too
            self._stopping.wait(pause) if not self._stopping.is_set() else time.sleep(pause)
            pause = min(2 * pause, longest)

    def _end(self, one: Claimed, since: float, end: Callable[[Connection, UUID, UUID], bool]) -> bool:
        """End it, again while the database is away and the lease may hold: a second time does nothing."""
        while True:
            try:
                with self._engine.begin() as connection:
                    return end(connection, one.id, one.token)
            except OperationalError:
                if time.monotonic() - since > 2 * LEASE.total_seconds():
                    return False
                time.sleep(0.25)


def _failed(connection: Connection, id_: UUID, token: UUID) -> bool:
    return press_queue.finish(connection, id_, token, None)


def _now(connection: Connection) -> Any:
    """The database's time: clocks of machines differ, leases must not."""
    return connection.execute(select(func.now())).scalar_one()


# --------------------------------------------------------------------------- the machine
def run(machine: Machine) -> None:
    """Work until SIGTERM or SIGINT; what is in hand is finished. Raises Usage, VaultLocked, FontsMissing."""
    logs.setup()
    quiet()
    from clinic.services.warm import warm_pages

    warm = warm_pages()
    press = Press(warm, places=machine.places)
    press.start()
    try:
        for one in warm[:1]:  # what is missing is said now; and no sheet is claimed that would have to wait
            press.blank(one)
        key = worker_key.read(machine.key_file)  # the zygote is a program of its own by now
        engine = make_engine(machine.database.render_as_string(hide_password=False))
        asyncio.run(_until_stopped(machine, engine, press, key))
    except PressError as error:
        raise Usage(f"No sheet can be drawn here ({error.kind}). What is missing says: clinic doctor") from None
    finally:
        press.stop()


def quiet() -> None:
    """Procrastinate logs the arguments of jobs, and its errors hold addresses; of both nothing is said here."""
    for name in ("procrastinate", "psycopg", "psycopg.pool", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def _until_stopped(machine: Machine, engine: Engine, press: Press, key: X25519PrivateKey) -> None:
    stopping, stopped = threading.Event(), asyncio.Event()

    def stop() -> None:
        stopping.set()
        stopped.set()

    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop)
    said = ""
    while not stopped.is_set():
        try:
            me = await asyncio.to_thread(_who, engine)
            text = "Ready." if me else "Nobody has accepted this machine yet. Its fingerprint:"
            said = _say(text if me else f"{text} {worker_key.fingerprint(worker_key.public(key))}", said)
            if me is None:
                await _wait(stopped, ACCEPTED_AGAIN)
                continue
            drawing = Drawing(engine, press, key, me, stopping)
            await _work(machine, drawing, partial(_over, stopped, engine, me))
        except Exception as error:
            if not _away(error):
                raise
            said = _say("The database does not answer. Trying again.", said)
            await _wait(stopped, AGAIN)


def _who(engine: Engine) -> UUID | None:
    """This machine's id, by the role it signed in with; None: not accepted, or revoked."""
    try:
        with engine.begin() as connection:
            found: UUID | None = connection.execute(select(func.clinic_guard.worker())).scalar()
            if found:
                connection.execute(update(PressWorker).where(PressWorker.id == found).values(seen=func.now()))
    except ProgrammingError:
        raise Usage("This database knows no print machines yet. Run there: clinic upgrade") from None
    return found


async def _over(stopped: asyncio.Event, engine: Engine, me: UUID) -> None:
    """Until it is asked to stop, or is not accepted any more."""
    while not stopped.is_set() and await asyncio.to_thread(_who, engine) == me:
        await _wait(stopped, LOOK)


async def _work(machine: Machine, drawing: Drawing, over: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Procrastinate's worker until it is over, or until it ends because the database is away."""
    app = jobs_app(machine)

    def press_item(item_id: str) -> None:
        with suppress(ValueError):  # a job that holds no id is none of ours
            drawing.item(UUID(item_id))

    app.task(name=press_jobs.TASK, queue=press_jobs.QUEUE)(press_item)
    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[press_jobs.QUEUE],
                concurrency=machine.places + 1,  # one waits for its key while the others are drawn
                delete_jobs="always",
                install_signal_handlers=False,
                fetch_job_polling_interval=2.0,
                update_heartbeat_interval=5.0,
                stalled_worker_timeout=float(press_jobs.STALLED),
            )
        )
        ended = asyncio.create_task(over())
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        working.cancel()  # graceful: what runs comes to its end
        for one in (working, ended):
            with suppress(asyncio.CancelledError):
                await one


def jobs_app(machine: Machine) -> Any:
    """Procrastinate's app on this database."""
    from procrastinate import App, PsycopgConnector

    conninfo = machine.database.set(drivername="postgresql").render_as_string(hide_password=False)
    connector = PsycopgConnector(
        conninfo=conninfo,
        kwargs={"options": f"-c search_path={press_jobs.SEARCH}"},
        min_size=1,
        max_size=machine.places + 3,
        timeout=AGAIN,
        reconnect_timeout=AGAIN,
    )
    return App(connector=connector)


def _away(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that the database cannot be reached."""
    import psycopg
    import psycopg_pool

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, psycopg.OperationalError | psycopg.InterfaceError | psycopg_pool.PoolTimeout):
            return True
        if isinstance(seen, DBAPIError) and seen.connection_invalidated:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


async def _wait(stopped: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), seconds)


def _say(text: str, before: str) -> str:
    """A line for whoever started it, once and not again and again."""
    if text != before:
        print(f"clinic worker: {text}", file=sys.stderr, flush=True)
    return text
