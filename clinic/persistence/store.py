"""An open instance: database and keyholder, made once and handed to every service."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, make_url, select
from sqlalchemy.orm import Session

from clinic.config import Settings
from clinic.domain.audience import Recipient
from clinic.domain.definition import Definition
from clinic.domain.errors import Usage, VaultLocked
from clinic.persistence import schema, texts, vault
from clinic.persistence.engine import make_engine
from clinic.persistence.keyholder import Gate, Keyholder, system_rows
from clinic.persistence.models import Instance

Shelf = Callable[[str], Definition]
# Records opened for the map, the ruling so far (empty: none), the day -> the ruling to keep in the card.
Rule = Callable[[Sequence[Any], Mapping[str, Any], date], dict[str, Any]]


def _now() -> datetime:
    return datetime.now(UTC)


def _gate(ruling: Any, day: date, sheet: str, recipient: Recipient) -> bool:
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
    keyholder: Keyholder = field(repr=False)
    clock: Callable[[], datetime] = _now
    shelf: Shelf | None = None
    rule: Rule | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        gate: Gate = _gate,
        clock: Callable[[], datetime] = _now,
        shelf: Shelf | None = None,
        rule: Rule | None = None,
    ) -> "Store":
        """Open an instance. Raises VaultLocked (no key, wrong key, no instance), Usage (old tables)."""
        open_vault = vault.unlock(settings.instance, settings.key_file)
        engine = make_engine(settings.database_url)
        reader = make_engine(settings.database_url, read_only=True)
        try:
            if _missing(settings.database_url) or schema.empty(engine):
                raise VaultLocked("the database is not there.")
            if not schema.current(engine):
                raise Usage("The tables are of another version of this program. Run: clinic upgrade")
            keyholder = Keyholder(open_vault, reader, gate, clock)
        except BaseException:
            engine.dispose()
            reader.dispose()
            raise
        return cls(settings, engine, keyholder, clock, shelf, rule)

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
        self.keyholder.dispose()


def create(settings: Settings, definitions: Iterable[Definition], demo: bool = False) -> None:
    """Make an instance: folder 0700, keys 0600, tables, all definition texts. Raises Usage if there is one."""
    settings.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.instance.chmod(0o700)
    engine = make_engine(settings.database_url)
    try:
        if not _missing(settings.database_url) and not schema.empty(engine) and _has_instance(engine):
            raise Usage(f"There is an instance in {settings.instance} already.")
        _touch(settings.database_url)
        made = vault.create(settings.instance, settings.key_file)
        schema.upgrade(engine)
        with Session(engine.execution_options(write=True)) as session:
            session.add_all(system_rows(made, {"demo": demo, "made_on": _now().date().isoformat()}))
            texts.write(session, definitions)
            session.commit()
    finally:
        engine.dispose()


def upgrade(settings: Settings, definitions: Iterable[Definition]) -> None:
    """Bring an instance to this version: tables, then texts of new and changed definitions."""
    vault.unlock(settings.instance, settings.key_file)
    engine = make_engine(settings.database_url)
    try:
        schema.upgrade(engine)
        with Session(engine.execution_options(write=True)) as session:
            texts.write(session, definitions)
            session.commit()
    finally:
        engine.dispose()


def _has_instance(engine: Engine) -> bool:
    with Session(engine) as session:
        return session.scalar(select(Instance.id).limit(1)) is not None


def _file(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _missing(url: str) -> bool:
    file = _file(url)
    return file is not None and not file.exists()


def _touch(url: str) -> None:
    """Make SQLite's file, for its owner only; the log beside it takes the same mode."""
    file = _file(url)
    if file is not None:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
