"""From a sheet to its PDF: what opens for it, what a refusal says, what the file is called."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.persistence.keyholder import Keyholder
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
    for do in ("print", "look"):
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


def test_a_look_shows_pages_and_stores_no_print(clinic: Clinic, ana: FlaskClient) -> None:
    text = ask(ana, clinic, "signals_checkin", "b", "look").get_data(as_text=True)
    assert 'src="data:image/png;base64,' in text
    assert "Page 1 of" in text


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


def _plain(reply: Any) -> str:
    return re.sub(r'name="csrf_token" value="[^"]*"', "", reply.get_data(as_text=True))
