"""Day, appointments and packs in the browser: what each layer says, what prints, what comes back."""

import io
import re
import zipfile
from datetime import date, time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.persistence.keyholder import Keyholder
from clinic.services import accounts, appointments, cases, choices, packs, prints
from clinic.services.definitions import definitions
from tests import pdf
from tests.web.conftest import PASSWORD, Clinic, finished, post, prepared

LINE = "This sheet cannot be printed now."
PAPER = {"goes": "stays"}


@pytest.fixture
def purposes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every purpose that a view was opened for."""
    seen: list[str] = []
    real = Keyholder.open

    def open_(self: Keyholder, token: str, case_id: Any, purpose: Any, *more: Any, **named: Any) -> Any:
        seen.append(purpose)
        return real(self, token, case_id, purpose, *more, **named)

    monkeypatch.setattr(Keyholder, "open", open_)
    return seen


def today(clinic: Clinic) -> date:
    return appointments.today(clinic.store)


def meet(clinic: Clinic, who: str = "both", ahead: int = 0, at: time = time(10, 30), ben: bool = False) -> str:
    token, case = (clinic.tokens["ben"], clinic.foreign_case) if ben else (clinic.tokens["ana"], clinic.case)
    return appointments.add(clinic.store, token, case, today(clinic) + timedelta(days=ahead), at, 50, who)


def choose(clinic: Clinic, *wanted: tuple[Any, str]) -> None:
    for to, sheet in wanted:
        choices.choose(clinic.store, clinic.tokens["ana"], clinic.case, to, sheet, "confirmed", title=sheet)


def code_of(clinic: Clinic, who: str = "ana") -> str:
    return cases.caseload(clinic.store, clinic.tokens[who])[0].code


def item(clinic: Clinic, to: str, sheet: str, record: str = "", case: str = "") -> str:
    return "|".join((case or clinic.case, "", "", to, sheet, record))


def make(client: FlaskClient, clinic: Clinic, *items: str, do: str = "print", **more: str) -> Any:
    return post(client, f"/cases/{clinic.case}/pack", item=list(items), do=do, **{**PAPER, **more})


def sent(clinic: Clinic) -> list[tuple[str, str]]:
    return [(one.recipient, one.sheet) for one in prints.sent(clinic.store, clinic.tokens["ana"], clinic.case)]


def ticked(text: str) -> list[str]:
    return re.findall(r'name="item" value="([^"]*)" checked', text)


# --------------------------------------------------------------------------- day and appointments
def test_the_day_says_times_and_codes_only(clinic: Clinic, ana: FlaskClient, purposes: list[str]) -> None:
    one, solo = clinic.store, meet(clinic, "a")
    meet(clinic, "both", at=time(16))
    purposes.clear()
    text = ana.get("/day").get_data(as_text=True)
    assert purposes == []
    assert text.count(code_of(clinic)) == 2
    assert code_of(clinic, "ben") not in text
    for word in ("alone", "Partner", "both", "minutes", ">50", solo):
        assert word not in text.split("<main")[1].split("</main>")[0], word
    appointments.cancel(one, clinic.tokens["ana"], solo)
    both = ana.get("/day").get_data(as_text=True)
    meet(clinic, "b")
    other = ana.get("/day").get_data(as_text=True)
    assert plain(text) == plain(other) != plain(both)


def plain(text: str) -> str:
    return re.sub(r'value="[^"]*"', "", text)


def test_the_day_goes_on_and_back(clinic: Clinic, ana: FlaskClient) -> None:
    meet(clinic, ahead=1)
    code, tomorrow = code_of(clinic), today(clinic) + timedelta(days=1)
    assert code not in ana.get("/day").get_data(as_text=True)
    assert code in post(ana, "/day", day=tomorrow.isoformat()).get_data(as_text=True)
    for odd in ("yesterday", "0001-01-01", "9999-12-31", ""):
        reply = post(ana, "/day", day=odd)
        assert reply.status_code == 200
        assert code not in reply.get_data(as_text=True)


def test_the_front_desk_sees_all_codes_and_no_case(clinic: Clinic) -> None:
    meet(clinic, "a")
    meet(clinic, ben=True)
    accounts.create_account(clinic.store, "flora", PASSWORD, role="front_desk")
    flora = clinic.app.test_client()
    flora.set_cookie("clinic_session", accounts.sign_in(clinic.store, "flora", PASSWORD))
    assert flora.get("/start").location.endswith("/day")
    text = flora.get("/day").get_data(as_text=True)
    assert all(code_of(clinic, who) in text for who in ("ana", "ben"))
    assert not any(one in text for one in (clinic.case, clinic.foreign_case, "/cases/", "/day/pack", "alone"))
    assert post(flora, "/day/pack", do="open").status_code == 403


def test_an_appointment_is_made_moved_and_cancelled(clinic: Clinic, ana: FlaskClient) -> None:
    day = (today(clinic) + timedelta(days=3)).isoformat()
    fields = {"day": day, "at": "10:30", "minutes": "80", "who": "a"}
    reply = post(ana, f"/cases/{clinic.case}/appointments", **fields)
    assert reply.location == f"/cases/{clinic.case}/work#appointments"
    [one] = appointments.of_case(clinic.store, clinic.tokens["ana"], clinic.case)
    assert (one.start.date().isoformat(), one.start.time(), one.minutes, one.who) == (day, time(10, 30), 80, "a")
    work = ana.get(f"/cases/{clinic.case}/work").get_data(as_text=True)
    assert "Partner A alone" in work
    address = f"/appointments/{one.id}"
    assert address in work
    form = ana.get(address).get_data(as_text=True)
    assert f'value="{day}"' in form
    assert 'value="10:30' in form
    assert post(ana, address, **fields | {"who": "both", "at": "11:00"}).status_code == 303
    assert "Partner A alone" not in ana.get(f"/cases/{clinic.case}/work").get_data(as_text=True).split("Make an")[0]
    assert post(ana, address, do="cancel").status_code == 303
    assert ana.get(address).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("day", ""), ("day", "31.3."), ("at", "25:00"), ("minutes", "long"), ("minutes", "3"), ("who", "x")],
)
def test_a_wrong_field_is_named_and_what_was_typed_stays(
    clinic: Clinic, ana: FlaskClient, field: str, value: str
) -> None:
    id_ = meet(clinic)
    fields = {"day": "2026-03-31", "at": "10:30", "minutes": "50", "who": "b", field: value}
    for address in (f"/cases/{clinic.case}/appointments", f"/appointments/{id_}"):
        reply = post(ana, address, **fields)
        text = reply.get_data(as_text=True)
        assert reply.status_code == 422
        assert f'href="#{field}"' in text
        assert text.count('<a href="#') == 1, "one fault"
    assert len(appointments.of_case(clinic.store, clinic.tokens["ana"], clinic.case)) == 1


def test_the_caseload_names_the_next_one(clinic: Clinic, ana: FlaskClient) -> None:
    before = ana.get("/").get_data(as_text=True)
    meet(clinic, "a", ahead=2)
    after = ana.get("/").get_data(as_text=True)
    assert "10:30" not in before
    assert "10:30" in after
    assert "alone" not in after


# --------------------------------------------------------------------------- a pack of a case
def test_what_is_due_is_ticked_and_prints(clinic: Clinic, ana: FlaskClient, purposes: list[str]) -> None:
    prepared(clinic)
    choose(clinic, ("joint", "our_cycle"), ("a", "two_beliefs"))
    page = ana.get(f"/cases/{clinic.case}/pack").get_data(as_text=True)
    assert ticked(page) == [item(clinic, "a", "two_beliefs"), item(clinic, "joint", "our_cycle")]
    assert "safety_screening" not in page
    mark = re.search(r'name="uneven" value="([^"]*)"', page)[1]  # type: ignore[index]
    assert mark == f"{code_of(clinic)}:1:0"
    assert "A gets 1 and B gets 0" in page.replace("\u2068", "").replace("\u2069", "")
    purposes.clear()
    reply = make(ana, clinic, *ticked(page), uneven=mark)
    assert reply.status_code == 200
    assert set(purposes) == {"sheet:a", "sheet:joint"}
    assert re.fullmatch(r"inline; filename=[0-9a-f]{8}\.pdf", reply.headers["Content-Disposition"])
    assert reply.headers["Cache-Control"] == "no-store"
    assert not pdf.ua1(reply.data)
    assert sorted(sent(clinic)) == [("a", "two_beliefs"), ("joint", "our_cycle")]
    assert ticked(ana.get(f"/cases/{clinic.case}/pack").get_data(as_text=True)) == []


def test_uneven_piles_are_asked_about_once(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    one = item(clinic, "a", "two_beliefs")
    asked = make(ana, clinic, one)
    text = asked.get_data(as_text=True)
    assert asked.status_code == 409
    assert "Both leave with the same number of sheets" in text
    assert ticked(text) == [one]
    assert sent(clinic) == []
    mark = re.search(r'name="uneven" value="([^"]+)"', text)[1]  # type: ignore[index]
    assert make(ana, clinic, one, uneven=mark).status_code == 200
    assert make(ana, clinic, one, item(clinic, "a", "own_worth"), uneven=mark).status_code == 409


def test_a_refusal_names_the_place_and_prints_nothing(clinic: Clinic, ana: FlaskClient, purposes: list[str]) -> None:
    """Not prepared: a joint sheet about the two is shut. The page that comes back opens no staff layer."""
    items = [item(clinic, "joint", "our_cycle"), item(clinic, "joint", "when_to_get_more_help")]
    purposes.clear()
    reply = make(ana, clinic, *items)
    text = reply.get_data(as_text=True)
    assert reply.status_code == 409
    assert text.count(LINE) == 1
    assert ticked(text) == [items[1]]
    assert text.count("</svg>did not print") == 1
    assert set(purposes) == {"sheet:joint"}
    assert sent(clinic) == []
    assert make(ana, clinic, *ticked(text)).status_code == 200
    assert sent(clinic) == [("joint", "when_to_get_more_help")]


def test_shut_and_broken_come_back_alike(clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins, in bytes: a sheet that is shut, one that the press cannot draw, one that is not ready."""
    items = [item(clinic, "joint", "our_cycle"), item(clinic, "joint", "when_to_get_more_help")]
    shut = make(ana, clinic, *items, do="zip")
    prepared(clinic)
    from clinic.services import print_sheet

    laid_out = print_sheet.laid_out

    def broken(found: Any, code: str) -> Any:
        from dataclasses import replace

        page = laid_out(found, code)
        return (
            replace(page, html=page.html.replace("<body", '<body id="x"'))
            if found.definition.id == "our_cycle"
            else page
        )

    monkeypatch.setattr(print_sheet, "laid_out", broken)
    for do in ("zip", "print", "download"):
        drawn = make(ana, clinic, *items, do=do)
        assert bare(drawn) == bare(shut)
    assert sent(clinic) == []


def bare(reply: Any) -> tuple[Any, ...]:
    names = sorted(name for name, _ in reply.headers)
    text = re.sub(r'name="csrf_token" value="[^"]*"', "", reply.get_data(as_text=True))
    return reply.status_code, names, text


def test_one_file_for_each_reader(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    items = [item(clinic, to, "two_beliefs") for to in ("a", "b")]
    reply = make(ana, clinic, *items, do="zip", draft="1")
    assert reply.mimetype == "application/zip"
    assert re.fullmatch(r"attachment; filename=[0-9a-f]{8}\.zip", reply.headers["Content-Disposition"])
    assert len(zipfile.ZipFile(io.BytesIO(reply.data)).namelist()) == 2


def test_finished_records_and_any_other_sheet_can_be_added(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    plan = finished(clinic.store, clinic.tokens["ana"], clinic.case, "homework_plan", "couple", {})
    page = ana.get(f"/cases/{clinic.case}/pack").get_data(as_text=True)
    assert item(clinic, "joint", "homework_plan", plan) in ticked(page)
    offered = set(re.findall(r'name="item" value="([^"]*)"', page))
    known = {id_: one for id_, one in definitions().items() if one.recipients and one.kind not in packs.NEVER}
    assert {item(clinic, to, id_) for id_, one in known.items() for to in one.recipients} <= offered
    assert make(ana, clinic, item(clinic, "joint", "homework_plan", plan)).status_code == 200


def test_the_list_never_differs_by_the_gate(clinic: Clinic, ana: FlaskClient) -> None:
    """What can be added is the same before and after preparation."""

    def offered() -> list[str]:
        text = ana.get(f"/cases/{clinic.case}/pack").get_data(as_text=True)
        return [one for one in re.findall(r'name="item" value="([^"]*)"', text) if one.endswith("|")]

    before = offered()
    prepared(clinic)
    assert offered() == before
    assert len(before) > 40


def test_nothing_and_nonsense(clinic: Clinic, ana: FlaskClient) -> None:
    empty = make(ana, clinic)
    assert empty.status_code == 422
    assert "Tick at least one sheet" in empty.get_data(as_text=True)
    for bad in (
        item(clinic, "a", "safety_screening"),
        item(clinic, "a", "our_cycle"),
        item(clinic, "c", "two_beliefs"),
        item(clinic, "a", "two_beliefs", record="x"),
        item(clinic, "a", "two_beliefs", case=clinic.foreign_case),
        item(clinic, "a", "nothing_like_it"),
        "a|two_beliefs",
        f"{clinic.case}|now||a|two_beliefs|",
    ):
        assert make(ana, clinic, bad).status_code == 404, bad
    assert make(ana, clinic, *[item(clinic, "joint", "our_cycle")] * 2, goes="away").status_code == 422
    assert sent(clinic) == []


# --------------------------------------------------------------------------- a pack of a day
def test_a_day_is_chosen_in_the_staff_layer_and_printed_outside_of_it(
    clinic: Clinic, ana: FlaskClient, purposes: list[str]
) -> None:
    prepared(clinic)
    meet(clinic, "a", ahead=1, at=time(9))
    meet(clinic, "both", ahead=1, at=time(15))
    choose(clinic, ("joint", "our_cycle"), ("a", "two_beliefs"))
    day = (today(clinic) + timedelta(days=1)).isoformat()
    page = post(ana, "/day/pack", day=day, do="open").get_data(as_text=True)
    assert "Partner A alone" in page
    found = [one.split("|") for one in ticked(page)]
    assert [(one[2], one[3], one[4]) for one in found] == [("alone", "a", "two_beliefs"), ("", "joint", "our_cycle")]
    purposes.clear()
    reply = post(ana, "/day/pack", day=day, do="print", item=ticked(page), **PAPER)
    assert reply.status_code == 200
    assert set(purposes) == {"sheet:a", "sheet:joint"}
    assert pdf.pages(reply.data) >= 3
    assert ticked(post(ana, "/day/pack", day=day, do="open").get_data(as_text=True)) == []
    assert post(ana, "/day/pack", day="2001-01-01", do="open").status_code == 200


def test_the_day_of_somebody_else_is_not_printed(clinic: Clinic, ana: FlaskClient) -> None:
    bad = item(clinic, "a", "two_beliefs", case=clinic.foreign_case)
    assert post(ana, "/day/pack", do="print", item=[bad], **PAPER).status_code == 404


def test_titles_and_addresses_say_nothing(clinic: Clinic, ana: FlaskClient) -> None:
    meet(clinic)
    choose(clinic, ("a", "two_beliefs"))
    replies = {
        "Day": [ana.get("/day"), post(ana, "/day", day="2026-03-31")],
        "Print": [ana.get(f"/cases/{clinic.case}/pack"), post(ana, "/day/pack", do="open")],
        "Case": [ana.get(f"/appointments/{meet(clinic)}")],
    }
    for title, found in replies.items():
        for reply in found:
            text = reply.get_data(as_text=True)
            assert f"<title>{title} – Secure Base</title>" in text
            assert not re.search(r"\sstyle=|\son[a-z]+=", text)
            for address in re.findall(r'(?:href|action)="([^"]*)"', text):
                assert "?" not in address
                assert not any(id_ in address for id_ in definitions())
