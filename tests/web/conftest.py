"""The application with a real store and a real press; two counsellors, each with a case of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from clinic import config
from clinic.app import create_app
from clinic.domain.answer import Checked
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, cases, records
from clinic.services.cases import PartnerCard
from clinic.services.instance import init_instance

PASSWORD = "quite a long passphrase"
SAID = "only-staff-may-read-this"


@dataclass(frozen=True)
class Clinic:
    """The running application and what is in it: ids of Ana's case and records, and of Ben's case."""

    app: Flask
    store: Store
    tokens: dict[str, str]
    case: str
    draft: str
    signed: str
    foreign_case: str

    def client(self, who: str = "") -> FlaskClient:
        """A browser, signed in as ana or ben, or as nobody."""
        client = self.app.test_client()
        if who:
            client.set_cookie("clinic_session", self.tokens[who])
        return client


def finished(store: Store, token: str, case: str, definition: str, about: Any, answers: dict[str, Any]) -> str:
    """A finished record."""
    made = records.start(store, token, case, definition, about)
    records.finish(store, token, made, records.read(store, token, made).rev, Checked(answers, {}, {}))
    return made


@pytest.fixture(scope="session")
def press() -> Iterator[Press]:
    """One press for all; it starts when the first page is printed."""
    made = Press()
    yield made
    made.stop()


@pytest.fixture
def clinic(tmp_path: Path, press: Press) -> Iterator[Clinic]:
    """A fresh instance."""
    settings = config.load(tmp_path / "i", {"CLINIC_PRINT_WHEN": "complete"})
    init_instance(settings)
    store = Store.open(settings)
    tokens = {}
    for name in ("ana", "ben"):
        accounts.create_account(store, name, PASSWORD)
        tokens[name] = accounts.sign_in(store, name, PASSWORD)
    both = {"a": PartnerCard(), "b": PartnerCard(beside="es")}
    case, foreign = (cases.open_case(store, tokens[name], both) for name in ("ana", "ben"))
    draft = records.start(store, tokens["ana"], case, "session", "couple")
    held = {"day": store.today().isoformat()}
    answers = {"held": held, "conditions": "yes", "fear": "no"}
    signed = finished(store, tokens["ana"], case, "safety_screening", "a", answers)
    app = create_app(settings, store, press)
    yield Clinic(app, store, tokens, case, draft, signed, foreign)
    store.close()


@pytest.fixture
def ana(clinic: Clinic) -> FlaskClient:
    """Ana's browser."""
    return clinic.client("ana")


def post(client: FlaskClient, address: str, **fields: Any) -> Any:
    """Send a form as a browser does: with the token of a page it has seen."""
    import re

    page = client.get("/help" if client.get_cookie("clinic_session") else "/sign-in").get_data(as_text=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    token = found[1] if found else ""
    return client.post(address, data={"csrf_token": token, **fields})
