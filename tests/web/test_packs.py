"""Day, appointments and packs in the browser: what each layer says, what prints, what comes back."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, time, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.domain.errors import Refused
from clinic.persistence.keyholder import Keyholder
from clinic.press.press import PressError
from clinic.services import accounts, appointments, cases, choices, packs, press_room, prints
from clinic.services.definitions import definitions
from clinic.services.press_room import PressRoom
from clinic.web import packs as web_packs
from clinic.web import session
from tests import pdf
from tests.filling import filled
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


def make(client: FlaskClient, clinic: Clinic, *items: str, do: str = "print", **more: Any) -> Any:
    return post(client, f"/cases/{clinic.case}/pack", item=list(items), do=do, **{**PAPER, **more})


def look(client: FlaskClient, clinic: Clinic, *items: str, **more: Any) -> str:
    """The page that says what leaves the room."""
    return str(make(client, clinic, *items, do="look", **more).text)


def print_(client: FlaskClient, clinic: Clinic, *items: str, do: str = "print", **more: Any) -> Any:
    """A pack as people make it: read what leaves the room, then ask for what is still ticked there."""
    page = look(client, clinic, *items, **more)
    return make(client, clinic, *ticked(page), do=do, **{"uneven": asked(page)} | more)


def asked(page: str) -> str:
    """What the page said about uneven piles, as it is posted."""
    return str(re.search(r'name="uneven" value="([^"]*)"', page)[1])  # type: ignore[index]


def chosen(page: str) -> list[str]:
    """The ticked items as they are on the page where they are chosen: without paper and mark."""
    return ["|".join(one.split("|")[:6]) for one in ticked(page)]


def answers_of(page: str, to: str) -> str:
    """All that stands on the page under the items for one reader."""
    found = re.findall(r'<li class="leaving">.*?</li>', page, re.S)
    words = {"a": "For Partner A", "b": "For Partner B", "joint": "For both partners"}[to]
    return "".join(one for one in found if words in one.split("leaving-more")[0])


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
    assert "A gets 1 and B gets 0" in page.replace("\u2068", "").replace("\u2069", "")
    purposes.clear()
    shown = look(ana, clinic, *ticked(page))
    assert chosen(shown) == ticked(page)
    assert asked(shown) == f"{code_of(clinic)}:1:0"
    reply = make(ana, clinic, *ticked(shown), uneven=asked(shown))
    assert reply.status_code == 200
    assert set(purposes) == {"sheet:a", "sheet:joint"}
    assert re.fullmatch(r"inline; filename=[0-9a-f]{8}\.pdf", reply.headers["Content-Disposition"])
    assert reply.headers["Cache-Control"] == "no-store"
    assert not pdf.ua1(reply.data)
    assert sorted(sent(clinic)) == [("a", "two_beliefs"), ("joint", "our_cycle")]
    assert ticked(ana.get(f"/cases/{clinic.case}/pack").get_data(as_text=True)) == []


def test_uneven_piles_are_asked_about_once(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    shown = look(ana, clinic, item(clinic, "a", "two_beliefs"))
    assert "Both leave with the same number of sheets" in shown
    refused = make(ana, clinic, *ticked(shown))
    assert refused.status_code == 409
    assert ticked(refused.text) == ticked(shown)
    assert sent(clinic) == []
    assert make(ana, clinic, *ticked(shown), uneven=asked(shown)).status_code == 200
    two = look(ana, clinic, item(clinic, "a", "two_beliefs"), item(clinic, "a", "own_worth"))
    assert make(ana, clinic, *ticked(two), uneven=asked(shown)).status_code == 409


# --------------------------------------------------------------------------- what leaves the room
def tongues(clinic: Clinic, a: str, b: str) -> None:
    """The language that each partner reads."""
    page = cases.case_page(clinic.store, clinic.tokens["ana"], clinic.case, layer="staff")
    cards = {"a": cases.PartnerCard(language=a), "b": cases.PartnerCard(language=b)}
    cases.update_card(clinic.store, clinic.tokens["ana"], clinic.case, page.rev, cards)


@pytest.fixture
def said(clinic: Clinic) -> dict[str, str]:
    """A word of each partner and of both, on a sheet of each, in English."""
    words = {"a": "ZQAALONEQZ", "b": "ZQBALONEQZ", "joint": "ZQBOTHSAIDQZ"}
    prepared(clinic)
    tongues(clinic, "en", "en")
    for about, to, sheet in (("a", "a", "check_in"), ("b", "b", "check_in"), ("couple", "joint", "our_cycle")):
        answers = filled(definitions()[sheet], about, lambda scope, to=to: words[to])  # type: ignore[arg-type, misc]
        finished(clinic.store, clinic.tokens["ana"], clinic.case, sheet, about, answers)
    return words


def test_each_item_says_its_readers_answers_and_nobody_elses(
    clinic: Clinic, ana: FlaskClient, said: dict[str, str], purposes: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    items = [item(clinic, to, sheet) for to, sheet in (("a", "check_in"), ("b", "check_in"), ("joint", "our_cycle"))]
    purposes.clear()
    page = look(ana, clinic, *items, item(clinic, "b", "own_worth"))
    assert set(purposes) == {"sheet:a", "sheet:b", "sheet:joint"}
    for to in said:
        assert {who for who, word in said.items() if word in answers_of(page, to)} == {to}
    head = page.split("<main")[0]
    assert not any(word in head for word in said.values())
    assert page.count("Everything else stays here.") == 1
    assert re.findall(r"<summary>(\d+) answers?<", page)
    assert page.count("No answers are on it: a sheet to fill in.") >= 1
    assert f'data-first-layer="/cases/{clinic.case}"' in page
    alone = look(ana, clinic, items[1])
    assert {who for who, word in said.items() if word in alone} == {"b"}
    assert sent(clinic) == []
    reply = print_(ana, clinic, *items, do="zip")
    assert reply.status_code == 200
    assert not any(word in str(reply.headers) for word in said.values())
    assert not any(word in capfd.readouterr().err for word in said.values())


def test_the_look_of_a_pack_is_that_of_one_sheet(clinic: Clinic, ana: FlaskClient, said: dict[str, str]) -> None:
    """The same question and the same answer, word by word, and the same line about what stays."""
    paper = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
    one = post(ana, f"/cases/{clinic.case}/print", sheet="check_in", to="a", do="look", **paper).text
    many = look(ana, clinic, item(clinic, "a", "check_in"), item(clinic, "b", "check_in"))
    for part in re.findall(r'<dl class="(?:facts|given)".*?</dl>', one, re.S):
        assert part in many
    assert 'class="given"' in one


def test_nothing_prints_that_was_not_read(clinic: Clinic, ana: FlaskClient, said: dict[str, str]) -> None:
    unread = [item(clinic, to, "check_in") for to in ("a", "b")]
    refused = make(ana, clinic, *unread)
    assert refused.status_code == 409
    assert "Something changed since you looked" in refused.text
    read = ticked(look(ana, clinic, *unread))
    assert chosen(refused.text) == unread
    answers = filled(definitions()["check_in"], "b", lambda _: "ZQNEWERQZ")
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "check_in", "b", answers)
    again = make(ana, clinic, *read)
    assert again.status_code == 409
    assert "ZQNEWERQZ" in answers_of(again.text, "b")
    assert said["b"] not in again.text
    assert make(ana, clinic, *read, letterhead="1", draft="1").status_code == 409
    marks = [one.rpartition("|")[2] for one in read]
    swapped = [one.rpartition("|")[0] + "|" + mark for one, mark in zip(read, marks[::-1], strict=True)]
    assert make(ana, clinic, *swapped).status_code == 409
    assert sent(clinic) == []
    assert make(ana, clinic, *ticked(again.text)).status_code == 200
    assert sent(clinic) == [("a", "check_in"), ("b", "check_in")]


def test_a_refusal_stands_in_the_place_of_the_answers_and_prints_nothing(
    clinic: Clinic, ana: FlaskClient, purposes: list[str]
) -> None:
    """Not prepared: a joint sheet about the two is shut. The page opens no staff layer."""
    items = [item(clinic, "joint", "our_cycle"), item(clinic, "joint", "when_to_get_more_help")]
    purposes.clear()
    page = look(ana, clinic, *items)
    assert page.count(LINE) == 1
    assert chosen(page) == [items[1]]
    assert set(purposes) == {"sheet:joint"}
    forced = make(ana, clinic, *items)
    assert forced.status_code == 409
    assert sent(clinic) == []
    assert make(ana, clinic, *ticked(page)).status_code == 200
    assert sent(clinic) == [("joint", "when_to_get_more_help")]


def test_shut_and_broken_come_back_alike(clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins, in bytes: a sheet that is shut, and one that the press cannot draw."""
    chosen_ = [item(clinic, "joint", "our_cycle"), item(clinic, "joint", "when_to_get_more_help")]
    prepared(clinic)
    items = ticked(look(ana, clinic, *chosen_))
    assert len(items) == 2
    from clinic.persistence import press_sealing
    from clinic.services import print_sheet

    seal, opened, title = press_sealing.seal_work, print_sheet.opened, definitions()["our_cycle"].title.en

    def broken(key: bytes, item_id: Any, work: Any) -> bytes:
        """What was read stands: it breaks on its way to the press."""
        html = work.page.html.replace("<body", '<body id="x"') if title in work.page.html else work.page.html
        return seal(key, item_id, replace(work, page=replace(work.page, html=html)))

    def shut(store: Any, token: str, case: str, job: Any, print_when: str) -> Any:
        if job.sheet == "our_cycle":
            raise Refused
        return opened(store, token, case, job, print_when)

    for do in ("zip", "print", "download"):
        with monkeypatch.context() as patch:
            patch.setattr(press_sealing, "seal_work", broken)
            drawn = make(ana, clinic, *items, do=do)
        with monkeypatch.context() as patch:
            patch.setattr(print_sheet, "opened", shut)
            refused = make(ana, clinic, *items, do=do)
        assert bare(drawn) == bare(refused)
        assert drawn.status_code == 409
        assert drawn.text.count(LINE) == 2  # in its place, and beside the buttons
    assert sent(clinic) == []


def bare(reply: Any) -> tuple[Any, ...]:
    names = sorted(name for name, _ in reply.headers)
    text = re.sub(r'name="csrf_token" value="[^"]*"', "", reply.get_data(as_text=True))
    return reply.status_code, names, text


def test_a_language_that_nobody_reviewed_says_what_to_do(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    both = item(clinic, "b", "two_beliefs")  # B reads English with Spanish beside it
    page = look(ana, clinic, both)
    assert ticked(page) == []
    assert "tick “Draft”" in page
    [waits] = re.findall(r'name="waiting" value="([^"]*)"', page)
    assert make(ana, clinic, waiting=waits).status_code == 422, "it is looked at again, and never printed"
    marked = make(ana, clinic, do="marked", waiting=waits).text
    assert chosen(marked) == [both]
    assert make(ana, clinic, *ticked(marked), uneven=asked(marked)).status_code == 409, "without the mark of a draft"
    assert make(ana, clinic, *ticked(marked), uneven=asked(marked), draft="1").status_code == 200


def test_a_joint_sheet_can_be_one_copy_in_each_language(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    tongues(clinic, "en", "es")
    items = [item(clinic, "joint", "our_cycle"), item(clinic, "a", "two_beliefs"), item(clinic, "b", "two_beliefs")]
    page = look(ana, clinic, *items, draft="1")
    [each] = re.findall(r'name="each" value="([^"]*)"( checked)?', page)
    assert each[1] == ""
    changed = make(ana, clinic, *ticked(page), each=each[0], draft="1")
    assert changed.status_code == 409, "what was read was one sheet in both"
    assert re.findall(r'name="each" value="([^"]*)"( checked)?', changed.text) == [(each[0], " checked")]
    assert make(ana, clinic, *ticked(changed.text), each=each[0], draft="1").status_code == 200
    assert sorted(sent(clinic)) == [("a", "two_beliefs"), ("b", "two_beliefs"), *[("joint", "our_cycle")] * 2]


def test_one_file_for_each_reader(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    items = [item(clinic, to, "two_beliefs") for to in ("a", "b")]
    reply = print_(ana, clinic, *items, do="zip", draft="1")
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
    assert print_(ana, clinic, item(clinic, "joint", "homework_plan", plan)).status_code == 200


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
    whole = item(clinic, "a", "two_beliefs")
    for bad in (
        f"{whole}|tlh||1|",
        f"{whole}|||0|",
        f"{whole}|||9999|",
        f"{whole}|||many|",
        f"{whole}|||1",
        item(clinic, "a", "safety_screening"),
        item(clinic, "a", "our_cycle"),
        item(clinic, "c", "two_beliefs"),
        item(clinic, "a", "two_beliefs", record="x"),
        item(clinic, "a", "two_beliefs", case=clinic.foreign_case),
        item(clinic, "a", "nothing_like_it"),
        "a|two_beliefs",
        f"{clinic.case}|now||a|two_beliefs|",
    ):
        for do in ("print", "look"):
            assert make(ana, clinic, bad, do=do).status_code == 404, bad
    assert print_(ana, clinic, item(clinic, "joint", "our_cycle"), goes="away").status_code == 422
    many = [item(clinic, "joint", "our_cycle") + f"|||{number}|" for number in (160, 170)]
    full = make(ana, clinic, *many, do="look")
    assert full.status_code == 413
    assert len(ticked(full.text)) == 2
    assert 'value="print"' not in full.text
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
    shown = post(ana, "/day/pack", day=day, do="look", item=ticked(page)).text
    assert chosen(shown) == ticked(page)
    assert [one in shown for one in ("09:00", "15:00")] == [True, True]
    reply = post(ana, "/day/pack", day=day, do="print", item=ticked(shown), **PAPER)
    assert reply.status_code == 200
    assert set(purposes) == {"sheet:a", "sheet:joint"}
    assert pdf.pages(reply.data) >= 3
    assert ticked(post(ana, "/day/pack", day=day, do="open").get_data(as_text=True)) == []
    assert post(ana, "/day/pack", day="2001-01-01", do="open").status_code == 200


def test_the_day_of_somebody_else_is_not_printed(clinic: Clinic, ana: FlaskClient) -> None:
    bad = item(clinic, "a", "two_beliefs", case=clinic.foreign_case)
    for do in ("print", "look"):
        assert post(ana, "/day/pack", do=do, item=[bad], **PAPER).status_code == 404


# --------------------------------------------------------------------------- a list
def listed(client: FlaskClient, text: str, **more: Any) -> Any:
    return post(client, "/day/pack", do="list", list=text, **more)


def test_a_list_leads_to_what_leaves_the_room(clinic: Clinic, ana: FlaskClient, said: dict[str, str]) -> None:
    code = code_of(clinic)
    assert 'name="list"' in ana.get(f"/cases/{clinic.case}/pack").text
    text = f"case,sheet,to,locale,with,copies\n{code},check_in,a,,,2\n{code},check_in,b,en,,\n{code},check_in,a,,,\n"
    page = listed(ana, text).text
    assert [one.split("|")[3:9] for one in ticked(page)] == [
        ["a", "check_in", "", "", "", "3"],
        ["b", "check_in", "", "en", "", "1"],
    ]
    assert {who for who, word in said.items() if word in answers_of(page, "a")} == {"a"}
    assert asked(page) == f"{code}:3:1"
    reply = post(ana, "/day/pack", do="print", item=ticked(page), uneven=asked(page), **PAPER)
    assert reply.status_code == 200
    assert sorted(sent(clinic)) == [*[("a", "check_in")] * 3, ("b", "check_in")]


def test_a_file_does_as_well_and_its_name_goes_nowhere(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    data = f"case;sheet;to\r\n{code_of(clinic)};our_cycle;joint\r\n".encode("utf-8-sig")
    reply = listed(ana, "", file=(io.BytesIO(data), "ZQfileQZ.csv"))
    assert len(ticked(reply.text)) == 1
    wrong_ = listed(ana, "kept words", file=(io.BytesIO(b"case,sheet\nx,y\n"), "ZQfileQZ.csv"))
    assert wrong_.status_code == 422
    assert "case,sheet\nx,y" in wrong_.text
    binary = listed(ana, "kept words", file=(io.BytesIO(b"\xff\xfe\x00"), "ZQfileQZ.csv"))
    assert (binary.status_code, "kept words" in binary.text) == (422, True)
    assert "ZQfileQZ" not in reply.text + wrong_.text + binary.text


def test_a_fault_has_its_line_and_column_and_the_text_stays(clinic: Clinic, ana: FlaskClient) -> None:
    """An unknown code and somebody else's are the same fault; not a cell of the list is in it."""
    replies = []
    for code in ("K-99999", code_of(clinic, "ben")):
        text = f"case,sheet,to\n{code},ZQnosheetQZ,joint\n<b>&"
        reply = listed(ana, text, draft="1")
        assert reply.status_code == 422
        shown = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", reply.text, re.S)
        assert shown
        assert unescape(shown[1]) == text
        faults = re.search(r'<ul class="errors-list".*?</ul>', reply.text, re.S)
        assert faults
        assert "line 2, case: there is no such case." in faults[0]
        assert "line 2, sheet: there is no such sheet" in faults[0]
        assert "ZQnosheetQZ" not in faults[0]
        replies.append(re.sub(r'name="csrf_token" value="[^"]*"', "", reply.text).replace(code, "CODE"))
    assert replies[0] == replies[1]
    assert listed(ana, "x" * 300_000).status_code == 422
    assert listed(ana, "").status_code == 422
    many = "case,sheet,to,copies\n" + f"{code_of(clinic)},our_cycle,joint,9\n" * 34
    assert "a pack holds 300" in listed(ana, many).text
    assert sent(clinic) == []


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


# --------------------------------------------------------------------------- on its way
@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, clinic: Clinic) -> Callable[[], None]:
    """Nobody draws, and nobody waits: so a pack stays on its way until it is told to be drawn."""
    prepared(clinic)
    tongues(clinic, "en", "en")
    monkeypatch.setattr(web_packs, "PATIENCE", 0.0)
    room = PressRoom(clinic.store, clinic.app.extensions["clinic"]["press"])

    @contextmanager
    def nobody(*_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(press_room, "drawing", nobody)

    def draw() -> None:
        while room.turn():
            pass

    return draw


def on_its_way(client: FlaskClient, clinic: Clinic, *wanted: tuple[str, str], **more: Any) -> str:
    """A pack that was asked for; the address of its page."""
    reply = print_(client, clinic, *(item(clinic, *one) for one in wanted), **more)
    assert reply.status_code == 303
    assert re.fullmatch(r"/packs/[0-9a-f-]{36}", reply.location)
    return str(reply.location)


PAIR = (("a", "two_beliefs"), ("b", "two_beliefs"))


def main_of(text: str) -> str:
    return text.split("<main")[1].split("</main>")[0]


def words_of(text: str) -> str:
    """What a page says, without addresses and marks of direction."""
    return re.sub(r"[\u2066-\u2069]", "", unescape(re.sub(r"<[^>]*>", " ", main_of(text))))


def test_a_pack_that_takes_long_has_a_page_of_its_own(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None], purposes: list[str]
) -> None:
    where = on_its_way(ana, clinic, *PAIR)
    assert sent(clinic) == [], "nothing is noted before it leaves"
    purposes.clear()
    page = ana.get(where).text
    assert "<title>Pack – Secure Base</title>" in page
    assert "0 of 2 sheets" in words_of(page)
    assert re.search(r'<progress max="2" value="0"', page)
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
    for word in ("wo_beliefs", "Two", code_of(clinic), "Partner", clinic.case):
        assert word not in main_of(page), word
    slow()
    ready = ana.get(where).text
    assert "2 of 2 sheets" in words_of(ready)
    assert "refresh" not in ready
    assert purposes == [], "to say how far it is opens nobody's view"
    reply = post(ana, f"{where}/collect", do="print")
    assert reply.status_code == 200
    assert re.fullmatch(r"inline; filename=[0-9a-f]{8}\.pdf", reply.headers["Content-Disposition"])
    assert not pdf.ua1(reply.data)
    assert sorted(sent(clinic)) == sorted(PAIR)
    again = post(ana, f"{where}/collect", do="download")
    assert again.data == reply.data
    assert again.headers["Content-Disposition"].startswith("attachment")
    assert sorted(sent(clinic)) == sorted(PAIR), "the same file once more is no new print"
    assert "handed out" in words_of(ana.get(where).text)


def test_it_is_found_again_and_only_by_its_owner(clinic: Clinic, ana: FlaskClient, slow: Callable[[], None]) -> None:
    assert "No pack is being made." in ana.get("/packs").text
    assert "/packs/" not in ana.get("/day").text
    where = on_its_way(ana, clinic, *PAIR)
    for address in ("/packs", "/day"):
        text = ana.get(address).text
        assert f'href="{where}"' in text
        assert "0 of 2 sheets" in words_of(text)
        assert code_of(clinic) not in main_of(text)
    slow()
    assert "2 of 2 sheets" in words_of(ana.get("/packs").text)
    ben = clinic.client("ben")
    assert where not in ben.get("/packs").text + ben.get("/day").text
    for act in ("", "/collect", "/cancel"):
        there = post(ben, where + act) if act else ben.get(where)
        nowhere = "/packs/00000000-0000-4000-8000-000000000000"
        assert there.status_code == 404
        gone = post(ben, nowhere + act) if act else ben.get(nowhere)
        assert main_of(gone.text) == main_of(there.text)
    assert ana.get(where).status_code == 200


def test_it_is_cancelled_by_post_alone_and_nothing_is_noted(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None]
) -> None:
    for drawn in (False, True):
        where = on_its_way(ana, clinic, *PAIR)
        if drawn:
            slow()
        assert ana.get(f"{where}/cancel").status_code == 405
        reply = post(ana, f"{where}/cancel")
        assert (reply.status_code, reply.location) == (303, "/packs")
        assert "Nothing was printed." in ana.get("/packs").text
        for act in ("", "/collect", "/cancel"):
            assert (post(ana, where + act) if act else ana.get(where)).status_code == 404
    assert sent(clinic) == []


def test_a_pack_that_is_not_finished_is_not_handed_out(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None]
) -> None:
    where = on_its_way(ana, clinic, *PAIR)
    early = post(ana, f"{where}/collect", do="print")
    assert (early.status_code, early.location) == (303, where)
    assert sent(clinic) == []


@pytest.fixture
def torn(monkeypatch: pytest.MonkeyPatch, clinic: Clinic) -> None:
    """The press gives up over every sheet for B, as it would over a page that breaks a limit."""
    press = clinic.app.extensions["clinic"]["press"]
    count = iter(range(1000))

    def some(draw: Callable[..., Any]) -> Callable[..., Any]:
        def drawn(*arguments: Any) -> Any:
            if next(count) % 2:
                raise PressError("timeout")
            return draw(*arguments)

        return drawn

    monkeypatch.setattr(press, "pdf", some(press.pdf))
    alike = press.given_all

    def given(page: Any, words: Any) -> Any:
        return [some_given(page, [one])[0] for one in words]

    some_given = some(alike)
    monkeypatch.setattr(press, "given_all", given)


def test_a_sheet_that_fails_is_named_and_the_rest_prints_if_somebody_says_so(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None], torn: None
) -> None:
    where = on_its_way(ana, clinic, *PAIR)
    assert code_of(clinic) not in main_of(ana.get(where).text)
    slow()
    page = ana.get(where).text
    said = words_of(page)
    assert LINE in said
    assert code_of(clinic) in said
    assert said.count("Two") == 1, "one sheet, by its title"
    assert "1 of 2 sheets" in said
    assert "Both leave with the same number of sheets" in said, "the rest is uneven, and that is said first"
    assert 'data-first-layer="/day"' in page, "it names a sheet, so it closes as the page before did"
    for why in ("timeout", "press", "drawn"):
        assert why not in said
    assert sent(clinic) == []
    reply = post(ana, f"{where}/collect", do="print", rest="1")
    assert reply.status_code == 200
    assert reply.mimetype == "application/pdf"
    assert len(sent(clinic)) == 1


def test_whoever_goes_back_reads_again_what_leaves_without_the_failed_one(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None], torn: None
) -> None:
    where = on_its_way(ana, clinic, *PAIR, goes="home", cover="1")
    slow()
    back = post(ana, f"{where}/cancel", do="back")
    assert back.status_code == 200
    assert len(ticked(back.text)) == 1
    assert LINE in back.text
    assert f'action="/cases/{clinic.case}/pack"' in back.text
    assert re.search(r'name="goes"[^>]*value="home"[^>]*checked', back.text)
    assert re.search(r'name="cover"[^>]*checked', back.text)
    assert ana.get(where).status_code == 404
    assert sent(clinic) == []


def test_without_a_yes_nothing_of_it_prints(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None], torn: None
) -> None:
    """A page that was sent from an old tab, before the failure was read."""
    where = on_its_way(ana, clinic, *PAIR)
    slow()
    reply = post(ana, f"{where}/collect", do="print")
    assert reply.status_code == 409
    assert "What leaves the room" in reply.text
    assert sent(clinic) == []


def test_the_gate_is_asked_again_when_it_is_handed_out(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None]
) -> None:
    where = on_its_way(ana, clinic, *PAIR)
    slow()
    prepared(clinic, "hold")
    reply = post(ana, f"{where}/collect", do="print")
    assert reply.status_code == 409
    assert LINE in reply.text
    assert sent(clinic) == []
    assert ana.get(where).status_code == 404


def test_a_cover_or_the_couple_view_shows_nothing_of_it(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None]
) -> None:
    where = on_its_way(ana, clinic, *PAIR)
    post(ana, "/lock")
    for address in (where, "/packs"):
        shut = ana.get(address)
        assert shut.status_code == 423
        assert "of 2 sheets" not in shut.text
    slow()
    assert post(ana, f"{where}/collect").status_code == 423
    fresh = accounts.sign_in(clinic.store, "ana", PASSWORD)
    assert prints.sent(clinic.store, fresh, clinic.case) == []


def test_a_page_that_reloads_itself_keeps_nobody_awake(
    clinic: Clinic, ana: FlaskClient, slow: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = on_its_way(ana, clinic, *PAIR)
    woken: list[str] = []
    monkeypatch.setattr(session, "awake", lambda: woken.append("awake"))
    ana.get(where)
    assert woken == []
    ana.get("/packs")
    assert woken == ["awake"]


def test_a_zip_is_kept_and_never_shown(clinic: Clinic, ana: FlaskClient, slow: Callable[[], None]) -> None:
    where = on_its_way(ana, clinic, *PAIR, do="zip")
    slow()
    page = ana.get(where).text
    assert 'value="print"' not in main_of(page)
    reply = post(ana, f"{where}/collect", do="print")
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert len(zipfile.ZipFile(io.BytesIO(reply.data)).namelist()) == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, "About 5 seconds left"),
        (11.0, "About 15 seconds left"),
        (55.0, "About 55 seconds left"),
        (56.0, "About 1 minute left"),
        (100.0, "About 2 minutes left"),
    ],
)
def test_the_time_left_is_said_in_round_words(clinic: Clinic, seconds: float | None, words: str) -> None:
    with clinic.app.test_request_context("/packs"):
        assert re.sub(r"[\u2066-\u2069]", "", web_packs.left_words(seconds)) == words
