"""Attacks that once went through and promises that were once broken: each test stands for one of them.

The attacker is a signed-in browser, a partner who must not see, or a hurried counsellor. Everything is real: database
file, keys, shipped forms, gate, application.
"""

import re
import shutil
import stat
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.audience import Recipient
from clinic.domain.definition import TAKEN, Definition, parse
from clinic.domain.errors import DefinitionError, Denied, NotFound, Refused
from clinic.domain.formulation import Opened
from clinic.domain.page import Page
from clinic.domain.ruling import Ruling, level_on
from clinic.persistence import store as stores
from clinic.persistence.store import Store
from clinic.services import accounts, cases, demo, records, shelf, terminal
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from clinic.web.records import SERVICE_FIELDS
from tests import sheets
from tests.filling import filled
from tests.web.conftest import PASSWORD, Clinic, ana, clinic, made, post, press, print_

__all__ = ["ana", "clinic", "made", "press"]

OPEN_SHEET = "when_to_get_more_help"  # prints at any level
SECRET = "ZQsecretQZ"
PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full"}


def finish(clinic: Clinic, definition: str, about: Any, answers: dict[str, Any], record: str = "") -> str:
    """A finished record of Ana's case."""
    made = record or records.start(clinic.store, clinic.tokens["ana"], clinic.case, definition, about)
    rev = records.read(clinic.store, clinic.tokens["ana"], made).rev
    records.finish(clinic.store, clinic.tokens["ana"], made, rev, Checked(answers, {}, {}))
    return made


def written(definition: str, about: Any, word: str) -> dict[str, Any]:
    """Answers with this word in every text."""
    return filled(definitions()[definition], about, lambda _: word)


def page_of(clinic: Clinic, sheet: str, recipient: Recipient, record: str = "") -> str:
    """The page that would go to the press. Raises Refused."""
    job = PrintJob(sheet, recipient, record=record)
    return sheets.page_of(clinic.store, clinic.tokens["ana"], clinic.case, job).html


# --------------------------------------------------------------------------- what stays on a disk
def test_a_browser_keeps_no_copy_of_a_sheet(clinic: Clinic, ana: FlaskClient) -> None:
    paper = PAPER | {"sheet": OPEN_SHEET}
    for reply in (post(ana, "/sheets", do="print", **paper), print_(ana, clinic.case, to="a", **paper)):
        assert reply.mimetype == "application/pdf"
        assert reply.headers["Cache-Control"] == "no-store"


def test_no_part_of_a_body_is_spooled_to_a_disk(clinic: Clinic) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="words"; filename="w"\r\n\r\n' + b"typed " * 200_000
    body = part + b"\r\n--x--\r\n"
    with clinic.app.test_request_context(
        "/sign-in", method="POST", data=body, content_type="multipart/form-data; boundary=x"
    ) as context:
        assert type(context.request.files["words"].stream) is BytesIO


def test_the_demo_leaves_its_sheets_to_their_owner(tmp_path: Path) -> None:
    settings = config.demo(tmp_path / "demo", {})
    settings.prints.mkdir(parents=True)
    settings.prints.chmod(0o755)
    demo.keep(settings.prints / "X.pdf", b"%PDF")
    demo.keep(settings.prints / "X.pdf", b"%PDF again")
    assert stat.S_IMODE((settings.prints / "X.pdf").stat().st_mode) == 0o600
    assert (settings.prints / "X.pdf").read_bytes() == b"%PDF again"


# --------------------------------------------------------------------------- where a browser is sent
@pytest.mark.parametrize("back", ["/\t/evil.example", "/\n/evil.example", "/\r\\evil.example", "/\x00/evil.example"])
def test_a_browser_is_never_sent_elsewhere(ana: FlaskClient, back: str) -> None:
    """Browsers drop tabs and line ends from an address: `/<tab>/evil.example` is another host."""
    reply = post(ana, "/language", tag="en", next=back)
    assert (reply.status_code, reply.location) == (303, "/start")


# --------------------------------------------------------------------------- what prints
def test_an_addendum_does_not_print_past_the_gate_of_its_sheet(clinic: Clinic) -> None:
    parent = finish(clinic, "two_beliefs", "a", written("two_beliefs", "a", "parent"))
    added = records.addendum(clinic.store, clinic.tokens["ana"], parent)
    finish(clinic, "addendum", "a", {"text_recipient": SECRET}, added)
    for sheet, record in (("two_beliefs", parent), ("addendum", added), ("addendum", "")):
        with pytest.raises(Refused):
            page_of(clinic, sheet, "a", record)


def test_an_addendum_always_has_a_record(clinic: Clinic, ana: FlaskClient) -> None:
    with pytest.raises(NotFound):
        records.start(clinic.store, clinic.tokens["ana"], clinic.case, "addendum", "a")
    assert post(ana, f"/cases/{clinic.case}/records", definition="addendum", about="a").status_code == 404


def test_what_was_corrected_prints_no_more(clinic: Clinic) -> None:
    """Whoever corrects a record takes something back."""
    token = clinic.tokens["ana"]
    old = finish(clinic, "check_in", "a", written("check_in", "a", SECRET))
    assert SECRET in page_of(clinic, "check_in", "a", old)
    newer = records.correction(clinic.store, token, old, "wrong person")
    finish(clinic, "check_in", "a", written("check_in", "a", "right"), newer)
    assert SECRET not in page_of(clinic, "check_in", "a")
    assert SECRET not in page_of(clinic, "check_in", "a", newer)
    with pytest.raises(Refused):
        page_of(clinic, "check_in", "a", old)


def test_a_corrected_addendum_prints_no_more(clinic: Clinic) -> None:
    token = clinic.tokens["ana"]
    parent = finish(clinic, "check_in", "a", written("check_in", "a", "parent"))
    added = records.addendum(clinic.store, token, parent)
    finish(clinic, "addendum", "a", {"text_recipient": SECRET, "reason": "later"}, added)
    assert SECRET in page_of(clinic, "check_in", "a")
    newer = records.correction(clinic.store, token, added, "wrong person")
    finish(clinic, "addendum", "a", {"text_recipient": "right words", "reason": "later"}, newer)
    page = page_of(clinic, "check_in", "a")
    assert "right words" in page
    assert SECRET not in page


def test_every_refusal_is_one_refusal(clinic: Clinic, ana: FlaskClient) -> None:
    """A record of the other partner, of another case, of nobody, a draft, a closed sheet: same status, same page."""
    other = finish(clinic, "check_in", "b", written("check_in", "b", SECRET))
    foreign = records.start(clinic.store, clinic.tokens["ben"], clinic.foreign_case, "check_in", "a")
    draft = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "check_in", "a")
    nobody = "00000000-0000-4000-8000-000000000000"
    paper = PAPER | {"do": "print", "to": "a"}
    replies = set()
    for record in (other, foreign, draft, nobody, clinic.signed):
        for do in ("print", "download", "look"):
            fields = paper | {"sheet": "check_in", "record": record, "do": do}
            reply = post(ana, f"/cases/{clinic.case}/print", **fields)
            page = plain(reply.get_data(as_text=True)).replace(record, "")
            replies.add((reply.status_code, page, *sorted(name for name, _ in reply.headers)))
            assert SECRET not in page
    closed = post(ana, f"/cases/{clinic.case}/print", **paper, sheet="two_beliefs")
    assert len(replies) == 1
    assert closed.status_code == next(iter(replies))[0]
    assert "cannot be printed now" in closed.get_data(as_text=True)


def plain(page: str) -> str:
    """Without the form tokens."""
    return re.sub(r'name="csrf_token" value="[^"]*"', "", page)


# --------------------------------------------------------------------------- the level
REVIEW = (date.today() + timedelta(20)).isoformat()
TODAY = date.today().isoformat()
DECIDED = {"decision": "full", "level_reason": "both want it"}
RAISED = DECIDED | {"supervisor_note": "agreed", "level_days": {"review": REVIEW}}
NO_FEAR = {"held": {"day": TODAY}, "conditions": "yes"}
AFRAID = NO_FEAR | {"fear": "yes"}


def level(clinic: Clinic) -> str:
    return str(cases.case_page(clinic.store, clinic.tokens["ana"], clinic.case, layer="staff").ruling["level"])


def draft(clinic: Clinic, definition: str, about: Any, answers: dict[str, Any]) -> str:
    made = records.start(clinic.store, clinic.tokens["ana"], clinic.case, definition, about)
    records.save_draft(clinic.store, clinic.tokens["ana"], made, 1, Checked(answers, {}, {}))
    return made


def prepared(clinic: Clinic, decision: dict[str, Any]) -> None:
    """Agreement, both screens (A's is there), and a level."""
    finish(clinic, "consent_and_secrets_policy", "couple", written("consent_and_secrets_policy", "couple", "yes"))
    finish(clinic, "safety_screening", "b", NO_FEAR)
    finish(clinic, "map", "couple", decision)


def test_a_red_answer_in_a_draft_lowers_at_once(clinic: Clinic) -> None:
    prepared(clinic, DECIDED)
    assert level(clinic) == "full"
    draft(clinic, "safety_screening", "a", AFRAID)
    assert level(clinic) == "hold"


def test_a_red_answer_after_a_raised_level_lowers_on_the_same_day(clinic: Clinic) -> None:
    """The raise weighed the answers it knew, not one that came an hour later."""
    prepared(clinic, DECIDED)
    finish(clinic, "safety_screening", "a", AFRAID)
    assert level(clinic) == "hold"
    finish(clinic, "map", "couple", RAISED)
    assert level(clinic) == "full"
    later = draft(clinic, "safety_screening", "b", AFRAID)
    assert level(clinic) == "hold"
    finish(clinic, "safety_screening", "b", AFRAID, later)
    assert level(clinic) == "hold"
    finish(clinic, "map", "couple", RAISED)
    assert level(clinic) == "full"


def test_a_red_answer_written_down_late_was_not_weighed(clinic: Clinic) -> None:
    """A talk before the raise, typed in after it: nobody knew of it when the level was raised."""
    prepared(clinic, DECIDED)
    finish(clinic, "map", "couple", RAISED)
    before = (clinic.store.today() - timedelta(3)).isoformat()
    draft(clinic, "safety_screening", "a", AFRAID | {"held": {"day": before}})
    assert level(clinic) == "hold"
    finish(clinic, "map", "couple", RAISED)
    assert level(clinic) == "full"


def test_a_draft_decision_never_takes_back_what_a_draft_lowered(clinic: Clinic) -> None:
    prepared(clinic, DECIDED)
    draft(clinic, "safety_screening", "a", AFRAID)
    draft(clinic, "map", "couple", RAISED)
    assert level(clinic) == "hold"


def test_a_review_date_is_not_forgotten_by_a_later_decision(clinic: Clinic) -> None:
    """A weapon, a proper raise until a day, then a map like any other: on the day after, the answer stands again."""
    token, today = clinic.tokens["ana"], clinic.store.today()

    def held(days: int, definition: str, about: Any, answers: dict[str, Any]) -> None:
        day = today - timedelta(days)
        made = records.start(clinic.store, token, clinic.case, definition, about, day)
        day_typed = {"held": {"day": day.isoformat()}} if definition == "safety_screening" else {}
        records.finish(clinic.store, token, made, 1, Checked(answers | day_typed, {}, {}))

    prepared(clinic, DECIDED)
    held(9, "safety_screening", "a", {"conditions": "yes", "weapon": "now"})
    held(8, "map", "couple", RAISED)
    held(0, "map", "couple", DECIDED)
    ruling = Ruling.from_data(cases.case_page(clinic.store, token, clinic.case, layer="staff").ruling)
    assert level_on(ruling, date.fromisoformat(REVIEW) + timedelta(1)) == "hold"


OWN = b"""
id = "own_risk"
version = 1
kind = "intake"
title = "Our own questions"
audience = "staff"
about = "partner"
[[section]]
id = "all"
title = "All"
[[section.block]]
id = "threat"
kind = "choice"
label = "Threats?"
options = [{ id = "no", label = "No" }, { id = "yes", label = "Yes", red = true }]
"""


def test_a_red_answer_counts_in_any_form(clinic: Clinic) -> None:
    prepared(clinic, DECIDED)
    folder = clinic.store.settings.own_forms
    folder.mkdir()
    (folder / "own_risk.toml").write_bytes(OWN)
    shelf.accept(clinic.store, folder / "own_risk.toml")
    draft(clinic, "own_risk", "b", {"threat": "yes"})
    assert level(clinic) == "hold"


# --------------------------------------------------------------------------- lost updates
def test_typing_of_an_old_revision_never_overwrites_in_silence(clinic: Clinic) -> None:
    """A second tab saved; the first one's late typing comes back with the revision that it began from."""
    store, token = clinic.store, clinic.tokens["ana"]
    records.autosave(store, token, clinic.draft, "first", 1, {"summary": ["old tab"]})
    record, kept = records.resumed(store, token, clinic.draft)
    assert (record.rev, kept != {}) == (1, bool(kept))
    records.save_draft(store, token, clinic.draft, 1, Checked({}, {}, {}), "second")
    record, kept = records.resumed(store, token, clinic.draft)
    assert (record.rev, kept) == (2, {})
    records.autosave(store, token, clinic.draft, "first", 1, {"summary": ["old tab"]})
    record, kept = records.resumed(store, token, clinic.draft)
    assert record.rev == 1, "saving this form must lead to the merge page"


def test_the_form_of_old_typing_leads_to_the_merge_page(clinic: Clinic, ana: FlaskClient) -> None:
    where = f"/records/{clinic.draft}"
    post(ana, where, rev="1", tab="second", do="draft")
    assert post(ana, f"{where}/typing", rev="1", tab="first", **{"held.day": "2026-01-02"}).status_code == 204
    page = ana.get(where).get_data(as_text=True)
    shown = re.search(r'name="rev" value="(\d+)"', page)
    assert "2026-01-02" in page
    assert shown
    assert post(ana, where, rev=shown[1], tab="third", do="draft", **{"held.day": "2026-01-02"}).status_code == 409


# --------------------------------------------------------------------------- names that collide
@pytest.mark.parametrize("id_", sorted(TAKEN))
def test_no_block_takes_a_name_of_the_form_itself(id_: str) -> None:
    """A block `rev` would be the form's revision."""
    assert {"csrf_token"} | SERVICE_FIELDS == TAKEN
    with pytest.raises(DefinitionError, match="reserved"):
        parse(OWN.replace(b'"threat"', f'"{id_}"'.encode()), "own_risk.toml", {})


def test_no_column_takes_the_name_of_a_row() -> None:
    """A column `id` would turn an answer into a row's id, and so into a part of field names."""
    column = b'kind = "table"\nopen = 2\ncolumns = [{ id = "id", label = "Words" }]'
    with pytest.raises(DefinitionError, match="reserved"):
        parse(OWN.split(b'kind = "choice"')[0] + column, "own_risk.toml", {})


# --------------------------------------------------------------------------- nothing in a trace
def test_no_trace_or_log_line_shows_an_answer() -> None:
    definition: Definition = definitions()["check_in"]
    held = [
        Checked({"one": SECRET}, {"two": SECRET}, {}),
        Opened(definition, "a", {"one": SECRET}, date(2026, 1, 1)),
        Page(f"<p>{SECRET}</p>", (), "en", "Worksheet"),
    ]
    assert SECRET not in repr(held)


# --------------------------------------------------------------------------- the demo and the command line
@pytest.fixture
def demo_store(tmp_path: Path) -> Iterator[Store]:
    settings = config.demo(tmp_path / "demo", {})
    stores.create(settings, definitions().values(), demo=True)
    opened = Store.open(settings)
    yield opened
    opened.close()
    shutil.rmtree(tmp_path / "demo")


def test_printing_from_the_command_line_leaves_the_demos_sign_in_alone(demo_store: Store) -> None:
    accounts.create_account(demo_store, accounts.DEMO, PASSWORD)
    browser = accounts.sign_in(demo_store, accounts.DEMO, PASSWORD)
    command = terminal.token(demo_store, None)
    assert accounts.actor(demo_store, command).name == accounts.DEMO
    assert accounts.actor(demo_store, browser).name == accounts.DEMO
    assert accounts.sign_in(demo_store, accounts.DEMO, PASSWORD)


def test_only_a_demo_gives_a_session_without_a_password(clinic: Clinic) -> None:
    with pytest.raises(Denied):
        accounts.demo_session(clinic.store)
