"""Views: what each purpose opens, and that it opens nothing else; in this process and through the socket."""

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked
from clinic.domain.audience import (
    CASE_SCOPES,
    REACHED,
    READ_ONLY,
    STEPPED_UP,
    TWO_PEOPLE,
    VIEWS,
    Purpose,
    Scope,
)
from clinic.domain.errors import Denied, Locked, NotFound, Refused, SecondPerson, SignIn, StepUp
from clinic.domain.roles import RIGHTS
from clinic.persistence.keyholder import Head, KeyView, NotYours, request, token_hash
from clinic.persistence.models import Account, AccountKey, Audit, Case, Grant, KeyRing, Part, Record, Request, SignedIn
from clinic.persistence.scope import unscoped
from clinic.persistence.sealing import Damaged
from clinic.services import cases, records
from tests.persistence.listening import through_socket
from tests.persistence.making import OLD, Clinic, make, open_store

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
SCOPES: tuple[Scope, ...] = (*CASE_SCOPES, "process")
MEETING = {
    "words": "CANARY joint",
    "only_a": "CANARY a",
    "only_b": "CANARY b",
    "ours": "CANARY staff_couple",
    "a.about": "CANARY staff_a",
    "b.about": "CANARY staff_b",
}


@pytest.fixture(params=["here", "socket"])
def held(request: pytest.FixtureRequest) -> str:
    """Where the keyholder is: in this process, or behind its socket."""
    return str(request.param)


@pytest.fixture
def clinic(clinic: Clinic, held: str, tmp_path: Path) -> Iterator[Clinic]:
    with elsewhere(clinic, held, tmp_path) as moved:
        yield moved


@contextmanager
def elsewhere(clinic: Clinic, held: str, folder: Path) -> Iterator[Clinic]:
    if held == "here":
        yield clinic
        return
    with through_socket(clinic.store.keyholder, folder / "keyholder.sock") as client:  # type: ignore[arg-type]
        yield replace(clinic, store=replace(clinic.store, keyholder=client))


def writing(clinic: Clinic) -> Session:
    """A session that may do what no service can."""
    engine = unscoped(clinic.store.engine, "verify").execution_options(write=True)
    return Session(engine, expire_on_commit=False)


def person(clinic: Clinic, role: str, **more: Any) -> tuple[UUID, str]:
    """An account of a role and the token of its session, fresh in every way."""
    token, now = f"token of {uuid4()}", clinic.clock()
    with writing(clinic) as session:
        row = Account(name=str(uuid4()), display=role.title(), role=role, password="-", **more)
        session.add(row)
        session.flush()
        times = {"created": now, "seen": now, "authed": now}
        session.add(SignedIn(token_hash=token_hash(token), account_id=row.id, **times))
        session.commit()
        return row.id, token


def set_session(clinic: Clinic, token: str, **values: Any) -> None:
    with writing(clinic) as session:
        session.execute(update(SignedIn).where(SignedIn.token_hash == token_hash(token)).values(**values))
        session.commit()


def set_account(clinic: Clinic, name: str, **values: Any) -> UUID:
    with writing(clinic) as session:
        id_ = session.scalars(select(Account.id).where(Account.name == name)).one()
        if values:
            session.execute(update(Account).where(Account.id == id_).values(**values))
            session.commit()
        return id_


def agreed(clinic: Clinic, kind: str, case: UUID | None = None, **changes: Any) -> UUID:
    """A request of Anna's that an admin confirmed; `changes` are of the row, or of what is sealed in it."""
    anna, (admin, token) = clinic.store.keyholder.who(clinic.token).account, person(clinic, "admin")
    today, id_ = clinic.store.today(), uuid4()
    said = {"kind": kind, "case": str(case or clinic.case_id), "by": str(anna), "ends_on": today.isoformat()}
    said |= {name: changes.pop(name) for name in ("partner",) if name in changes}
    with writing(clinic) as session:
        sealed = clinic.store.keyholder.office_seal(id_, said)
        session.add(Request(id=id_, asked_by=anna, ends_on=today, sealed=sealed))
        session.commit()
    row = {"confirmed_by": admin, "sealed": clinic.store.keyholder.agree(token, id_)} | changes
    with writing(clinic) as session:
        session.execute(update(Request).where(Request.id == id_).values(**row))
        session.commit()
    return id_


def opened(clinic: Clinic, purpose: Purpose, **more: Any) -> KeyView:
    if purpose == "list":
        return clinic.store.keyholder.open_list(clinic.token, [clinic.case_id])[clinic.case_id]
    sheet: dict[str, Any] = {"sheet": "meeting"} if purpose.startswith("sheet:") else {}
    if purpose in TWO_PEOPLE:
        partner = {"partner": purpose[-1]} if "staff_" in purpose else {}
        sheet = {"request": agreed(clinic, TWO_PEOPLE[purpose], **partner)}
    return clinic.store.keyholder.open(clinic.token, clinic.case_id, purpose, **(sheet | more))


def signed(clinic: Clinic, definition: str = "meeting", about: Any = "couple", **answers: Any) -> str:
    id_ = records.start(clinic.store, clinic.token, clinic.case, definition, about)
    records.finish(clinic.store, clinic.token, id_, 1, Checked(answers or MEETING, {}, {}))
    return id_


def rows(clinic: Clinic, record: str) -> tuple[Head, dict[Scope, Part]]:
    """Head and parts of a record, by the staff view."""
    view = opened(clinic, "staff")
    with Session(clinic.raw, expire_on_commit=False) as session:
        row = session.get_one(Record, UUID(record))
        found = session.scalars(select(Part).where(Part.record_id == row.id)).all()
    return view.open_head(row), {scope: part for part in found if (scope := view.scope_of(part.key_id))}


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("scope", SCOPES)
def test_each_purpose_opens_its_scopes_only(clinic: Clinic, purpose: Purpose, scope: Scope) -> None:
    meeting, diary = signed(clinic), signed(clinic, "diary", thought="CANARY process")
    view = opened(clinic, purpose)
    with Session(clinic.raw) as session:
        row = session.get_one(Record, UUID(diary if scope == "process" else meeting))
        if scope == "head":
            if "head" in VIEWS[purpose]:
                assert view.open_head(row).definition == "meeting"
            else:
                for attempt in (lambda: view.open_head(row), lambda: view.seal_card(1, {})):
                    with pytest.raises(NotYours):
                        attempt()
            return
        head, parts = rows(clinic, str(row.id))
        if scope in VIEWS[purpose]:
            assert f"CANARY {scope}" in view.open(parts[scope], head)["answers"].values()
        else:
            with pytest.raises(NotYours):
                view.open(parts[scope], head)
            with pytest.raises(NotYours):
                view.seal(scope, head, {})


@pytest.mark.parametrize("purpose", [one for one in PURPOSES if one != "list"])
def test_unknown_and_foreign_cases_answer_alike(clinic: Clinic, purpose: Purpose) -> None:
    for case in (UUID(clinic.foreign), uuid4()):
        with pytest.raises(NotFound):
            clinic.store.keyholder.open(clinic.token, case, purpose, sheet="meeting")
        with pytest.raises(NotFound):
            clinic.store.keyholder.open_list(clinic.token, [clinic.case_id, case])


def test_no_session_no_view(clinic: Clinic) -> None:
    with pytest.raises(SignIn):
        clinic.store.keyholder.open("made up", clinic.case_id, "case")
    for stage in ("password", "enrol"):
        set_session(clinic, clinic.token, stage=stage)
        with pytest.raises(SignIn):
            clinic.store.keyholder.who(clinic.token)
    set_session(clinic, clinic.token, stage="full")
    clinic.clock.pass_(minutes=10)
    with pytest.raises(Locked):
        opened(clinic, "case")
    set_session(clinic, clinic.token, seen=clinic.clock(), locked=True)
    with pytest.raises(Locked):
        clinic.store.keyholder.who(clinic.token)
    set_session(clinic, clinic.token, created=clinic.clock() - timedelta(hours=12))
    with pytest.raises(SignIn):
        clinic.store.keyholder.who(clinic.token)


def test_one_purpose_and_one_case_a_request(clinic: Clinic) -> None:
    with request():
        first = opened(clinic, "case")
        assert opened(clinic, "case").key_ids == first.key_ids
        for purpose in ("staff", "couple", "sheet:a", "export:a", "list"):
            with pytest.raises(NotYours):
                opened(clinic, purpose)  # type: ignore[arg-type]
        with pytest.raises(NotYours):
            clinic.store.keyholder.open(clinic.token, uuid4(), "case")
    assert opened(clinic, "staff").key_ids > set()


def test_views_close_with_their_request(clinic: Clinic) -> None:
    with request():
        view = opened(clinic, "sheet:a")
        assert view.key_ids
    assert not view.key_ids
    assert not view.card
    assert not view.heads


def test_a_list_opens_at_most_a_hundred(clinic: Clinic) -> None:
    with pytest.raises(NotYours):
        clinic.store.keyholder.open_list(clinic.token, [uuid4() for _ in range(101)])


def test_a_view_shows_nothing_and_stays_here(clinic: Clinic) -> None:
    view = opened(clinic, "sheet:a")
    assert repr(view) == "<KeyView sheet:a>"
    assert repr(clinic.store.keyholder) in ("<Keyholder>", "<KeyholderClient>")
    for thing in (view, clinic.store.keyholder):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.copy(thing)


def test_a_recipients_view_knows_of_no_other_record(clinic: Clinic) -> None:
    meeting = signed(clinic)
    own_a = signed(clinic, "wishes", "a", wish="mine")
    own_b = signed(clinic, "wishes", "b", wish="mine too")
    diary = signed(clinic, "diary", "couple", thought="x")
    ids: dict[str, set[str]] = {
        "sheet:joint": {meeting},
        "couple": {meeting},
        "sheet:a": {meeting, own_a},
        "sheet:b": {meeting, own_b},
        "export:a": {meeting, own_a},
        "export:b": {meeting, own_b},
        "export:joint": {meeting},
        "export:staff_a": {meeting, own_a},
        "staff": set(),
    }
    for purpose, expected in ids.items():
        assert {str(id_) for id_ in opened(clinic, purpose).heads} == expected, purpose  # type: ignore[arg-type]
    assert diary


def test_paper_gets_the_card_of_its_recipient_only(clinic: Clinic) -> None:
    assert set(opened(clinic, "sheet:a").card) == {"a"}
    assert opened(clinic, "sheet:a").card["a"]["variant"] == "f"
    joint = opened(clinic, "sheet:joint").card
    assert set(joint) == {"a", "b"}
    assert not any("variant" in one or "safe_paper" in one for one in joint.values())
    assert opened(clinic, "couple").card == {}


def test_the_gate_is_asked_for_every_sheet(tmp_path: Path, held: str) -> None:
    asked: list[tuple[Any, date, str, str]] = []

    def gate(*what: Any) -> bool:
        asked.append(what)
        return what[2:] == ("wishes", "a")

    made = make(tmp_path / "i", gate=gate)
    with elsewhere(made, held, tmp_path) as clinic:
        record = signed(clinic, "wishes", "b", wish="x")
        assert opened(clinic, "sheet:a", sheet="wishes").key_ids
        for purpose, more in (
            ("sheet:b", {"sheet": "wishes"}),
            ("sheet:joint", {"sheet": "wishes"}),
            ("sheet:a", {"sheet": "meeting"}),
            ("sheet:a", {"sheet": None}),
            ("sheet:b", {"sheet": None, "record": UUID(record)}),
            ("sheet:a", {"sheet": "wishes", "record": UUID(record)}),  # not a record for A
        ):
            with pytest.raises(Refused) as refused:
                opened(clinic, purpose, **more)  # type: ignore[arg-type]
            assert (refused.value.message_id, refused.value.params) == ("refused", {})
        assert asked[0][0] == {"signed": 0, "drafts": 0}
        assert asked[0][1] == date(2026, 3, 2)
        with pytest.raises(NotYours):
            opened(clinic, "sheet:a", sheet="wishes", recipient="b")
    made.store.close()


# ------------------------------------------------------------------ swapped, edited, older
def test_a_part_opens_in_its_own_place_only(clinic: Clinic) -> None:
    one, two = signed(clinic), signed(clinic)
    view = opened(clinic, "staff")
    head, parts = rows(clinic, one)
    other, others = rows(clinic, two)
    swapped = Part(record_id=head.record, key_id=parts["a"].key_id, sealed=others["a"].sealed)
    relabelled = Part(record_id=head.record, key_id=parts["joint"].key_id, sealed=parts["a"].sealed)
    edited = Part(record_id=head.record, key_id=parts["a"].key_id, sealed=parts["a"].sealed[:-1] + b"\0")
    for part in (swapped, relabelled, edited):
        with pytest.raises(Damaged):
            view.open(part, head)
    for change in ({"rev": head.rev + 1}, {"sha": "0" * 64}, {"version": 9}, {"definition": "x"}, {"about": "a"}):
        with pytest.raises(Damaged):
            view.open(parts["a"], replace(head, **change))  # type: ignore[arg-type]
    with pytest.raises(NotYours):
        view.open(parts["a"], other)
    with pytest.raises(NotYours):
        view.open(parts["a"], replace(head, case=uuid4()))


def test_an_older_part_put_back_does_not_open(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    _, old = rows(clinic, id_)
    records.save_draft(clinic.store, clinic.token, id_, 1, Checked({"words": "newer"}, {}, {}))
    with Session(clinic.raw) as session:
        session.execute(
            update(Part)
            .where(Part.record_id == UUID(id_), Part.key_id == old["joint"].key_id)
            .values(sealed=old["joint"].sealed)
        )
        session.commit()
    with pytest.raises(Damaged):
        records.read(clinic.store, clinic.token, id_)


def test_a_head_or_card_put_elsewhere_does_not_open(clinic: Clinic) -> None:
    one, two = signed(clinic), signed(clinic)
    with Session(clinic.raw) as session:
        first, second = session.get_one(Record, UUID(one)), session.get_one(Record, UUID(two))
        view = opened(clinic, "staff")
        with pytest.raises(Damaged):
            view.open_head(Record(id=first.id, case_id=first.case_id, rev=first.rev, head=second.head))
        with pytest.raises(NotYours):
            view.open_head(Record(id=first.id, case_id=uuid4(), rev=first.rev, head=first.head))


def test_a_key_ring_row_of_another_case_gives_nothing(clinic: Clinic) -> None:
    """A thief who may write gives his case the wrapped key of another."""
    with Session(clinic.raw) as session:
        foreign = session.scalars(select(KeyRing).where(KeyRing.case_id == UUID(clinic.foreign))).first()
        mine = session.scalars(select(KeyRing).where(KeyRing.case_id == clinic.case_id)).first()
        assert foreign is not None
        assert mine is not None
        mine.wrapped = foreign.wrapped
        session.commit()
    with pytest.raises(Damaged):
        opened(clinic, "staff")


def test_only_a_counsellor_makes_keys(clinic: Clinic) -> None:
    from clinic.persistence.models import Account

    with Session(clinic.raw) as session:
        session.execute(update(Account).values(role="admin"))
        session.commit()
    with pytest.raises(Denied):
        clinic.store.keyholder.create(clinic.token, uuid4())
    with pytest.raises(NotFound):
        opened(clinic, "case")
    with pytest.raises(NotFound):
        cases.case_page(clinic.store, clinic.token, clinic.case)


def test_the_keyholder_cannot_write(clinic: Clinic) -> None:
    again = open_store(clinic.store.settings, clinic.clock, clinic.shelf)
    assert not hasattr(again.keyholder, "_where")
    with Session(again.keyholder._engine) as session, pytest.raises(Exception, match="read"):  # type: ignore[union-attr]
        session.execute(update(Record).values(rev=7))
    again.close()


def test_every_definition_has_its_scopes() -> None:
    """The test's own premise: the meeting has a part of every scope."""
    assert set(OLD["meeting"].scopes("couple")) == set(SCOPES) - {"head", "process"}


# ------------------------------------------------------------------ exports: proof and a second person
@pytest.mark.parametrize("purpose", sorted(STEPPED_UP))
def test_what_leaves_needs_a_fresh_proof(clinic: Clinic, purpose: Purpose) -> None:
    clinic.clock.pass_(minutes=5)
    assert opened(clinic, purpose).key_ids
    clinic.clock.pass_(seconds=1)
    with pytest.raises(StepUp):
        opened(clinic, purpose)
    assert opened(clinic, "staff").key_ids


@pytest.mark.parametrize("purpose", sorted(TWO_PEOPLE))
def test_what_two_people_decide(clinic: Clinic, purpose: Purpose) -> None:
    kind, anna = TWO_PEOPLE[purpose], clinic.store.keyholder.who(clinic.token).account
    partner = {"partner": purpose[-1]} if "staff_" in purpose else {}
    yesterday = clinic.store.today() - timedelta(days=1)
    away, _ = person(clinic, "admin", active=False)
    unsure, _ = person(clinic, "admin", confirmed=False)
    wrong: list[dict[str, Any]] = [
        {"confirmed_by": None}, {"confirmed_by": anna}, {"confirmed_by": away}, {"confirmed_by": unsure},
        {"done": True}, {"ends_on": yesterday}, {"asked_by": away}, {"case": UUID(clinic.foreign)}, {"kind": "restore"},
    ]  # fmt: skip
    if partner:
        wrong += [{"partner": "b" if purpose[-1] == "a" else "a"}, {"partner": ""}]
    for change in wrong:
        request = agreed(clinic, **({"kind": kind} | partner | change))
        with pytest.raises(SecondPerson):
            opened(clinic, purpose, request=request)
    for request in (None, uuid4()):
        with pytest.raises(SecondPerson):
            opened(clinic, purpose, request=request)
    assert opened(clinic, purpose, request=agreed(clinic, kind, **partner)).key_ids


def test_a_request_says_what_it_is_in_its_own_row_only(clinic: Clinic) -> None:
    """A thief who may write copies the sealed words of a confirmed request into another."""
    good, bad = agreed(clinic, "export_file"), agreed(clinic, "transfer")
    with writing(clinic) as session:
        session.get_one(Request, bad).sealed = session.get_one(Request, good).sealed
        session.commit()
    with pytest.raises(SecondPerson):
        opened(clinic, "export:file", request=bad)


@pytest.mark.parametrize("purpose", sorted(READ_ONLY))
def test_nothing_is_sealed_under_what_only_reads(clinic: Clinic, purpose: Purpose) -> None:
    signed(clinic)
    view = opened(clinic, purpose)
    head = next(iter(view.heads.values()), None) or replace(_head(clinic), record=uuid4())
    scope = view.scope_of(next(iter(view.key_ids)))
    assert scope is not None
    assert not view.may_write()
    for attempt in (
        lambda: view.seal(scope, head, {}),
        lambda: view.seal_autosave(scope, head, "t", 1, {}),
        lambda: view.seal_print(uuid4(), scope, {}),
    ):
        with pytest.raises(Denied):
            attempt()


def _head(clinic: Clinic, definition: str = "meeting") -> Head:
    day = {"held_on": "2026-03-02", "created": "", "changed": ""}
    return Head(uuid4(), clinic.case_id, 1, "couple", definition, 1, "0" * 64, "x", **day)


# ------------------------------------------------------------------ roles
def test_the_table_of_roles() -> None:
    """DECISIONS D1: nobody but their author opens process notes; who has no cases has no purpose."""
    for role, held in RIGHTS.items():
        assert ("process" in held.scopes) == (role == "counsellor")
        assert bool(held.purposes) == (held.cases != "none") == bool(held.scopes)
        assert held.writes is None or held.writes <= {"supervision_note"}
        assert held.purposes <= set(PURPOSES)
    assert REACHED.isdisjoint(one for one in PURPOSES if "head" in VIEWS[one])


def test_a_supervisor_reads_along_and_writes_a_note(clinic: Clinic) -> None:
    id_, token = person(clinic, "supervisor")
    with pytest.raises(NotFound):
        clinic.store.keyholder.open(token, clinic.case_id, "staff")
    set_account(clinic, "anna", supervisor_id=id_)
    meeting, diary = signed(clinic), signed(clinic, "diary", thought="CANARY process")
    view = clinic.store.keyholder.open(token, clinic.case_id, "staff")
    head, parts = rows(clinic, meeting)
    assert {scope for one in view.key_ids if (scope := view.scope_of(one))} == set(CASE_SCOPES)
    assert view.open(parts["staff_a"], head)["answers"] == {"a.about": "CANARY staff_a"}
    with pytest.raises(NotYours):
        view.open(*reversed(_one_part(clinic, diary)))
    assert clinic.store.keyholder.open_list(token, [clinic.case_id])
    for purpose in set(PURPOSES) - {"list", "case", "staff"}:
        with pytest.raises(NotFound):
            clinic.store.keyholder.open(token, clinic.case_id, purpose, sheet="meeting")
    for purpose in PURPOSES:
        with pytest.raises(NotFound):
            clinic.store.keyholder.open(token, UUID(clinic.foreign), purpose, sheet="meeting")
    for attempt in (
        lambda: view.seal("joint", head, {}),
        lambda: view.seal_head(head),
        lambda: view.seal_card(2, {}),
        lambda: view.seal_autosave("joint", head, "t", 1, {}),
        lambda: view.seal_print(uuid4(), "joint", {}),
        lambda: clinic.store.keyholder.create(token, uuid4()),
    ):
        with pytest.raises(Denied):
            attempt()
    note = _head(clinic, "supervision_note")
    assert view.open(view.seal("staff_couple", note, {"x": 1}), note) == {"x": 1}
    assert view.seal_head(note)


def _one_part(clinic: Clinic, record: str) -> tuple[Head, Part]:
    head, parts = rows(clinic, record)
    return head, next(iter(parts.values()))


def granted(clinic: Clinic, to: UUID, row: UUID | None = None, hours: float = 1, **changes: Any) -> UUID:
    id_, until = uuid4(), clinic.clock() + timedelta(hours=hours)
    said = {"case": str(clinic.case_id), "account": str(to), "until": until.isoformat(), "reason": "x"} | changes
    with writing(clinic) as session:
        sealed = clinic.store.keyholder.office_seal(id_, said)
        day = changes.get("ends_on", until.date())
        session.add(Grant(id=id_, case_id=row or clinic.case_id, account_id=to, ends_on=day, sealed=sealed))
        session.commit()
    return id_


def test_an_admin_opens_one_case_until_the_grant_ends(clinic: Clinic) -> None:
    id_, token = person(clinic, "admin")
    holder = clinic.store.keyholder
    with pytest.raises(NotFound):
        holder.open(token, clinic.case_id, "case")
    other, _ = person(clinic, "admin")
    for wrong in (
        {"account": str(other)}, {"case": clinic.foreign}, {"until": "soon"}, {"until": ""}, {"hours": -1},
    ):  # fmt: skip
        granted(clinic, id_, **wrong)  # type: ignore[arg-type]
    granted(clinic, other)
    granted(clinic, id_, row=UUID(clinic.foreign))  # the row says another case than the words sealed in it
    for case in (clinic.case_id, UUID(clinic.foreign)):
        with pytest.raises(NotFound):
            holder.open(token, case, "case")
    granted(clinic, id_)
    view = holder.open(token, clinic.case_id, "staff")
    assert {view.scope_of(one) for one in view.key_ids} == set(CASE_SCOPES)
    assert not view.may_write("supervision_note")
    with pytest.raises(Denied):
        view.seal("joint", _head(clinic), {})
    for purpose in set(PURPOSES) - {"case", "staff"}:
        with pytest.raises(NotFound):
            holder.open(token, clinic.case_id, purpose, sheet="meeting")
    with pytest.raises(NotFound):
        holder.open(token, UUID(clinic.foreign), "case")
    clinic.clock.pass_(hours=1)
    set_session(clinic, token, seen=clinic.clock())
    with pytest.raises(NotFound):
        holder.open(token, clinic.case_id, "case")


@pytest.mark.parametrize("role", ["translator", "front_desk", "admin", "supervisor", "somebody"])
def test_the_others_open_nothing(clinic: Clinic, role: str) -> None:
    _, token = person(clinic, role)
    for purpose in PURPOSES:
        with pytest.raises(NotFound):
            clinic.store.keyholder.open(token, clinic.case_id, purpose, sheet="meeting")
    with pytest.raises(NotFound):
        clinic.store.keyholder.open_list(token, [clinic.case_id])
    with pytest.raises(Denied):
        clinic.store.keyholder.create(token, uuid4())


def test_an_account_that_waits_to_be_confirmed_opens_no_case(clinic: Clinic) -> None:
    set_account(clinic, "anna", confirmed=False)
    assert clinic.store.keyholder.who(clinic.token).name == "anna"
    with pytest.raises(NotFound):
        opened(clinic, "case")
    with pytest.raises(NotFound):
        opened(clinic, "list")
    with pytest.raises(Denied):
        clinic.store.keyholder.create(clinic.token, uuid4())
    set_account(clinic, "anna", active=False)
    with pytest.raises(SignIn):
        clinic.store.keyholder.who(clinic.token)


def test_the_couple_view_holds_its_session(clinic: Clinic) -> None:
    with writing(clinic) as session:
        mine = session.scalars(select(SignedIn.id).where(SignedIn.token_hash == token_hash(clinic.token))).one()
    set_session(clinic, clinic.token, couple_tag=clinic.store.keyholder.couple_tag(mine, clinic.case_id))
    assert opened(clinic, "couple").purpose == "couple"
    for purpose in set(PURPOSES) - {"couple", *TWO_PEOPLE}:
        with pytest.raises(Locked):
            opened(clinic, purpose)
    for case in (UUID(clinic.foreign), uuid4()):
        with pytest.raises(Locked):
            clinic.store.keyholder.open(clinic.token, case, "couple")
    with pytest.raises(Locked):
        clinic.store.keyholder.who(clinic.token)


def test_what_was_erased_stays_closed_and_the_rest_opens(clinic: Clinic) -> None:
    meeting = signed(clinic)
    head, parts = rows(clinic, meeting)
    gone = parts["a"].key_id
    with writing(clinic) as session:
        session.execute(update(KeyRing).where(KeyRing.id == gone).values(kid=0, wrapped=b""))
        session.commit()
    view = opened(clinic, "staff")
    assert view.erased == {gone}
    assert view.scope_of(gone) is None
    with pytest.raises(NotYours):
        view.open(parts["a"], head)
    with pytest.raises(NotYours):
        view.seal("a", head, {})
    assert view.open(parts["b"], head)["answers"] == {"only_b": "CANARY b"}
    assert UUID(meeting) in opened(clinic, "sheet:a").heads  # its joint part is still there
    assert opened(clinic, "export:a").heads == {}


# ------------------------------------------------------------------ what is not of one case
def test_a_transfer_gets_a_process_key_once(clinic: Clinic) -> None:
    holder, berta = clinic.store.keyholder, clinic.store.keyholder.who(clinic.other).account
    _, token = person(clinic, "admin")
    row = holder.process_key(token, clinic.case_id, berta)
    assert row is not None
    assert row.case_id == clinic.case_id
    for case, account in ((uuid4(), berta), (clinic.case_id, uuid4())):
        with pytest.raises(NotFound):
            holder.process_key(token, case, account)
    with pytest.raises(Denied):
        holder.process_key(person(clinic, "front_desk")[1], clinic.case_id, berta)
    key_id = row.id
    with writing(clinic) as session:
        session.add(row)
        session.execute(update(Case).where(Case.id == clinic.case_id).values(counsellor_id=berta))
        session.commit()
    assert holder.process_key(token, clinic.case_id, berta) is None
    view = holder.open(clinic.other, clinic.case_id, "staff")
    assert view.scope_of(key_id) == "process"
    with pytest.raises(NotFound):
        opened(clinic, "staff")


def test_codes_of_an_app(clinic: Clinic) -> None:
    import pyotp

    holder, id_ = clinic.store.keyholder, set_account(clinic, "anna")
    key = _account_key(clinic, id_)
    secret, sealed = holder.totp_new(key, id_)
    now = datetime(2026, 3, 2, 9, 0, 10, tzinfo=clinic.clock().tzinfo)
    step = int(now.timestamp()) // 30
    codes = pyotp.TOTP(secret)
    assert holder.totp_step(id_, codes.at(now), now) is None  # not the account's yet
    assert holder.totp_step(id_, codes.at(now), now, sealed) == step
    set_account(clinic, "anna", totp=sealed)
    for away in (-1, 0, 1):
        assert holder.totp_step(id_, f" {codes.at(now + timedelta(seconds=30 * away))} ", now) == step + away
    for wrong in ("", "12345x", "\u0661" * 6, codes.at(now + timedelta(seconds=90)), codes.at(now)[:5]):
        assert holder.totp_step(id_, wrong, now) is None
    set_account(clinic, "anna", totp_step=step)
    assert holder.totp_step(id_, codes.at(now), now) is None
    set_account(clinic, "berta", totp=sealed)  # another's secret put into one's own row
    berta = set_account(clinic, "berta")
    _account_key(clinic, berta)
    with pytest.raises(Damaged):
        holder.totp_step(berta, codes.at(now), now)


def _account_key(clinic: Clinic, account: UUID) -> AccountKey:
    """The account's key; made and stored if it has none."""
    with writing(clinic) as session:
        key = session.get(AccountKey, account)
        if key is None:
            key = clinic.store.keyholder.new_account_key(account)
            session.add(key)
            session.commit()
        return key


def test_what_was_typed_waits_for_its_account(clinic: Clinic) -> None:
    holder, id_ = clinic.store.keyholder, set_account(clinic, "anna")
    _account_key(clinic, id_)
    _account_key(clinic, set_account(clinic, "berta"))
    kept = holder.seal_kept(id_, "ünfinished \ud800".encode("utf-8", "surrogatepass"))
    assert holder.open_kept(clinic.token, kept).startswith(b"\xc3\xbcnfinished")
    with pytest.raises(Damaged):
        holder.open_kept(clinic.other, kept)
    with pytest.raises(NotFound):
        holder.seal_kept(uuid4(), b"x")


def line(clinic: Clinic, seq: int, before: bytes, **payload: Any) -> Audit:
    day = clinic.store.today()
    sealed, mac = clinic.store.keyholder.audit_seal(seq, day, before, payload)
    return Audit(seq=seq, day=day, sealed=sealed, mac=mac)


def test_the_chain_finds_every_change(clinic: Clinic) -> None:
    holder, chain, before = clinic.store.keyholder, [], b""
    for seq in range(1, 6):
        chain.append(line(clinic, seq, before, verb="case.view", n=seq))
        before = chain[-1].mac
    assert holder.audit_check(chain, b"") is None
    assert holder.audit_check(chain[3:], chain[2].mac) is None
    assert holder.audit_check([], b"") is None
    other = Audit(seq=3, day=chain[2].day, sealed=chain[3].sealed, mac=chain[2].mac)
    redated = Audit(seq=3, day=date(2020, 1, 1), sealed=chain[2].sealed, mac=chain[2].mac)
    for broken in (
        [*chain[:2], *chain[3:]], [chain[0], chain[2], chain[1], *chain[3:]], [*chain[:2], other, *chain[3:]],
        [*chain[:2], redated, *chain[3:]], chain[1:], chain[::-1],
    ):  # fmt: skip
        assert holder.audit_check(broken, b"") is not None
    assert holder.audit_check(chain[3:], chain[1].mac) is not None
    with pytest.raises(Damaged):
        holder.audit_open(clinic.token, [other])


def test_the_audit_shows_what_the_role_may_see(clinic: Clinic) -> None:
    holder = clinic.store.keyholder
    anna, berta = (holder.who(one).account for one in (clinic.token, clinic.other))
    payloads: list[dict[str, Any]] = [
        {"verb": "case.view", "who": str(anna), "case": clinic.case},
        {"verb": "case.view", "who": str(berta), "case": clinic.foreign},
        {"verb": "session.begun", "who": str(berta)},
        {"verb": "account.role", "who": "x", "account": str(anna)},
        {"verb": "backup.made", "who": ""},
    ]
    chain = [line(clinic, seq, b"", **one) for seq, one in enumerate(payloads, 1)]
    supervisor, over_anna = person(clinic, "supervisor")
    set_account(clinic, "anna", supervisor_id=supervisor)

    def seen(token: str) -> set[int]:
        return {one["seq"] for one in holder.audit_open(token, chain)}

    assert seen(clinic.token) == {1, 4}
    assert seen(clinic.other) == {2, 3}
    assert seen(over_anna) == {1}
    assert seen(person(clinic, "admin")[1]) == {3, 4, 5}
    assert seen(person(clinic, "front_desk")[1]) == set()
    assert holder.audit_open(clinic.token, chain)[0] == payloads[0] | {"seq": 1, "day": clinic.store.today()}
    with pytest.raises(SignIn):
        holder.audit_open("made up", chain)


def test_the_office_opens_in_its_own_row_only(clinic: Clinic) -> None:
    holder, id_ = clinic.store.keyholder, uuid4()
    sealed = holder.office_seal(id_, {"kind": "x", "many": [1, None, "\ud800"], "$": {"b": "c"}})
    assert holder.office_open(id_, sealed) == {"kind": "x", "many": [1, None, "\ud800"], "$": {"b": "c"}}
    with pytest.raises(Damaged):
        holder.office_open(uuid4(), sealed)


def test_hashes_have_the_pepper_in_them(clinic: Clinic, tmp_path: Path) -> None:
    holder = clinic.store.keyholder
    assert holder.peppered("x\ud800") == holder.peppered("x\ud800") != holder.peppered("x")
    assert len({holder.code_hash("ABCD"), holder.code_hash("ABCE"), holder.peppered("ABCD").encode()}) == 3
    other = make(tmp_path / "other")
    assert other.store.keyholder.peppered("x") != holder.peppered("x")
    other.store.close()
