"""Views: what each purpose opens, and that it opens nothing else."""

import copy
import pickle
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked
from clinic.domain.audience import CASE_SCOPES, VIEWS, Purpose, Scope
from clinic.domain.errors import Denied, NotFound, Refused, SignIn
from clinic.persistence.keyholder import Head, KeyView, NotYours, request
from clinic.persistence.models import KeyRing, Part, Record
from clinic.persistence.sealing import Damaged
from clinic.services import cases, records
from tests.persistence.making import OLD, Clinic, make

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


def opened(clinic: Clinic, purpose: Purpose, **more: Any) -> KeyView:
    if purpose == "list":
        return clinic.store.keyholder.open_list(clinic.token, [clinic.case_id])[clinic.case_id]
    sheet = {"sheet": "meeting"} if purpose.startswith("sheet:") else {}
    return clinic.store.keyholder.open(clinic.token, clinic.case_id, purpose, **(sheet | more))


def signed(clinic: Clinic, definition: str = "meeting", about: Any = "couple", **answers: Any) -> str:
    id_ = records.start(clinic.store, clinic.token, clinic.case, definition, about)
    records.finish(clinic.store, clinic.token, id_, 1, Checked(answers or MEETING, {}, {}))
    return id_


def rows(clinic: Clinic, record: str) -> tuple[Head, dict[Scope, Part]]:
    """Head and parts of a record, by the staff view."""
    view = opened(clinic, "staff")
    with Session(clinic.store.engine, expire_on_commit=False) as session:
        row = session.get_one(Record, UUID(record))
        found = session.scalars(select(Part).where(Part.record_id == row.id)).all()
    return view.open_head(row), {scope: part for part in found if (scope := view.scope_of(part.key_id))}


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("scope", SCOPES)
def test_each_purpose_opens_its_scopes_only(clinic: Clinic, purpose: Purpose, scope: Scope) -> None:
    meeting, diary = signed(clinic), signed(clinic, "diary", thought="CANARY process")
    view = opened(clinic, purpose)
    with Session(clinic.store.engine) as session:
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
    clinic.clock.pass_(minutes=10)
    with pytest.raises(SignIn):
        opened(clinic, "case")


def test_one_purpose_and_one_case_a_request(clinic: Clinic) -> None:
    with request():
        first = opened(clinic, "case")
        assert opened(clinic, "case").key_ids == first.key_ids
        for purpose in ("staff", "couple", "sheet:a", "list"):
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
    assert repr(clinic.store.keyholder) == "<Keyholder>"
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


def test_the_gate_is_asked_for_every_sheet(tmp_path: Path) -> None:
    asked: list[tuple[Any, date, str, str]] = []

    def gate(*what: Any) -> bool:
        asked.append(what)
        return what[2:] == ("wishes", "a")

    clinic = make(tmp_path / "i", gate=gate)
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
    clinic.store.close()


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
    with Session(clinic.store.engine) as session:
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
    with Session(clinic.store.engine) as session:
        first, second = session.get_one(Record, UUID(one)), session.get_one(Record, UUID(two))
        view = opened(clinic, "staff")
        with pytest.raises(Damaged):
            view.open_head(Record(id=first.id, case_id=first.case_id, rev=first.rev, head=second.head))
        with pytest.raises(NotYours):
            view.open_head(Record(id=first.id, case_id=uuid4(), rev=first.rev, head=first.head))


def test_a_key_ring_row_of_another_case_gives_nothing(clinic: Clinic) -> None:
    """A thief who may write gives his case the wrapped key of another."""
    with Session(clinic.store.engine) as session:
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

    with Session(clinic.store.engine) as session:
        session.execute(update(Account).values(role="admin"))
        session.commit()
    with pytest.raises(Denied):
        clinic.store.keyholder.create(clinic.token, uuid4())
    with pytest.raises(NotFound):
        opened(clinic, "case")
    with pytest.raises(NotFound):
        cases.case_page(clinic.store, clinic.token, clinic.case)


def test_the_keyholder_cannot_write(clinic: Clinic) -> None:
    with Session(clinic.store.keyholder._engine) as session, pytest.raises(Exception, match="read"):
        session.execute(update(Record).values(rev=7))


def test_every_definition_has_its_scopes() -> None:
    """The test's own premise: the meeting has a part of every scope."""
    assert set(OLD["meeting"].scopes("couple")) == set(SCOPES) - {"head", "process"}
