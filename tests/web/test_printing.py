"""From a sheet to its PDF: what opens for it, what a refusal says, what the file is called."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.app import create_app
from clinic.persistence.keyholder import Keyholder
from clinic.press.press import Press, PressError
from clinic.services import prints
from clinic.services.definitions import definitions
from clinic.services.readiness import languages
from tests import pdf
from tests.web.conftest import Clinic, finished, post, prepared, print_, shown

PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full"}
REFUSED = "This sheet cannot be printed now."


def ask(client: FlaskClient, clinic: Clinic, sheet: str, to: str, do: str, **more: str) -> Any:
    fields = {"sheet": sheet, "to": to, **PAPER, **more}
    if do in ("print", "download"):
        return print_(client, clinic.case, do, **fields)
    return post(client, f"/cases/{clinic.case}/print", do=do, **fields)


@pytest.fixture
def purposes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every purpose that a request has opened a view for."""
    seen: list[str] = []
    real = Keyholder.open

    def open_(self: Keyholder, token: str, case_id: Any, purpose: Any, *more: Any, **named: Any) -> Any:
        seen.append(purpose)
        return real(self, token, case_id, purpose, *more, **named)

    monkeypatch.setattr(Keyholder, "open", open_)
    return seen


def test_one_recipient_one_view(clinic: Clinic, ana: FlaskClient, purposes: list[str]) -> None:
    for do in ("open", "print", "look"):
        reply = ask(ana, clinic, "signals_checkin", "a", do)
        assert reply.status_code == 200
    assert set(purposes) == {"sheet:a"}


def test_a_refusal_opens_nothing_else(clinic: Clinic, ana: FlaskClient, purposes: list[str]) -> None:
    assert ask(ana, clinic, "our_cycle", "joint", "print").status_code == 409
    assert set(purposes) <= {"sheet:joint"}


def test_the_file(clinic: Clinic, ana: FlaskClient) -> None:
    shown = ask(ana, clinic, "signals_checkin", "a", "print")
    kept = ask(ana, clinic, "signals_checkin", "a", "download")
    assert shown.data[:5] == kept.data[:5] == b"%PDF-"
    assert re.fullmatch(r"inline; filename=[A-Z2-9]{9}\.pdf", shown.headers["Content-Disposition"])
    assert re.fullmatch(r"attachment; filename=[A-Z2-9]{9}\.pdf", kept.headers["Content-Disposition"])
    assert shown.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]


def test_the_pages_are_drawn_when_they_are_asked_for(clinic: Clinic, ana: FlaskClient) -> None:
    """What leaves the room waits for no drawing; the same page with its pictures is about the same print."""
    looked, drawn = (ask(ana, clinic, "signals_checkin", "b", do).get_data(as_text=True) for do in ("look", "pages"))
    assert 'src="data:image/png;base64,' in drawn
    assert "Page 1 of" in drawn
    assert "data:image" not in looked
    assert re.search(r'<button[^>]*name="do" value="pages"', looked), "without JavaScript this button asks"
    assert "pages.js" in looked
    assert "pages.js" not in drawn
    seen = [re.search(r'name="seen" value="([0-9a-f]{64})"', text) for text in (looked, drawn)]
    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[0][1] == seen[1][1]


def test_a_page_that_cannot_be_drawn_is_said_where_it_is_asked_for(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[bytes]:
        raise PressError("timeout")

    monkeypatch.setattr(Press, "images", broken)
    assert ask(ana, clinic, "signals_checkin", "b", "look").status_code == 200
    reply = ask(ana, clinic, "signals_checkin", "b", "pages")
    assert reply.status_code == 422
    assert "This did not print" in reply.get_data(as_text=True)


def test_every_refusal_reads_alike(clinic: Clinic, ana: FlaskClient) -> None:
    """No preparation, a level too low, a hold: the same page, whatever the cause."""
    first = _plain(ask(ana, clinic, "our_cycle", "joint", "print"))
    assert REFUSED in first
    prepared(clinic, "hold")
    assert _plain(ask(ana, clinic, "our_cycle", "joint", "print")) == first


def test_an_open_sheet_prints_with_what_both_said(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    reply = ask(ana, clinic, "our_cycle", "joint", "print")
    assert (reply.status_code, reply.data[:5]) == (200, b"%PDF-")


def test_blanks_carry_no_code(clinic: Clinic, ana: FlaskClient, purposes: list[str]) -> None:
    reply = post(ana, "/sheets", sheet="our_cycle", do="download", **PAPER)
    assert reply.data[:5] == b"%PDF-"
    assert reply.headers["Content-Disposition"] == "attachment; filename=worksheet.pdf"
    assert purposes == []


@pytest.mark.parametrize("fields", [{"sheet": "nothing"}, {"to": "c"}, {"to": ""}, {"sheet": "map", "to": "joint"}])
def test_what_is_not_there_is_not_found(clinic: Clinic, ana: FlaskClient, fields: dict[str, str]) -> None:
    asked = {"sheet": "five_steps", "to": "a", "do": "print", **PAPER} | fields
    assert post(ana, f"/cases/{clinic.case}/print", **asked).status_code == 404


@pytest.mark.parametrize("fields", [{"locale": "xx"}, {"paper": "a0"}, {"ink": ""}])
def test_unknown_paper_is_pointed_at(clinic: Clinic, ana: FlaskClient, fields: dict[str, str]) -> None:
    assert ask(ana, clinic, "signals_checkin", "a", "print", **fields).status_code == 422


def test_a_language_that_is_not_reviewed_is_said_before_the_gate(
    clinic: Clinic, ana: FlaskClient, purposes: list[str]
) -> None:
    """It is the same for every case: an open sheet and a closed one answer alike, and no view is opened."""
    for sheet, to in (("signals_checkin", "a"), ("our_cycle", "joint")):
        reply = ask(ana, clinic, sheet, to, "print", locale="ar")
        assert reply.status_code == 422
        assert "tick “Draft”" in reply.get_data(as_text=True)
    assert purposes == []
    assert ask(ana, clinic, "signals_checkin", "a", "print", locale="ar", draft="1").data[:5] == b"%PDF-"
    assert ask(ana, clinic, "our_cycle", "joint", "print", locale="ar", draft="1").status_code == 409


def test_anybody_elses_record_is_refused(clinic: Clinic, ana: FlaskClient) -> None:
    """The screening of A under the cover of a sheet for A; a record that is not there."""
    for record in (clinic.signed, clinic.draft, "00000000-0000-4000-8000-000000000000", "nonsense"):
        reply = ask(ana, clinic, "signals_checkin", "a", "print", record=record)
        assert reply.status_code == 409
        assert REFUSED in reply.get_data(as_text=True)


def test_the_usual_paper_of_a_recipient_is_chosen(clinic: Clinic, ana: FlaskClient) -> None:
    text = ask(ana, clinic, "signals_checkin", "b", "open").get_data(as_text=True)
    assert re.search(r'<option value="en" selected', text)
    assert re.search(r'name="size" value="normal"[^>]* checked', text)


# --------------------------------------------------------------------------- what leaves the room
OF_A = {"what": "I heard only the tone", "fits": ["two_sides"]}


def test_the_preflight_says_everything_at_the_first_click(clinic: Clinic, ana: FlaskClient) -> None:
    """Whose answers, each of them, to whom, of which day, in which language, the pages, and one line on the rest."""
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "whats_underneath", "a", OF_A)
    reply = ask(ana, clinic, "whats_underneath", "a", "open")
    text = reply.get_data(as_text=True)
    assert reply.status_code == 200
    leaves = text[text.index('id="leaves"') : text.index('id="paper-title"')]
    for words in ("For Partner A", "A’s own answers", "I heard only the tone", "not answered", "English", "approved"):
        assert words in leaves
    assert clinic.store.today().strftime("%d, %Y").lstrip("0") in leaves
    assert leaves.count("Everything else stays here.") == 1
    assert re.search(r'name="do" value="print" formtarget="_blank"', text)


def test_a_sheet_without_answers_says_so(clinic: Clinic, ana: FlaskClient) -> None:
    text = ask(ana, clinic, "whats_underneath", "a", "open").get_data(as_text=True)
    assert "No answers are on it: a sheet to fill in." in text
    assert "not answered" not in text


def test_the_same_line_on_the_rest_whatever_stays(clinic: Clinic, ana: FlaskClient) -> None:
    """Never how many answers stay, or of what kind: with and without a staff note, the page is the same."""
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "whats_underneath", "a", OF_A)
    before = _plain(ask(ana, clinic, "whats_underneath", "a", "look"))
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "whats_underneath", "b", {"what": "B alone"})
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "partner_intake", "b", {})
    assert _plain(ask(ana, clinic, "whats_underneath", "a", "look")) == before


def printed(client: FlaskClient, clinic: Clinic, seen: str, **more: str) -> Any:
    fields = {"sheet": "whats_underneath", "to": "a", **PAPER, **more}
    return post(client, f"/cases/{clinic.case}/print", do="print", seen=seen, **fields)


def test_what_was_not_shown_does_not_print(clinic: Clinic, ana: FlaskClient) -> None:
    where = f"/cases/{clinic.case}/print"
    seen = shown(ana, where, sheet="whats_underneath", to="a", **PAPER)
    changed: list[dict[str, str]] = [{"paper": "letter"}, {"size": "large"}, {"ink": "saver"}, {"to": "b"}]
    changed += [{"locale": "es", "draft": "1"}, {"sheet": "signals_checkin"}]
    for more in changed:
        reply = printed(ana, clinic, seen, **more)
        text = reply.get_data(as_text=True)
        assert (reply.status_code, reply.mimetype) == (409, "text/html"), more
        assert "Something changed since you looked." in text
        assert 'id="leaves"' in text
    for wrong in ("", "0" * 64, seen[:-1]):
        assert printed(ana, clinic, wrong).status_code == 409
    assert prints.sent(clinic.store, clinic.tokens["ana"], clinic.case) == []
    assert printed(ana, clinic, seen, goes="home").mimetype == "application/pdf"
    assert len(prints.sent(clinic.store, clinic.tokens["ana"], clinic.case)) == 1


def test_a_record_that_was_finished_in_another_tab_is_shown_before_it_prints(clinic: Clinic, ana: FlaskClient) -> None:
    seen = shown(ana, f"/cases/{clinic.case}/print", sheet="whats_underneath", to="a", **PAPER)
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "whats_underneath", "a", OF_A)
    reply = printed(ana, clinic, seen)
    text = reply.get_data(as_text=True)
    assert reply.status_code == 409
    assert "I heard only the tone" in text
    again = re.search(r'name="seen" value="([0-9a-f]{64})"', text)
    assert again
    assert again[1] != seen
    assert printed(ana, clinic, again[1]).mimetype == "application/pdf"


def test_a_mark_of_another_clinic_or_case_is_none(clinic: Clinic, ana: FlaskClient) -> None:
    ben = clinic.client("ben")
    theirs = shown(ben, f"/cases/{clinic.foreign_case}/print", sheet="whats_underneath", to="a", **PAPER)
    assert len(theirs) == 64
    assert printed(ana, clinic, theirs).status_code == 409


def test_a_usual_language_that_is_not_ready_is_said_without_an_error_page(clinic: Clinic, ana: FlaskClient) -> None:
    """B reads Spanish beside English, and no Spanish is ready here."""
    for sheet in ("whats_underneath", "five_steps"):  # open and closed alike
        reply = ask(ana, clinic, sheet, "b", "open")
        text = reply.get_data(as_text=True)
        assert reply.status_code == 200
        assert 'value="es" selected' in text
        assert text.count("tick “Draft”") == 1
        assert "another look" not in text
        assert 'aria-invalid="true"' not in text
        assert re.search(r'id="unready".*?<bdi lang="es">Español</bdi>', text, re.S)
        assert 'id="leaves"' not in text


def test_one_button_looks_at_the_draft_with_its_mark(clinic: Clinic, ana: FlaskClient) -> None:
    reply = ask(ana, clinic, "whats_underneath", "b", "marked", locale="es", beside="en")
    text = reply.get_data(as_text=True)
    assert reply.status_code == 200
    assert 'id="leaves"' in text
    assert re.search(r'name="draft"[^>]* checked', text)


def test_the_letterhead_is_offered_where_there_is_one(clinic: Clinic, ana: FlaskClient) -> None:
    page = ask(ana, clinic, "whats_underneath", "a", "open").get_data(as_text=True)
    assert 'name="letterhead"' not in page
    assert "Letterhead" not in page
    settings = replace(clinic.store.settings, letterhead=("The Blue House", "Long Street 4"))
    store = replace(clinic.store, settings=settings)
    clinic = replace(clinic, store=store, app=create_app(settings, store, clinic.app.extensions["clinic"]["press"]))
    ana = clinic.client("ana")
    page = ask(ana, clinic, "whats_underneath", "a", "open").get_data(as_text=True)
    assert 'name="letterhead"' in page
    assert re.search(r"Letterhead</dt><dd>no<", page)
    page = ask(ana, clinic, "whats_underneath", "a", "look", letterhead="1").get_data(as_text=True)
    assert re.search(r"Letterhead</dt><dd>yes<", page)
    for letterhead, there in (("", False), ("1", True)):
        more = {"letterhead": letterhead} if letterhead else {}
        reply = ask(ana, clinic, "whats_underneath", "a", "print", **more)
        assert ("The Blue House" in pdf.text(reply.data)) is there
    plain = shown(ana, f"/cases/{clinic.case}/print", sheet="whats_underneath", to="a", **PAPER)
    assert printed(ana, clinic, plain, letterhead="1").status_code == 409


def test_blanks_say_how_far_their_languages_have_come(ana: FlaskClient) -> None:
    text = post(ana, "/sheets", sheet="our_cycle", do="open").get_data(as_text=True)
    assert "approved" in text
    assert "draft: prints only with the mark" in text
    assert 'id="leaves"' not in text


def complete(clinic: Clinic) -> Clinic:
    """The same clinic where a language prints once its sentences are there, reviewed or not."""
    settings = replace(clinic.store.settings, print_when="complete")
    store = replace(clinic.store, settings=settings)
    return replace(clinic, store=store, app=create_app(settings, store, clinic.app.extensions["clinic"]["press"]))


def states_of(text: str) -> dict[str, str]:
    """Each language in the list “Languages of this sheet”, and what stands beside its name."""
    rows = re.findall(r'<li><span class="rows-main" lang="([^"]+)">.*?</span>(.*?)</li>', text, re.S)
    return {tag: re.sub(r"<svg.*?</svg>|<[^>]+>", "", state, flags=re.S).strip() for tag, state in rows}


def test_what_nobody_reviewed_is_called_a_draft_where_it_prints(clinic: Clinic) -> None:
    """With `print_when = "complete"` it prints without the mark, so the page says what nobody has read."""
    clinic = complete(clinic)
    ana = clinic.client("ana")
    ready = languages(definitions()["whats_underneath"], "complete")
    drafts = [one.locale for one in ready if one.state == "draft"]
    assert drafts
    assert all(one.printable for one in ready if one.locale in drafts)
    for text in (
        ask(ana, clinic, "whats_underneath", "a", "open").get_data(as_text=True),
        post(ana, "/sheets", sheet="whats_underneath", do="open").get_data(as_text=True),
    ):
        said = states_of(text)
        assert {tag: said[tag] for tag in drafts} == dict.fromkeys(drafts, "Draft")
        assert said["en"] == "approved"
    text = ask(ana, clinic, "whats_underneath", "a", "look", locale=drafts[0]).get_data(as_text=True)
    [tongue] = re.findall(rf'<span class="tongue"><bdi lang="{drafts[0]}">.*?</div>', text, re.S)
    assert "Draft" in tongue
    assert "review" not in tongue
    assert not re.search(r'name="draft"[^>]* checked', text)
    assert ask(ana, clinic, "whats_underneath", "a", "print", locale=drafts[0]).data[:5] == b"%PDF-"


def test_what_must_be_reviewed_is_not_ready_there_either(clinic: Clinic) -> None:
    """A sheet about sex or safety."""
    drafts = [one.locale for one in languages(definitions()["talking_about_sex"], "complete") if one.state == "draft"]
    assert drafts
    text = post(complete(clinic).client("ana"), "/sheets", sheet="talking_about_sex", do="open").get_data(as_text=True)
    assert {states_of(text)[tag] for tag in drafts} == {"not ready"}


def _plain(reply: Any) -> str:
    return re.sub(r'name="csrf_token" value="[^"]*"', "", reply.get_data(as_text=True))
