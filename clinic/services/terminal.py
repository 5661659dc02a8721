"""Who works at the command line: an account that signs in here, or by a token file. The demo knows its own."""

import getpass
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clinic.domain.errors import SignIn, Usage
from clinic.persistence import audit
from clinic.persistence.store import Store
from clinic.services import accounts, sessions
from clinic.services.accounts import DEMO as ACCOUNT
from clinic.services.unit_of_work import unit_of_work

COMMAND: Final = "command"  # the kind of a session that ends with its command
TOKEN_LENGTH: Final = 200  # bytes at most, in a token file


class NoFit(SignIn):
    """What was typed at the prompt does not fit; which of the three it was stays unsaid."""

    def __str__(self) -> str:
        return "Name, passphrase and code do not fit together. A code works once: wait for the next one."


@contextmanager
def signed_in(store: Store, account: str | None, file: Path | None = None) -> Iterator[str]:
    """The token of a session: of the token file, or of one that begins here and ends with the command.

    A demo instance defaults to its own account, which has no secret to keep. Raises SignIn, TooMany, and Usage: nobody
    was named, the file is not as it must be, or the account is not ready.
    """
    if file is not None:
        yield _of_file(store, account, file)
        return
    found = token(store, account)
    try:
        yield found
    finally:
        sessions.sign_out(store, found)


def token(store: Store, account: str | None) -> str:
    """The token of a session that begins here; whoever takes it ends it. Raises as `signed_in`."""
    if store.demo and account in (None, ACCOUNT):
        return accounts.demo_session(store)
    if account is None:
        raise Usage("say who it is: --as ACCOUNT")
    if not sys.stdin.isatty():
        raise SignIn
    try:
        return _asked(store, account)
    except SignIn:
        raise NoFit from None


def _asked(store: Store, account: str) -> str:
    """A session of passphrase and code, typed here."""
    begun = sessions.begin(store, account, getpass.getpass("Passphrase: "), _here(), _here(), COMMAND)
    try:
        found = begun.token
        if begun.stage == "password":
            found = sessions.prove_code(store, found, getpass.getpass("Code: "), _here())
        if begun.stage == "enrol" or sessions.state(store, found).temporary:
            raise Usage(f"{account} is not ready: sign in once in the browser first")
    except BaseException:
        sessions.sign_out(store, begun.token)
        raise
    return found


def keep(path: Path, value: str) -> None:
    """Write a token to a new file that only its owner can read. Raises Usage if there is a file already."""
    try:
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Usage(f"{path} is there already") from None
    except OSError as problem:
        raise Usage(f"{path}: {problem.strerror}") from None
    with os.fdopen(place, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(value + "\n")


def _of_file(store: Store, account: str | None, path: Path) -> str:
    found = _read(path)
    actor = sessions.actor(store, found)
    if account is not None and sessions.sign_in_name(account) != actor.name:
        raise SignIn
    with unit_of_work(store) as session:
        audit.note(session, "session.begun", actor=actor.id, kind="cli", how="file", agent=_here())
    return found


def _read(path: Path) -> str:
    """What a token file holds. Raises Usage unless it is ours and nobody else may read it."""
    try:
        place = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as problem:
        raise Usage(f"{path}: {problem.strerror}") from None
    try:
        about = os.fstat(place)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077:
            raise Usage(f"{path} must be yours alone: chmod 600 {path}")
        return os.read(place, TOKEN_LENGTH).decode("ascii", "replace").strip()
    finally:
        os.close(place)


def _here() -> str:
    return f"terminal:{os.getuid()}"
