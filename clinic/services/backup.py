"""Backups: keys, database, erasures and the end of the audit in one file, sealed to the recovery key.

`clinic backup FILE` makes one; while the server runs one is made every day by itself, into a folder outside of the
instance. After KEPT days a backup is deleted: what was erased is gone from all of them then.
"""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, make_url, select

from clinic.config import Settings
from clinic.domain.errors import ClinicError, Denied, Usage, VaultLocked
from clinic.persistence import audit, files, row_security, schema, vault
from clinic.persistence import store as stores
from clinic.persistence.engine import database_file, snapshot
from clinic.persistence.models import Account
from clinic.persistence.store import Store
from clinic.services import capsule, erasures, notices
from clinic.services.unit_of_work import unit_of_work

FORMAT: Final = 1
KEPT: Final = 35  # days
WARN: Final = 2  # days without a good one
NAME: Final = re.compile(r"backup-(\d{4}-\d\d-\d\d)\.age")
STATE: Final = "last.json"  # when the last one failed, and why
ANCHORS: Final = "anchors"  # day, number and MAC of the last audit line: a witness that the server does not need
SNAPSHOT: Final = ".snapshot-"
_LOOK: Final = 900.0  # s between two looks at whether it is time
_READ: Final = 1 << 20
log = logging.getLogger("clinic.backup")


@dataclass(frozen=True)
class Made:
    """A backup on disk."""

    path: Path
    day: date
    size: int


@dataclass(frozen=True)
class State:
    """What people see. `last` is the newest good one, `failed_on` a day after it on which none came about."""

    folder: Path
    demo: bool
    today: date
    last: date | None = None
    failed_on: date | None = None
    why: str = ""
    there: tuple[Made, ...] = ()

    @property
    def worry(self) -> bool:
        """Whether somebody has to look: none for two days, or the last try failed."""
        late = self.last is None or (self.today - self.last).days > WARN
        return not self.demo and (late or self.failed_on is not None)


class Failed(ClinicError):
    """A backup that did not come about; the sentence names no record."""

    http = 503

    def __init__(self, why: str) -> None:
        super().__init__(f"No backup was made: {why}")


# --------------------------------------------------------------------------- make
def make(store: Store, path: Path) -> Made:
    """Write a backup to a file, mode 0600, whole or not at all. Raises Denied (demo), Failed."""
    if store.demo:
        raise Denied
    kept = vault.read(store.settings.instance)
    if not kept.backup_recipient:
        raise Failed("there is no recovery key to seal it for.")
    with unit_of_work(store, write=True) as session:
        audit.note(session, "backup.made")
    from clinic.services import verify

    anchor = verify.anchor(store)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = capsule.write(path, _members(store, anchor), kept.backup_recipient)
        _witness(path.parent / ANCHORS, store.today(), anchor)
    except OSError as error:
        raise Failed(f"{error.strerror or 'the disk'}.") from None
    return Made(path, store.today(), size)


def _members(store: Store, anchor: Mapping[str, Any]) -> Iterator[tuple[str, Iterator[bytes]]]:
    settings = store.settings
    keys = (settings.instance / vault.KEYS_FILE).read_bytes()
    about = {
        "format": FORMAT,
        "instance": json.loads(keys)["instance"],
        "database": store.engine.dialect.name,
        "schema": schema.head(),
        "made_on": store.today().isoformat(),
        "anchor": dict(anchor),
    }
    yield "about.json", iter([json.dumps(about).encode()])
    yield vault.KEYS_FILE, iter([keys])
    yield erasures.FILE, iter([erasures.merge(erasures.places(settings))])
    for form in sorted(settings.own_forms.glob("own_*.toml")):
        yield f"forms/{form.name}", iter([form.read_bytes()])
    yield "database", _database(store)


def _database(store: Store) -> Iterator[bytes]:
    if database_file(store.settings.database_url) is None:
        yield from _dump(make_url(store.settings.upkeep_database_url))
        return
    _sweep(store.settings.instance)
    path = store.settings.instance / f"{SNAPSHOT}{os.urandom(4).hex()}"
    try:
        snapshot(store.engine, path)
        with path.open("rb") as file:
            while data := file.read(_READ):
                yield data
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Snapshots of a run that was killed; a run of now is minutes old at most."""
    for left in folder.glob(f"{SNAPSHOT}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()


# Sheets that wait for the press: after a restore nobody waits for them. SQLite's copy has them, sealed as they are.
WAITING: Final = ("press_batch", "press_item", "press_key")


def _dump(url: URL) -> Iterator[bytes]:
    """pg_dump's own format, through a pipe: no file, no password among the arguments."""
    options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--schema=public"]
    options += [f"--exclude-table-data=public.{one}" for one in WAITING]
    process = subprocess.Popen(  # noqa: S603
        [program("pg_dump"), *options, *connection(url)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(url),
    )
    out: Any = process.stdout
    try:
        while data := out.read(_READ):
            yield data
        if process.wait() != 0:
            raise Failed("pg_dump failed.")
    finally:
        process.kill()
        process.wait()
        out.close()


def program(name: str) -> str:
    """Where a program of PostgreSQL's is. Raises ClinicError."""
    found = shutil.which(name)
    if found is None:
        raise ClinicError(f"{name} is not installed; it comes with PostgreSQL's client programs.")
    return found


def connection(url: URL) -> list[str]:
    """The argument that names a database, without the password."""
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return [f"--dbname={plain.render_as_string(hide_password=False)}"]


def environment(url: URL) -> dict[str, str]:
    """The environment of a program of PostgreSQL's: ours, with the password of the URL."""
    return dict(os.environ) | ({"PGPASSWORD": str(url.password)} if url.password else {})


def _witness(path: Path, day: date, anchor: Mapping[str, Any]) -> None:
    line = json.dumps({"day": day.isoformat(), **anchor})
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
        file.write(line + "\n")


# --------------------------------------------------------------------------- every day
def daily(store: Store) -> Made | None:
    """Today's backup, unless there is one; old ones go. None when there was nothing to do. Raises Failed.

    Nothing is to be done, either, by pages that PostgreSQL holds to a few rows: there a timer runs `clinic backup`.
    """
    settings = store.settings
    if store.demo or _file(settings, store.today()).exists() or not _sees_all(store):
        return None
    try:
        made = make(store, _file(settings, store.today()))
    except VaultLocked:
        raise
    except ClinicError as error:
        _failed(store, str(error))
        raise
    except Exception as error:
        _failed(store, type(error).__name__)
        raise
    _note(settings, {})
    expire(settings, store.today())
    return made


def expire(settings: Settings, today: date) -> list[Path]:
    """Delete backups older than KEPT days, the newest one never; what went."""
    there, gone = _there(settings), []
    for one in there[1:]:
        if one.day < today - timedelta(KEPT):
            one.path.unlink(missing_ok=True)
            gone.append(one.path)
    return gone


def state(settings: Settings, demo: bool, today: date) -> State:
    """What to say about backups."""
    there, said = _there(settings), {}
    with suppress(OSError, ValueError):
        said = json.loads((settings.backup_folder / STATE).read_text(encoding="utf-8"))
    last = there[0].day if there else None
    failed = date.fromisoformat(said["failed_on"]) if said.get("failed_on") else None
    if failed and last and last > failed:
        failed = None
    why = str(said.get("why", "")) if failed else ""
    return State(settings.backup_folder, demo, today, last, failed, why, tuple(there))


class Daily(threading.Thread):
    """Makes the day's backup while the server runs. A failure is noted, logged without content, and tried again."""

    def __init__(self, store: Store, every: float = _LOOK) -> None:
        super().__init__(name="backup", daemon=True)
        self._store, self._every, self._over = store, every, threading.Event()

    def run(self) -> None:
        from clinic.services import erase  # an erasure that was cut off is brought to its end first

        while not self._over.is_set():
            try:
                erase.resume(self._store)
                daily(self._store)
            except VaultLocked:
                pass  # nobody has typed the passphrase yet
            except Exception as error:  # noted already; the server goes on
                log.error("backup failed: %s", type(error).__name__)
            self._over.wait(self._every)

    def stop(self) -> None:
        """Ends after the backup that is being made, if any."""
        self._over.set()
        if self.is_alive():
            self.join()


def _failed(store: Store, why: str) -> None:
    """Note it where people look, and tell the admins once a day."""
    today = store.today()
    before = state(store.settings, store.demo, today).failed_on
    with suppress(OSError):
        _note(store.settings, {"failed_on": today.isoformat(), "why": why})
    if before != today:
        with suppress(Exception), unit_of_work(store, write=True) as session:
            readers = session.scalars(select(Account.id).where(Account.role == "admin", Account.active))
            notices.put_all(store, session, readers.all(), "backup_failed")


def _note(settings: Settings, said: Mapping[str, str]) -> None:
    settings.backup_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace(settings.backup_folder / STATE, json.dumps(dict(said)) + "\n")


def _sees_all(store: Store) -> bool:
    """Whether a dump from here would hold everything."""
    if store.settings.owner_database_url or store.engine.dialect.name != "postgresql":
        return True
    with store.engine.connect() as connection:
        return not row_security.active(connection)


def _file(settings: Settings, day: date) -> Path:
    return settings.backup_folder / f"backup-{day.isoformat()}.age"


def _there(settings: Settings) -> list[Made]:
    """The daily backups that are there, the newest first."""
    found = []
    with suppress(OSError):
        for path in settings.backup_folder.iterdir():
            if match := NAME.fullmatch(path.name):
                with suppress(ValueError, OSError):
                    found.append(Made(path, date.fromisoformat(match[1]), path.stat().st_size))
    return sorted(found, key=lambda one: one.day, reverse=True)


def from_command_line(settings: Settings, path: Path | None) -> Made | None:
    """`clinic backup [FILE]`, also while the server runs; without a file the backup of the day, None if there is one.

    Raises Denied (demo), Failed, VaultLocked, Usage (the pages' role of PostgreSQL).
    """
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        if store.demo:
            raise Failed("this is a demo, its couples are made up.")
        if not _sees_all(store):
            raise Usage(stores.OWNER_NEEDED)
        return make(store, path) if path else daily(store)
    finally:
        store.close()
