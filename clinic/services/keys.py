"""What opens the records, at the terminal: passphrase, recovery key, unlocking, and changing the keys behind them."""

import sys
from typing import Final

import click

from clinic.config import Settings
from clinic.domain.answer import WRONG
from clinic.domain.errors import Invalid, Usage, VaultLocked
from clinic.persistence import audit, files, keyholder_client, keyholder_place, rotation, slots, vault
from clinic.persistence.slots import Opener
from clinic.persistence.store import Store
from clinic.services import passwords
from clinic.services.unit_of_work import unit_of_work

TRIES: Final = 5  # to retype a recovery key before nothing is made
FORM: Final = "clinic recovery-form --out form.pdf"


def at_terminal() -> bool:
    """Whether a person sits there: a recovery key is never shown to a file or a pipe."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def new_passphrase(ask: str = "Passphrase of the records (opens everything; two people should know it)") -> str:
    """A new passphrase, typed twice, by the rules of a password that stands alone."""
    return str(click.prompt(ask, hide_input=True, confirmation_prompt=True, value_proc=good_passphrase))


def good_passphrase(text: str) -> str:
    """The text itself. Raises BadParameter with the reason."""
    wrong = passwords.problem(text)
    if wrong:
        raise click.BadParameter(WRONG.get(wrong, wrong))
    return text


def new_recovery_key() -> str:
    """A new recovery key, shown once, copied by hand and typed back whole. Raises Usage: no terminal, given up."""
    if not at_terminal():
        raise Usage("A recovery key is shown at a terminal only.")
    key = slots.new_recovery_key()
    for _ in range(TRIES):
        click.echo(
            "\nThis is the recovery key. It opens the records when the passphrase or the key file is lost, and it alone"
            f"\nopens backups. Copy it by hand onto the empty form ({FORM}). Take no photo, print no copy.\n"
            f"\n    {key}\n"
        )
        click.pause("Press a key when it is on paper. The screen is wiped then.")
        _wipe()
        typed = click.prompt("Type it from the paper, whole", default="", show_default=False)
        _wipe()
        if _same(typed, key):
            click.echo("The paper is right. Lock it away, not beside the computer.")
            return key
        click.echo("That is not what was shown. Once more.")
    raise Usage("The recovery key was not typed back. Nothing was made.")


def _same(typed: str, key: str) -> bool:
    try:
        return slots.recovery_secret(typed) == slots.recovery_secret(key)
    except Invalid:
        return False


def _wipe() -> None:
    if sys.stdout.isatty():
        # Screen, then what scrolled off it.
        sys.stdout.write("\x1b[2J\x1b[3J\x1b[H")
        sys.stdout.flush()


def opener(settings: Settings, recovery: bool = False) -> Opener:
    """What opens the records here, asked for where it is in nobody's file. Raises VaultLocked, Usage."""
    if not recovery:
        return vault.find(settings.instance, settings.key_file)
    if not at_terminal():
        raise Usage("The recovery key is typed at a terminal.")
    return _typed_key("Recovery key")


def _typed_key(ask: str) -> Opener:
    def read(text: str) -> Opener:
        try:
            return slots.by_recovery_key(text)
        except Invalid:
            raise click.BadParameter("That is no recovery key: a letter or digit is wrong.") from None

    made: Opener = click.prompt(ask, hide_input=True, value_proc=read)
    return made


# ---------------------------------------------------------------------- commands
def unlock(settings: Settings, recovery: bool = False) -> None:
    """`clinic unlock`: give the keyholder that runs the passphrase. Raises VaultLocked, Usage (none runs)."""
    if not keyholder_client.running(settings):
        raise Usage("Nothing waits to be unlocked here. Start the server first: clinic serve")
    holder = keyholder_client.KeyholderClient(keyholder_place.path(settings.instance))
    try:
        if holder.opened():
            return click.echo("The records are open already.")
        secret = click.prompt("Recovery key" if recovery else "Passphrase of the records", hide_input=True)
        holder.unlock(str(secret))
    finally:
        holder.dispose()
    click.echo("The records are open.")


def change(settings: Settings, recovery: bool = False, unattended: bool = False) -> None:
    """`clinic passphrase`: a new passphrase, or with `unattended` a new key file, for what opened so far."""
    with files.Hold(settings.instance):
        mine = _tried(settings, recovery)
        if unattended:
            return _to_key_file(settings, mine)
        vault.change_slot(settings.instance, mine, slots.by_passphrase(new_passphrase("New passphrase of the records")))
    click.echo("The new passphrase opens the records now, and the old one does not.")
    if settings.key_file.exists():
        click.echo(f"{settings.key_file} opens nothing any more. Delete it.")


def _to_key_file(settings: Settings, mine: Opener) -> None:
    vault.refuse_inside(settings.instance, settings.key_file)
    waiting = vault.waiting(settings.key_file)
    waiting.unlink(missing_ok=True)
    slots.new_key_file(waiting)
    vault.change_slot(settings.instance, mine, slots.by_key_file(waiting))
    files.put(waiting, settings.key_file)
    click.echo(f"{settings.key_file} opens the records now. Whoever has it and the records reads everything.")


def change_recovery(settings: Settings, recovery: bool = False) -> None:
    """`clinic recovery-key`: a new recovery key in the place of the old one."""
    with files.Hold(settings.instance):
        mine = _tried(settings, recovery)
        vault.change_slot(settings.instance, mine, slots.by_recovery_key(new_recovery_key()))
    click.echo("The new recovery key opens the records and new backups. Older backups open with the older key.")


def rotate_root(settings: Settings) -> None:
    """`clinic rotate root`: a new root key and a new recovery key; one that was begun is ended."""
    _refuse_running(settings)
    if rotation.pending(settings):
        mine = _tried(settings)
        done = rotation.resume_root(settings, mine)
        click.echo(f"The change that was begun is at its end: {done} keys were still to wrap.")
    else:
        mine = _tried(settings)
        wanted = "recovery" in vault.read(settings.instance).kinds
        fresh = settings.key_file.exists()  # a systemd credential is not ours to change
        done = rotation.root(settings, mine, new_recovery_key() if wanted else None, fresh)
        click.echo(f"A new root key: {done} keys are wrapped anew. What opens the records is new in keys.json too.")
        click.echo("Keep the older recovery key as long as you keep backups that were made before today.")
    _note(settings, "root", None if mine.kind == "key_file" else mine)  # a key file is a new one now


def rotate_database(settings: Settings) -> None:
    """`clinic rotate database`: the database's file under a new key."""
    _refuse_running(settings)
    mine = _tried(settings)
    rotation.database(settings, mine)
    click.echo("The database is written anew, under a new key.")
    _note(settings, "database", mine)


def _tried(settings: Settings, recovery: bool = False) -> Opener:
    """An opener that opens, before anything is asked for or changed; a passphrase may be typed three times."""
    kept = vault.read(settings.instance)
    for left in reversed(range(vault.TRIES)):
        mine = opener(settings, recovery)
        try:
            vault.roots(kept, mine)
        except VaultLocked as refused:
            if mine.kind == "key_file" or not left:
                raise
            click.echo(str(refused), err=True)
        else:
            return mine
    raise AssertionError("the last try returns or raises")


def _refuse_running(settings: Settings) -> None:
    if keyholder_client.running(settings):
        raise Usage("The server runs. Stop it, then try again.")


def _note(settings: Settings, what: str, mine: Opener | None = None) -> None:
    store = Store.open(settings, opener=mine)
    try:
        with unit_of_work(store, write=True) as session:
            audit.note(session, "rotation.done", what=what)
    finally:
        store.close()
