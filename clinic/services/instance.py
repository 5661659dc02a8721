"""Making an instance, and bringing one up to this version."""

import click

from clinic.config import DATABASE_FILE, Settings
from clinic.domain.errors import Usage
from clinic.persistence import store as stores
from clinic.persistence.store import Store
from clinic.services import accounts
from clinic.services.definitions import definitions


def init_instance(settings: Settings, demo: bool = False) -> None:
    """Folder 0700, key file and keys 0600, tables, the texts of all shipped definitions.

    `demo` is sealed in and cannot change later. Raises Usage when there is an instance already.
    """
    stores.create(settings, definitions().values(), demo)


def upgrade_instance(settings: Settings) -> None:
    """The newest tables and texts. Raises VaultLocked without the key."""
    stores.upgrade(settings, definitions().values())


def init(settings: Settings) -> None:
    """`clinic init`: make an instance and its first account, asked for on the terminal before anything is made."""
    if (settings.instance / DATABASE_FILE).exists():
        raise Usage(f"There is an instance in {settings.instance} already.")
    name = click.prompt("Staff name", value_proc=_name)
    password = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, value_proc=_passphrase)
    init_instance(settings)
    store = Store.open(settings)
    try:
        accounts.create_account(store, name, password)
    finally:
        store.close()
    click.echo(f"Ready: {settings.instance}. Keep {settings.key_file} safe: without it nothing opens.")


def _name(text: str) -> str:
    if not 1 <= len(accounts.sign_in_name(text)) <= 80:
        raise click.BadParameter("Use 1 to 80 characters.")
    return text


def _passphrase(text: str) -> str:
    if len(text) < accounts.PASSWORD_LENGTH:
        raise click.BadParameter(f"Use at least {accounts.PASSWORD_LENGTH} characters.")
    return text
