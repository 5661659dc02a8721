"""Making an instance, and bringing one up to this version."""

import click

from clinic.config import Settings
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
    """`clinic init`: make an instance and its first account, asked for on the terminal."""
    init_instance(settings)
    store = Store.open(settings)
    try:
        name = click.prompt("Staff name")
        password = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
        accounts.create_account(store, name, password)
    finally:
        store.close()
    click.echo(f"Ready: {settings.instance}. Keep {settings.key_file} safe: without it nothing opens.")
