"""Choices of suggested sheets: what stands, who may choose, what is sealed where, and that nothing signed goes."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain import formulation
from clinic.domain.answer import Checked
from clinic.domain.audience import RECIPIENTS
from clinic.domain.errors import Denied, Invalid, NotFound, Refused
from clinic.persistence.models import Account, Part, Record
from clinic.services import accounts, cases, choices, erase, export, records
from clinic.services.definitions import definition, tables
from tests.persistence.making import PASSWORD, Clinic
from tests.services.rights import agreed, verbs

CANARY = "ZQreasonQZ"
Found = list[tuple[str, str, str, str]]


@pytest.fixture(autouse=True)
def shipped(clinic: Clinic) -> None:
    wanted = ("sheet_choice", "secure_base", "our_cycle", "the_wave")
    found = {id_: definition(id_) for id_ in wanted}
    clinic.store.remember(found.values())
    clinic.shelf.there |= found


def choose(clinic: Clinic, to: Any, sheet: str, verdict: str, reason: str = "", because: str = "") -> str:
    clinic.clock.pass_(minutes=1)
    store, token = clinic.store, clinic.token
    return choices.choose(store, token, clinic.case, to, sheet, verdict, reason, "Its title", because)


def back(clinic: Clinic, to: Any, sheet: str) -> str:
    clinic.clock.pass_(minutes=1)
    return choices.take_back(clinic.store, clinic.token, clinic.case, to, sheet)


def stands(clinic: Clinic) -> Found:
    found = choices.standing(clinic.store, clinic.token, clinic.case)
    return [(one.recipient, one.sheet, one.verdict, one.reason) for one in found]


def scopes(clinic: Clinic, record: str) -> set[str]:
    return set(records.read(clinic.store, clinic.token, record).scopes)


def test_the_newest_choice_of_each_reader_and_sheet_stands(clinic: Clinic) -> None:
    choose(clinic, "a", "secure_base", "declined", " Too early. ")
    choose(clinic, "b", "secure_base", "confirmed")
    choose(clinic, "joint", "our_cycle", "confirmed")
    assert stands(clinic) == [
        ("joint", "our_cycle", "confirmed", ""),
        ("b", "secure_base", "confirmed", ""),
        ("a", "secure_base", "declined", "Too early."),
    ]
    choose(clinic, "a", "secure_base", "confirmed")
    assert stands(clinic)[0] == ("a", "secure_base", "confirmed", "")
    assert len(stands(clinic)) == 3


def test_a_choice_is_a_finished_record_of_its_own_scope_with_its_day_and_reasons(clinic: Clinic) -> None:
    made = {to: choose(clinic, to, "our_cycle" if to == "joint" else "the_wave", "declined", f"no {to}", "A saw it.")
            for to in ("a", "b", "joint")}  # fmt: skip
    assert {to: scopes(clinic, one) for to, one in made.items()} == {
        "a": {"staff_a"}, "b": {"staff_b"}, "joint": {"staff_couple"},
    }  # fmt: skip
    record = records.read(clinic.store, clinic.token, made["a"])
    assert (record.state, record.about, record.held_on) == ("signed", "a", clinic.store.today())
    assert record.answers == {
        "held": {"day": "2026-03-02", "time": (clinic.clock.now - timedelta(minutes=2)).astimezone().strftime("%H:%M")},
        "sheet": {"title": "Its title", "code": "the_wave"},
        "verdict": "declined",
        "reason": "no a",
        "because": "A saw it.",
    }
    stood = choices.standing(clinic.store, clinic.token, clinic.case)
    assert {one.record for one in stood} == set(made.values())
    assert {one.day for one in stood} == {clinic.store.today()}


def test_taking_back_writes_a_new_record_and_keeps_the_old(clinic: Clinic) -> None:
    first = choose(clinic, "a", "secure_base", "declined", "Too early.")
    second = back(clinic, "a", "secure_base")
    assert stands(clinic) == []
    assert records.read(clinic.store, clinic.token, first).answers["reason"] == "Too early."
    history = choices.history(clinic.store, clinic.token, clinic.case)
    assert [(one.record, one.verdict) for one in history] == [(first, "declined"), (second, "taken_back")]
    with pytest.raises(NotFound):
        back(clinic, "a", "secure_base")


def test_a_correction_has_the_word(clinic: Clinic) -> None:
    first = choose(clinic, "a", "secure_base", "declined", "Wrong partner.")
    clinic.clock.pass_(minutes=1)
    new = records.correction(clinic.store, clinic.token, first, "a slip")
    draft = records.read(clinic.store, clinic.token, new)
    records.finish(clinic.store, clinic.token, new, draft.rev, Checked(draft.answers | {"reason": "Later."}, {}, {}))
    assert stands(clinic) == [("a", "secure_base", "declined", "Later.")]
    assert [one.record for one in choices.history(clinic.store, clinic.token, clinic.case)] == [new]


def test_correcting_an_old_choice_does_not_bring_it_back(clinic: Clinic) -> None:
    first = choose(clinic, "a", "secure_base", "declined", "A slip of the pen.")
    choose(clinic, "a", "secure_base", "confirmed")
    clinic.clock.pass_(minutes=1)
    new = records.correction(clinic.store, clinic.token, first, "a slip")
    draft = records.read(clinic.store, clinic.token, new)
    records.finish(clinic.store, clinic.token, new, draft.rev, Checked(draft.answers | {"reason": "Better."}, {}, {}))
    assert stands(clinic) == [("a", "secure_base", "confirmed", "")]
    opened = records.opened(clinic.store, clinic.token, clinic.case)
    assert formulation.facts(opened, tables(), clinic.store.today()).recent == {}


@pytest.mark.parametrize(
    ("to", "sheet", "verdict", "reason", "error"),
    [
        ("a", "secure_base", "declined", "", Invalid),
        ("a", "secure_base", "declined", "  ", Invalid),
        ("a", "secure_base", "declined", "x" * 1001, Invalid),
        ("a", "secure_base", "taken_back", "", Invalid),
        ("a", "secure_base", "", "", Invalid),
        ("a", "our_cycle", "confirmed", "", NotFound),  # goes to both or to nobody
        ("joint", "secure_base", "confirmed", "", NotFound),
        ("a", "nothing", "confirmed", "", NotFound),
        ("staff", "secure_base", "confirmed", "", NotFound),
        ("a", "sheet_choice", "confirmed", "", NotFound),
    ],
)
def test_what_is_no_choice_is_refused_and_nothing_is_written(
    clinic: Clinic, to: str, sheet: str, verdict: str, reason: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        choose(clinic, to, sheet, verdict, reason)
    with Session(clinic.raw) as session:
        assert session.scalars(select(Record)).all() == []
        assert session.scalars(select(Part)).all() == []


def test_a_supervisor_reads_and_does_not_choose_and_others_find_nothing(clinic: Clinic) -> None:
    choose(clinic, "a", "secure_base", "declined", "Too early.")
    made = accounts.create_account(clinic.store, "sven", PASSWORD, "Sven", "supervisor")
    with Session(clinic.raw) as session:
        anna = session.scalars(select(Account.id).where(Account.name == "anna")).one()
    accounts.set_supervisor(clinic.store, str(anna), made)
    sven = accounts.sign_in(clinic.store, "sven", PASSWORD, "127.0.0.1")
    assert [one.sheet for one in choices.standing(clinic.store, sven, clinic.case)] == ["secure_base"]
    with pytest.raises(Denied):
        choices.choose(clinic.store, sven, clinic.case, "a", "the_wave", "confirmed")
    with pytest.raises(Denied):
        choices.take_back(clinic.store, sven, clinic.case, "a", "secure_base")
    for call in (choices.standing, choices.history):
        with pytest.raises(NotFound):
            call(clinic.store, clinic.other, clinic.case)
    with pytest.raises(NotFound):
        choices.choose(clinic.store, clinic.other, clinic.case, "a", "the_wave", "confirmed")


def test_it_is_audited_without_a_word_of_content(clinic: Clinic) -> None:
    choose(clinic, "a", "secure_base", "confirmed")
    choose(clinic, "a", "secure_base", "declined", CANARY)
    back(clinic, "a", "secure_base")
    assert [one for one in verbs(clinic) if one.startswith("choice.")] == [
        "choice.confirmed", "choice.declined", "choice.taken_back",
    ]  # fmt: skip


def test_the_facts_carry_what_was_declined_until_it_is_taken_back(clinic: Clinic) -> None:
    def recent() -> dict[str, str]:
        opened = records.opened(clinic.store, clinic.token, clinic.case)
        found = formulation.facts(opened, tables(), clinic.store.today()).recent
        return {key: one.outcome for key, one in found.items()}

    choose(clinic, "a", "secure_base", "declined", "Too early.")
    choose(clinic, "b", "secure_base", "confirmed")
    assert recent() == {"a.secure_base": "declined"}
    back(clinic, "a", "secure_base")
    assert recent() == {}


def test_paper_and_a_persons_export_never_hold_a_choice(clinic: Clinic) -> None:
    for to in ("a", "b"):
        choose(clinic, to, "secure_base", "declined", CANARY, CANARY)
    made = choose(clinic, "joint", "our_cycle", "declined", CANARY, CANARY)
    for to in RECIPIENTS:
        with pytest.raises(Refused):
            records.for_recipient(clinic.store, clinic.token, clinic.case, to, "sheet_choice", made)
    for person in ("a", "b"):
        data = export.of_person(clinic.store, clinic.token, clinic.case, person).data
        assert CANARY.encode() not in data
        assert b"Choice of a sheet" not in data
    staff = export.of_staff(
        clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "staff_export", partner="a")
    ).data.decode()
    assert staff.count(CANARY) == 2
    assert "Choice of a sheet" in staff


def test_erasing_a_takes_the_choices_about_a_and_no_others(clinic: Clinic) -> None:
    for to in ("a", "b"):
        choose(clinic, to, "secure_base", "confirmed")
    erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    assert stands(clinic) == [("b", "secure_base", "confirmed", "")]


def test_a_choice_does_not_change_what_may_be_printed(clinic: Clinic) -> None:
    before = cases.case_page(clinic.store, clinic.token, clinic.case, layer="staff").ruling
    choose(clinic, "joint", "our_cycle", "declined", "Not now.")
    assert cases.case_page(clinic.store, clinic.token, clinic.case, layer="staff").ruling == before
