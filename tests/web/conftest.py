"""The application with a real store and a real press; two counsellors, each with a case of their own."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache

from clinic import config
from clinic.app import create_app
from clinic.config import Settings
from clinic.domain.answer import Checked
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, cases, records
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.instance import init_instance
from clinic.web import packs

PASSWORD = "quite a long passphrase"


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


@dataclass(frozen=True)
class Made:
    """A closed instance to copy from, and the ids in it."""

    folder: Path
    tokens: dict[str, str]
    ids: tuple[str, str, str, str]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two counsellors and their cases, made once: copying a folder is quicker than making it."""
    folder = tmp_path_factory.mktemp("web") / "i"
    settings = config.load(folder, {})
    init_instance(settings, factors=False)
    return peopled(settings)


def peopled(settings: Settings) -> Made:
    """Those two in an instance that was made just now; closed again."""
    store = Store.open(settings)
    tokens = {}
    for name in ("ana", "ben"):
        accounts.create_account(store, name, PASSWORD)
        tokens[name] = accounts.sign_in(store, name, PASSWORD)
    both = {"a": PartnerCard(), "b": PartnerCard(beside="es")}
    case, foreign = (cases.open_case(store, tokens[name], both) for name in ("ana", "ben"))
    draft = records.start(store, tokens["ana"], case, "session", "couple")
    answers = {"held": {"day": store.today().isoformat()}, "conditions": "yes", "fear": "no"}
    signed = finished(store, tokens["ana"], case, "safety_screening", "a", answers)
    store.close()
    return Made(settings.instance, tokens, (case, draft, signed, foreign))


@pytest.fixture
def clinic(tmp_path: Path, made: Made, press: Press, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    """A fresh copy of the instance, served. A pack is waited for, however slow this machine is."""
    monkeypatch.setattr(packs, "PATIENCE", 120.0)
    shutil.copytree(made.folder, tmp_path / "i")
    shutil.copy2(made.folder.with_name("i.key"), tmp_path / "i.key")
    settings = config.load(tmp_path / "i", {"CLINIC_PRINT_WHEN": "approved"})  # so that only English is ready
    store = Store.open(settings)
    app = create_app(settings, store, press)
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(made.folder.parent))
    yield Clinic(app, store, made.tokens, *made.ids)
    store.close()


@pytest.fixture
def ana(clinic: Clinic) -> FlaskClient:
    """Ana's browser."""
    return clinic.client("ana")


def csrf(reply: Any) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', reply.get_data(as_text=True))
    return found[1] if found else ""


def post(client: FlaskClient, address: str, **fields: Any) -> Any:
    """Send a form as a browser does: with the token of a page it has seen."""
    page = client.get("/help" if client.get_cookie("clinic_session") else "/sign-in")
    return client.post(address, data={"csrf_token": csrf(page), **fields})


def prepared(clinic: Clinic, level: str = "full") -> None:
    """Bring Ana's case to a level: agreement, both seen alone, signals of each, a map with the couple's cycle."""
    day = {"day": clinic.store.today().isoformat()}
    token, case = clinic.tokens["ana"], clinic.case
    agreed = {"policy": "limited_secrets", "agreed_a": "agree", "agreed_b": "agree"}
    answers: dict[str, Any] = {"local_duties": "Said.", **agreed}
    one = definitions()["consent_and_secrets_policy"]
    answers["day"] = {field.id: day["day"] for field in one.blocks["day"].fields}
    finished(clinic.store, token, case, one.id, "couple", answers)
    finished(clinic.store, token, case, "safety_screening", "b", {"held": day, "conditions": "yes", "fear": "no"})
    seen = {
        "a.observed": [
            {"id": "clinginess", "intensity": 3, "seen_by": "self", "words": "I write until you answer"},
            {"id": "relationship_doubts", "intensity": 2, "seen_by": "self"},
            {"id": "anxiety_worry", "intensity": 2, "seen_by": "counsellor"},
        ],
        "b.observed": [{"id": "withdrawal", "intensity": 3, "seen_by": "self"}],
        "b.habits": [{"id": "minimising", "intensity": 2, "seen_by": "counsellor"}],
    }
    basics = {"held": day, "present": ["partner_a", "partner_b"], "format": "dap"}
    finished(clinic.store, token, case, "session", "couple", basics | seen)
    judged = {
        "a.judgement": [
            {"id": "attachment_insecurity", "status": "likely", "reason": "Grows with distance."},
            {"id": "low_self_worth", "status": "ruled_out", "reason": "Speaks well of own work."},
        ],
        "b.judgement": [{"id": "attachment_insecurity", "status": "likely", "reason": "Steps back first."}],
        "b.sources": [{"id": "outside_stress", "mark": 2}],
        "cycle": {"a_does": "writes often", "b_reads": "being checked", "b_does": "goes quiet", "a_reads": "not loved"},
        "decision": level,
        "level_reason": "Both were seen alone.",
        "level_days": day,
    }
    finished(clinic.store, token, case, "map", "couple", judged)


def shown(client: FlaskClient, address: str, **fields: Any) -> str:
    """The mark of a preflight that this browser has just been shown; empty where none was."""
    page = post(client, address, **fields | {"do": "look"}).get_data(as_text=True)
    found = re.search(r'name="seen" value="([0-9a-f]*)"', page)
    return found[1] if found else ""


def print_(client: FlaskClient, case: str, do: str = "print", **fields: Any) -> Any:
    """Print a sheet of a case as people do: read what leaves the room, then ask for the PDF."""
    address = f"/cases/{case}/print"
    return post(client, address, **fields, do=do, seen=shown(client, address, **fields))
