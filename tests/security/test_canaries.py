"""A word in every audience of every form, and then: every route, for everybody; every file on the disk; every log line.

`test_leaks` does the same for every sheet and reader. A word is looked for as it is, and in the ways that files and
pages write words. What is allowed is named here, endpoint by endpoint; all else is a leak.
"""

import base64
import io
import logging
import re
import secrets
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient

from clinic import config, logs
from clinic.app import create_app
from clinic.config import Settings
from clinic.domain.answer import Checked
from clinic.i18n.message import ref
from clinic.persistence import slots
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, backup, cases, records, translators
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.instance import init_instance
from clinic.services.paging import Page, Place
from tests import pdf
from tests.filling import filled
from tests.security.test_leaks import SCOPES
from tests.web.conftest import PASSWORD, csrf, press

__all__ = ["press"]
NOTHING = "00000000-0000-4000-8000-000000000000"
ROLES = {
    "anna": "counsellor",
    "ben": "counsellor",
    "sue": "supervisor",
    "adam": "admin",
    "tom": "translator",
    "fay": "front_desk",
}
# Who works on Spanish, and the message on whose pages they are looked at.
TRANSLATE: Final = ("tom", "anna", "sue")
MESSAGE: Final = {
    "tag": "es", "group": "our_cycle", "show": "all", "ref": ref("handouts", definitions()["our_cycle"].title.key),
}  # fmt: skip
EVERY: Final = frozenset(SCOPES)
JOINT: Final = frozenset({"joint"})
NONE: Final[frozenset[str]] = frozenset()
# The staff layer: her own counsellor and her supervisor read everything there.
STAFF: Final = frozenset(
    "cases.work cases.card homework.plan homework.review formulation.choose "
    "course.page course.share course.share_aim course.take_back formulation.map records.edit "
    "records.save records.merge records.move records.add "
    "records.discard sheets.override entry.edit entry.save rights.page rights.ask rights.keep".split()
)
SUPERVISED: Final = frozenset(
    "formulation.map records.edit records.save records.merge records.move records.add records.discard desk.look".split()
)
# What hands a session another state; whoever went through it signs in anew.
ENDS: Final = frozenset(
    "auth.sign_out auth.enter auth.change_password lock.lock lock.unlock lock.prove cases.show_couple account.password "
    "account.end_session account.codes account.cover_key account.confirm auth.written".split()
)
WORDS = dict[str, str]


@dataclass(frozen=True)
class House:
    """A clinic with one couple and people of every role."""

    app: Flask
    store: Store
    press: Press
    case: str
    records: dict[str, str]
    words: WORDS
    log: StringIO
    temporary: Path

    def enter(self, name: str) -> FlaskClient:
        client = self.app.test_client()
        if name:
            client.set_cookie("clinic_session", accounts.sign_in(self.store, name, PASSWORD))
        return client


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, press: Press) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("canaries")
    settings = config.load(folder / "i", {})
    init_instance(settings, factors=False, recovery=slots.new_recovery_key())
    yield from housed(folder, settings, press)


def housed(folder: Path, settings: Settings, press: Press) -> Iterator[House]:
    """The house in an instance that was made just now."""
    store = Store.open(settings, gate=lambda *_: True)
    ids = {name: accounts.create_account(store, name, PASSWORD, name.title(), role) for name, role in ROLES.items()}
    accounts.set_supervisor(store, ids["anna"], ids["sue"])
    token = accounts.sign_in(store, "anna", PASSWORD)
    for name in TRANSLATE:
        translators.grant(store, accounts.sign_in(store, "adam", PASSWORD), ids[name], "es", reviews=name == "sue")
    words = {scope: f"ZQ{scope.upper().replace('_', '')}{secrets.token_hex(3).upper()}QZ" for scope in SCOPES}
    card = {side: PartnerCard(needs=words[f"staff_{side}"], safe_paper=words[f"staff_{side}"]) for side in ("a", "b")}
    case = cases.open_case(store, token, card)
    found = {one: filled_in(store, token, case, one, words) for one in kinds()}
    typed = {path: [words["staff_couple"]] for path in ("summary", "ideas", "soap_note.plan")}
    found["draft"] = records.start(store, token, case, "session", "couple")
    records.autosave(store, token, found["draft"], "tab", 1, typed)
    temporary, before = folder / "tmp", tempfile.tempdir
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    log = StringIO()
    handler, root = logs.handler(log), logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    app = create_app(settings, store, press)
    yield House(app, store, press, case, found, words, log, temporary)
    root.removeHandler(handler)
    root.setLevel(level)
    tempfile.tempdir = before
    store.close()


def kinds() -> list[str]:
    """`definition about` of everything that can be begun by a counsellor."""
    skipped = {"addendum", "released", "supervision_note"}
    return [f"{one.id} {about}" for one in definitions().values() if one.id not in skipped for about in one.abouts]


def filled_in(store: Store, token: str, case: str, kind: str, words: WORDS) -> str:
    definition, about = kind.split(" ")
    record = records.start(store, token, case, definition, about)  # type: ignore[arg-type]
    answers = filled(definitions()[definition], about, lambda scope: words[scope])  # type: ignore[arg-type]
    records.finish(store, token, record, 1, Checked(answers, {}, {}))
    return record


# --------------------------------------------------------------------------- looking
def shapes(word: str) -> list[bytes]:
    """A word as bytes of text, and of the ways in which files write text."""
    plain = word.encode()
    coded = [base64.b64encode(b" " * shift + plain)[2 + shift : -3] for shift in range(3)]
    return [plain, word.encode("utf-16-le"), word.encode("utf-16-be"), plain.hex().encode(), *coded]


def seen(words: WORDS, content: bytes) -> set[str]:
    """The scopes whose word is in there."""
    return {scope for scope, word in words.items() if any(shape in content for shape in shapes(word))}


@pytest.mark.parametrize("wrap", [bytes, lambda b: b.decode().encode("utf-16-le"), bytes.hex, base64.b64encode])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_word_is_found_in_any_of_its_shapes(wrap: Any, shift: int) -> None:
    wrapped = wrap(b"x" * shift + b"before ZQJOINT12QZ after")
    content = wrapped.encode() if isinstance(wrapped, str) else wrapped
    assert seen({"joint": "ZQJOINT12QZ", "a": "ZQA12QZ"}, content) == {"joint"}


# --------------------------------------------------------------------------- packs
@pytest.mark.parametrize("to", ["a", "b"])
def test_a_pack_has_the_words_of_its_readers_and_no_others(house: House, to: str) -> None:
    """And in the ZIP each file has one reader's: never a word of the other, and never one of staff."""
    client = house.enter("anna")
    fields = {"goes": "stays", "uneven": f"{code_of(house)}:{int(to == 'a')}:{int(to == 'b')}", "cover": "1"}
    mine = {"item": f"{house.case}|||{to}|check_in|"}
    address = f"/cases/{house.case}/pack"
    _, page = reply_of(house, client, "POST", address, {**fields, **mine, "do": "look"})
    assert to in seen(house.words, page) <= {to, "joint"}
    read = re.search(rb'name="item" value="([^"]*)"', page)
    assert read
    mine = {"item": read[1].decode()}
    for do in ("print", "zip"):
        _, content = reply_of(house, client, "POST", address, {**fields, **mine, "do": do})
        if do == "zip":
            archive = zipfile.ZipFile(io.BytesIO(content[content.index(b"PK\x03\x04") :]))
            content = b"".join(pdf.all_bytes(archive.read(name)) for name in archive.namelist())
        assert to in seen(house.words, content) <= {to, "joint"}


def code_of(house: House) -> str:
    """The code of the case, as its page says it."""
    page = house.enter("anna").get(f"/cases/{house.case}").get_data(as_text=True)
    found = re.search(r"<h1><bdi>(K-\d+)</bdi>", page)
    assert found
    return found[1]


# --------------------------------------------------------------------------- every route, for everybody
def allowed(name: str, endpoint: str, method: str, fields: dict[str, str]) -> frozenset[str]:
    if name == "anna":
        if endpoint in STAFF:
            return EVERY
        if endpoint in ("cases.couple",):
            return JOINT
        if endpoint == "rights.export_":
            return frozenset({fields["what"]})
        if endpoint in ("sheets.paper", "course.reminder") and method == "POST":
            return frozenset({"joint", fields["to"]})
    if name == "sue" and endpoint in SUPERVISED:
        return EVERY
    return NONE


FIELDS: Final = (
    {"definition": "map", "about": "couple", "sheet": "our_cycle", "to": "joint", "do": "print", "what": "joint"},
    {"definition": "check_in", "about": "a", "sheet": "check_in", "to": "a", "do": "open", "what": "a"},
    {"definition": "check_in", "about": "b", "sheet": "check_in", "to": "b", "do": "print", "what": "b"},
)
PAPER: Final = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
SOME: Final = ("safety_screening b", "partner_intake a", "partner_intake b", "session couple", "draft")


def routes(house: House) -> list[tuple[str, str, str]]:
    """Endpoint, method and address of everything, for this couple and its records."""
    found = []
    for rule in house.app.url_map.iter_rules():
        ids = [house.records[one] for one in SOME] if "record_id" in rule.arguments else [NOTHING]
        for record in ids:
            values = dict.fromkeys(rule.arguments, NOTHING) | {"case_id": house.case, "record_id": record}
            values |= {"filename": "app.css", **MESSAGE}
            with house.app.test_request_context():
                adapter = house.app.url_map.bind("localhost")
                address = adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments})
            found += [(rule.endpoint, method, address) for method in sorted((rule.methods or set()) & {"GET", "POST"})]
    return found


def reply_of(house: House, client: FlaskClient, method: str, address: str, fields: dict[str, str]) -> tuple[int, bytes]:
    if method == "GET":
        reply = client.get(address)
    else:
        page = client.get("/help" if client.get_cookie("clinic_session") else "/sign-in")
        reply = client.post(address, data={"csrf_token": csrf(page), **PAPER, **fields})
    content = str(reply.headers).encode() + reply.get_data()
    if reply.mimetype == "application/pdf":
        content += pdf.all_bytes(reply.data)
    reply.close()
    return reply.status_code, content


def printed(house: House, client: FlaskClient, fields: dict[str, str]) -> bytes:
    """A sheet of the case, after what leaves the room was read."""
    address = f"/cases/{house.case}/print"
    _, page = reply_of(house, client, "POST", address, fields | {"do": "look"})
    seen_ = re.search(rb'name="seen" value="([0-9a-f]{64})"', page)
    assert seen_
    _, content = reply_of(house, client, "POST", address, fields | {"do": "print", "seen": seen_[1].decode()})
    assert b"application/pdf" in content
    return content


@pytest.mark.parametrize("name", ["", *ROLES])
def test_no_route_gives_anybody_a_word_that_is_not_theirs(house: House, name: str) -> None:
    client, tried, found, reached = house.enter(name), 0, set[str](), set[str]()
    for endpoint, method, address in routes(house):
        for fields in FIELDS if method == "POST" and name == "anna" else FIELDS[:1]:
            status, content = reply_of(house, client, method, address, fields)
            words = seen(house.words, content)
            assert words <= allowed(name, endpoint, method, fields), (name, endpoint, method, status, words)
            found |= words
            tried += 1
            if name and (endpoint in ENDS or status == 423):
                client = house.enter(name)
            if method == "GET" and name in TRANSLATE and endpoint.startswith("workbench."):
                assert status in ((200, 303) if name == "sue" or endpoint != "workbench.proof" else (403,)), endpoint
                reached.add(endpoint)
    assert tried > 90
    assert len(reached) >= (5 if name in TRANSLATE else 0)
    # It would have seen them: whoever may read the staff layer has found every word on the way.
    assert found == (EVERY if name in ("anna", "sue") else NONE)


def test_what_is_allowed_is_really_there(house: House) -> None:
    """The couple view, an export and a sheet hold the words of their readers; else the test above would be blind."""
    client = house.enter("anna")
    assert seen(house.words, client.get(f"/cases/{house.case}/couple").data) == {"joint"}
    for fields in FIELDS[1:]:
        what = fields["what"]
        _, export = reply_of(house, client, "POST", f"/cases/{house.case}/rights/export", fields)
        assert seen(house.words, export) == {what}
    sheet = printed(house, client, FIELDS[1])
    assert seen(house.words, sheet.replace(b"\n", b"")) <= {"joint", "a"}


def test_a_leak_on_a_route_would_be_seen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cases.caseload_page

    def caseload(store: Store, token: str, place: Place) -> Page[cases.CasePage]:
        from dataclasses import replace

        found = real(store, token, place)
        return replace(found, lines=tuple(replace(one, code=house.words["b"]) for one in found.lines))

    monkeypatch.setattr(cases, "caseload_page", caseload)
    _, content = reply_of(house, house.enter("anna"), "GET", "/", {})
    assert seen(house.words, content) - allowed("anna", "cases.caseload", "GET", {}) == {"b"}


# --------------------------------------------------------------------------- every file
def files(house: House) -> dict[str, bytes]:
    """Database, its log, keys, the folder of sockets, the key file beside it, temporary files."""
    instance = house.store.settings.instance
    every = [*instance.rglob("*"), *instance.parent.glob("*"), *house.temporary.rglob("*")]
    return {str(path): path.read_bytes() for path in every if path.is_file()}


def test_no_file_holds_a_word(house: House, tmp_path: Path) -> None:
    client = house.enter("anna")
    printed(house, client, FIELDS[2])
    found = files(house)
    names = " ".join(found)
    for wanted in ("clinic.db", "clinic.db-wal", "keys.json", "i.key"):
        assert wanted in names
    made = backup.make(house.store, tmp_path / "one.age")
    assert made
    found["backup"] = (tmp_path / "one.age").read_bytes()
    for name, content in found.items():
        assert seen(house.words, content) == set(), name
    assert not re.search(rb"anna|counsellor|partner_intake|safety_screening", found["backup"])
    # Nor is anything of the database readable at all, not even the names of its tables.
    database = next(content for name, content in found.items() if name.endswith("clinic.db"))
    for plain in (b"SQLite format", b"CREATE TABLE", b"autosave", b"anna", b"safety_screening"):
        assert plain not in database


def test_a_word_in_a_file_would_be_seen(house: House) -> None:
    path = house.temporary / "spool"
    path.write_bytes(b"..." + house.words["a"].encode())
    try:
        assert {scope for content in files(house).values() for scope in seen(house.words, content)} == {"a"}
    finally:
        path.unlink()


# --------------------------------------------------------------------------- every log line
def test_no_log_line_holds_a_word_or_an_address(house: House) -> None:
    """Everything that any library said while the routes were walked, at its most talkative."""
    reply_of(house, house.enter("anna"), "POST", f"/cases/{house.case}/print", FIELDS[1] | {"do": "look"})
    text = house.log.getvalue()
    assert text.count("\n") > 5
    assert seen(house.words, text.encode()) == set()
    for more in (house.case, *house.records.values(), "anna", "/cases/", PASSWORD):
        assert more not in text
