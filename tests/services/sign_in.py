"""A clinic where everybody needs a second factor, and a person with an authenticator app."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyotp
import pytest

from clinic.config import Settings
from clinic.persistence import store as stores
from clinic.persistence.store import Store
from clinic.services import accounts, cases, factors, sessions
from clinic.services.cases import PartnerCard
from tests.persistence.making import OLD, PASSWORD, Clock, Shelf, open_store, settings

WHERE = "10.0.0.1"
PARTY = factors.Party("localhost", "http://localhost:8000")


@dataclass
class House:
    """An open store; a person of it (anna, a counsellor) with nothing but a password yet."""

    store: Store
    clock: Clock
    id: str
    secret: str = ""
    codes: list[str] = field(default_factory=list)
    name: str = "anna"

    def begin(self, password: str = PASSWORD, address: str = WHERE) -> sessions.Begun:
        return sessions.begin(self.store, self.name, password, address, "Firefox · Linux")

    def enrol(self) -> str:
        """The first sign-in: an app and recovery codes. The token of a full session; the app shows its next code."""
        begun = self.begin()
        started = factors.begin_totp(self.store, begun.token)
        self.secret = started.secret
        token = factors.confirm_totp(self.store, begun.token, self.code(), started.pending, WHERE)
        self.codes = factors.new_recovery_codes(self.store, token)
        self.clock.pass_(seconds=30)
        return token

    def code(self, at: int = 0) -> str:
        """What the app shows, `at` seconds from now."""
        return pyotp.TOTP(self.secret).at(int(self.clock().timestamp()) + at)

    def sign_in(self) -> str:
        """A full session, and the app shows its next code."""
        token = sessions.prove_code(self.store, self.begin().token, self.code(), WHERE)
        self.clock.pass_(seconds=30)
        return token

    def case(self, token: str) -> str:
        """A case of its own."""
        return cases.open_case(self.store, token, {"a": PartnerCard(), "b": PartnerCard()})


def _house(mine: Settings) -> Iterator[House]:
    clock = Clock()
    stores.create(mine, OLD.values(), factors=True)
    store = open_store(mine, clock, Shelf())
    yield House(store, clock, accounts.create_account(store, "anna", PASSWORD, "Anna"))
    store.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An instance like a real one: second factor mandatory."""
    yield from _house(settings(tmp_path / "house"))


@pytest.fixture
def house_on_both(tmp_path: Path, url: str) -> Iterator[House]:
    """The same, with --everything on PostgreSQL too: for what two do at once."""
    yield from _house(settings(tmp_path / "i", url))
