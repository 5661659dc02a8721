"""Appointments: times and codes in the open, who comes for staff; the front desk, erasing, export, transfer, verify."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, NotFound
from clinic.persistence.keyview import NotYours
from clinic.persistence.models import Account, Appointment
from clinic.persistence.sealing import Damaged
from clinic.services import accounts, appointments, cases, erase, export, transfer, verify
from tests.persistence.making import PASSWORD, Clinic
from tests.services.rights import admin, agreed, verbs

DAY = date(2026, 3, 9)
TEN = time(10, 30)


def add(clinic: Clinic, case: str = "", day: date = DAY, at: time = TEN, who: str = "both") -> str:
    token = clinic.other if case == clinic.foreign else clinic.token
    return appointments.add(clinic.store, token, case or clinic.case, day, at, 50, who)


def of_case(clinic: Clinic) -> list[appointments.Appointment]:
    return appointments.of_case(clinic.store, clinic.token, clinic.case)


def desk(clinic: Clinic) -> str:
    """The token of the front desk."""
    accounts.create_account(clinic.store, "fritz", PASSWORD, role="front_desk")
    return accounts.sign_in(clinic.store, "fritz", PASSWORD)


def in_zone(clinic: Clinic, name: str) -> None:
    clinic.store = replace(clinic.store, settings=replace(clinic.store.settings, time_zone=name))


def test_it_is_made_moved_and_cancelled(clinic: Clinic) -> None:
    id_ = add(clinic, who="a")
    [one] = of_case(clinic)
    assert (one.id, one.case, one.minutes, one.who, one.present) == (id_, clinic.case, 50, "a", ("a",))
    assert one.start == datetime(2026, 3, 9, 10, 30, tzinfo=UTC)
    assert appointments.move(clinic.store, clinic.token, id_, DAY, time(11), 80, "both") == clinic.case
    one = appointments.read(clinic.store, clinic.token, id_)
    assert (one.start.time(), one.minutes, one.who, one.present) == (time(11), 80, "both", ("a", "b", "joint"))
    assert appointments.cancel(clinic.store, clinic.token, id_) == clinic.case
    assert of_case(clinic) == []
    assert [one for one in verbs(clinic) if one.startswith("appointment")] == [
        "appointment.added",
        "appointment.moved",
        "appointment.cancelled",
    ]


def test_it_counts_as_a_touch_of_the_case(clinic: Clinic) -> None:
    clinic.clock.pass_(days=3)
    clinic.stay_signed_in()
    add(clinic)
    assert cases.caseload(clinic.store, clinic.token)[0].touched_on == date(2026, 3, 5)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"minutes": 5}, "minutes"),
        ({"minutes": 9999}, "minutes"),
        ({"who": "staff"}, "who"),
        ({"day": date(1, 1, 1)}, "day"),
    ],
)
def test_what_cannot_be_is_refused(clinic: Clinic, change: dict[str, Any], field: str) -> None:
    values = {"day": DAY, "at": TEN, "minutes": 50, "who": "both"} | change
    id_ = add(clinic)
    for act in (
        lambda: appointments.add(clinic.store, clinic.token, clinic.case, **values),
        lambda: appointments.move(clinic.store, clinic.token, id_, **values),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert list(refused.value.fields) == [field]
    assert len(of_case(clinic)) == 1


def test_somebody_elses_is_not_there(clinic: Clinic) -> None:
    id_ = add(clinic, clinic.foreign)
    none = "00000000-0000-4000-8000-000000000000"
    for id_or_case in (id_, none, "x"):
        for act in (
            lambda one=id_or_case: appointments.read(clinic.store, clinic.token, one),
            lambda one=id_or_case: appointments.move(clinic.store, clinic.token, one, DAY, TEN, 50, "a"),
            lambda one=id_or_case: appointments.cancel(clinic.store, clinic.token, one),
        ):
            with pytest.raises(NotFound):
                act()
    with pytest.raises(NotFound):
        appointments.of_case(clinic.store, clinic.token, clinic.foreign)
    with pytest.raises(NotFound):
        appointments.add(clinic.store, clinic.token, clinic.foreign, DAY, TEN, 50, "a")
    assert appointments.of_day(clinic.store, clinic.token, DAY) == []
    assert [one.code for one in appointments.of_day(clinic.store, clinic.other, DAY)] != []


def test_a_supervisor_reads_and_changes_nothing(clinic: Clinic) -> None:
    above = accounts.create_account(clinic.store, "vera", PASSWORD, role="supervisor")
    accounts.set_supervisor(clinic.store, accounts.find(clinic.store, "anna").id, above)
    token, id_ = accounts.sign_in(clinic.store, "vera", PASSWORD), add(clinic)
    assert len(appointments.of_case(clinic.store, token, clinic.case)) == 1
    for act in (
        lambda: appointments.add(clinic.store, token, clinic.case, DAY, TEN, 50, "both"),
        lambda: appointments.move(clinic.store, token, id_, DAY, TEN, 50, "both"),
        lambda: appointments.cancel(clinic.store, token, id_),
    ):
        with pytest.raises(Denied):
            act()
    assert len(of_case(clinic)) == 1


def test_a_day_is_the_clinics(clinic: Clinic) -> None:
    """Half past eleven at night in New York is the next day in UTC; both ends of a short day in Berlin are its own."""
    in_zone(clinic, "America/New_York")
    add(clinic, at=time(23, 30))
    assert [one.start.hour for one in appointments.of_day(clinic.store, clinic.token, DAY)] == [23]
    assert appointments.of_day(clinic.store, clinic.token, DAY + timedelta(days=1)) == []
    in_zone(clinic, "Europe/Berlin")
    short = date(2026, 3, 29)  # the clock goes forward: 23 hours
    for at in (time(0), time(23, 59)):
        add(clinic, day=short, at=at)
    assert [one.start.time() for one in appointments.of_day(clinic.store, clinic.token, short)] == [
        time(0),
        time(23, 59),
    ]
    with Session(clinic.raw) as session:
        starts = sorted(session.scalars(select(Appointment.start)))
    assert [one.isoformat() for one in starts[1:]] == ["2026-03-28T23:00:00+00:00", "2026-03-29T21:59:00+00:00"]


def test_the_next_one_of_each_case(clinic: Clinic) -> None:
    for day in (date(2026, 2, 2), DAY, DAY + timedelta(days=7)):
        add(clinic, day=day)
    add(clinic, clinic.foreign)
    coming = appointments.coming(clinic.store, clinic.token, [clinic.case, clinic.foreign])
    assert {case: one.date() for case, one in coming.items()} == {clinic.case: DAY}
    since = appointments.of_case(clinic.store, clinic.token, clinic.case)[1:]
    assert appointments.of_case(clinic.store, clinic.token, clinic.case, DAY) == since


def test_an_archived_case_stands_in_no_day(clinic: Clinic) -> None:
    add(clinic)
    cases.archive(clinic.store, clinic.token, clinic.case)
    assert appointments.of_day(clinic.store, clinic.token, DAY) == []
    assert appointments.of_day(clinic.store, desk(clinic), DAY) == []


# --------------------------------------------------------------------------- the front desk
def test_the_front_desk_sees_times_and_codes_of_all_and_no_more(clinic: Clinic) -> None:
    ids = [add(clinic, who="a"), add(clinic, clinic.foreign, at=time(9))]
    token = desk(clinic)
    found = appointments.of_day(clinic.store, token, DAY)
    codes = {
        who: cases.caseload(clinic.store, token_)[0].code
        for who, token_ in (("anna", clinic.token), ("berta", clinic.other))
    }
    assert [(one.start.time(), one.code, one.case) for one in found] == [
        (time(9), codes["berta"], ""),
        (time(10, 30), codes["anna"], ""),
    ]
    for act in (
        lambda: appointments.of_case(clinic.store, token, clinic.case),
        lambda: appointments.add(clinic.store, token, clinic.case, DAY, TEN, 50, "both"),
        *(lambda id_=id_: appointments.read(clinic.store, token, id_) for id_ in ids),
        *(lambda id_=id_: appointments.cancel(clinic.store, token, id_) for id_ in ids),
    ):
        with pytest.raises(NotFound):
            act()
    assert appointments.coming(clinic.store, token, [clinic.case]) == {}


@pytest.mark.parametrize("role", ["admin", "translator"])
def test_nobody_else_sees_all(clinic: Clinic, role: str) -> None:
    add(clinic)
    accounts.create_account(clinic.store, "eve", PASSWORD, role=role)
    assert appointments.of_day(clinic.store, accounts.sign_in(clinic.store, "eve", PASSWORD), DAY) == []


def test_a_front_desk_that_was_reset_sees_nothing(clinic: Clinic) -> None:
    add(clinic)
    token = desk(clinic)
    with Session(clinic.raw.execution_options(write=True)) as session:
        session.execute(update(Account).where(Account.name == "fritz").values(confirmed=False))
        session.commit()
    assert appointments.of_day(clinic.store, token, DAY) == []


# --------------------------------------------------------------------------- the sealed half
def test_what_is_sealed_is_bound_to_row_case_and_start(clinic: Clinic) -> None:
    one, two = add(clinic, who="a"), add(clinic, at=time(12))
    view = clinic.store.keyholder.open(clinic.token, clinic.case_id, "case")
    with Session(clinic.raw) as session:
        row, other = session.get_one(Appointment, UUID(one)), session.get_one(Appointment, UUID(two))
        assert b"who" not in row.sealed
        assert view.open_appointment(row) == {"minutes": 50, "who": "a"}
        row.sealed, kept = other.sealed, row.sealed
        with pytest.raises(Damaged):
            view.open_appointment(row)
        row.sealed, row.start = kept, row.start + timedelta(minutes=1)
        with pytest.raises(Damaged):
            view.open_appointment(row)
        row.case_id = UUID(clinic.foreign)
        with pytest.raises(NotYours):
            view.open_appointment(row)
    for recipient in ("joint", "a", "b"):
        paper = clinic.store.keyholder.open(clinic.token, clinic.case_id, f"sheet:{recipient}", "wishes")  # type: ignore[arg-type]
        with pytest.raises(NotYours):
            paper.open_appointment(other)


def test_verify_finds_one_that_was_moved_by_hand(clinic: Clinic) -> None:
    id_ = add(clinic)
    assert verify.verify(clinic.store) == []
    with Session(clinic.raw.execution_options(write=True)) as session:
        session.execute(update(Appointment).values(start=datetime(2026, 4, 1, 9, tzinfo=UTC)))
        session.commit()
    [found] = verify.verify(clinic.store)
    assert found.endswith(f"appointment {id_} does not open.")


def test_the_whole_file_has_them_and_a_partners_own_has_not(clinic: Clinic) -> None:
    add(clinic, who="a")
    whole = json.loads(export.of_file(clinic.store, clinic.token, clinic.case, agreed(clinic, "export_file")).data)
    assert whole["appointments"] == [{"start": "2026-03-09T10:30:00+00:00", "minutes": 50, "who": "a"}]
    mine = export.of_person(clinic.store, clinic.token, clinic.case, "a").data
    assert b"appointment" not in mine
    assert b"10:30" not in mine


def test_erasing_a_person_takes_the_meetings_of_that_person_alone(clinic: Clinic) -> None:
    for who in ("a", "b", "both"):
        add(clinic, who=who)
    erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    assert sorted(one.who for one in of_case(clinic)) == ["b", "both"]


def test_a_transfer_takes_them_along(clinic: Clinic) -> None:
    add(clinic)
    code = cases.caseload(clinic.store, clinic.token)[0].code
    to = str(accounts.find(clinic.store, "berta").id)
    one, two = admin(clinic, "doris"), admin(clinic, "ada")
    transfer.confirm(clinic.store, two, transfer.ask(clinic.store, one, code, to, "Anna is on leave."))
    assert [one.code for one in appointments.of_day(clinic.store, clinic.other, DAY)] == [code]
    assert appointments.of_day(clinic.store, clinic.token, DAY) == []
