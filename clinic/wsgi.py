"""Several web processes beside each other, by gunicorn: `clinic serve --processes 3`, or deploy/gunicorn.conf.py.

Each process makes all of its own: first its press, which must never hold a key, then its way to the one keyholder,
which runs as a service of its own and is never started from here. What happens once a day one of them does: it holds a
lock that goes with it. Sessions, throttle, packs and the overlay are in the database, so any process answers any
request.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from flask import Flask

from clinic import config, logs
from clinic.app import BODY_BYTES, create_app
from clinic.config import Settings
from clinic.domain.errors import ClinicError, Usage
from clinic.hardening import harden
from clinic.persistence import keyholder_place
from clinic.persistence.store import Store
from clinic.press.limits import cores
from clinic.press.press import Press
from clinic.settling import Settling

CONFIGURATION: Final = Path(__file__).parent / "deploy" / "gunicorn.conf.py"
NOT_TO_BE_TRIED: Final = 4  # gunicorn's own code for an application that does not load
LOOK: Final = 30.0  # s between two looks whether the process with the daily work is still there


class Duty(threading.Thread):
    """Does something while this process holds a lock of the instance; when its holder dies, another takes over.

    `begin` starts the work and returns what ends it.
    """

    def __init__(self, lock: Path, begin: Callable[[], Callable[[], None]], every: float = LOOK) -> None:
        super().__init__(name="duty", daemon=True)
        self._lock, self._begin, self._every, self._over = lock, begin, every, threading.Event()

    def run(self) -> None:
        import fcntl

        self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            while not self._over.is_set():
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._over.wait(self._every)
                    continue
                end = self._begin()
                self._over.wait()
                end()

    def stop(self) -> None:
        """End the work, if it is ours, and give the lock back."""
        self._over.set()
        if self.is_alive():
            self.join()


def heard_out(answer: Any) -> Any:
    """Read what is left of a body that was refused as too large, up to a limit: else its sender never sees the page."""

    def heard(environ: Any, start_response: Any) -> Any:
        reply, left = answer(environ, start_response), 3 * BODY_BYTES
        with suppress(OSError, ValueError):
            while left > 0 and (part := environ["wsgi.input"].read(min(left, 1 << 16))):
                left -= len(part)
        return reply

    return heard


class Process:
    """One web process of several: press, store, the threads that draw packs, and the application over them."""

    def __init__(self, settings: Settings) -> None:
        from clinic.services.handing import Handing
        from clinic.services.press_room import PressRoom
        from clinic.services.warm import warm_pages

        share = max(1, cores() // settings.web_processes)
        self._press = Press(warm_pages(), places=share)
        self._press.start()
        try:
            self.store = Store.attach(settings, alone=True)
            self.app = create_app(settings, self.store, self._press)
            self.app.wsgi_app = heard_out(self.app.wsgi_app)  # type: ignore[method-assign]  # as Flask's manual says
        except BaseException:
            self._press.stop()
            raise
        wanted = settings.press_places
        drawn = share if wanted is None else -(-wanted // settings.web_processes)
        self._room, self._handing = PressRoom(self.store, self._press, drawn), Handing(self.store)
        self._duty = Duty(keyholder_place.path(settings.instance).with_name("daily.lock"), self._daily)
        self._settling = Settling()
        for one in (self._room, self._handing, self._duty, self._settling):
            one.start()

    def close(self) -> None:
        """End the threads after what they are at, then press and store."""
        for one in (self._settling, self._duty, self._handing, self._room):
            one.stop()
        self.store.close()
        self._press.stop()

    def _daily(self) -> Callable[[], None]:
        from clinic.services.backup import Daily

        made = Daily(self.store)
        made.start()
        return made.stop


_ours: list[Process] = []


def app() -> Flask:
    """The application of the process that calls; once a process, after it was forked.

    What stands in the way is one plain line, and then no process is tried again.
    """
    harden()
    try:
        settings = config.load()
        config.keep_time(settings)
        logs.setup()
        _ours.append(Process(settings))
    except ClinicError as error:
        print("clinic: " + " ".join(str(error).split()), file=sys.stderr, flush=True)
        sys.exit(NOT_TO_BE_TRIED)
    except Exception as error:  # gunicorn would print its message
        print(f"clinic: {logs.why(error)}", file=sys.stderr, flush=True)
        sys.exit(NOT_TO_BE_TRIED)
    atexit.register(end)
    return _ours[0].app


def end() -> None:
    """End what `app` began; twice is no error."""
    while _ours:
        _ours.pop().close()


def serve(settings: Settings, port: int | None, processes: int) -> None:
    """Become gunicorn with our configuration; does not return. Raises Usage when it is not installed."""
    from importlib.util import find_spec

    if find_spec("gunicorn") is None:
        raise Usage('Several processes need gunicorn: pip install "secure-base[server]"')
    environment = {**os.environ, "CLINIC_INSTANCE_PATH": str(settings.instance)}
    environment["CLINIC_WEB_PROCESSES"] = str(processes)
    environment["CLINIC_PORT"] = str(settings.port if port is None else port)
    sys.stdout.flush()
    program: list[Any] = [sys.executable, "-m", "gunicorn", "--config", str(CONFIGURATION)]
    os.execve(sys.executable, program, environment)  # noqa: S606 - our own interpreter and our own words
