"""Making an instance, and bringing one up to this version."""

from collections.abc import Callable, Iterator
from typing import Final

import click

from clinic.config import DATABASE_FILE, Settings
from clinic.domain.answer import WRONG
from clinic.domain.errors import Usage
from clinic.persistence import slots
from clinic.persistence import store as stores
from clinic.persistence.store import Store
from clinic.persistence.vault import KEYS_FILE
from clinic.services import accounts, keys, passwords
from clinic.services.definitions import definitions

FIRST: Final = ("admin", "counsellor")  # who may be the first: makes the accounts of others, or works alone


def init_instance(
    settings: Settings,
    demo: bool = False,
    passphrase: str | None = None,
    recovery: str | None = None,
    factors: bool | None = None,
) -> None:
    """Folder 0700, key file and keys 0600, tables, the texts of all shipped definitions.

    With a passphrase there is no key file. `demo` and `factors` (everybody needs a second factor; the default in
    all but a demo) are sealed in and cannot change later. Raises Usage when there is an instance already.
    """
    stores.create(settings, definitions().values(), demo, factors=factors, passphrase=passphrase, recovery=recovery)


def upgrade_instance(settings: Settings) -> None:
    """The newest tables and texts. Raises VaultLocked without the key."""
    stores.upgrade(settings, definitions().values())


def init(settings: Settings, unattended: bool = False) -> None:
    """`clinic init`: make an instance and its first account; all is asked before anything is made.

    `unattended`: a key file opens it, and nobody has to type anything when the server starts. Raises Usage.
    """
    if (settings.instance / DATABASE_FILE).exists() or (settings.instance / KEYS_FILE).exists():
        raise Usage(f"There is an instance in {settings.instance} already.")
    name = click.prompt("Staff name", value_proc=_name)
    role = click.prompt("Role", type=click.Choice(FIRST), default="admin")
    ask = "Passphrase of your own, to sign in with"
    password = click.prompt(ask, hide_input=True, confirmation_prompt=True, value_proc=_password(name))
    passphrase = None if unattended else keys.new_passphrase()
    recovery = keys.new_recovery_key() if keys.at_terminal() or not unattended else None
    init_instance(settings, passphrase=passphrase, recovery=recovery)
    opener = slots.by_passphrase(passphrase) if passphrase is not None else None
    store = Store.open(settings, opener=opener)
    try:
        accounts.create_account(store, name, password, role=role)
    finally:
        store.close()
    for line in _ready(settings, unattended, recovery is not None, role, name):
        click.echo(line)


def _ready(settings: Settings, unattended: bool, recovery: bool, role: str, name: str) -> Iterator[str]:
    yield f"Ready: {settings.instance}"
    if unattended:
        yield f"{settings.key_file} opens it. Keep it on another disk, or bind it to this machine: clinic doctor"
    if not recovery:
        yield "There is no recovery key, so backups cannot be made. At a terminal: clinic recovery-key"
    yield "The second factor is set up at the first sign-in. Start: clinic serve"
    if role == FIRST[0]:
        yield f"An admin opens no case. For each counsellor: clinic account create NAME --as {name}"
        yield f"Somebody has to confirm what you ask for: clinic account create NAME --role supervisor --as {name}"
    else:
        yield "There is no admin: one person works here alone. For more people begin with an admin."


def _name(text: str) -> str:
    if not 1 <= len(accounts.sign_in_name(text)) <= 80:
        raise click.BadParameter("Use 1 to 80 characters.")
    return text


def _password(name: str) -> Callable[[str], str]:
    def good(text: str) -> str:
        wrong = passwords.problem(text, (name,), accounts.PASSWORD_LENGTH)
        if wrong:
            raise click.BadParameter(WRONG.get(wrong, wrong))
        return text

    return good
