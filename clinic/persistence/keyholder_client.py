"""The keyholder as the web process and the command line see it: the methods of `Keyholder`, over its socket.

Threads may share a client. It reconnects once; a keyholder that it started itself and that died is started again.
Raw keys come in a reply, become the ciphers of a view and are in no other place.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import clinic
from clinic.config import Settings
from clinic.domain.audience import Purpose, Recipient
from clinic.domain.errors import VaultLocked
from clinic.persistence import keyholder_place as place
from clinic.persistence import keyholder_wire as wire
from clinic.persistence.keyview import Given, KeyView, Who, request_id, view_of, view_once, who_once
from clinic.persistence.models import AccountKey, Audit, KeyRing, PressKey

ANSWER_SECONDS: Final = 30.0  # Argon2id on a slow machine included
START_SECONDS: Final = 30.0
PAUSE: Final = 2.0  # s before a keyholder that could not be started is tried again
GONE: Final = "the keyholder does not answer."
KEPT_ENVIRONMENT: Final = (
    "PATH", "HOME", "TZ", "CREDENTIALS_DIRECTORY", "SYSTEMROOT",
    "PGPASSFILE", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGSERVICEFILE",
)  # fmt: skip
PROGRAM: Final = (
    "import sys; sys.path[:0] = sys.argv[1:2]; from clinic.persistence import keyholder_process; "
    "keyholder_process.main(*map(int, sys.argv[2:]))"
)


class KeyholderClient:
    """Calls a keyholder by its socket. `revive` is tried when nobody listens there."""

    def __init__(self, where: Path, revive: Callable[[], None] | None = None) -> None:
        self._where, self._revive = where, revive
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ views
    def who(self, token: str) -> Who:
        """As `Keyholder.who`."""
        return who_once(token, self._who)

    def _who(self, token: str) -> Who:
        found: Who = self._call("who", token)
        return found

    def open(
        self,
        token: str,
        case_id: UUID,
        purpose: Purpose,
        sheet: str | None = None,
        recipient: Recipient | None = None,
        record: UUID | None = None,
        request: UUID | None = None,
    ) -> KeyView:
        """As `Keyholder.open`."""
        return view_once(purpose, self._give, request_id(), token, case_id, purpose, sheet, recipient, record, request)

    def _give(self, *asked: Any) -> Given:
        given: Given = self._call("give", *asked)
        return given

    def open_list(self, token: str, case_ids: Iterable[UUID]) -> dict[UUID, KeyView]:
        """As `Keyholder.open_list`."""
        given = self._call("give_list", request_id(), token, list(case_ids))
        return {one.case_id: view_of(one) for one in given}

    def paper(self, token: str, case_id: UUID, recipient: Recipient) -> dict[str, dict[str, str]]:
        """As `Keyholder.paper`."""
        return dict(self._call("give_paper", request_id(), token, case_id, recipient))

    def create(self, token: str, case_id: UUID) -> tuple[list[KeyRing], KeyView]:
        """As `Keyholder.create`."""
        rows, given = self._call("give_new", token, case_id)
        return rows, view_of(given)

    def process_key(self, token: str, case_id: UUID, account_id: UUID) -> KeyRing | None:
        """As `Keyholder.process_key`."""
        made: KeyRing | None = self._call("process_key", token, case_id, account_id)
        return made

    # ------------------------------------------------------------------ index
    def record_tag(self, view: KeyView, definition_id: str) -> bytes:
        """As `Keyholder.record_tag`."""
        return self.case_tag(view.case_id, definition_id)

    def case_tag(self, case_id: UUID, definition_id: str) -> bytes:
        """As `Keyholder.case_tag`."""
        return bytes(self._call("case_tag", case_id, definition_id))

    def code_tag(self, code: str) -> bytes:
        """As `Keyholder.code_tag`."""
        return bytes(self._call("code_tag", code))

    def code_tags(self, codes: Sequence[str]) -> list[bytes]:
        """As `Keyholder.code_tags`."""
        return list(self._call("code_tags", list(codes)))

    def couple_tag(self, session_id: UUID, case_id: UUID) -> bytes:
        """As `Keyholder.couple_tag`."""
        return bytes(self._call("couple_tag", session_id, case_id))

    def throttle_tag(self, *fields: str) -> bytes:
        """As `Keyholder.throttle_tag`."""
        return bytes(self._call("throttle_tag", *fields))

    def web_secret(self) -> bytes:
        """As `Keyholder.web_secret`."""
        return bytes(self._call("web_secret"))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """As `Keyholder.facts`."""
        return dict(self._call("facts"))

    # ------------------------------------------------------------------ signing in
    def peppered(self, password: str) -> str:
        """As `Keyholder.peppered`."""
        return str(self._call("peppered", password))

    def code_hash(self, code: str) -> bytes:
        """As `Keyholder.code_hash`."""
        return bytes(self._call("code_hash", code))

    def new_account_key(self, account_id: UUID) -> AccountKey:
        """As `Keyholder.new_account_key`."""
        made: AccountKey = self._call("new_account_key", account_id)
        return made

    def totp_new(self, key: AccountKey, account_id: UUID) -> tuple[str, bytes]:
        """As `Keyholder.totp_new`."""
        secret, sealed = self._call("totp_new", key, account_id)
        return str(secret), bytes(sealed)

    def totp_step(self, account_id: UUID, code: str, now: datetime, sealed: bytes | None = None) -> int | None:
        """As `Keyholder.totp_step`."""
        step: int | None = self._call("totp_step", account_id, code, now, sealed)
        return step

    def seal_kept(self, account_id: UUID, data: bytes) -> bytes:
        """As `Keyholder.seal_kept`."""
        return bytes(self._call("seal_kept", account_id, data))

    def open_kept(self, token: str, data: bytes) -> bytes:
        """As `Keyholder.open_kept`."""
        return bytes(self._call("open_kept", token, data))

    # ------------------------------------------------------------------ audit and office
    def audit_seal(self, seq: int, day: date, previous_mac: bytes, payload: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """As `Keyholder.audit_seal`."""
        sealed, mac = self._call("audit_seal", seq, day, previous_mac, payload)
        return bytes(sealed), bytes(mac)

    def audit_seal_all(
        self, seq: int, day: date, previous_mac: bytes, payloads: Sequence[Mapping[str, Any]]
    ) -> list[tuple[bytes, bytes]]:
        """As `Keyholder.audit_seal_all`."""
        return [(sealed, mac) for sealed, mac in self._call("audit_seal_all", seq, day, previous_mac, list(payloads))]

    def audit_open(self, token: str, rows: Sequence[Audit]) -> list[dict[str, Any]]:
        """As `Keyholder.audit_open`."""
        return list(self._call("audit_open", token, list(rows)))

    def audit_check(self, rows: Sequence[Audit], previous_mac: bytes) -> str | None:
        """As `Keyholder.audit_check`."""
        fault: str | None = self._call("audit_check", list(rows), previous_mac)
        return fault

    def office_seal(self, id_: UUID, content: Mapping[str, Any]) -> bytes:
        """As `Keyholder.office_seal`."""
        return bytes(self._call("office_seal", id_, content))

    def agree(self, token: str, request: UUID) -> bytes:
        """As `Keyholder.agree`."""
        return bytes(self._call("agree", token, request))

    def office_open(self, id_: UUID, sealed: bytes) -> dict[str, Any]:
        """As `Keyholder.office_open`."""
        return dict(self._call("office_open", id_, sealed))

    # ------------------------------------------------------------------ sheets that wait for the press
    def items_new(self, item_ids: Sequence[UUID]) -> list[tuple[bytes, PressKey]]:
        """As `Keyholder.items_new`."""
        return [(key, row) for key, row in self._call("items_new", list(item_ids))]

    def item_key(self, item_id: UUID, token: UUID) -> bytes:
        """As `Keyholder.item_key`."""
        return bytes(self._call("item_key", item_id, token))

    def claimed_keys(self, claims: Sequence[tuple[UUID, UUID]]) -> list[bytes | None]:
        """As `Keyholder.claimed_keys`."""
        return list(self._call("claimed_keys", list(claims)))

    def item_keys(self, token: str, batch_id: UUID) -> dict[UUID, bytes]:
        """As `Keyholder.item_keys`."""
        return dict(self._call("item_keys", token, batch_id))

    # ------------------------------------------------------------------ the process itself
    def opened(self) -> bool:
        """Whether it has the root key. False too when it does not answer."""
        try:
            return bool(self._call("opened"))
        except VaultLocked:
            return False

    def unlock(self, secret: str) -> None:
        """Give it the passphrase or the recovery key. Raises VaultLocked when that does not open it."""
        self._call("unlock", secret)

    def lock(self) -> None:
        """Make it forget the root key, and replace its memory."""
        self._call("lock")

    def db_key(self) -> bytes:
        """The key of the database file. Raises VaultLocked."""
        return bytes(self._call("db_key"))

    def dispose(self) -> None:
        """Close all connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()

    def __repr__(self) -> str:
        return "<KeyholderClient>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a client does not leave its process")

    def _call(self, name: str, *arguments: Any) -> Any:
        frame = wire.pack({"do": name, "with": arguments})
        for attempt in range(3):  # on a connection that waited, on a new one, on one to a keyholder started anew
            if attempt == 2:
                if self._revive is None:
                    break
                self._revive()
            try:
                reply = self._ask(frame)
            except TimeoutError:
                break
            except (OSError, wire.Broken):
                self.dispose()  # those that waited are as old as this one
                continue
            return wire.result(reply)
        raise VaultLocked(GONE)

    def _ask(self, frame: bytes) -> Any:
        with self._lock:
            channel = self._idle.pop() if self._idle else None
        channel = channel or place.connect(self._where, ANSWER_SECONDS)
        try:
            channel.sendall(frame)
            reply = wire.receive(channel)
        except BaseException:
            channel.close()
            raise
        with self._lock:
            self._idle.append(channel)
        return reply


class Child:
    """A keyholder process of ours. It ends with us: it sees its lifeline close."""

    def __init__(self, settings: Settings) -> None:
        self._where = place.path(settings.instance)
        root = str(Path(clinic.__file__).resolve().parents[1])
        self._program = [sys.executable, "-P", "-c", PROGRAM, root]
        self._order = {
            "instance": str(settings.instance),
            "database_url": settings.keyholder_database_url or settings.database_url,
            "key_file": str(settings.key_file),
            "program": self._program,
        }
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._tried = -PAUSE
        self._end: Callable[[], object] = lambda: None

    def start(self, prompt: bool = False) -> None:
        """Start it, if it does not run; returns when it listens. Raises VaultLocked, Usage: why it cannot.

        `prompt`: it may ask for the passphrase on the terminal, which takes as long as it takes.
        """
        with self._lock:
            if self._alive():
                return
            if time.monotonic() - self._tried < PAUSE:
                raise VaultLocked(GONE)
            self._tried = time.monotonic()
            self._end()
            ours, theirs = socket.socketpair()
            with theirs:
                environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
                number = str(theirs.fileno())
                self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and our own words)
                    [*self._program, number, number, "-1", "-1"],
                    env=environment | {"LC_ALL": "C.UTF-8"},
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            self._end = weakref.finalize(self, _end, ours, self._process)
            self._greet(ours, prompt)
            self._tried = -PAUSE

    def stop(self) -> None:
        """End it, and wait for that."""
        with self._lock:
            self._end()
            self._process = None

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        try:
            return self._process is None or self._process.wait(seconds) is not None
        except subprocess.TimeoutExpired:
            return False

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def _alive(self) -> bool:
        """Whether it runs and listens; one that was killed may take a moment to be gone."""
        if self._process is None or self._process.poll() is not None:
            return False
        if listens(self._where):
            return True
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        return self._process.poll() is None

    def _greet(self, channel: socket.socket, prompt: bool) -> None:
        channel.settimeout(None if prompt else START_SECONDS)
        try:
            channel.sendall(wire.pack(self._order | {"prompt": prompt}))
            wire.result(wire.receive(channel))
        except (OSError, wire.Broken, wire.Failed):
            self._end()
            raise VaultLocked("the keyholder did not start. Is the database there? Try: clinic doctor") from None
        except BaseException:
            self._end()
            raise


class OwnKeyholder(KeyholderClient):
    """A client that starts the keyholder of an instance itself when none runs, and ends it with `dispose`."""

    def __init__(self, settings: Settings, prompt: bool = False) -> None:
        self._child = Child(settings)
        super().__init__(place.path(settings.instance), self._child.start)
        if not running(settings):
            self._child.start(prompt)

    @property
    def pid(self) -> int | None:
        """Process id of the keyholder, if we started it."""
        return self._child.pid

    def stop(self) -> None:
        """Close all connections and end the process."""
        self.dispose()
        self._child.stop()


def attach(settings: Settings, prompt: bool = False) -> OwnKeyholder:
    """The keyholder of an instance: the running one, else one of our own. It may be locked. Raises VaultLocked."""
    return OwnKeyholder(settings, prompt)


def only(settings: Settings) -> KeyholderClient:
    """The keyholder of an instance that is a service of its own: none is started when it is away, it comes back."""
    return KeyholderClient(place.path(settings.instance))


def running(settings: Settings) -> bool:
    """Whether a keyholder serves this instance, locked or open."""
    return listens(place.path(settings.instance))


def listens(where: Path) -> bool:
    """Whether anybody listens at a socket."""
    try:
        place.connect(where, ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _end(channel: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    channel.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)
        return
    process.kill()
    process.wait()
