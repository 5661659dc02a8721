"""Roles: a second person, notices, transfer, break-glass, accounts; with a real database, keys and audit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import select

from clinic.domain.answer import Checked
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, SignIn, StepUp
from clinic.persistence.models import Account, Audit, KeyRing, Notice
from clinic.services import (
    accounts,
    break_glass,
    cases,
    menu,
    notices,
    records,
    second_person,
    sessions,
    supervision,
    team,
    transfer,
)
from clinic.services.definitions import definition
from clinic.services.unit_of_work import unit_of_work
from tests.persistence.making import PASSWORD, Clinic

REASON = "The counsellor is on leave."


@dataclass
class House:
    """Anna and Berta are counsellors with a case each; the others are made here. `tokens` by name."""

    clinic: Clinic
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def store(self):  # type: ignore[no-untyped-def]
        return self.clinic.store

    def person(self, name: str, role: str) -> str:
        """An account with a live session; its id."""
        made = accounts.create_account(self.store, name, PASSWORD, name.title(), role)
        self.tokens[name] = self.sign_in(name)
        return made

    def sign_in(self, name: str) -> str:
        with unit_of_work(self.store, write=True) as session:
            return sessions.start(self.store, session, UUID(self.id(name)), "full").token

    def id(self, name: str) -> str:
        with unit_of_work(self.store) as session:
            return str(session.scalars(select(Account.id).where(Account.name == name)).one())

    def set(self, name: str, **values: object) -> None:
        with unit_of_work(self.store, write=True) as session:
            row = session.scalars(select(Account).where(Account.name == name)).one()
            for key, value in values.items():
                setattr(row, key, value)

    def told(self, name: str) -> list[str]:
        return [one.kind for one in notices.unseen(self.store, self.tokens[name])]

    def waits(self, name: str) -> list[str]:
        return [one.kind for one in second_person.waiting(self.store, self.tokens[name]) if not one.mine]

    def code(self, token: str) -> str:
        return cases.caseload(self.store, token)[0].code

    def audited(self) -> list[str]:
        with unit_of_work(self.store) as session:
            rows = list(session.scalars(select(Audit).order_by(Audit.seq)))
        return [str(one["verb"]) for one in self.store.keyholder.audit_read(rows)]


@pytest.fixture
def house(clinic: Clinic) -> House:
    made = House(clinic, {"anna": clinic.token, "berta": clinic.other})
    for name, role in (("sven", "supervisor"), ("ada", "admin"), ("alf", "admin"), ("flora", "front_desk")):
        made.person(name, role)
    made.person("tara", "translator")
    made.set("anna", supervisor_id=UUID(made.id("sven")))
    return made


# --------------------------------------------------------------------------- a second person
def test_somebody_else_confirms_and_it_holds_for_one_act(house: House) -> None:
    store, case = house.store, house.clinic.case
    asked = second_person.ask(store, house.tokens["anna"], "export_file", case, REASON)
    with unit_of_work(store) as session:
        assert not second_person.confirmed(store, session, asked, "export_file", case)
    assert house.waits("sven") == house.waits("ada") == ["export_file"]
    assert house.waits("anna") == house.waits("berta") == house.waits("flora") == house.waits("tara") == []
    assert second_person.confirm(store, house.tokens["sven"], asked) == "export_file"
    assert house.waits("ada") == []
    assert house.told("anna") == ["request_confirmed"]
    with unit_of_work(store) as session:
        assert second_person.confirmed(store, session, asked, "export_file", case)
        assert not second_person.confirmed(store, session, asked, "erase", case)
        assert not second_person.confirmed(store, session, asked, "export_file", house.clinic.foreign)
        assert not second_person.confirmed(store, session, asked, "export_file", None)
    with unit_of_work(store, write=True) as session:
        second_person.done(session, asked)
    with unit_of_work(store) as session:
        assert not second_person.confirmed(store, session, asked, "export_file", case)
    assert {"request.asked", "request.confirmed"} <= set(house.audited())


def test_not_the_asker_not_twice_not_a_stranger_not_the_front_desk(house: House) -> None:
    store = house.store
    asked = second_person.ask(store, house.tokens["anna"], "erase", house.clinic.case, REASON, partner="a")
    with pytest.raises(Denied):
        second_person.confirm(store, house.tokens["anna"], asked)
    for stranger in ("berta", "flora", "tara"):
        with pytest.raises(NotFound):
            second_person.confirm(store, house.tokens[stranger], asked)
    second_person.confirm(store, house.tokens["ada"], asked)
    with pytest.raises(Conflict):
        second_person.confirm(store, house.tokens["sven"], asked)


def test_a_request_ends_after_seven_days(house: House) -> None:
    store = house.store
    asked = second_person.ask(store, house.tokens["anna"], "export_file", house.clinic.case, REASON)
    second_person.confirm(store, house.tokens["sven"], asked)
    house.clinic.clock.pass_(days=8)
    with unit_of_work(store) as session:
        assert not second_person.confirmed(store, session, asked, "export_file", house.clinic.case)
    late = house.sign_in("ada")
    with pytest.raises(NotFound):
        second_person.confirm(store, late, asked)
    assert second_person.waiting(store, late) == []


def test_both_prove_who_they_are(house: House) -> None:
    store = house.store
    asked = second_person.ask(store, house.tokens["anna"], "export_file", house.clinic.case, REASON)
    house.clinic.clock.pass_(minutes=6)
    with pytest.raises(StepUp):
        second_person.confirm(store, house.tokens["sven"], asked)
    with pytest.raises(StepUp):
        second_person.ask(store, house.tokens["anna"], "export_file", house.clinic.case, REASON)
    second_person.confirm(store, house.sign_in("sven"), asked)


@pytest.mark.parametrize("kind", ["transfer", "role", "reset", "nonsense"])
def test_what_confirming_does_is_not_asked_for_here(house: House, kind: str) -> None:
    with pytest.raises(Denied):
        second_person.ask(house.store, house.tokens["anna"], kind, house.clinic.case, REASON)


def test_a_foreign_case_is_not_there_and_a_reason_is_needed(house: House) -> None:
    with pytest.raises(NotFound):
        second_person.ask(house.store, house.tokens["anna"], "export_file", house.clinic.foreign, REASON)
    for reason in ("  ", "x" * 501):
        with pytest.raises(Invalid):
            second_person.ask(house.store, house.tokens["anna"], "export_file", house.clinic.case, reason)


def test_no_is_told_and_an_own_request_is_taken_back(house: House) -> None:
    store = house.store
    first, second = (
        second_person.ask(store, house.tokens["anna"], "export_file", house.clinic.case, REASON) for _ in range(2)
    )
    with pytest.raises(NotFound):
        second_person.withdraw(store, house.tokens["berta"], first)
    second_person.withdraw(store, house.tokens["sven"], first)
    second_person.withdraw(store, house.tokens["anna"], second)
    assert house.told("anna") == ["request_refused"]
    assert house.waits("ada") == []


# --------------------------------------------------------------------------- notices
def test_a_notice_is_its_readers_own_and_goes_when_it_was_read(house: House) -> None:
    store = house.store
    notices.tell(store, house.id("anna"), "break_glass", code="K-1", by="Ada", until="2026-03-02T12:00:00+00:00")
    assert (house.told("anna"), house.told("berta")) == (["break_glass"], [])
    assert menu.read(store, house.tokens["anna"], confirms=True).waits == 1
    line = notices.unseen(store, house.tokens["anna"])[0]
    assert line.says["code"] == "K-1"
    with pytest.raises(NotFound):
        notices.seen(store, house.tokens["berta"], line.id)
    notices.seen(store, house.tokens["anna"], line.id)
    assert house.told("anna") == []
    with unit_of_work(store) as session:
        assert b"K-1" not in session.scalars(select(Notice)).one().sealed


def test_a_notice_holds_what_its_kind_names_and_no_more(house: House) -> None:
    with pytest.raises(ValueError, match="no notice"):
        notices.tell(house.store, house.id("anna"), "break_glass", reason="what was said")
    with pytest.raises(ValueError, match="no notice"):
        notices.tell(house.store, house.id("anna"), "gossip")


# --------------------------------------------------------------------------- transfer
def asked_for(house: House, by: str = "ada") -> str:
    return transfer.ask(house.store, house.tokens[by], house.code(house.tokens["anna"]), house.id("berta"), REASON)


@pytest.mark.parametrize("by", ["ada", "sven"])
@pytest.mark.parametrize("second", ["alf", "anna"])
def test_a_case_goes_to_another_counsellor_whole(house: House, by: str, second: str) -> None:
    store, case = house.store, house.clinic.case
    meeting = records.start(store, house.tokens["anna"], case, "meeting", "couple")
    before = len(rings(house))
    asked = asked_for(house, by)
    assert records.read(store, house.tokens["anna"], meeting)
    assert team.confirm(store, house.tokens[second], asked) == "transfer"
    assert records.read(store, house.tokens["berta"], meeting).id == meeting
    with pytest.raises(NotFound):
        records.read(store, house.tokens["anna"], meeting)
    with pytest.raises(NotFound):
        cases.case_page(store, house.tokens["sven"], case, layer="staff")  # berta has no supervisor
    assert len(rings(house)) == before + 1
    diary = records.start(store, house.tokens["berta"], case, "diary", "couple")
    assert records.read(store, house.tokens["berta"], diary)
    assert "transfer_out" in house.told("anna")
    assert house.told("sven").count("transfer_out") == 1
    assert house.told("berta") == ["transfer_in"]
    assert {"transfer.asked", "transfer.done"} <= set(house.audited())


def rings(house: House) -> list[UUID]:
    from sqlalchemy.orm import Session

    with Session(house.clinic.raw) as session:
        return list(session.scalars(select(KeyRing.id).where(KeyRing.case_id == house.clinic.case_id)))


def test_process_notes_of_the_counsellor_before_stay_closed(house: House) -> None:
    store, case = house.store, house.clinic.case
    diary = records.start(store, house.tokens["anna"], case, "diary", "couple", answers={"thought": "mine alone"})
    team.confirm(store, house.tokens["alf"], asked_for(house))
    with pytest.raises(NotFound):
        records.read(store, house.tokens["berta"], diary)
    assert diary not in [one.id for one in records.listing(store, house.tokens["berta"], case)]


def test_nobody_takes_a_case_alone(house: House) -> None:
    store = house.store
    asked = asked_for(house)
    for who, error in (("ada", Denied), ("berta", NotFound), ("flora", NotFound)):
        with pytest.raises(error):
            team.confirm(store, house.tokens[who], asked)
    assert [one.code for one in cases.caseload(store, house.tokens["anna"])]
    for who in ("anna", "flora", "tara"):
        with pytest.raises(Denied):
            transfer.ask(store, house.tokens[who], "K-1", house.id("berta"), REASON)


def test_a_supervisor_names_only_supervised_cases_and_only_counsellors_take_them(house: House) -> None:
    store, foreign = house.store, house.code(house.tokens["berta"])
    mine = house.code(house.tokens["anna"])
    for who, code, to in (
        ("sven", foreign, "anna"),
        ("ada", "K-0", "anna"),
        ("ada", mine, "anna"),
        ("ada", mine, "sven"),
        ("ada", mine, "flora"),
    ):
        with pytest.raises(Invalid):
            transfer.ask(store, house.tokens[who], code, house.id(to), REASON)
    house.set("berta", active=False)
    with pytest.raises(Invalid):
        asked_for(house)


def test_what_changed_meanwhile_stops_a_transfer(house: House) -> None:
    first, second = asked_for(house), asked_for(house, "sven")
    team.confirm(house.store, house.tokens["alf"], first)
    with pytest.raises(Conflict):
        team.confirm(house.store, house.tokens["alf"], second)
    assert house.waits("alf") == ["transfer"]  # nothing of it was kept


# --------------------------------------------------------------------------- break-glass
def opened(house: House, hours: int = 2) -> str:
    return break_glass.open_(house.store, house.tokens["ada"], house.code(house.tokens["anna"]), REASON, hours)


def test_an_admin_reads_one_case_until_it_ends_and_not_quietly(house: House) -> None:
    store, case = house.store, house.clinic.case
    meeting = records.start(store, house.tokens["anna"], case, "meeting", "couple", answers={"words": "said"})
    for layer in ("case", "staff"):
        with pytest.raises(NotFound):
            cases.case_page(store, house.tokens["ada"], case, layer=layer)  # type: ignore[arg-type]
    assert opened(house) == case
    assert cases.case_page(store, house.tokens["ada"], case, layer="staff").code
    assert records.read(store, house.tokens["ada"], meeting).answers == {"words": "said"}
    with pytest.raises(NotFound):
        cases.case_page(store, house.tokens["alf"], case)
    with pytest.raises(NotFound):
        cases.case_page(store, house.tokens["ada"], house.clinic.foreign)
    with pytest.raises(Denied):
        records.start(store, house.tokens["ada"], case, "meeting", "couple")
    assert house.told("anna") == house.told("sven") == ["break_glass"]
    assert house.told("berta") == []
    assert "grant.opened" in house.audited()
    assert [one.mine for one in break_glass.live(store, house.tokens["anna"])] == [False]
    assert break_glass.live(store, house.tokens["berta"]) == []


def test_break_glass_ends_by_itself_to_the_minute(house: House) -> None:
    opened(house, hours=1)
    house.clinic.clock.pass_(minutes=59)
    assert cases.case_page(house.store, house.sign_in("ada"), house.clinic.case)
    house.clinic.clock.pass_(minutes=1)
    late = house.sign_in("ada")
    with pytest.raises(NotFound):
        cases.case_page(house.store, late, house.clinic.case)
    assert break_glass.live(house.store, late) == []


@pytest.mark.parametrize("who", ["ada", "anna", "sven"])
def test_break_glass_is_ended_by_hand(house: House, who: str) -> None:
    opened(house)
    grant = break_glass.live(house.store, house.tokens["ada"])[0].id
    for stranger in ("berta", "alf", "flora"):
        with pytest.raises(NotFound):
            break_glass.end(house.store, house.tokens[stranger], grant)
    break_glass.end(house.store, house.tokens[who], grant)
    with pytest.raises(NotFound):
        cases.case_page(house.store, house.tokens["ada"], house.clinic.case)
    others = {"ada", "anna", "sven"} - {who}
    assert all("break_glass_ended" in house.told(one) for one in others)
    assert "grant.ended" in house.audited()


@pytest.mark.parametrize("hours", [0, 9, -1])
def test_never_longer_than_eight_hours(house: House, hours: int) -> None:
    with pytest.raises(Invalid) as found:
        opened(house, hours)
    assert set(found.value.fields) == {"hours"}


def test_only_an_admin_with_a_reason_and_a_fresh_proof(house: House) -> None:
    store, code = house.store, house.code(house.tokens["anna"])
    for who in ("anna", "berta", "sven", "flora", "tara"):
        with pytest.raises(Denied):
            break_glass.open_(store, house.tokens[who], code, REASON, 1)
    with pytest.raises(Invalid):
        break_glass.open_(store, house.tokens["ada"], code, " ", 1)
    with pytest.raises(Invalid):
        break_glass.open_(store, house.tokens["ada"], "K-0", REASON, 1)
    house.clinic.clock.pass_(minutes=6)
    with pytest.raises(StepUp):
        break_glass.open_(store, house.tokens["ada"], code, REASON, 1)


# --------------------------------------------------------------------------- accounts
def test_an_account_is_made_with_a_password_for_once(house: House) -> None:
    made = team.make(house.store, house.tokens["ada"], " Cleo ", "Cleo C", "counsellor", house.id("sven"))
    assert (made.name, made.waits, len(made.password) >= 15) == ("cleo", False, True)
    assert sessions.begin(house.store, "cleo", made.password, "here").stage == "full"
    one = team.member(house.store, house.tokens["ada"], made.id)
    assert (one.temporary, one.supervisor, one.confirmed) == (True, "Sven", True)
    assert house.told("sven") == ["supervises"]
    with pytest.raises(Invalid):
        team.make(house.store, house.tokens["ada"], "CLEO", "", "counsellor")
    with pytest.raises(Invalid):
        team.make(house.store, house.tokens["ada"], "dora", "", "owner")
    for who in ("anna", "sven", "flora", "tara"):
        with pytest.raises(Denied):
            team.make(house.store, house.tokens[who], "dora", "", "counsellor")


@pytest.mark.parametrize("second", ["alf", "sven"])
@pytest.mark.parametrize("role", ["supervisor", "admin"])
def test_a_new_judge_waits_for_a_second_person(house: House, role: str, second: str) -> None:
    """Else an admin would make the second person up."""
    store = house.store
    made = team.make(store, house.tokens["ada"], "cleo", "Cleo", role)
    assert made.waits
    house.tokens["cleo"] = house.sign_in("cleo")
    house.set("cleo", temporary=False)
    asked = second_person.ask(store, house.tokens["anna"], "export_file", house.clinic.case, REASON)
    with pytest.raises(NotFound):
        second_person.confirm(store, house.tokens["cleo"], asked)
    if role == "admin":
        with pytest.raises(Denied):
            break_glass.open_(store, house.tokens["cleo"], house.code(house.tokens["anna"]), REASON, 1)
    mine = next(one for one in second_person.waiting(store, house.tokens[second]) if one.kind == "role")
    with pytest.raises(Denied):
        team.confirm(store, house.tokens["ada"], mine.id)
    with pytest.raises(NotFound):
        team.confirm(store, house.tokens["cleo"], mine.id)
    team.confirm(store, house.tokens[second], mine.id)
    assert team.member(store, house.tokens["ada"], made.id).confirmed


def test_a_judge_whom_nobody_could_confirm_is_not_made(house: House) -> None:
    """A request that waits for nobody would wait for ever; the terminal makes the first one."""
    house.set("alf", active=False)
    house.set("sven", confirmed=False)
    with pytest.raises(Invalid) as refused:
        team.make(house.store, house.tokens["ada"], "cleo", "Cleo", "supervisor")
    assert refused.value.fields == {"role": "nobody_confirms"}
    assert not team.make(house.store, house.tokens["ada"], "cleo", "Cleo", "counsellor").waits


@pytest.mark.parametrize("second", ["alf", "berta"])
def test_a_supervisor_of_a_counsellor_is_set_by_two(house: House, second: str) -> None:
    """Whoever names a supervisor opens a counsellor's cases to them; so the counsellor may be the one to agree."""
    store = house.store
    house.person("sue", "supervisor")
    asked = team.ask_change(store, house.tokens["ada"], house.id("berta"), "counsellor", house.id("sue"), REASON)
    assert supervision.cases(store, house.tokens["sue"]).lines == ()
    for who, error in (("ada", Denied), ("sue", NotFound), ("sven", NotFound), ("anna", NotFound)):
        with pytest.raises(error):
            team.confirm(store, house.tokens[who], asked)
    team.confirm(store, house.tokens[second], asked)
    assert [one.counsellor for one in supervision.cases(store, house.tokens["sue"]).lines] == ["Berta"]
    assert house.told("berta") == ["supervisor"]
    assert house.told("sue") == ["supervises"]


def test_a_role_is_changed_by_two_and_never_ones_own(house: House) -> None:
    store = house.store
    with pytest.raises(Denied):
        team.ask_change(store, house.tokens["ada"], house.id("ada"), "counsellor", "", REASON)
    with pytest.raises(Invalid):
        team.ask_change(store, house.tokens["ada"], house.id("flora"), "front_desk", "", REASON)  # nothing new
    asked = team.ask_change(store, house.tokens["ada"], house.id("sven"), "counsellor", "", REASON)
    with pytest.raises(NotFound):
        team.confirm(store, house.tokens["sven"], asked)
    team.confirm(store, house.tokens["alf"], asked)
    with pytest.raises(SignIn):
        store.keyholder.who(house.tokens["sven"])
    house.tokens["sven"] = house.sign_in("sven")
    assert store.keyholder.who(house.tokens["sven"]).role == "counsellor"
    assert team.member(store, house.tokens["ada"], house.id("anna")).supervisor == ""
    with pytest.raises(NotFound):
        cases.case_page(store, house.tokens["sven"], house.clinic.case)


def test_a_closed_account_signs_in_no_more(house: House) -> None:
    store = house.store
    team.set_active(store, house.tokens["ada"], house.id("anna"), False)
    with pytest.raises(SignIn):
        cases.caseload(store, house.tokens["anna"])
    team.set_active(store, house.tokens["ada"], house.id("anna"), True)
    assert house.told("sven") == ["activated", "deactivated"]
    with pytest.raises(Denied):
        team.set_active(store, house.tokens["ada"], house.id("ada"), False)


def test_a_reset_account_opens_no_case_until_somebody_else_confirms(house: House) -> None:
    store = house.store
    made = team.reset(store, house.tokens["ada"], house.id("anna"), REASON)
    with pytest.raises(SignIn):
        cases.caseload(store, house.tokens["anna"])
    token = house.tokens["anna"] = sessions.begin(store, "anna", made.password, "here").token
    for temporary in (True, False):  # an own password alone changes nothing
        house.set("anna", temporary=temporary)
        assert cases.caseload(store, token) == []
        with pytest.raises(NotFound):
            cases.case_page(store, token, house.clinic.case)
    with pytest.raises(Denied):
        cases.open_case(store, token, {"a": cases.PartnerCard(), "b": cases.PartnerCard()})
    assert house.waits("sven") == house.waits("alf") == ["reset"]
    request = second_person.waiting(store, house.tokens["sven"])[0].id
    for who, error in (("ada", Denied), ("anna", NotFound), ("berta", NotFound)):
        with pytest.raises(error):
            team.confirm(store, house.tokens[who], request)
    team.confirm(store, house.tokens["sven"], request)
    assert [one.id for one in cases.caseload(store, token)] == [house.clinic.case]
    assert house.told("anna") == ["confirmed", "factor_reset"]
    assert {"account.factors_reset", "account.confirmed"} <= set(house.audited())


def test_nobody_resets_themselves_and_only_admins_reset(house: House) -> None:
    with pytest.raises(Denied):
        team.reset(house.store, house.tokens["ada"], house.id("ada"), REASON)
    for who in ("anna", "sven", "flora"):
        with pytest.raises(Denied):
            team.reset(house.store, house.tokens[who], house.id("berta"), REASON)


def test_an_unconfirmed_account_of_any_role_does_nothing_with_cases(house: House) -> None:
    store = house.store
    opened(house)
    asked = second_person.ask(store, house.tokens["anna"], "export_file", house.clinic.case, REASON)
    for name in ("ada", "sven", "anna"):
        house.set(name, confirmed=False)
        with pytest.raises(NotFound):
            cases.case_page(store, house.tokens[name], house.clinic.case)
    assert supervision.cases(store, house.tokens["sven"]).lines == ()
    tries: list[Callable[[], object]] = [
        lambda: second_person.confirm(store, house.tokens["sven"], asked),
        lambda: second_person.ask(store, house.tokens["anna"], "restore", None, REASON),
        lambda: team.make(store, house.tokens["ada"], "x", "", "counsellor"),
        lambda: team.reset(store, house.tokens["ada"], house.id("berta"), REASON),
        lambda: transfer.ask(store, house.tokens["ada"], "K-1", house.id("berta"), REASON),
    ]
    for one in tries:
        with pytest.raises((Denied, NotFound)):
            one()


# --------------------------------------------------------------------------- supervision
def test_a_supervisor_reads_along_and_answers_in_one_form_only(house: House) -> None:
    store, case = house.store, house.clinic.case
    meeting = records.start(store, house.tokens["anna"], case, "meeting", "couple", answers={"words": "said"})
    diary = records.start(store, house.tokens["anna"], case, "diary", "couple", answers={"thought": "mine alone"})
    assert [one.id for one in supervision.cases(store, house.tokens["sven"]).lines] == [case]
    assert records.read(store, house.tokens["sven"], meeting).answers == {"words": "said"}
    with pytest.raises(NotFound):
        records.read(store, house.tokens["sven"], diary)
    assert [one.id for one in records.listing(store, house.tokens["sven"], case)] == [meeting]
    with pytest.raises(Denied):
        records.start(store, house.tokens["sven"], case, "meeting", "couple")
    with pytest.raises(Denied):
        records.discard(store, house.tokens["sven"], meeting)
    rev = cases.case_page(store, house.tokens["sven"], case).rev
    with pytest.raises(Denied):
        cases.update_card(store, house.tokens["sven"], case, rev, {"a": cases.PartnerCard(), "b": cases.PartnerCard()})
    for who in ("anna", "ada", "flora", "tara"):
        with pytest.raises(Denied):
            supervision.cases(store, house.tokens[who])


def test_an_id_that_is_none_is_not_there(house: House) -> None:
    for call in (break_glass.end, notices.seen, second_person.confirm, second_person.withdraw):
        with pytest.raises(NotFound):
            call(house.store, house.tokens["ada"], "00000000-0000-4000-8000-000000000000")
        with pytest.raises(NotFound):
            call(house.store, house.tokens["ada"], "no id")


def test_a_supervision_note_is_its_supervisors_and_the_counsellor_reads_it(house: House) -> None:
    store, case = house.store, house.clinic.case
    store.remember([definition("supervision_note")])
    house.clinic.shelf.there["supervision_note"] = definition("supervision_note")
    with pytest.raises(Denied):
        records.start(store, house.tokens["anna"], case, "supervision_note", "couple")
    note = records.start(store, house.tokens["sven"], case, "supervision_note", "couple")
    said = {"held": {"day": store.today().isoformat()}, "discussed": "The pace.", "lifting": "no_topic"}
    draft = records.read(store, house.tokens["anna"], note)
    assert not draft.writable
    for write in (records.save_draft, records.finish):
        with pytest.raises(Denied):
            write(store, house.tokens["anna"], note, draft.rev, Checked(said, {}, {}))
    with pytest.raises(Denied):
        records.discard(store, house.tokens["anna"], note)
    with pytest.raises(Denied):
        records.autosave(store, house.tokens["anna"], note, "tab", draft.rev, {"discussed": ["mine"]})
    assert records.read(store, house.tokens["sven"], note).writable
    records.autosave(store, house.tokens["sven"], note, "tab", draft.rev, {"discussed": ["The p"]})
    rev = records.save_draft(store, house.tokens["sven"], note, draft.rev, Checked(said, {}, {}))
    records.finish(store, house.tokens["sven"], note, rev, Checked(said, {}, {}))
    assert records.read(store, house.tokens["anna"], note).answers["discussed"] == "The pace."
    second = records.start(store, house.tokens["sven"], case, "supervision_note", "couple")
    records.discard(store, house.tokens["sven"], second)
    with pytest.raises(NotFound):
        records.start(store, house.tokens["sven"], house.clinic.foreign, "supervision_note", "couple")
