"""Letting an answer go, taking it back, and what both then read: the only way from one partner's part to both."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, Refused
from clinic.persistence.store import Store
from clinic.services import (
    accounts,
    audit_log,
    cases,
    couple,
    course,
    export,
    preflight,
    print_sheet,
    readiness,
    records,
    release,
)
from clinic.services.audit_log import Filters
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from clinic.services.release import Offer
from tests.filling import filled
from tests.plans import planned
from tests.sheets import page_of
from tests.web.conftest import PASSWORD, Made, made

__all__ = ["made"]
SECRET = "ZQnobodyelseQZ"
AGREEMENT = "consent_and_secrets_policy"


@dataclass(frozen=True)
class House:
    """A case of Ana's; most tests begin one of their own."""

    store: Store
    token: str
    ben: str
    case: str

    def finish(self, definition: str, about: Any, answers: dict[str, Any], ago: int = 0, of: str = "") -> str:
        day = self.store.today() - timedelta(ago)
        id_ = records.start(self.store, self.token, self.case, definition, about, day, of)
        records.finish(self.store, self.token, id_, 1, Checked(answers, {}, {}))
        return id_

    def check_in(self, about: Any, ago: int, better: str = "", **aims: int) -> str:
        answers: dict[str, Any] = {"aims": [{"id": id_, "rating": value} for id_, value in aims.items()]}
        return self.finish("check_in", about, answers | ({"better": better} if better else {}), ago)

    def offer(self, record: str, place: str) -> Offer:
        found = release.of_record(self.store, self.token, record)
        return next(one for one in found.offers if one.place == place)

    def let_go(self, record: str, place: str, **other: Any) -> str:
        wanted: dict[str, Any] = {"seen": self.offer(record, place).seen, "agreed": True, "day": self.store.today()}
        return release.release_answer(self.store, self.token, record, place, **(wanted | other))

    def let_aim_go(self, owner: Any, aim: str = "trust") -> str:
        seen, today = self.page().offers[owner, aim].seen, self.store.today()
        return release.release_aim(self.store, self.token, self.case, owner, aim, seen, True, today)

    def page(self) -> course.CoursePage:
        return course.of_case(self.store, self.token, self.case)

    def summary(self, to: Any = "joint", record: str = "", **paper: Any) -> str:
        job = PrintJob("session_summary", to, record=record, **paper)
        return page_of(self.store, self.token, self.case, job, code="CODE").html

    def both(self) -> str:
        view = couple.couple_view(self.store, self.token, self.case)
        return str([view.released, *((one.title, one.blocks) for group in view.groups for one in group)])

    def verbs(self) -> list[tuple[str, str]]:
        found = audit_log.page(self.store, self.token, Filters("release"), None)
        return [(one.verb, one.record) for one in found.lines]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("release")
    shutil.copytree(made.folder, folder / "i")
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    store = Store.open(config.load(folder / "i", {}))
    yield House(store, made.tokens["ana"], made.tokens["ben"], made.ids[0])
    store.close()


def prepared(clinic: House, decision: str = "full") -> House:
    """A case of its own at a level: agreed, each seen alone, decided."""
    case = cases.open_case(clinic.store, clinic.token, {"a": PartnerCard(), "b": PartnerCard()})
    house = House(clinic.store, clinic.token, clinic.ben, case)
    house.finish(AGREEMENT, "couple", filled(definitions()[AGREEMENT], "couple", lambda _: "Said."), 20)
    for who in ("a", "b"):
        held = {"day": (clinic.store.today() - timedelta(19)).isoformat()}
        house.finish("safety_screening", who, {"held": held, "conditions": "yes", "fear": "no"}, 19)
    reason = {} if decision == "not_decided" else {"level_reason": SECRET}
    house.finish("map", "couple", {"decision": decision, **reason}, 18)
    return house


@pytest.fixture
def house(clinic: House) -> House:
    return prepared(clinic)


# --------------------------------------------------------------------------- what is on offer
def test_only_what_belongs_to_that_partner_is_on_offer(house: House) -> None:
    id_ = house.finish(
        "check_in", "a", {"better": "the walk", "remarks": SECRET, "aims": [{"id": "calm", "rating": 3}]}
    )
    found = release.of_record(house.store, house.token, id_)
    assert [(one.place, one.owner) for one in found.offers] == [("aims.calm", "a"), ("better", "a")]
    assert found.offers[1].text == "What was a little better, even for a moment?\nthe walk"
    assert "How much is this true for you? – I feel calm about us" in found.offers[0].text
    assert SECRET not in str(found)


@pytest.mark.parametrize("definition", ["map", "safety_screening", AGREEMENT])
def test_a_record_without_a_partners_own_answers_offers_nothing(house: House, definition: str) -> None:
    listed = records.listing(house.store, house.token, house.case)
    ids = [one.id for one in listed if one.definition_id == definition]
    assert ids
    for id_ in [*ids, "00000000-0000-4000-8000-000000000000"]:
        with pytest.raises(NotFound):
            release.of_record(house.store, house.token, id_)


def test_neither_is_a_draft_or_what_was_corrected_since(house: House) -> None:
    draft = records.start(house.store, house.token, house.case, "check_in", "a", answers={"better": "x"})
    with pytest.raises(NotFound):
        release.of_record(house.store, house.token, draft)
    old = house.check_in("a", 1, "as it was")
    new = records.correction(house.store, house.token, old, "misheard")
    records.finish(house.store, house.token, new, 1, Checked({"better": "as it is"}, {}, {}))
    with pytest.raises(NotFound):
        release.of_record(house.store, house.token, old)
    assert "as it is" in house.offer(new, "better").text


@pytest.mark.parametrize("print_when", ["complete", "reviewed"])
def test_the_words_are_in_the_language_of_their_owner(
    clinic: House, monkeypatch: pytest.MonkeyPatch, print_when: str
) -> None:
    """While the sheet may print in it: what is let go is a copy, beside which no mark says that it is a draft."""
    monkeypatch.setitem(readiness.LEAST, "reviewed", readiness.LEAST[print_when])  # type: ignore[misc]
    card = {"a": PartnerCard(language="es"), "b": PartnerCard(language="en")}
    house = House(clinic.store, clinic.token, clinic.ben, cases.open_case(clinic.store, clinic.token, card))
    texts = {}
    for who in ("a", "b"):
        id_ = house.check_in(who, 0, "x")
        texts[who] = house.offer(id_, "better").text
    assert texts["b"].startswith("What was a little better")
    assert texts["a"].startswith("What was") is (print_when == "reviewed")


# --------------------------------------------------------------------------- letting go
def test_it_is_read_by_both_word_for_word_and_nothing_else_is(house: House) -> None:
    id_ = house.finish("check_in", "a", {"better": "the walk", "harder": SECRET, "remarks": SECRET})
    before = house.both()
    copy = house.let_go(id_, "better")
    assert "the walk" not in before
    assert "the walk" in house.both()
    assert "the walk" in house.summary()
    assert "A shared" in house.summary()
    assert SECRET not in house.both() + house.summary() + house.summary("b")
    record = records.read(house.store, house.token, copy)
    assert (record.signed, record.about, record.definition.kind) == (True, "couple", "release")
    assert record.answers["origin"] == {"record": id_, "place": "better"}
    assert record.answers["agreed"] == {"day": house.store.today().isoformat()}
    assert ("release.made", id_) in house.verbs()


def test_where_it_comes_from_is_not_in_the_joint_part(house: House) -> None:
    id_ = house.check_in("a", 0, "the walk")
    house.let_go(id_, "better")
    assert id_ not in house.both() + house.summary()
    names = {one.name: one.scope for one in records.current(house.store, "released").placed("couple")}
    assert {names["whose"], names["words"], names["course"]} == {"joint"}
    assert {names["origin"], names["gone"]} == {"staff_couple"}


def test_it_wants_a_yes_and_its_day(house: House) -> None:
    id_ = house.check_in("a", 3, "the walk")
    today = house.store.today()
    for wrong, field in (
        ({"agreed": False}, "agreed"),
        ({"day": None}, "day"),
        ({"day": today + timedelta(1)}, "day"),
        ({"day": today - timedelta(4)}, "day"),
        ({"day": date.min}, "day"),
    ):
        with pytest.raises(Invalid) as error:
            house.let_go(id_, "better", **wrong)
        assert list(error.value.fields) == [field]
    assert house.page().stands == ()


def test_it_is_exactly_what_was_shown(house: House) -> None:
    id_ = house.check_in("a", 0, "the walk")
    other = house.check_in("a", 0, "another")
    for seen in ("", "0" * 64, house.offer(other, "better").seen):
        with pytest.raises(Conflict):
            house.let_go(id_, "better", seen=seen)
    with pytest.raises(NotFound):
        release.release_answer(house.store, house.token, id_, "remarks", "", True, house.store.today())
    house.let_go(id_, "better")
    with pytest.raises(Conflict):  # it stands already
        house.let_go(id_, "better")


@pytest.mark.parametrize("decision", ["hold", "not_decided"])
def test_nothing_is_let_go_while_nothing_is_done_together(clinic: House, decision: str) -> None:
    house = prepared(clinic, decision)
    id_ = house.check_in("a", 0, "the walk", trust=4)
    assert not release.of_record(house.store, house.token, id_).open
    with pytest.raises(Refused):
        house.let_go(id_, "better")
    with pytest.raises(Refused):
        house.let_aim_go("a")
    assert house.page().stands == ()


def test_nobody_else_does_it(house: House) -> None:
    id_ = house.check_in("a", 0, "the walk")
    seen, today = house.offer(id_, "better").seen, house.store.today()
    with pytest.raises(NotFound):
        release.of_record(house.store, house.ben, id_)
    with pytest.raises(NotFound):
        release.release_answer(house.store, house.ben, id_, "better", seen, True, today)
    copy = house.let_go(id_, "better")
    with pytest.raises(NotFound):
        release.take_back(house.store, house.ben, copy)
    with pytest.raises(NotFound):
        course.of_case(house.store, house.ben, house.case)


def test_no_other_way_makes_or_changes_one(house: House) -> None:
    with pytest.raises(NotFound):
        records.start(house.store, house.token, house.case, "released", "couple", answers={"words": SECRET})
    copy = house.let_go(house.check_in("a", 0, "the walk"), "better")
    for way in (records.addendum, lambda *args: records.correction(*args, "better words")):
        with pytest.raises(Conflict):
            way(house.store, house.token, copy)
    with pytest.raises((NotFound, Denied, Conflict)):
        release.of_record(house.store, house.token, copy)


# --------------------------------------------------------------------------- taking back
def test_what_was_taken_back_is_nowhere(house: House) -> None:
    id_ = house.check_in("a", 0, "the walk")
    before = house.both()
    copy = house.let_go(id_, "better")
    kept = house.finish("session_summary", "couple", {"did": "We talked."})
    assert "the walk" in house.summary(record=kept)
    assert b"the walk" in joint_export(house)
    assert release.take_back(house.store, house.token, copy) == house.case
    for page in (house.both(), house.summary(record=kept), str(house.page().stands)):
        assert "the walk" not in page
    assert "the walk" not in before
    assert b"the walk" not in joint_export(house)
    assert ("release.taken_back", copy) in house.verbs()
    with pytest.raises(Conflict):
        release.take_back(house.store, house.token, copy)
    with pytest.raises(NotFound):
        release.take_back(house.store, house.token, id_)
    house.let_go(id_, "better")  # a mind may change again
    assert "the walk" in house.both()


def joint_export(house: House) -> bytes:
    """The joint file, which asks for a proof of identity of this minute."""
    token = accounts.sign_in(house.store, "ana", PASSWORD)
    return export.of_both(house.store, token, house.case, basis="both asked in writing").data


def test_a_page_about_a_visit_is_the_same_before_and_after(house: House) -> None:
    blank = house.summary()
    copy = house.let_go(house.check_in("a", 0, "the walk"), "better")
    assert house.summary() != blank
    release.take_back(house.store, house.token, copy)
    assert house.summary() == blank


# --------------------------------------------------------------------------- aims
def test_two_lines_only_when_both_let_the_same_aim_go(house: House) -> None:
    for ago, a, b in ((9, 4, 6), (5, 5, 6), (1, 7, 5)):
        house.check_in("a", ago, trust=a, calm=a)
        house.check_in("b", ago, trust=b)
    blank = house.summary()
    assert "<svg" not in blank
    house.let_aim_go("a")
    alone = house.summary()
    assert "<svg" not in alone
    assert "I can count on my partner" in alone
    house.let_aim_go("b", "trust")
    assert house.summary().count("<svg") == 1
    assert "I feel calm about us" not in house.summary()
    own = house.summary("a")
    assert "<svg" not in own
    assert "I can count" not in own


def test_what_is_rated_later_stays_with_its_owner_until_it_is_let_go_too(house: House) -> None:
    house.check_in("a", 9, trust=4)
    house.check_in("b", 9, trust=4)
    house.let_aim_go("a")
    house.let_aim_go("b")
    before = house.summary(), house.both()
    house.check_in("a", 1, trust=1, calm=1)
    assert (house.summary(), house.both()) == before
    assert not house.page().offers["a", "trust"].shared
    house.let_aim_go("a")
    assert len([one for one in house.page().stands if one.owner == "a"]) == 1, "the older course has given way"
    assert house.summary() != before[0]


def test_a_joint_page_is_the_same_whatever_stays_with_one(clinic: House) -> None:
    """Check-ins, reviews, plans of their own: nothing of what was not let go shows on paper or in the couple view."""
    pages = []
    for secret in (False, True):
        house = prepared(clinic)
        house.let_go(house.check_in("a", 3, "the walk"), "better")
        if secret:
            plan = house.finish("homework_plan", "couple", planned("We talk"))
            house.finish(
                "homework_review", "a", {"first": "worse", "how_it_was": [{"id": "first", "words": SECRET}]}, of=plan
            )
            house.check_in("a", 2, SECRET, trust=0, calm=0)
            house.check_in("b", 2, SECRET, trust=9)
        pages.append((house.summary(), house.summary(large=True), house.both().replace(house.case, "")))
        assert SECRET not in str(pages)
    assert pages[0][:2] == pages[1][:2]


# --------------------------------------------------------------------------- what both said of one step
def test_what_both_said_of_a_step_stands_side_by_side(house: House) -> None:
    plan = house.finish("homework_plan", "couple", planned("We talk after dinner"), 9)
    own = house.finish("homework_plan", "a", planned(SECRET), 9)
    house.finish("homework_review", "a", {"first": "done"}, 2, plan)
    assert house.page().gaps == ()
    house.finish("homework_review", "b", {"first": "not"}, 2, plan)
    house.finish("homework_review", "a", {"first": "partly"}, 1, plan)
    house.finish("homework_review", "a", {"first": "done"}, 1, own)
    (gap,) = house.page().gaps
    assert (gap.task.step, gap.a.outcome, gap.b.outcome) == ("We talk after dinner", "partly", "not")
    again = records.correction(house.store, house.token, plan, "A word was wrong.")
    records.finish(house.store, house.token, again, 1, Checked(planned("We talk after tea"), {}, {}))
    (gap,) = house.page().gaps
    assert (gap.task.step, gap.a.outcome, gap.b.outcome) == ("We talk after tea", "partly", "not")


def test_the_preflight_lists_what_was_let_go(house: House) -> None:
    house.let_go(house.check_in("a", 3, "the walk", trust=4), "better")
    house.let_aim_go("a")
    found = print_sheet.opened(house.store, house.token, house.case, PrintJob("session_summary", "joint"), "reviewed")
    said = [str(value) for group in preflight.groups(found.sheet) for one in group.said for _, value in one.given]
    assert "What was a little better, even for a moment?\nthe walk" in said
    assert any(one.endswith(": 4") for one in said)
    assert preflight.whose(found) == ("joint",)
