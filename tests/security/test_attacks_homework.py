"""Attacks on plans, calendar files, shared answers, packs, codes and appointments: what one partner said, alone.

Each test is an attack, most of them one that went through once. Real database, keys, keyholder and audit.
"""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar
from sqlalchemy import select

from clinic.domain import course, definition, ruling
from clinic.domain.answer import Checked
from clinic.domain.code import new_code
from clinic.domain.errors import ClinicError, Conflict, Denied, NotFound, Refused
from clinic.domain.formulation import Opened
from clinic.persistence import vault
from clinic.persistence.models import Appointment, Print, Record
from clinic.services import (
    accounts,
    appointments,
    batches,
    calendar,
    cases,
    choices,
    couple,
    entry,
    erase,
    erasures,
    export,
    homework,
    pack_list,
    packs,
    print_sheet,
    records,
    release,
)
from clinic.services.definitions import definitions, library
from clinic.services.prints import PrintJob
from clinic.services.unit_of_work import unit_of_work
from tests.plans import planned
from tests.services.rights import agreed
from tests.services.test_release import SECRET, House, clinic, house, prepared
from tests.web.conftest import PASSWORD, finished, made, post, press
from tests.web.conftest import Clinic as Served
from tests.web.conftest import clinic as served
from tests.web.conftest import prepared as to_serve
from tests.web.test_lock import change, send

__all__ = ["clinic", "house", "made", "press", "served"]


def reminders(house: House, who: Any) -> list[str]:
    data = calendar.for_partner(house.store, house.token, house.case, who, asked=True).data
    return [str(one["dtstart"].dt.hour) for one in Calendar.from_ical(data).walk("VEVENT")] if data else []


def noted(house: House, sheet: str, to: Any, record: str = "") -> str:
    """A sheet on its way out, all but the drawing; its code."""
    job, code = PrintJob(sheet, to, record=record), new_code()
    found = print_sheet.opened(house.store, house.token, house.case, job, "reviewed")
    print_sheet.note(house.store, house.token, house.case, code, job, found)
    return code


def printed(house: House) -> str:
    """Everything that is kept of what was printed for a case."""
    with unit_of_work(house.store, house.token) as session:
        view = house.store.keyholder.open(house.token, UUID(house.case), "staff")
        rows = session.scalars(select(Print).where(Print.case_id == UUID(house.case)))
        return json.dumps([view.open_print(row) for row in rows])


def signed_in(house: House, role: str) -> str:
    """The token of a new account; a supervisor reads along in the cases of Ana."""
    name = f"q{new_code().lower()}"
    id_ = accounts.create_account(house.store, name, PASSWORD, role=role)
    if role == "supervisor":
        accounts.set_supervisor(house.store, accounts.find(house.store, "ana").id, id_)
    return accounts.sign_in(house.store, name, PASSWORD)


def erased(house: House, whom: Any) -> None:
    """A partner of this case erased, with a second person's word."""
    mine = replace(house, token=accounts.sign_in(house.store, "ana", PASSWORD))
    request = agreed(mine, "erase", by=signed_in(house, "admin"), partner=whom)  # type: ignore[arg-type]
    erase.person(mine.store, mine.token, mine.case, whom, request)


def stopped(house: House, **more: Any) -> None:
    """What a rule leaves of the ruling, without a lower level."""
    with unit_of_work(house.store, house.token, write=True) as session:
        view = house.store.keyholder.open(house.token, UUID(house.case), "staff")
        row = cases.locked(session, view.case_id)
        card = view.open_card(row)
        cases.write_card(row, view, card | {"ruling": card["ruling"] | more}, house.store.today())


# --------------------------------------------------------------------------- the calendar file
def plans(house: House) -> None:
    start = house.store.today()
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    house.finish("homework_plan", "a", planned("mine", days, "09:00", start))
    house.finish("homework_plan", "couple", planned("ours", days, "18:00", start, who="both"))


def test_a_closed_joint_gate_leaves_the_plan_for_both_out_of_a_calendar_file(house: House) -> None:
    """“Not today” closes what is for both, and leaves the own pages open: the file had the joint step all the same."""
    plans(house)
    assert reminders(house, "a") == ["9", "18"]
    assert reminders(house, "b") == ["18"]
    stopped(house, not_today=house.store.today().isoformat())
    with pytest.raises(Refused):
        print_sheet.opened(house.store, house.token, house.case, PrintJob("homework_plan", "joint"), "reviewed")
    assert reminders(house, "a") == ["9"]
    found = calendar.for_partner(house.store, house.token, house.case, "b", asked=True)
    assert (found.data, found.left) == (b"", ())  # nor what would be left out of it


def test_what_a_declined_or_has_alone_is_in_no_file_of_b(house: House) -> None:
    start = house.store.today()
    every = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    house.finish("homework_plan", "a", planned(SECRET, every, "09:00", start))
    house.finish("homework_plan", "couple", planned(SECRET, every, "18:00", start, who="partner_a"))
    assert reminders(house, "b") == []
    assert SECRET not in str(calendar.for_partner(house.store, house.token, house.case, "b", asked=True))


# --------------------------------------------------------------------------- what was released
def test_the_row_of_a_print_keeps_no_copy_of_what_was_released(house: House) -> None:
    """Taken back is taken back: the row had the words, and its code put them into a new record."""
    shared = house.let_go(house.check_in("a", 1, better=SECRET), "better")
    assert SECRET in house.summary()
    code = noted(house, "session_summary", "joint")
    release.take_back(house.store, house.token, shared)
    assert SECRET not in printed(house)
    record = entry.find(house.store, house.token, code, "joint").record
    assert SECRET not in str(records.read(house.store, house.token, record).answers)
    with unit_of_work(house.store, house.token) as session:
        assert session.get(Record, UUID(record)) is not None


def test_the_row_of_a_sheet_still_keeps_what_else_it_began_with(house: House) -> None:
    house.finish("map", "couple", {"decision": "full", "level_reason": "x", "cycle": {"a_does": "writes often"}})
    noted(house, "our_cycle", "joint")
    assert "writes often" in printed(house)


@pytest.mark.parametrize("why", ["suicide", "today"])
def test_nothing_is_let_go_while_a_rule_stops_every_page_for_both(house: House, why: str) -> None:
    """R3 and R10 stop all pages for both and leave the level where it is: a yes given then was taken."""
    id_ = house.check_in("a", 1, better="the walk", trust=4)
    seen, aim, today = house.offer(id_, "better").seen, house.page().offers["a", "trust"].seen, house.store.today()
    if why == "today":
        stopped(house, not_today=today.isoformat())
    else:
        stopped(house, closed={"a": ["*"], "b": ["*"], "joint": ["*"]})
    page = cases.case_page(house.store, house.token, house.case, layer="staff")
    assert ruling.level_on(ruling.Ruling.from_data(page.ruling), today) == "full"
    with pytest.raises(Refused):
        release.release_answer(house.store, house.token, id_, "better", seen, True, today)
    with pytest.raises(Refused):
        release.release_aim(house.store, house.token, house.case, "a", "trust", aim, True, today)
    assert not release.of_record(house.store, house.token, id_).open
    assert not house.page().open


OWN = b"""
id = "own_look"
version = 1
kind = "session"
title = "Look"
audience = "staff"
about = "couple"

[[section]]
id = "seen"
title = "Seen"
per_partner = true
[[section.block]]
id = "rated"
kind = "matrix"
stem = "How I see it"
feeds = "aims"
from = "aims"
show = "people"
points = [ { id = "p0", label = "0" }, { id = "p1", label = "1" }, { id = "p2", label = "2" } ]
"""


def test_what_staff_rated_of_a_is_no_course_of_a() -> None:
    """A clinic's own form may let staff rate the same aims: it stood beside A's own and could be shared as A's."""
    form = definition.parse(OWN, "own_look.toml", library().lists())
    scopes = {one.name: one.scope for one in form.placed("couple")}
    assert set(scopes.values()) == {"staff_a", "staff_b"}
    seen = Opened(form, "couple", {name: {"trust": 2} for name in scopes}, datetime(2026, 1, 1).date())
    assert course.courses([seen]) == {"a": {}, "b": {}}


def test_a_release_begins_no_other_way(house: House) -> None:
    """No form, no addendum, no correction: there is no second door to a consent."""
    shared = house.let_go(house.check_in("a", 1, better="the walk"), "better")
    forged = {"whose": "from_b", "words": SECRET, "agreed": {"day": house.store.today().isoformat()}}
    acts: list[Any] = [
        lambda: records.start(house.store, house.token, house.case, "released", "couple", answers=forged),
        lambda: records.addendum(house.store, house.token, shared, answers=forged),
        lambda: records.correction(house.store, house.token, shared, "a slip"),
        lambda: records.save_draft(house.store, house.token, shared, 2, Checked(forged, {}, {})),
        lambda: records.finish(house.store, house.token, shared, 2, Checked(forged, {}, {})),
    ]
    for act in acts:
        with pytest.raises((Conflict, NotFound)):
            act()
    assert SECRET not in house.both()


def both_share(house: House) -> None:
    house.let_go(house.check_in("a", 1, better=SECRET, trust=3), "better")
    house.let_aim_go("a")
    house.let_go(house.check_in("b", 1, better="what B shared"), "better")
    noted(house, "session_summary", "joint")
    assert SECRET in house.both()


def test_an_erased_person_shares_nothing_any_more(house: House) -> None:
    """The copy in the joint record outlived its owner's answers: both went on reading it."""
    both_share(house)
    erased(house, "a")
    assert SECRET not in house.both()
    assert "what B shared" in house.both()
    assert [one.owner for one in house.page().stands] == ["b"]
    assert SECRET not in printed(house)


def test_neither_does_one_who_was_erased_after_the_backup_that_is_restored(house: House) -> None:
    both_share(house)
    view = house.store.keyholder.open(house.token, UUID(house.case), "staff")
    keys = tuple(str(view.key_of(scope)) for scope in ("a", "staff_a"))
    opened = vault.unlock(house.store.settings.instance, house.store.settings.key_file)
    assert erase.apply(house.store, opened, [erasures.Erased(house.case, "a", keys, "2026-01-01")]) == 1
    assert SECRET not in house.both()
    assert [one.owner for one in house.page().stands] == ["b"]


def test_an_exported_release_names_its_source_by_the_ids_of_the_file(house: House) -> None:
    """Where it was copied from stood there by the id that the database, its audit and every address know."""
    both_share(house)
    mine = replace(house, token=accounts.sign_in(house.store, "ana", PASSWORD))
    request = agreed(mine, "export_file", by=signed_in(house, "admin"))  # type: ignore[arg-type]
    data = export.of_file(mine.store, mine.token, mine.case, request).data.decode()
    there = [one.id for one in records.listing(house.store, house.token, house.case)]
    assert [one for one in there if one in data] == []
    names = {one["entry"] for one in json.loads(data)["entries"]}
    said = [one["answer"] for entry_ in json.loads(data)["entries"] for one in entry_["answers"]]
    assert SECRET in str(said)
    assert names & {word for one in said for word in str(one).split(" ")}


# --------------------------------------------------------------------------- who only reads along
def test_a_supervisor_changes_nothing_and_prints_nothing(house: House) -> None:
    plans(house)
    id_ = house.check_in("a", 1, better="the walk", trust=4)
    seen, shared = house.offer(id_, "better").seen, house.let_go(id_, "better")
    code = noted(house, "session_summary", "a")
    meeting = appointments.add(
        house.store, house.token, house.case, house.store.today(), datetime(2026, 1, 1, 10).time(), 50, "a"
    )
    before = len(records.listing(house.store, house.token, house.case))
    store, token, case, today = house.store, signed_in(house, "supervisor"), house.case, house.store.today()
    page = cases.case_page(store, token, case, layer="staff")
    plan = homework.loop(store, token, case).plans[0]
    item = packs.Item(1, case, page.code, "a", "secure_base")
    acts: list[Any] = [
        lambda: homework.begin(store, token, page, "a", []),
        lambda: homework.begin_review(store, token, plan, "a"),
        lambda: choices.choose(store, token, case, "a", "secure_base", "confirmed"),
        lambda: release.release_answer(store, token, id_, "better", seen, True, today),
        lambda: release.take_back(store, token, shared),
        lambda: entry.find(store, token, code, "a"),
        lambda: appointments.cancel(store, token, meeting),
        lambda: calendar.for_partner(store, token, case, "a", asked=True),
        lambda: batches.submit(store, token, [item], packs.How(), "reviewed"),
    ]
    for act in acts:
        with pytest.raises((Denied, NotFound, Conflict)):
            act()
    assert len(records.listing(house.store, house.token, house.case)) == before
    assert len(appointments.of_case(house.store, house.token, house.case)) == 1


def test_the_front_desk_and_the_translator_open_nothing(house: House) -> None:
    plans(house)
    code = noted(house, "session_summary", "a")
    store, case = house.store, house.case
    doors: list[Any] = [
        lambda token: homework.loop(store, token, case),
        lambda token: choices.standing(store, token, case),
        lambda token: appointments.of_case(store, token, case),
        lambda token: calendar.for_partner(store, token, case, "a", asked=True),
        lambda token: packs.due(store, token, case),
        lambda token: entry.find(store, token, code, "a"),
        lambda token: couple.couple_view(store, token, case),
    ]
    for role in ("front_desk", "translator", "admin"):
        token = signed_in(house, role)
        for door in doors:
            with pytest.raises((NotFound, Denied)):
                door(token)
        assert packs.codes(store, token) == {}
        assert all(one.case == "" for one in appointments.of_day(store, token, store.today()))


# --------------------------------------------------------------------------- packs
LISTED: Any = ({"C-01": "1"}, {"secure_base": definitions()["secure_base"]}, "reviewed", False, 100)


@pytest.mark.parametrize(
    "text",
    ["case,sheet,to\nC-01,secure_base," + "x" * 140_000, 'case,sheet,to\nC-01,secure_base,"' + "a\n" * 70_000],
)
def test_a_list_that_no_reader_of_csv_takes_is_one_plain_line(text: str) -> None:
    with pytest.raises(pack_list.BadList) as refused:
        pack_list.read(text, *LISTED)
    assert isinstance(refused.value, ClinicError)
    assert len(str(refused.value)) < 1500


def test_a_list_says_nothing_of_a_case_and_echoes_no_cell() -> None:
    with pytest.raises(pack_list.BadList) as refused:
        pack_list.read(f"case,sheet,to\n=cmd|{SECRET},\x1b[2J{SECRET},{SECRET}\n", *LISTED)
    assert SECRET not in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_another_cases_record_prints_in_no_pack(house: House) -> None:
    """The place of a record is posted: one of another own case, or of the other partner, is the one refusal."""
    other = prepared(house)
    foreign = other.finish("homework_plan", "a", planned(SECRET))
    theirs = house.finish("homework_plan", "b", planned(SECRET))
    draft = records.start(house.store, house.token, house.case, "homework_plan", "a", answers=planned(SECRET))
    code = cases.name(house.store, house.token, house.case).code
    for record in (foreign, theirs, draft, "00000000-0000-4000-8000-000000000000"):
        item = packs.Item(7, house.case, code, "a", "homework_plan", record)
        assert batches.submit(house.store, house.token, [item], packs.How(), "reviewed") == batches.Batch("", 1, (7,))


# --------------------------------------------------------------------------- erasing with a damaged row
def test_an_appointment_moved_by_hand_stops_no_erasure(house: House) -> None:
    """Start is a plain column: whoever changed it kept a partner's answers from ever being erased."""
    at, today = datetime(2026, 1, 1, 10).time(), house.store.today()
    appointments.add(house.store, house.token, house.case, today, at, 50, "b")
    moved = appointments.add(house.store, house.token, house.case, today, at, 50, "a")
    with unit_of_work(house.store, house.token, write=True) as session:
        session.get_one(Appointment, UUID(moved)).start = datetime.now(UTC) + timedelta(days=9)
    erased(house, "a")
    assert [one.who for one in appointments.of_case(house.store, house.token, house.case)] == ["b"]


# --------------------------------------------------------------------------- pages that stay open
@pytest.mark.parametrize("page", ["plan", "course", "pack"])
def test_new_pages_of_the_staff_layer_close_with_the_lock(served: Served, page: str) -> None:
    """Unlocked in front of a couple, the page with both partners' reasons came back."""
    ana = served.client("ana")
    assert ana.get(f"/cases/{served.case}/{page}").status_code == 200
    change(served, locked=True)
    reply = send(ana, ana.get(f"/cases/{served.case}/{page}"), "/unlock", password=PASSWORD)
    assert reply.location == f"/cases/{served.case}"


def test_one_partners_answers_do_not_stay_on_the_screen(served: Served) -> None:
    """What leaves the room stands on the print page in clear: without a touch it closes as the staff layer does."""
    to_serve(served)
    finished(served.store, served.tokens["ana"], served.case, "check_in", "a", {"better": SECRET})
    ana, case = served.client("ana"), f"/cases/{served.case}"
    page = post(ana, f"{case}/print", sheet="check_in", to="a", do="open").text
    assert SECRET in page
    assert f'data-first-layer="{case}"' in page
    finished(served.store, served.tokens["ana"], served.case, "homework_plan", "a", planned(SECRET))
    page = post(ana, f"{case}/calendar", to="a", asked="1").text
    assert SECRET in page
    assert f'data-first-layer="{case}"' in page


def test_no_file_stays_in_a_browser(served: Served) -> None:
    to_serve(served)
    every = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    answers = planned("x", every, "09:00", served.store.today())
    finished(served.store, served.tokens["ana"], served.case, "homework_plan", "a", answers)
    ana, case = served.client("ana"), f"/cases/{served.case}"
    made_ = post(ana, f"{case}/calendar", to="a", asked="1")
    item = "|".join((served.case, "", "alone", "a", "the_wave", ""))
    read = re.search(r'name="item" value="([^"]*)"', post(ana, f"{case}/pack", item=item, do="look").text)
    assert read
    packed = post(ana, f"{case}/pack", item=read[1], do="zip", goes="stays", uneven=code_mark(ana, served))
    for reply in (made_, packed):
        assert reply.status_code == 200, reply.text
        assert "no-store" in reply.headers["Cache-Control"]
        assert "ETag" not in reply.headers
        assert "Last-Modified" not in reply.headers
        assert served.case not in str(reply.headers)


def code_mark(ana: Any, served: Served) -> str:
    code = cases.name(served.store, served.tokens["ana"], served.case).code
    return f"{code}:1:0"
