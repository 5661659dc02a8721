"""The keyholder as a program of its own: it alone has the root key, the web process asks over a socket.

Started as a fresh program, so that nothing of its caller's memory is in it. It gets the root key by itself: key file,
systemd credential, its own prompt on the terminal; else it waits, locked, for `clinic unlock`. Once nobody was signed
in for twelve hours it forgets the key, unless it runs unattended: the program replaces itself, for Python cannot wipe
memory. Imports no web framework.
"""

import ctypes
import fcntl
import gc
import getpass
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from clinic.config import Settings
from clinic.domain.errors import ClinicError, Invalid, VaultLocked
from clinic.hardening import harden
from clinic.persistence import keyholder_place as place
from clinic.persistence import keyholder_wire as wire
from clinic.persistence import slots, store, vault
from clinic.persistence.keyholder import ABSOLUTE, Keyholder
from clinic.persistence.keyholder_server import Server
from clinic.persistence.vault import Vault

WAITS: Final = "they wait for the passphrase. Run: clinic unlock"
# What may be called from outside. Not here: what reads the whole audit, and what gives raw keys but for one view.
CALLS: Final = frozenset({
    "agree", "audit_check", "audit_open", "audit_seal", "audit_seal_all", "case_tag", "claimed_keys", "code_hash",
    "code_tag", "code_tags", "couple_tag", "give", "give_list", "give_new", "give_paper", "item_key", "item_keys",
    "items_new", "new_account_key", "office_open", "office_seal", "open_kept", "peppered", "process_key", "seal_kept",
    "throttle_tag", "totp_new", "totp_step", "web_secret", "who",
})  # fmt: skip
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


@dataclass(frozen=True)
class Opened:
    """An open keyholder, the database's key for the web process, and whether it opened without a person."""

    keyholder: Keyholder = field(repr=False)
    db_key: bytes = field(repr=False)
    unattended: bool
    close: Callable[[], None] = lambda: None


class Holder:
    """Answers for a keyholder that may be locked. `unlock` opens it by a secret, or raises VaultLocked."""

    def __init__(
        self,
        opened: Opened | None = None,
        unlock: Callable[[str], Opened] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._opened, self._unlock, self._clock = opened, unlock, clock
        self._since = clock()
        self.forgot = False  # it held the key once: only a new program has none of it in its memory

    def answer(self, frame: Any) -> dict[str, Any]:
        """The reply to a frame. Never raises: whatever a client sends is that client's trouble."""
        try:
            return {"is": self._do(frame)}
        except RecursionError:
            return {"failed": "RecursionError"}
        except Exception as error:
            return wire.failure(error)

    def lock(self) -> None:
        """Forget the key. Every call then raises VaultLocked."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
            self.forgot = True
        del opened
        gc.collect()

    def tick(self) -> None:
        """Lock when nobody was signed in for twelve hours and a person unlocked it."""
        if self._opened is None or self._opened.unattended:
            return
        last = max(self._since, self._opened.keyholder.last_seen() or self._since)
        if self._clock() - last >= ABSOLUTE:
            self.lock()

    def _do(self, frame: Any) -> Any:
        if not isinstance(frame, Mapping) or not isinstance(frame.get("with"), list):
            raise wire.Broken
        name, arguments = frame.get("do"), frame["with"]
        own: dict[Any, Callable[..., Any]] = {
            "db_key": lambda: self._open.db_key,
            "facts": lambda: self._open.keyholder.facts,
            "lock": self.lock,
            "opened": lambda: self._opened is not None,
            "unlock": self._unlock_by,
        }
        if name in own:
            return own[name](*arguments)
        if name not in CALLS:
            raise wire.Broken
        return getattr(self._open.keyholder, str(name))(*arguments)

    @property
    def _open(self) -> Opened:
        if self._opened is None:
            raise VaultLocked(WAITS)
        return self._opened

    def _unlock_by(self, secret: str) -> None:
        if self._opened is not None:
            return  # nothing is tried then: it is no place to test a passphrase
        if self._unlock is None or not isinstance(secret, str):
            raise VaultLocked(WAITS)
        self._opened, self._since = self._unlock(secret), self._clock()


def main(lifeline: int, source: int, listener: int, lock: int) -> None:
    """Serve until the other end of `lifeline` closes. `source` gives the order; listener and lock -1: still to make."""
    harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the web process; we end with it
    channel = socket.socket(fileno=lifeline)
    order = _order(channel, source)
    folder = Path(order["instance"])
    if lock < 0 and (lock := _only_one(folder)) < 0:
        return wire_send(channel, {"is": "elsewhere"})
    try:
        ears = socket.socket(fileno=listener) if listener >= 0 else place.listen(place.path(folder))
        holder = Holder(_begin(order), lambda secret: _with_secret(_settings(order), secret))
    except ClinicError as error:
        return wire_send(channel, wire.failure(error))
    _stay_in_memory()
    if listener < 0:
        wire_send(channel, {"is": "ready"})
    with suppress(KeyboardInterrupt):
        Server(ears, holder.answer, holder.tick, lambda: holder.forgot, lifeline).serve()
    if holder.forgot:
        _again(order, lifeline, ears.fileno(), lock)


def wire_send(channel: socket.socket, value: Any) -> None:
    """Tell the process that started us."""
    with suppress(OSError):
        channel.sendall(wire.pack(value))


def _order(channel: socket.socket, source: int) -> dict[str, Any]:
    if source == channel.fileno():
        return dict(wire.receive(channel))
    with os.fdopen(source, "rb") as file:
        return dict(wire.unpack(file.read()[wire.SIZE.size :]))


def _begin(order: Mapping[str, Any]) -> Opened | None:
    """Open it without asking anybody, or by asking on the terminal; None: locked. Raises VaultLocked, Usage."""
    settings = _settings(order)
    store.refuse_places(settings)
    if order.get("locked"):
        return None
    if not _needs_a_person(settings):
        return _opened(settings, store.unlock(settings))
    return _ask(settings) if order.get("prompt") else None


def _ask(settings: Settings) -> Opened | None:
    """Ask on the terminal, which nothing else reads meanwhile; None when it is not answered, or wrongly."""
    try:
        terminal = open("/dev/tty", "w")
    except OSError:
        return None
    with terminal:
        for _ in range(vault.TRIES):
            try:
                return _with_secret(settings, getpass.getpass("Passphrase of the records: "))
            except VaultLocked as refused:
                print(refused, file=terminal)
            except EOFError:
                break
        print("The records stay locked until: clinic unlock", file=terminal)
    return None


def _with_secret(settings: Settings, secret: str) -> Opened:
    """Open it by passphrase or recovery key; by nothing where the key file does. Raises VaultLocked."""
    if not secret and not _needs_a_person(settings):
        return _opened(settings, store.unlock(settings))
    try:
        opener = slots.by_recovery_key(secret)  # it has check letters: a passphrase is not taken for one
    except Invalid:
        opener = slots.by_passphrase(secret)
    return _opened(settings, store.unlock(settings, opener))


def _opened(settings: Settings, found: Vault) -> Opened:
    engine = store.engine_of(settings, found, read_only=True)

    def close() -> None:
        engine.dispose()
        if found.hold is not None:
            found.hold.release()

    try:
        keyholder = Keyholder(found, engine, store.gate)
    except BaseException:
        close()
        raise
    return Opened(keyholder, found.db_key(), found.unattended, close)


def _needs_a_person(settings: Settings) -> bool:
    return "key_file" not in vault.read(settings.instance).kinds


def _settings(order: Mapping[str, Any]) -> Settings:
    folder = Path(order["instance"])
    return Settings(folder, order["database_url"], Path(order["key_file"]), cache=folder)


def _only_one(folder: Path) -> int:
    """A lock that ends with us; -1 when another keyholder serves this instance."""
    where = place.path(folder).with_suffix(".lock")
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(where, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


def _again(order: Mapping[str, Any], lifeline: int, listener: int, lock: int) -> None:
    """Become a fresh program that waits, locked: the only way to be rid of what is in our memory."""
    source, writer = os.pipe()
    os.write(writer, wire.pack({**order, "locked": True}))
    os.close(writer)
    numbers = (lifeline, source, listener, lock)
    for number in numbers:
        os.set_inheritable(number, True)
    os.execv(sys.executable, [*order["program"], *map(str, numbers)])  # noqa: S606 - our own program once more


def _stay_in_memory() -> None:
    """Never to the swap, where the system lets us: a page is locked when it is first used."""
    if sys.platform != "linux":
        return
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY or os.geteuid() == 0
    # With a limit, what comes later is not locked: opening by a passphrase takes 256 MiB for a moment.
    flags = _MCL_CURRENT | _MCL_ONFAULT | (_MCL_FUTURE if unlimited else 0)
    ctypes.CDLL(None).mlockall(flags)
