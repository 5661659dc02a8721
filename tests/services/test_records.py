"""The life of a record: draft, signed, added to, corrected; and what reaches a recipient's paper."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked, read_form
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, Refused
from clinic.persistence.models import Autosave, Part, Record
from clinic.services import accounts, cases, records
from tests.persistence.making import NEW_WISHES, OLD, PASSWORD, Clinic

ALL = {
    "words": "both said",
    "only_a": "A said",
    "only_b": "B said",
    "ours": "we saw",
    "a.about": "A seems",
    "b.about": "B seems",
}


def start(clinic: Clinic, definition: str = "meeting", about: Any = "couple", **more: Any) -> str:
    return records.start(clinic.store, clinic.token, clinic.case, definition, about, **more)


def save(clinic: Clinic, id_: str, rev: int, **answers: Any) -> int:
    return records.save_draft(clinic.store, clinic.token, id_, rev, Checked(answers, {}, {}))


def sign(clinic: Clinic, definition: str, about: Any, answers: dict[str, Any], **more: Any) -> str:
    id_ = start(clinic, definition, about, **more)
    records.finish(clinic.store, clinic.token, id_, 1, Checked(answers, {}, {}))
    return id_


def read(clinic: Clinic, id_: str) -> records.RecordView:
    return records.read(clinic.store, clinic.token, id_)


def count(clinic: Clinic, table: type[Any]) -> int:
    with Session(clinic.raw) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


# ------------------------------------------------------------------ draft
def test_a_record_begins_empty_with_all_its_parts(clinic: Clinic) -> None:
    record = read(clinic, start(clinic, held_on=date(2026, 2, 27)))
    assert (record.state, record.rev, record.answers, record.raw) == ("draft", 1, {}, {})
    assert record.held_on == date(2026, 2, 27)
    assert record.definition == OLD["meeting"]
    assert count(clinic, Part) == len(OLD["meeting"].scopes("couple")) == 6


def test_answers_come_back(clinic: Clinic) -> None:
    id_ = start(clinic)
    assert save(clinic, id_, 1, **ALL) == 2
    assert read(clinic, id_).answers == ALL


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.dictionaries(st.sampled_from(sorted(ALL)), st.text(st.characters(), min_size=1)))
def test_any_text_comes_back(clinic: Clinic, answers: dict[str, str]) -> None:
    id_ = start(clinic)
    save(clinic, id_, 1, **answers)
    assert read(clinic, id_).answers == answers


def test_what_does_not_parse_is_kept(clinic: Clinic) -> None:
    id_ = start(clinic, "wishes", "a")
    form = {"wish": ["more time"], "how_much": ["quite a lot"], "list.r1.step": ["x"], "list.r1.many": ["few"]}
    checked = read_form(OLD["wishes"], "a", form)
    records.save_draft(clinic.store, clinic.token, id_, 1, checked)
    record = read(clinic, id_)
    assert record.answers == {"wish": "more time", "list": [{"id": "r1", "step": "x"}]}
    assert record.raw == {"how_much": "quite a lot", "list.r1.many": "few"}


@pytest.mark.parametrize("stray", [{"answers": {"gone": "x"}}, {"answers": {"a.words": "x"}}, {"raw": {"gone": "x"}}])
def test_no_answer_vanishes(clinic: Clinic, stray: dict[str, Any]) -> None:
    id_ = start(clinic)
    checked = Checked(stray.get("answers", {}), stray.get("raw", {}), {})
    for verb in (records.save_draft, records.finish):
        with pytest.raises(Invalid):
            verb(clinic.store, clinic.token, id_, 1, checked)


@pytest.mark.parametrize(("definition", "about"), [("meeting", "a"), ("wishes", "staff"), ("wishes", "")])
def test_a_record_is_about_whom_its_form_is_for(clinic: Clinic, definition: str, about: Any) -> None:
    with pytest.raises(Invalid):
        start(clinic, definition, about)


def test_unknown_forms_and_records(clinic: Clinic) -> None:
    with pytest.raises(NotFound):
        start(clinic, "nothing")
    with pytest.raises(NotFound):
        start(clinic, "wishes", "a", of_record=str(uuid4()))
    for id_ in (str(uuid4()), "x"):
        with pytest.raises(NotFound):
            read(clinic, id_)


def test_a_foreign_record_is_not_there(clinic: Clinic) -> None:
    id_ = start(clinic)
    empty, other = Checked({}, {}, {}), clinic.other
    for attempt in (
        lambda: records.read(clinic.store, other, id_),
        lambda: records.save_draft(clinic.store, other, id_, 1, empty),
        lambda: records.finish(clinic.store, other, id_, 1, empty),
        lambda: records.autosave(clinic.store, other, id_, "tab", 1, {}),
        lambda: records.discard(clinic.store, other, id_),
        lambda: records.addendum(clinic.store, other, id_),
        lambda: records.correction(clinic.store, other, id_, "x"),
        lambda: records.move_to_new_version(clinic.store, other, id_, 1),
        lambda: records.later(clinic.store, other, id_),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert read(clinic, id_).rev == 1


def typing(clinic: Clinic, id_: str) -> dict[str, list[str]]:
    return records.resumed(clinic.store, clinic.token, id_)[1]


def test_an_old_revision_conflicts_and_loses_nothing(clinic: Clinic) -> None:
    id_ = start(clinic, "wishes", "a")
    save(clinic, id_, 1, wish="theirs")
    mine = Checked({"wish": "mine", "how_much": 3, "list": [{"id": "r1", "step": "s", "many": 2}]}, {}, {})
    with pytest.raises(Conflict):
        records.save_draft(clinic.store, clinic.token, id_, 1, mine, "tab2")
    record = read(clinic, id_)
    assert (record.answers, record.rev) == ({"wish": "theirs"}, 2)
    kept = typing(clinic, id_)
    assert read_form(record.definition, "a", kept).answers == mine.answers


def test_typing_is_kept_apart_until_saved(clinic: Clinic) -> None:
    id_ = start(clinic)
    assert typing(clinic, id_) == {}
    form = {"words": ["typ"], "only_a": ["for A"], "a.about": ["seen"], "csrf_token": ["x"], "rev": ["1"]}
    for text in ("ty", "typed"):
        clinic.clock.pass_(seconds=1)
        records.autosave(clinic.store, clinic.token, id_, "tab1", 1, form | {"words": [text]})
    record = read(clinic, id_)
    assert (record.rev, record.answers) == (1, {})
    kept = typing(clinic, id_)
    assert kept == {"words": ["typed"], "only_a": ["for A"], "a.about": ["seen"]}
    assert count(clinic, Autosave) == 6  # one a scope, answered or not
    save(clinic, id_, 1, words="typed")
    assert count(clinic, Autosave) == 0


def test_the_last_tab_counts(clinic: Clinic) -> None:
    id_ = start(clinic)
    for tab in ("one", "two"):
        clinic.clock.pass_(seconds=1)
        records.autosave(clinic.store, clinic.token, id_, tab, 1, {"words": [tab]})
    assert typing(clinic, id_) == {"words": ["two"]}
    with pytest.raises(Invalid):
        records.autosave(clinic.store, clinic.token, id_, "a tab", 1, {})


def test_an_own_draft_can_be_thrown_away(clinic: Clinic) -> None:
    id_ = start(clinic)
    records.autosave(clinic.store, clinic.token, id_, "tab", 1, {"words": ["x"]})
    records.discard(clinic.store, clinic.token, id_)
    assert (count(clinic, Record), count(clinic, Part), count(clinic, Autosave)) == (0, 0, 0)
    with pytest.raises(Conflict):
        records.discard(clinic.store, clinic.token, sign(clinic, "meeting", "couple", {}))


def hand_over(clinic: Clinic) -> None:
    """The first one's case goes to the other counsellor."""
    from clinic.persistence.models import Case

    with Session(clinic.raw) as session:
        to = session.get_one(Case, UUID(clinic.foreign)).counsellor_id
        session.get_one(Case, UUID(clinic.case)).counsellor_id = to
        session.commit()


def test_a_note_is_its_authors_only(clinic: Clinic) -> None:
    diary, draft = sign(clinic, "diary", "a", {"thought": "mine"}), start(clinic)
    hand_over(clinic)
    with pytest.raises(NotFound):
        records.read(clinic.store, clinic.other, diary)
    assert [one.id for one in records.listing(clinic.store, clinic.other, clinic.case)] == [draft]
    with pytest.raises(Denied):
        records.discard(clinic.store, clinic.other, draft)


# ------------------------------------------------------------------ signed
def test_finishing_asks_for_what_is_required(clinic: Clinic) -> None:
    id_ = start(clinic)
    with pytest.raises(Invalid) as refused:
        records.finish(clinic.store, clinic.token, id_, 1, Checked({"more": "yes"}, {}, {}))
    assert refused.value.fields == {"which": "required"}
    assert read(clinic, id_).state == "draft"
    wrong = Checked({"wish": "x"}, {"how_much": "much"}, {"how_much": "not_a_number"})
    with pytest.raises(Invalid) as refused:
        records.finish(clinic.store, clinic.token, start(clinic, "wishes", "a"), 1, wrong)
    assert refused.value.fields == {"how_much": "not_a_number"}


def test_finishing_drops_what_is_hidden(clinic: Clinic) -> None:
    answers = {"words": "x", "more": "no", "which": "must not stay"}
    id_ = start(clinic)
    save(clinic, id_, 1, **answers)
    assert read(clinic, id_).answers == answers
    records.finish(clinic.store, clinic.token, id_, 2, Checked(answers, {}, {}))
    record = read(clinic, id_)
    assert record.answers == {"words": "x", "more": "no"}
    assert (record.state, record.rev, record.raw) == ("signed", 3, {})


def test_a_signed_record_takes_nothing_more(clinic: Clinic) -> None:
    id_ = sign(clinic, "meeting", "couple", {"words": "kept"})
    for verb in (records.save_draft, records.finish):
        with pytest.raises(Conflict):
            verb(clinic.store, clinic.token, id_, 2, Checked({"words": "changed"}, {}, {}))
    with pytest.raises(Conflict):
        records.autosave(clinic.store, clinic.token, id_, "tab", 2, {})
    with pytest.raises(Conflict):
        records.move_to_new_version(clinic.store, clinic.token, id_, 2)
    assert read(clinic, id_).answers == {"words": "kept"}


def test_every_save_makes_the_ruling_anew(clinic: Clinic) -> None:
    def ruling() -> Any:
        return cases.case_page(clinic.store, clinic.token, clinic.case, "staff").ruling

    id_ = start(clinic)
    assert ruling() == {"signed": 0, "drafts": 1}
    start(clinic, "wishes", "a")  # a worksheet decides nothing
    assert ruling() == {"signed": 0, "drafts": 1}
    records.finish(clinic.store, clinic.token, id_, 1, Checked({}, {}, {}))
    assert ruling() == {"signed": 1, "drafts": 1}
    records.discard(clinic.store, clinic.token, start(clinic))
    assert ruling() == {"signed": 1, "drafts": 1}


def test_a_failed_ruling_stores_nothing(clinic: Clinic) -> None:
    id_ = start(clinic)

    def broken(*_: Any) -> dict[str, Any]:
        raise RuntimeError("no ruling")

    from dataclasses import replace

    with pytest.raises(RuntimeError):
        records.finish(replace(clinic.store, rule=broken), clinic.token, id_, 1, Checked(ALL, {}, {}))
    assert (read(clinic, id_).state, read(clinic, id_).answers) == ("draft", {})


def test_an_addendum_has_no_audience_its_parent_has_not(clinic: Clinic) -> None:
    parent = sign(clinic, "wishes", "a", {"wish": "x"})
    id_ = records.addendum(clinic.store, clinic.token, parent)
    added = read(clinic, id_)
    assert (added.of_record, added.about, added.scopes) == (parent, "a", {"a", "staff_a"})
    save(clinic, id_, 1, addition="more", addition_staff="seen")
    assert [one.id for one in records.later(clinic.store, clinic.token, parent)[0]] == [id_]
    with pytest.raises(Conflict):
        records.addendum(clinic.store, clinic.token, id_)  # a draft
    diary = sign(clinic, "diary", "a", {"thought": "x"})
    with pytest.raises(Refused):
        records.addendum(clinic.store, clinic.token, diary)
    assert not any(one.definition.kind == "addendum" for one in records.opened(clinic.store, clinic.token, clinic.case))


def test_a_correction_takes_the_place_once_it_is_signed(clinic: Clinic) -> None:
    parent = sign(clinic, "meeting", "couple", ALL | {"words": "wrong"})
    with pytest.raises(Invalid):
        records.correction(clinic.store, clinic.token, parent, "  ")
    id_ = records.correction(clinic.store, clinic.token, parent, "a slip")
    copy = read(clinic, id_)
    assert (copy.answers["words"], copy.supersedes, copy.reason, copy.state) == ("wrong", parent, "a slip", "draft")

    def on_paper() -> Any:
        return records.for_recipient(clinic.store, clinic.token, clinic.case, "joint", "meeting")[1]

    assert on_paper()["words"] == "wrong"
    records.finish(clinic.store, clinic.token, id_, 1, Checked(ALL, {}, {}))
    assert on_paper()["words"] == "both said"
    found = records.opened(clinic.store, clinic.token, clinic.case)
    assert [one.answers["words"] for one in found] == ["both said"]
    newest = records.latest(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    assert newest is not None
    assert newest.id == id_


# ------------------------------------------------------------------ on paper
def test_a_recipient_gets_their_answers_and_no_others(clinic: Clinic) -> None:
    sign(clinic, "meeting", "couple", ALL)
    sign(clinic, "wishes", "a", {"wish": "A wishes", "remark": "staff of A"})
    sign(clinic, "wishes", "b", {"wish": "B wishes", "remark": "staff of B"})

    def paper(recipient: Any, definition: str, **more: Any) -> Any:
        return records.for_recipient(clinic.store, clinic.token, clinic.case, recipient, definition, **more)[1]

    assert paper("joint", "meeting") == {"words": "both said"}
    assert paper("a", "wishes") == {"wish": "A wishes"}
    assert paper("b", "wishes") == {"wish": "B wishes"}
    assert paper("joint", "wishes") is None
    assert paper("a", "meeting") is None


def test_only_the_own_signed_record_prints(clinic: Clinic) -> None:
    own_b, draft = sign(clinic, "wishes", "b", {"wish": "x"}), start(clinic, "wishes", "a")
    meeting, diary = sign(clinic, "meeting", "couple", ALL), sign(clinic, "diary", "a", {"thought": "x"})
    for id_ in (own_b, draft, meeting, diary, str(uuid4()), "x"):
        with pytest.raises(Refused) as refused:
            records.for_recipient(clinic.store, clinic.token, clinic.case, "a", "wishes", id_)
        assert (refused.value.message_id, refused.value.params) == ("refused", {})
    with pytest.raises(Refused):
        records.for_recipient(clinic.store, clinic.token, clinic.case, None, "wishes")
    assert records.for_recipient(clinic.store, clinic.token, clinic.case, "b", "wishes", own_b)[1] == {"wish": "x"}


def test_the_newest_record_prints(clinic: Clinic) -> None:
    sign(clinic, "wishes", "a", {"wish": "new"}, held_on=date(2026, 3, 1))
    sign(clinic, "wishes", "a", {"wish": "old"}, held_on=date(2026, 2, 1))
    answers = records.for_recipient(clinic.store, clinic.token, clinic.case, "a", "wishes")[1]
    assert answers == {"wish": "new"}


# ------------------------------------------------------------------ versions
def test_a_record_keeps_its_text(clinic: Clinic) -> None:
    old = sign(clinic, "wishes", "a", {"wish": "x", "how_much": 3})
    clinic.shelf.there["wishes"] = NEW_WISHES
    assert read(clinic, old).definition == OLD["wishes"]
    assert read(clinic, start(clinic, "wishes", "a")).definition == NEW_WISHES
    printed, *_ = records.for_recipient(clinic.store, clinic.token, clinic.case, "a", "wishes", old)
    assert printed == OLD["wishes"]


def test_a_draft_moves_to_the_new_text(clinic: Clinic) -> None:
    id_ = start(clinic, "wishes", "a")
    raw = Checked({"wish": "x", "how_much": 3, "remark": "s"}, {}, {})
    records.save_draft(clinic.store, clinic.token, id_, 1, raw)
    assert records.move_to_new_version(clinic.store, clinic.token, id_, 2) == 2  # already the newest
    clinic.shelf.there["wishes"] = NEW_WISHES
    with pytest.raises(Conflict):
        records.move_to_new_version(clinic.store, clinic.token, id_, 1)
    assert records.move_to_new_version(clinic.store, clinic.token, id_, 2) == 3
    moved = read(clinic, id_)
    assert (moved.definition, moved.rev) == (NEW_WISHES, 3)
    assert moved.answers == {"wish": "x", "remark": "s"}  # how_much changed its kind
    assert save(clinic, id_, 3, wish="y", how_much="a lot") == 4


def test_a_changed_text_is_refused(clinic: Clinic) -> None:
    from clinic.persistence.sealing import Damaged

    id_ = start(clinic)
    with clinic.raw.begin() as connection:
        connection.exec_driver_sql("UPDATE definition_text SET json = '{}' WHERE id = 'meeting'")
    with pytest.raises(Damaged):
        read(clinic, id_)


def test_lists_need_the_staff_view_and_show_no_answer(clinic: Clinic) -> None:
    sign(clinic, "meeting", "couple", ALL)
    lines = records.listing(clinic.store, clinic.token, clinic.case)
    assert [(one.definition_id, one.about, one.signed) for one in lines] == [("meeting", "couple", True)]
    assert "both said" not in repr(lines)
    assert "both said" not in repr(records.read(clinic.store, clinic.token, lines[0].id))


def test_every_verb_needs_a_session(clinic: Clinic) -> None:
    from clinic.domain.errors import SignIn

    id_ = start(clinic)
    accounts.sign_out(clinic.store, clinic.token)
    with pytest.raises(SignIn):
        read(clinic, id_)
    with pytest.raises(SignIn):
        save(clinic, id_, 1, words="x")
    clinic.token = accounts.sign_in(clinic.store, "anna", PASSWORD)
    assert read(clinic, id_).rev == 1
