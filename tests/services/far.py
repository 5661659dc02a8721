"""A clinic on PostgreSQL whose sheets other machines draw: accepted machines, made-up pages, real processes."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from uuid import UUID, uuid4

import pypdfium2
from sqlalchemy import Engine, func, insert, select, text

from clinic import logs
from clinic.domain.page import Page
from clinic.persistence import press_jobs, press_queue, press_sealing
from clinic.persistence import store as stores
from clinic.persistence.engine import make_engine
from clinic.persistence.models import PressBatch, PressItem, PressKey
from clinic.persistence.press_sealing import Work
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services import accounts, machines, worker_key
from clinic.services.handing import Handing
from clinic.services.press_room import PressRoom
from tests.persistence import making
from tests.persistence.databases import programs
from tests.persistence.making import NEW_WISHES, OLD, PASSWORD, Shelf
from tests.persistence.roles import Shared, psql, settings, shared_database


def page(words: str) -> Page:
    """A small page that says this."""
    fonts.install()
    head = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>x</title></head>'
    html = f"{head}<body><p>{words}</p></body></html>"
    return Page(html, (f"html {{ font-family: {fonts.font_stack('en')} }}",), "en", "Worksheet")


def text_of(content: bytes) -> str:
    """All words of a PDF."""
    with pypdfium2.PdfDocument(content) as opened:
        return "\n".join(one.get_textpage().get_text_range() for one in opened)


@dataclass
class Far:
    """A clinic with an admin and a counsellor; `raw` sees everything, `db` names the database."""

    store: Store
    db: Shared
    folder: Path
    admin: str
    counsellor: str
    account: UUID
    accepted: dict[str, machines.Machine] = field(default_factory=dict)
    hosts: dict[str, list[str]] = field(default_factory=dict)  # what stands before the command of a machine
    address: Callable[[str], str] | None = None  # of the database, for a role; by default on this machine

    @cached_property
    def raw(self) -> Engine:
        return unscoped(make_engine(self.db.dba), "restore")

    def close(self) -> None:
        self.store.close()
        self.raw.dispose()

    def machine(self, name: str) -> machines.Machine:
        """A machine that was accepted, with its role and its key file."""
        public = worker_key.make(self.key_file(name))
        made = self.accepted[name] = machines.accept(self.store, self.admin, name, worker_key.shown(public))
        psql(self.db.folder, f"CREATE ROLE {made.role} LOGIN IN ROLE {machines.GROUP};")
        return made

    def key_file(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def batch(self, texts: Iterable[Page], tell: bool = True) -> UUID:
        """Pages that wait, as `batches.submit` leaves them."""
        id_, item, key = uuid4(), PressItem.__table__, PressKey.__table__
        made = []
        for n, one in enumerate(texts):
            item_id = uuid4()
            secret, row = self.store.keyholder.items_new([item_id])[0]
            sealed = press_sealing.seal_work(secret, item_id, Work(one, {}, "filled"))
            made.append((n, item_id, sealed, row))
        ends = self.store.clock() + timedelta(hours=24)
        with self.raw.begin() as connection:
            connection.execute(
                insert(PressBatch.__table__),
                {"id": id_, "account_id": self.account, "ends": ends, "state": "open", "sealed": b"slip"},
            )
            for n, item_id, sealed, row in made:
                values = {"id": item_id, "batch_id": id_, "n": n, "pile": n, "state": "waiting", "tries": 0}
                connection.execute(insert(item), values | {"sealed": sealed})
                connection.execute(insert(key), {"item_id": item_id, "kid": row.kid, "wrapped": row.wrapped})
            if tell:
                press_jobs.announce(connection, [one[1] for one in made])
        return id_

    def states(self, batch: UUID) -> dict[str, int]:
        """How many items are in which state."""
        with self.raw.connect() as connection:
            asked = select(PressItem.state, func.count()).where(PressItem.batch_id == batch).group_by(PressItem.state)
            return {state: number for state, number in connection.execute(asked)}

    def until_done(self, batch: UUID, seconds: float = 50) -> dict[str, int]:
        """Wait until nothing waits any more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.states(batch)
            if not found.keys() & {"waiting", "taken"}:
                return found
            time.sleep(0.1)
        return self.states(batch)

    def results(self, batch: UUID) -> list[bytes]:
        """The finished PDFs, by their number."""
        keys = self.store.keyholder.item_keys(self.counsellor, batch)
        with self.raw.connect() as connection:
            asked = select(PressItem.id, PressItem.result).where(PressItem.batch_id == batch, PressItem.state == "done")
            rows = connection.execute(asked.order_by(PressItem.n)).all()
        return [press_sealing.open_result(keys[row.id], row.id, row.result) for row in rows]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """What the server does: it hands out keys, and looks after what is over."""
        handing, over = Handing(self.store), threading.Event()

        def tidy() -> None:
            while not over.wait(1):
                with self.raw.begin() as connection:
                    press_queue.sweep(connection, self.store.clock())
                    press_jobs.renew(connection, self.store.clock())

        looking = threading.Thread(target=tidy)
        handing.start()
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
            handing.stop()

    @contextmanager
    def worker(self, name: str, log: Path | None = None) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker process of this machine; ended with the block, also when it was killed."""
        process = self.start(name, log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def pass_(self, seconds: float) -> None:
        """That much time goes by for leases and for signs of life; nobody waits."""
        much = timedelta(seconds=seconds)
        with self.raw.begin() as connection:
            life = "procrastinate.procrastinate_workers SET last_heartbeat = last_heartbeat"
            for what in ("press_item SET until = until", life):
                connection.execute(text(f"UPDATE {what} - :much"), {"much": much})  # noqa: S608

    @contextmanager
    def server(self, log: Path | None = None) -> Iterator["subprocess.Popen[bytes]"]:
        """The clinic's server as a process of its own."""
        mine = self.store.settings
        said = (str(mine.instance), mine.database_url, mine.keyholder_database_url)
        with (log or self.folder / "server.log").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.services import far; far.serve(*{said!r})"],
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=Path(__file__).parents[2],
            )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"serving\n"
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def start(self, name: str, log: Path | None = None) -> "subprocess.Popen[bytes]":
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "CLINIC_WORKER_DATABASE_URL": (self.address or self.db.url)(self.accepted[name].role),
            "CLINIC_PRESS_PLACES": "1",
        }
        if "CLINIC_CACHE_PATH" in os.environ:
            environment["CLINIC_CACHE_PATH"] = os.environ["CLINIC_CACHE_PATH"]
        with (log or self.folder / f"{name}.log").open("ab") as out:
            return subprocess.Popen(
                [
                    *self.hosts.get(name, []),
                    sys.executable,
                    "-m",
                    "clinic",
                    "worker",
                    "run",
                    "--key",
                    str(self.key_file(name)),
                ],
                env=environment,
                stdout=out,
                stderr=out,
            )


@dataclass
class Server:
    """A PostgreSQL server of a test's own, that can be cut off. `folder` has its socket."""

    folder: Path

    def run(self, program: str, *arguments: object) -> None:
        as_ = "nobody" if os.geteuid() == 0 else None
        command = [str(one) for one in (programs() / program, "-D", self.folder / "data", *arguments)]
        subprocess.run(command, check=True, user=as_, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self, *options: str) -> None:
        said = " ".join([f"-k {self.folder} -h '' -c fsync=off", *options])
        self.run("pg_ctl", "start", "-w", "-s", "-l", self.folder / "log", "-o", said)

    def cut(self) -> None:
        """As if its power went: no process ends what it does."""
        self.run("pg_ctl", "stop", "-s", "-m", "immediate")


@contextmanager
def server() -> Iterator[Server]:
    """Such a server, gone at the end."""
    made = Server(Path(tempfile.mkdtemp(prefix="pg-")))
    if os.geteuid() == 0:
        shutil.chown(made.folder, "nobody")
    try:
        made.run("initdb", "-A", "trust", "-U", "clinic", "-N", "-E", "UTF8")
        made.start()
        yield made
        made.cut()
    finally:
        shutil.rmtree(made.folder, ignore_errors=True)


def serve(folder: str, web: str, keyholder: str) -> None:
    """A server process that draws nothing itself, until it is killed: it hands out keys and looks after the queue."""
    logs.setup()
    mine = replace(making.settings(Path(folder), web), keyholder_database_url=keyholder)
    store = Store.open(mine, gate=making.open_gate, shelf=Shelf(), rule=making.kept_rule)
    Handing(store).start()
    PressRoom(store, Press(), places=0).start()
    print("serving", flush=True)
    threading.Event().wait()


def make(folder: Path, server: str) -> Far:
    """A new clinic in a new database of this server."""
    db = shared_database(server)
    mine = settings(folder / "i", db)
    stores.create(replace(mine, owner_database_url=db.owner), [*OLD.values(), NEW_WISHES], factors=False)
    store = Store.open(mine, gate=making.open_gate, shelf=Shelf(), rule=making.kept_rule)
    accounts.create_account(store, "ada", PASSWORD, role="admin")
    account = accounts.create_account(store, "ana", PASSWORD)
    admin, counsellor = (accounts.sign_in(store, name, PASSWORD, "127.0.0.1") for name in ("ada", "ana"))
    return Far(store, db, folder, admin, counsellor, UUID(account))
