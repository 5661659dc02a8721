"""`clinic account …`: accounts on the terminal, asked for and never taken from arguments.

Once there is an admin, only an admin may; before that, whoever holds the instance's key. The first two who may confirm
what another asks for (`team.JUDGES`) are made here: later ones wait for a second person, as they do in the browser.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from clinic.config import Settings
from clinic.domain.answer import WRONG
from clinic.domain.errors import Denied, Invalid, SignIn, Usage
from clinic.persistence import vault
from clinic.persistence.session_limits import FILE_DAYS
from clinic.persistence.store import Store
from clinic.services import accounts, keys, passwords, sessions, team, terminal

TWO: Final = 2
T = TypeVar("T")


@dataclass(frozen=True)
class Admin:
    """Who signed in to do it."""

    id: str
    token: str


def rows(settings: Settings, account: str | None) -> list[dict[str, Any]]:
    """Every account: name, shown name, role, and what is to be known of it."""
    with _store(settings) as store, _admin(store, account):
        return [
            {"name": one.name, "shown": one.display, "role": one.role, "state": _state(one)}
            for one in accounts.listing(store)
        ]


def create(settings: Settings, account: str | None, name: str, role: str) -> str:
    """Make an account with a temporary password; a line about it."""
    with _store(settings) as store, _admin(store, account) as admin:
        _ask_only_a_terminal()
        display = click.prompt("Name as it is shown", default=name)
        alone = role in team.JUDGES and _judges(store) < TWO
        if admin and alone and _other_judges(store):
            # Else an admin who closed or reset everybody who could say no would make somebody who says yes.
            click.echo("Those who could confirm this are closed or reset. The recovery key stands for them.")
            vault.unlock(settings.instance, keys.opener(settings, recovery=True))
        if admin and not alone:
            made = _plainly(lambda: team.make(store, admin.token, name, display, role))
            waits = ", after a second person has confirmed it" if made.waits else ""
            return f"{made.name} can sign in with {made.password}{waits}"
        password = _password((name, display))
        _plainly(lambda: accounts.create(store, name, password, display, role, by=admin.id if admin else None))
        return f"{name} can sign in and will choose a passphrase of their own"


def password(settings: Settings, account: str | None, name: str) -> None:
    """Give an account a temporary password; its sessions end.

    An admin who does it for somebody who has chosen one already resets the sign-in: somebody else confirms it.
    """
    with _store(settings) as store, _admin(store, account) as admin:
        _ask_only_a_terminal()
        person = accounts.find(store, name)
        if admin and not person.temporary:
            made = _plainly(lambda: team.reset(store, admin.token, person.id, click.prompt("Reason")))
            click.echo(f"{name} can sign in with {made.password}, after a second person has confirmed it")
            return
        new = _password((person.name, person.display))
        _plainly(lambda: accounts.temporary_password(store, person.id, new, admin.id if admin else None))


def regain(settings: Settings, name: str) -> None:
    """The last admin lost passphrase or factors: the recovery key stands for them. Raises Denied, VaultLocked."""
    with _store(settings) as store:
        _ask_only_a_terminal()
        person = accounts.find(store, name)
        vault.unlock(settings.instance, keys.opener(settings, recovery=True))
        new = _password((person.name, person.display))
        _plainly(lambda: accounts.regain(store, person.id, new))


def deactivate(settings: Settings, account: str | None, name: str) -> None:
    """Close an account; its sessions end. Denied while there is no admin."""
    with _store(settings) as store, _admin(store, account) as admin:
        if admin is None:
            raise Denied
        team.set_active(store, admin.token, accounts.find(store, name).id, False)


def token(settings: Settings, account: str, out: Path) -> str:
    """Sign in on the terminal and leave a token file of 90 days; a line about it."""
    with _store(settings) as store, terminal.signed_in(store, account) as signed:
        if out.exists():
            raise Usage(f"{out} is there already")
        found = sessions.token_for_file(store, signed)
        try:
            terminal.keep(out, found)
        except BaseException:
            sessions.sign_out(store, found)
            raise
        return f"{out} signs {account} in for {FILE_DAYS} days. End it in the list of sessions."


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    store = Store.attach(settings, prompt=True)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _admin(store: Store, account: str | None) -> Iterator[Admin | None]:
    """The admin who signs in here; None where there is none yet. Raises Denied for any other role."""
    if not any(one.active and one.role == accounts.ADMIN for one in accounts.listing(store)):
        click.echo("clinic: there is no admin yet; the key of the instance is enough", err=True)
        yield None
        return
    with terminal.signed_in(store, account) as signed:
        actor = sessions.actor(store, signed)
        if actor.role != accounts.ADMIN:
            raise Denied
        yield Admin(actor.id, signed)


def _judges(store: Store) -> int:
    """How many there are who may confirm what another asks for; below two nobody could confirm a new one."""
    return sum(one.active and one.confirmed and one.role in team.JUDGES for one in accounts.listing(store))


def _other_judges(store: Store) -> int:
    """How many there are who cannot confirm now: closed, or reset and not confirmed."""
    judges = [one for one in accounts.listing(store) if one.role in team.JUDGES]
    return sum(not (one.active and one.confirmed) for one in judges)


def _state(one: accounts.Person) -> str:
    if not one.active:
        return "closed"
    found = {"reset, not confirmed": not one.confirmed, "temporary password": one.temporary}
    found["no second factor"] = not one.factor
    return ", ".join(word for word, holds in found.items() if holds) or "ready"


def _password(names: tuple[str, ...]) -> str:
    def good(text: str) -> str:
        if why := passwords.problem(text, names):
            raise click.BadParameter(WRONG[why])
        return text

    said: str = click.prompt("Temporary passphrase", hide_input=True, confirmation_prompt=True, value_proc=good)
    return said


def _plainly(do: Callable[[], T]) -> T:
    try:
        return do()
    except Invalid as error:
        field, why = next(iter(error.fields.items()))
        raise Usage(f"{field}: {WRONG.get(why, why)}") from None


def _ask_only_a_terminal() -> None:
    if not sys.stdin.isatty():
        raise SignIn
