"""Two cases that A cannot tell apart: same words of A and of both, other words of B and staff, other causes.

Whatever the counsellor's screen shows outside the staff layer, and whatever A takes home, is the same. An open and a
closed gate differ in one refusal and in nothing else. Each comparison is shown to find a difference when there is one.

Pages are not drawn for the preflights here: in place of its pictures each shows a hash of the page that would be drawn,
which tells more.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from io import BytesIO
from typing import Any
from uuid import UUID

import pypdf
import pytest
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import select

from clinic import config
from clinic.app import create_app
from clinic.config import Settings
from clinic.domain import audience
from clinic.domain import ruling as rulings
from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.errors import Refused
from clinic.domain.ruling import Ruling
from clinic.persistence import audit
from clinic.persistence.models import Base
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, cases, couple, export, overrides, print_sheet, records
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from clinic.services.unit_of_work import unit_of_work
from clinic.web import sheets
from tests import pdf
from tests.security import twins as made_of
from tests.security.twins import CLOSED, OPEN, OTHER, SECRET, Twin
from tests.sheets import page_of
from tests.web.conftest import PASSWORD, Clinic, Made, made, post, press, print_

__all__ = ["made", "press"]
PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
EVERY = [OPEN, OTHER, *CLOSED]
WHOLE = ("open", "other", "hold", "R3")  # compared on the page of every sheet; the others on every sixth
PRINTED = [(one.id, to) for one in definitions().values() if one.kind != "addendum" for to in one.recipients]


@dataclass(frozen=True)
class House:
    """A clinic with all the twins; one more case of another counsellor."""

    clinic: Clinic
    client: FlaskClient
    cases: dict[str, str]
    codes: dict[str, str]

    @property
    def store(self) -> Store:
        return self.clinic.store

    @property
    def token(self) -> str:
        return self.clinic.tokens["ana"]

    def ruling(self, name: str) -> Ruling:
        page = cases.case_page(self.store, self.token, self.cases[name], layer="staff")
        return Ruling.from_data(page.ruling)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, made: Made, press: Press) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("twins")
    shutil.copytree(made.folder, folder / "i")
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    yield from housed(replace(made, folder=folder), config.load(folder / "i", {}), press, EVERY)


def housed(made: Made, settings: Settings, press: Press, twins: Iterable[Twin]) -> Iterator[House]:
    """The house in an instance that has its people already."""
    store = Store.open(settings)
    app = create_app(settings, store, press)
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(made.folder))
    clinic = Clinic(app, store, made.tokens, *made.ids)
    found = {one.name: made_of.make(store, made.tokens["ana"], one) for one in twins}
    codes = {name: cases.name(store, made.tokens["ana"], case).code for name, case in found.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Press, "images", lambda _, page, *__: [hashlib.sha256(page.to_json()).digest()])
        yield House(clinic, clinic.client("ana"), found, codes)
    store.close()


def same_for_all(house: House, text: str, name: str) -> str:
    """A page without what is random in every reply, and with its case's code and id replaced by a word."""
    text = re.sub(r'name="csrf_token" value="[^"]*"', "", text).replace(house.cases[name], "CASE")
    text = re.sub(r'name="seen" value="[0-9a-f]{64}"', 'name="seen"', text)  # one for every case
    for code in sorted(house.codes.values(), key=len, reverse=True):
        text = text.replace(code, "K-CODE")
    return text


# --------------------------------------------------------------------------- outside the staff layer
@dataclass(frozen=True)
class Shown:
    """Every page outside the staff layer that is about a case, by what it is; which of them the gate keeps closed."""

    pages: dict[str, str]
    closed: frozenset[str]


def first_layer(house: House, name: str) -> Shown:
    case, client, ruling = house.cases[name], house.client, house.ruling(name)
    pages = {where: client.get(f"/cases/{case}{where}") for where in ("", "/print", "/couple")}
    shut = [one for one in PRINTED if not rulings.gate(ruling, house.store.today(), *one)]
    for sheet, to in PRINTED if name in WHOLE else {*PRINTED[::6], *shut[:4]}:
        asked = {"sheet": sheet, "to": to}
        pages[f"{sheet} {to}"] = post(client, f"/cases/{case}/print", **asked, **PAPER, do="pages")
        pages[f"first {sheet} {to}"] = post(client, f"/cases/{case}/print", **asked, do="open")
    closed = {f"{first}{sheet} {to}" for sheet, to in shut for first in ("", "first ")} & pages.keys()
    caseload = re.search(rf"<tr[^>]*>(?:(?!</tr>).)*{house.codes[name]}.*?</tr>", client.get("/").text, re.S)
    assert caseload
    found = {"line": same_for_all(house, caseload[0], name)}
    for where, reply in pages.items():
        assert reply.status_code == (409 if where in closed else 200), where
        found[where] = same_for_all(house, reply.text, name)
    return Shown(found, frozenset(closed))


LEAVES = r'<section class="card l-stack l-stack--s" id="leaves".*?</section>\s*<section[^>]*"look-title".*?</section>'
REFUSAL = r'<div class="notice notice--warn">(?:(?!</div>).)*This did not print.*?</div></div>'
GO = r'<button class="btn (?:btn--primary )?btn--wide".*?</button>|<p[^>]*>On a shared computer.*?</p>'


def around(page: str) -> str:
    """A page of printing without what one refusal takes the place of: the preflight and the buttons behind it."""
    for one in (LEAVES, REFUSAL, GO):
        page = re.sub(one, "", page, flags=re.S)
    return re.sub(r"\s+", " ", page.replace('name="seen" value=""', 'name="seen"'))


def differing(one: Shown, two: Shown, refusals: dict[str, str]) -> list[str]:
    """The pages that tell two cases apart by more than one refusal at Print, the same for every cause."""
    assert one.pages.keys() >= two.pages.keys()
    found = []
    for name, page in two.pages.items():
        if name in two.closed:
            alike = refusals.setdefault(name, page) == page and around(page) == around(one.pages[name])
        else:
            alike = name in one.closed or page == one.pages[name]
        found += [] if alike else [name]
    return found


@pytest.fixture(scope="module")
def open_pages(house: House) -> Shown:
    return first_layer(house, "open")


@pytest.fixture(scope="module")
def refusals(open_pages: Shown) -> dict[str, str]:
    """The page of each refused sheet, as it was seen first."""
    return {name: open_pages.pages[name] for name in open_pages.closed}


@pytest.mark.parametrize("name", [one.name for one in EVERY[1:]])
def test_outside_the_staff_layer_no_page_tells_twins_apart(
    house: House, open_pages: Shown, refusals: dict[str, str], name: str
) -> None:
    shown = first_layer(house, name)
    assert differing(open_pages, shown, refusals) == []
    assert bool(shown.closed) is (name != "other"), "else nothing was refused"
    assert SECRET not in "".join(shown.pages.values())
    assert "both said" in open_pages.pages["/couple"]
    assert "A alone said" in open_pages.pages["whats_underneath a"]


def test_the_twins_do_differ_behind_it(house: House) -> None:
    """Else this test would compare nothing: each cause has closed something that is open for its twin."""
    day = house.store.today()

    def opened(name: str) -> set[tuple[str, str]]:
        ruling = house.ruling(name)
        return {(sheet, to) for sheet, to in PRINTED if rulings.gate(ruling, day, sheet, to)}

    everything = opened("open")
    assert opened("other") == everything
    for one in CLOSED:
        assert opened(one.name) < everything, one.name


# --------------------------------------------------------------------------- the look of a pack
def pack_of(house: House, name: str) -> tuple[str, dict[str, str], set[str]]:
    """What leaves the room with many sheets: the page around the items, each item, and those the gate keeps closed."""
    ruling, case = house.ruling(name), house.cases[name]
    wanted = {f"{sheet} {to}": f"{case}|||{to}|{sheet}|" for sheet, to in PACKED}
    reply = post(house.client, f"/cases/{case}/pack", do="look", item=list(wanted.values()))
    page = re.sub(r"(\|\|\|1\|)[0-9a-f]{64}", r"\1MARK", same_for_all(house, reply.text, name))
    items = re.findall(r'<li class="leaving">.*?</li>\n(?=<li class="leaving">|</ol>)', page, re.S)
    assert len(items) == len(wanted)
    shut = {f"{one} {to}" for one, to in PACKED if not rulings.gate(ruling, house.store.today(), one, to)}
    around_ = re.sub(r'name="uneven" value="[^"]*"|<p>Everything else stays here.</p>', "", page)
    for one in items:
        around_ = around_.replace(one, "")
    around_ = around(re.sub(r'<div class="notice notice--warn">.*?</div></div>', "", around_, flags=re.S))
    return around_, dict(zip(wanted, items, strict=True)), shut


PACKED = [one for one in PRINTED if definitions()[one[0]].kind != "screening"][::2]


@pytest.mark.parametrize("name", [one.name for one in EVERY[1:]])
def test_the_look_of_a_pack_tells_no_twins_apart(house: House, name: str) -> None:
    """A closed item is the one constant line, the same bytes for every cause; nothing else on the page differs."""
    open_around, open_items, _ = pack_of(house, "open")
    around_, items, shut = pack_of(house, name)
    assert around_ == open_around
    closed = set()
    for which, one in items.items():
        if which in shut:
            assert "checkbox" not in one
            closed.add(re.sub(r'<p class="leaving-shut">.*?</p>', "", one, flags=re.S))  # title and reader
        else:
            assert one == open_items[which], which
    assert len(closed) == (1 if shut else 0)
    assert SECRET not in "".join(items.values())


def leak_in_the_list(house: House, patch: pytest.MonkeyPatch) -> None:
    """The list of sheets leaves out what would not print."""
    real = sheets.active

    def active(store: Store) -> dict[str, Any]:
        held = house.cases["hold"] in str(sheets.request.path)
        return {id_: one for id_, one in real(store).items() if not (held and id_ == "our_cycle")}

    patch.setattr(sheets, "active", active)


def leak_in_the_title(house: House, patch: pytest.MonkeyPatch) -> None:
    """The case is called otherwise."""
    real = cases.name

    def name(store: Store, token: str, case_id: str) -> cases.CaseName:
        found = real(store, token, case_id)
        return cases.CaseName(found.id, found.code + "!") if found.id == house.cases["hold"] else found

    patch.setattr(cases, "name", name)


def leak_in_the_answers(house: House, patch: pytest.MonkeyPatch) -> None:
    """The couple view reads with the keys of the staff layer, and takes every block for a joint one."""
    real = couple.shown
    patch.setitem(audience.VIEWS, "couple", frozenset({"joint", "b", "staff_b", "staff_couple"}))
    patch.setattr(couple, "shown", lambda *given: [replace(one, scope="joint") for one in real(*given)])


def leak_in_the_refusal(house: House, patch: pytest.MonkeyPatch) -> None:
    """The line says more for one cause than for the others."""
    real = sheets._sentence

    def sentence(error: Any) -> str:
        return real(error) + ("!" if house.cases["hold"] in str(sheets.request.path) else "")

    patch.setattr(sheets, "_sentence", sentence)


def leak_in_the_usual_paper(house: House, patch: pytest.MonkeyPatch) -> None:
    """A closed sheet forgets the paper of its reader."""
    real = cases.usual_paper

    def usual(store: Store, token: str, case: str, to: Recipient) -> dict[str, str]:
        return real(store, token, case, to) | ({"size": "large"} if case == house.cases["hold"] else {})

    patch.setattr(cases, "usual_paper", usual)


def leak_on_the_page(house: House, patch: pytest.MonkeyPatch) -> None:
    """The list is the same, but not what would be drawn."""
    real = print_sheet.laid_out

    def laid_out(found: Any, code: str) -> Any:
        page = real(found, code)
        held = house.cases["hold"] in str(sheets.request.path)
        return replace(page, html=page.html + "!") if held else page

    patch.setattr(print_sheet, "laid_out", laid_out)


LEAKS = [
    leak_in_the_list, leak_in_the_title, leak_in_the_answers, leak_in_the_refusal, leak_in_the_usual_paper,
    leak_on_the_page,
]  # fmt: skip


@pytest.mark.everything  # six times the pages of a couple: over ten seconds each on a busy machine
@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_would_be_seen(
    house: House,
    open_pages: Shown,
    refusals: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[..., None],
) -> None:
    first_refusals = refusals or {
        name: page for name, page in first_layer(house, "light").pages.items() if "This did not print" in page
    }
    assert differing(open_pages, first_layer(house, "hold"), dict(first_refusals)) == []
    leak(house, monkeypatch)
    assert differing(open_pages, first_layer(house, "hold"), dict(first_refusals)) != []


# --------------------------------------------------------------------------- paper
def paper(house: House, name: str, sheet: str, to: Recipient) -> bytes:
    """The PDF, with one code for all."""
    page = page_of(house.store, house.token, house.cases[name], PrintJob(sheet, to), code="ABCDEFGHJ")
    press: Press = house.clinic.app.extensions["clinic"]["press"]
    with press.child() as child:
        return press.pdf(page, child)


def facts_of(content: bytes) -> tuple[Any, ...]:
    """Words, pages, objects, size of each stream, metadata but the moment of making."""
    reader = pypdf.PdfReader(BytesIO(content))
    said = {name: one for name, one in pdf.metadata(content).items() if "Date" not in name and name != "XMP"}
    return pdf.text(content), pdf.pages(content), int(reader.trailer["/Size"]), said, pdf.names(content), len(content)


FOR_A = [(sheet, to) for sheet, to in PRINTED if to in ("a", "joint")]


@pytest.mark.parametrize(("sheet", "to"), FOR_A)
def test_what_a_takes_home_is_the_same(house: House, sheet: str, to: Recipient) -> None:
    one, two = (paper(house, name, sheet, to) for name in ("open", "other"))
    assert facts_of(one) == facts_of(two)
    assert SECRET.encode() not in pdf.all_bytes(one)


def test_another_word_of_b_on_as_paper_would_be_seen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = records.for_recipient

    def for_recipient(store: Store, token: str, case: str, *more: Any, **named: Any) -> Any:
        found = real(store, token, case, *more, **named)
        first = next(iter(found.answers))
        return found._replace(answers=found.answers | {first: found.answers[first] + case[:8]})

    monkeypatch.setattr(records, "for_recipient", for_recipient)
    one, two = (paper(house, name, "whats_underneath", "a") for name in ("open", "other"))
    assert facts_of(one) != facts_of(two)


@pytest.mark.parametrize("name", ["open", "hold", "R3"])
def test_the_name_of_a_file_says_nothing(house: House, name: str) -> None:
    reply = print_(house.client, house.cases[name], "download", sheet="when_to_get_more_help", to="a", **PAPER)
    assert re.fullmatch(r"attachment; filename=[A-Z2-9]{9}\.pdf", reply.headers["Content-Disposition"])


# --------------------------------------------------------------------------- exports
def exported(house: House, name: str, what: str, format_: Any) -> str:
    """The file, without its random ids. Identity was proven just now."""
    token, case = accounts.sign_in(house.store, "ana", PASSWORD), house.cases[name]
    made = export.of_person(house.store, token, case, "a", format_) if what == "a" else export.of_both(
        house.store, token, case, format_
    )  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{8}\.(json|csv)", made.name)
    return re.sub(r"\b[0-9a-f]{8}\b", "ID", made.data.decode())


@pytest.mark.parametrize("format_", ["json", "csv"])
@pytest.mark.parametrize("what", ["a", "joint"])
def test_an_export_tells_nothing_of_the_other_or_of_a_gate(house: House, what: str, format_: str) -> None:
    files = {name: exported(house, name, what, format_) for name in ("open", "other", "hold", "R3")}
    assert len(set(files.values())) == 1
    assert SECRET not in files["open"]
    assert ("A alone said" if what == "a" else "both said") in files["open"]


# --------------------------------------------------------------------------- one refusal
def refused(house: House, name: str, sheet: str, to: str, do: str) -> tuple[Any, ...]:
    reply = post(house.client, f"/cases/{house.cases[name]}/print", sheet=sheet, to=to, do=do, **PAPER)
    headers = {key: value for key, value in reply.headers if key != "Set-Cookie"}
    text = same_for_all(house, reply.text, name)
    return reply.status_code, tuple(sorted(headers.items())), len(reply.data), text


@pytest.mark.parametrize("do", ["open", "print", "download", "look"])
def test_there_is_one_refusal_whatever_the_cause(house: House, do: str) -> None:
    """Same status, headers, length and bytes. (Every code of a case has the same length.)"""
    day, seen = house.store.today(), dict[tuple[str, str], tuple[Any, ...]]()
    some = [("our_cycle", "joint"), ("five_steps", "a"), ("homework_plan", "joint"), ("the_wave", "b")]
    some += [("intake", "joint"), ("talking_about_sex", "a"), ("closeness_without_sex", "joint")]
    causes = 0
    for one in CLOSED:
        ruling = house.ruling(one.name)
        for sheet, to in some:
            if not rulings.gate(ruling, day, sheet, to):  # type: ignore[arg-type]
                found = refused(house, one.name, sheet, to, do)
                assert found[0] == 409
                assert found == seen.setdefault((sheet, to), found), (one.name, sheet, to)
                causes += 1
    assert causes > 20
    assert len(seen) == len(some)


def test_the_refusal_says_one_line_on_the_command_line(house: House) -> None:
    lines = set()
    for one in CLOSED:
        for sheet, to in (("our_cycle", "joint"), ("five_steps", "a")):
            try:
                paper(house, one.name, sheet, to)  # type: ignore[arg-type]
            except Refused as error:
                lines.add((error.exit, str(error)))
    assert lines == {(1, "This sheet cannot be printed now. The reason is in the staff layer.")}


# --------------------------------------------------------------------------- override
def test_an_overridden_print_is_the_open_one(house: House) -> None:
    """Byte for byte the same page goes to the press, and the PDF has the same words and objects."""
    case = house.cases["light"]
    with pytest.raises(Refused):
        paper(house, "light", "our_cycle", "joint")
    overrides.allow(house.store, house.token, case, "our_cycle", "joint", "They asked to finish it today.")
    job = PrintJob("our_cycle", "joint")
    one, two = (
        page_of(house.store, house.token, house.cases[name], job, code="ABCDEFGHJ") for name in ("open", "light")
    )
    assert one == two
    assert facts_of(paper(house, "open", "our_cycle", "joint")) == facts_of(paper(house, "light", "our_cycle", "joint"))
    before, after = first_layer(house, "open"), first_layer(house, "light")
    assert differing(before, after, {}) == []
    where = "our_cycle joint"
    pages = [post(house.client, f"/cases/{house.cases[name]}/print", sheet="our_cycle", to="joint", do="open")
             for name in ("open", "light")]  # fmt: skip
    assert where not in before.closed
    assert len({same_for_all(house, page.text, name) for page, name in zip(pages, ("open", "light"), strict=True)}) == 1
    for to in ("a", "b"):  # nothing else was opened
        with pytest.raises(Refused):
            paper(house, "light", "five_steps", to)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- a dump without keys
VERBS = [verb.encode() for verb in audit.VERBS]
CASE_TABLES = ("case", "record", "part", "autosave", "print", "key_ring", "grant", "appointment")
TOLD = {("appointment", "start")}  # CONFIDENTIALITY, "Metadata": the one exact time that stands in the open


LUCK = 4  # bytes that turn up in sealed values by chance


def tied(table: str, row: dict[str, Any]) -> list[str]:
    """What a row of a case says to somebody who has the database and no key: definition, exact time or verb."""
    found = []
    words = [id_.encode() for id_ in definitions()] + [b'"answers"', b"safety", b"session"]
    for name, value in row.items():
        if (table, name) in TOLD:
            continue
        if isinstance(value, datetime | time):
            found.append(f"{table}.{name}: an exact time")
        elif isinstance(value, str) and any(word.decode() in value for word in words):
            found.append(f"{table}.{name}: a definition")
        elif isinstance(value, str) and re.search(r"\d\d:\d\d", value):
            found.append(f"{table}.{name}: an exact time")
        elif isinstance(value, bytes) and any(word in value for word in words + VERBS if len(word) > LUCK):
            found.append(f"{table}.{name}: words")
        elif not isinstance(value, str | bytes | int | bool | date | UUID | None):
            found.append(f"{table}.{name}: {type(value).__name__}")
    return found


def dump(house: House) -> dict[str, list[dict[str, Any]]]:
    """Every table as somebody reads it who has the file and its key, and no other."""
    with unit_of_work(house.store, unscoped="verify") as session:
        return {
            table.name: [dict(row) for row in session.execute(select(table)).mappings()]
            for table in Base.metadata.sorted_tables
        }


def test_a_dump_ties_no_definition_time_or_verb_to_a_case(house: House) -> None:
    assert print_(house.client, house.cases["open"], sheet="the_wave", to="a", **PAPER).mimetype == "application/pdf"
    rows = dump(house)
    assert set(CASE_TABLES) <= rows.keys()
    for table in CASE_TABLES:
        for row in rows[table]:
            assert tied(table, row) == []
    ours = {str(case) for case in house.cases.values()}
    for table in rows.keys() - set(CASE_TABLES):  # what else names a case, in whatever column
        for row in rows[table]:
            names_one = any(str(value) in ours for value in row.values())
            assert not (names_one and tied(table, row)), table
    assert {"a", "joint", "b"} == set(RECIPIENTS)


def test_the_same_form_has_another_tag_in_every_case_and_texts_are_all_there(house: House) -> None:
    rows = dump(house)
    tags = [(row["tag"], row["case_id"]) for row in rows["record"]]
    assert len({case for _, case in tags}) >= len(EVERY)
    for tag, case in tags:
        assert {one for other, one in tags if other == tag} == {case}
    assert {row["id"] for row in rows["definition_text"]} >= set(definitions())


def test_audit_lines_name_nobody(house: House) -> None:
    for row in dump(house)["audit"]:
        assert set(row) == {"seq", "day", "sealed", "mac"}
        assert type(row["day"]) is date
        assert tied("audit", row) == []


@pytest.mark.parametrize(
    "row",
    [
        {"at": datetime(2026, 1, 1, 12, 30)},
        {"definition": "safety_screening"},
        {"sealed": b'{"answers": {}}'},
        {"note": "at 12:30"},
        {"verb": b"record.signed"},
    ],
)
def test_a_telling_column_would_be_seen(row: dict[str, Any]) -> None:
    assert tied("print", row) != []
