"""An open instance: database and keyholder, made once and handed to every service."""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from clinic.config import Settings
from clinic.domain.audience import Recipient
from clinic.domain.definition import Definition
from clinic.domain.errors import Usage, VaultLocked
from clinic.persistence import files, mounts, row_security, schema, scope, texts, vault
from clinic.persistence.engine import database_file, fitting, make_engine, refuse_plaintext, touch
from clinic.persistence.files import Hold
from clinic.persistence.keyholder import Gate, Keyholder, lacking_system_rows, system_rows
from clinic.persistence.models import Instance, SystemKey
from clinic.persistence.slots import Opener
from clinic.persistence.vault import Vault

if TYPE_CHECKING:
    from clinic.persistence.keyholder_client import KeyholderClient

OWNER_NEEDED = "This needs the owner of the tables: CLINIC_OWNER_DATABASE_URL."
Shelf = Callable[[str], Definition]
# Records opened for the map, the ruling so far (empty: none), the day -> the ruling to keep in the card.
Rule = Callable[[Sequence[Any], Mapping[str, Any], date], dict[str, Any]]


def _now() -> datetime:
    return datetime.now(UTC)


def gate(ruling: Any, day: date, sheet: str, recipient: Recipient) -> bool:
    """The gate of the domain, on the ruling as the card has it."""
    from clinic.domain import ruling as rulings

    return rulings.gate(rulings.Ruling.from_data(ruling or {}), day, sheet, recipient)


@dataclass(frozen=True)
class Store:
    """Database, keyholder and clock of an instance.

    `shelf` gives the current definition of an id, `rule` makes the ruling; None stands for the shipped ones.
    """

    settings: Settings
    engine: Engine = field(repr=False)
    keyholder: "Keyholder | KeyholderClient" = field(repr=False)
    clock: Callable[[], datetime] = _now
    shelf: Shelf | None = None
    rule: Rule | None = None
    hold: Hold | None = field(default=None, repr=False)

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        opener: Opener | None = None,
        gate: Gate = gate,
        clock: Callable[[], datetime] = _now,
        shelf: Shelf | None = None,
        rule: Rule | None = None,
    ) -> "Store":
        """Open an instance in this process: tests and maintenance. Raises as `unlock` does, and Usage (old tables)."""
        open_vault = unlock(settings, opener)
        engine = engine_of(settings, open_vault)
        reader = engine_of(settings, open_vault, read_only=True)
        try:
            check(engine)
            keyholder = Keyholder(open_vault, reader, gate, clock)
        except BaseException:
            engine.dispose()
            reader.dispose()
            _release(open_vault)
            raise
        return cls(settings, scope.guard(engine), keyholder, clock, shelf, rule, open_vault.hold)

    @classmethod
    def attach(
        cls,
        settings: Settings,
        *,
        prompt: bool = False,
        alone: bool = False,
        clock: Callable[[], datetime] = _now,
        shelf: Shelf | None = None,
        rule: Rule | None = None,
    ) -> "Store":
        """Open an instance whose keys another process holds: the keyholder that runs, else one that is started.

        It may be locked: then every use raises VaultLocked until somebody unlocks it. `prompt`: a keyholder that is
        started may ask for the passphrase here. `alone`: none is started, for it is a service of its own and comes
        back by itself. Raises VaultLocked, Usage (old tables).
        """
        from clinic.persistence import keyholder_client

        if not hasattr(socket, "AF_UNIX"):  # Windows: there is no process of its own to ask
            return cls.open(settings, clock=clock, shelf=shelf, rule=rule)
        refuse_places(settings)
        hold, keyholder = Hold(settings.instance), None
        try:
            keyholder = keyholder_client.only(settings) if alone else keyholder_client.attach(settings, prompt)
            # The key is asked for at each new connection, so that a locked keyholder is no error of the start.
            engine = make_engine(settings.database_url, keyholder.db_key)
            if keyholder.opened():
                check(engine)
        except BaseException:
            if keyholder is not None:
                _stop(keyholder)
            hold.release()
            raise
        return cls(settings, scope.guard(engine), keyholder, clock, shelf, rule, hold)

    @property
    def demo(self) -> bool:
        """Whether this is a demo, as it was sealed when it was made."""
        return bool(self.keyholder.facts.get("demo"))

    def web_secret(self) -> bytes:
        """What the web signs its own cookies with; random, made with the instance."""
        return self.keyholder.web_secret()

    def today(self) -> date:
        """The clinic's day."""
        return self.clock().astimezone().date()

    def remember(self, definitions: Iterable[Definition]) -> None:
        """Store the texts of definitions that are not there yet, so that records can begin with them."""
        with Session(self.engine.execution_options(write=True)) as session:
            texts.write(session, definitions)
            session.commit()

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()
        # A process of our own ends with us; one that was there before does not.
        _stop(self.keyholder)
        if self.hold is not None:
            self.hold.release()


def unlock(settings: Settings, opener: Opener | None = None) -> Vault:
    """The open vault of an instance, after a look at where and how its files lie.

    Without an opener: key file, systemd credential, the terminal. The vault has the key that the database's file
    has now, also while it is being changed, and it holds the instance against that until it is let go.
    Raises VaultLocked with one plain reason.
    """
    refuse_places(settings)
    hold = Hold(settings.instance)
    try:
        if opener is None:
            found = vault.unlock_here(settings.instance, settings.key_file)
        else:
            found = vault.unlock(settings.instance, opener)
        return replace(with_fitting_key(settings, found), hold=hold)
    except BaseException:
        hold.release()
        raise


def refuse_places(settings: Settings) -> None:
    """Raises VaultLocked: nothing there, files that others can read, a database that is plain or on a network."""
    file = database_file(settings.database_url)
    if not settings.instance.is_dir() or (file is not None and not file.exists()):
        raise VaultLocked(f"no database in {settings.instance}. A new clinic begins with: clinic init")
    for path in (settings.instance, settings.instance / vault.KEYS_FILE):
        files.refuse_open(path)
    if file is not None:
        mounts.refuse_network(file)
        for end in ("", "-wal", "-shm", "-journal"):
            files.refuse_open(file.with_name(file.name + end))
        refuse_plaintext(file)


def engine_of(settings: Settings, open_vault: Vault, read_only: bool = False) -> Engine:
    """An engine of the instance's database for this process: the owner's where it is named, or the keyholder's."""
    url = settings.keyholder_database_url if read_only else ""
    return make_engine(url or settings.upkeep_database_url, open_vault.db_key(), read_only)


def check(engine: Engine) -> None:
    """Raises VaultLocked when a database has no tables, Usage when they are of another version."""
    if schema.empty(engine):
        raise VaultLocked("the database is not there.")
    if not schema.current(engine):
        raise Usage("The tables are of another version of this program. Run: clinic upgrade")


def create(
    settings: Settings,
    definitions: Iterable[Definition],
    demo: bool = False,
    *,
    factors: bool | None = None,
    passphrase: str | None = None,
    recovery: str | None = None,
) -> None:
    """Make an instance: folder 0700, keys 0600, tables, all definition texts.

    With a passphrase there is no key file. `factors`: whether everybody needs a second factor, by default in all
    but a demo; like `demo` it is sealed in. Raises Usage if there is an instance, VaultLocked, Invalid (recovery).
    """
    file = database_file(settings.database_url)
    settings.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.instance.chmod(0o700)
    if file is not None:
        mounts.refuse_network(file)
        refuse_plaintext(file)
    if (settings.instance / vault.KEYS_FILE).exists() or (file is not None and file.exists() and file.stat().st_size):
        raise Usage(f"There is an instance in {settings.instance} already.")
    if file is None:
        _refuse_used(settings)
    made = vault.create(settings.instance, settings.key_file, passphrase, recovery)
    if file is not None:
        touch(file)
    facts = {"demo": demo, "factors": not demo if factors is None else factors, "made_on": _now().date().isoformat()}
    engine = engine_of(settings, made)
    try:
        schema.upgrade(engine)
        with Session(engine.execution_options(write=True)) as session:
            session.add_all(system_rows(made, facts))
            texts.write(session, definitions)
            session.commit()
    finally:
        engine.dispose()


def upgrade(settings: Settings, definitions: Iterable[Definition]) -> None:
    """Bring an instance to this version: tables, keys, then texts of new and changed definitions."""
    open_vault = unlock(settings)
    engine = engine_of(settings, open_vault)
    try:
        refuse_narrowed(engine)
        schema.upgrade(engine)
        with Session(engine.execution_options(write=True)) as session:
            session.add_all(lacking_system_rows(open_vault, session.scalars(select(SystemKey.name))))
            texts.write(session, definitions)
            session.commit()
    finally:
        engine.dispose()
        _release(open_vault)


def refuse_narrowed(engine: Engine) -> None:
    """Raises Usage when PostgreSQL shows this role only some rows: whoever counts or rewrites all would miss some."""
    with engine.connect() as connection:
        if row_security.active(connection):
            raise Usage(OWNER_NEEDED)


def _refuse_used(settings: Settings) -> None:
    engine = make_engine(settings.upkeep_database_url)
    try:
        if not schema.empty(engine):
            with Session(engine) as session:
                if session.scalar(select(Instance.id).limit(1)) is not None:
                    raise Usage("There is an instance in this database already.")
    finally:
        engine.dispose()


def with_fitting_key(settings: Settings, open_vault: Vault) -> Vault:
    """The vault with that one of the database's keys that the file has now; while it is changed there are two."""
    file, keys = database_file(settings.database_url), open_vault.db_keys()
    if file is None or len(keys) < 2:
        return open_vault
    return replace(open_vault, db=(open_vault.db[keys.index(fitting(file, keys))],))


def _stop(keyholder: "Keyholder | KeyholderClient") -> None:
    getattr(keyholder, "stop", keyholder.dispose)()


def _release(open_vault: Vault) -> None:
    if open_vault.hold is not None:
        open_vault.hold.release()
