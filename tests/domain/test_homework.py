"""Homework: reading plans and reviews of both versions, what follows from every outcome and barrier, and no raise."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.domain.audience import About
from clinic.domain.definition import Definition, parse
from clinic.domain.homework import (
    ACTS,
    BARRIERS,
    ELSE,
    KEEPS,
    OUTCOMES,
    REASONS,
    ROWS,
    STEPS,
    Review,
    Task,
    answers_of,
    barred,
    following,
    gaps,
    proposal,
    reviews,
    smallest,
    tasks,
)
from clinic.services.definitions import definition, library

DAY = date(2026, 3, 2)
PLAN, REVIEW = definition("homework_plan"), definition("homework_review")
OLD = Path(__file__).with_name("published")  # version 1, as it was given out
PLAN_1, REVIEW_1 = (
    parse((OLD / f"{id_}.toml").read_bytes(), f"{id_}.toml", library().lists())
    for id_ in ("homework_plan", "homework_review")
)


def task(**values: Any) -> Task:
    """A whole step; `values` change it."""
    known: dict[str, Any] = {
        "id": "first", "plan": "p", "about": "a", "who": ("a",), "step": "Walk", "why": "Air", "where": "Park",
        "cue": "it rains", "response": "round the block", "minimum": "Shoes on", "harder": "Run", "item": "x.y",
        "days": ("mon",), "time": "18:00", "minutes": 20, "start": DAY, "weeks": 2, "confidence": {"a": 8},
        "unwanted": frozenset(),
    }  # fmt: skip
    return Task(**known | values)


def review(outcome: str, barrier: str = "", about: Any = "a", **values: Any) -> Review:
    return Review(**{"plan": "p", "task": "first", "about": about, "day": DAY, "outcome": outcome, "barrier": barrier}
                  | values)  # fmt: skip


# --------------------------------------------------------------------------- reading
WHOLE: dict[str, Any] = {
    "plan": [{"id": row, "first": f"1 {row}", "second": f"2 {row}"} for row in ROWS],
    "who": [{"id": "who", "first": "both", "second": "partner_b"}],
    "days": {"first": {"fri": True, "tue": True}},
    "times": {"first_time": "19:30", "first_minutes": "20 minutes, twice", "day": "2026-03-04"},
    "weeks": 3,
    "from": [{"id": "first", "activity": "weekly_talk"}, {"id": "second", "practice": "validate"}],
    "confidence_a": 8,
    "confidence_b": 0,
}


def test_every_field_of_a_plan_is_read() -> None:
    first, second = tasks(PLAN, "couple", WHOLE, "p", DAY)
    assert first == Task(
        "first", "p", "couple", ("a", "b"), "1 task", "1 why", "1 place", "1 if", "1 then", "1 minimum", "1 harder",
        "open_communication.weekly_talk", ("tue", "fri"), "19:30", 20, date(2026, 3, 4), 3, {"a": 8, "b": 0},
        frozenset(), "1 stop", "", "20 minutes, twice",
    )  # fmt: skip
    assert (second.id, second.who, second.item, second.days, second.time) == ("second", ("b",), "validate", (), "")


def test_a_step_without_words_is_none_and_what_is_open_has_its_usual_value() -> None:
    (only,) = tasks(PLAN, "b", {"plan": [{"id": "task", "second": "Call"}], "confidence": 5}, "p", DAY)
    assert (only.id, only.who, only.start, only.weeks, only.minutes, only.item) == ("second", ("b",), DAY, 1, None, "")
    assert only.confidence == {"b": 5}
    assert tasks(PLAN, "a", {"plan": [{"id": "why", "first": "no step"}]}, "p", DAY) == ()


@pytest.mark.parametrize(
    ("about", "below", "who"),
    [("a", "below_own", {"a"}), ("b", "below_own", {"b"}), ("couple", "below_joint", {"a", "b"})],
)
def test_not_wanting_it_is_an_answer(about: About, below: str, who: set[str]) -> None:
    answers = {"plan": [{"id": "task", "first": "x"}], below: "not_wanted"}
    assert {frozenset(one.unwanted) for one in tasks(PLAN, about, answers, "p", DAY)} == {frozenset(who)}
    assert tasks(PLAN, about, answers | {below: "smaller"}, "p", DAY)[0].unwanted == frozenset()


def test_the_first_version_still_reads() -> None:
    answers = {
        "tasks_joint": [
            {"id": "first", "task": "Tea", "who": " A ", "when": "Friday", "where": "kitchen", "minutes": 15}
        ],
        "if_then": [{"id": "first", "if": "late", "then": "breakfast", "minimum": "a word"}],
        "confidence_a": 8, "below_joint": "not_wanted",
    }  # fmt: skip
    (one,) = tasks(PLAN_1, "couple", answers, "p", DAY)
    assert (one.step, one.who, one.when, one.where, one.minutes) == ("Tea", ("a",), "Friday", "kitchen", 15)
    assert (one.cue, one.response, one.minimum, one.weeks, one.start) == ("late", "breakfast", "a word", 1, DAY)
    assert (one.why, one.harder, one.item, one.days, one.time) == ("", "", "", (), "")
    assert one.unwanted == {"a", "b"}
    (own,) = tasks(PLAN_1, "b", {"tasks_own": [{"id": "second", "task": "Call"}]}, "p", DAY)
    assert (own.id, own.who) == ("second", ("b",))
    old = {"first": "partly", "bumps": [{"id": "first", "barrier": "noise", "words": "too loud"}]}
    assert reviews(REVIEW_1, "a", old, "p", DAY) == (review("partly", "other", words="noise too loud"),)
    # … and its steps go on in a plan of today
    assert answers_of([one], DAY)["plan"][1] == {"id": "place", "first": "kitchen, Friday"}


def test_a_review_is_one_partners_word_on_each_step() -> None:
    words = [{"id": "second", "words": "w"}]
    answers = {"first": "worse", "second": "not", "second_barrier": "forgot", "how_it_was": words}
    assert reviews(REVIEW, "b", answers, "p", DAY) == (
        review("worse", about="b"),
        review("not", "forgot", about="b", task="second", words="w"),
    )
    assert reviews(REVIEW, "couple", answers, "p", DAY) == ()
    assert reviews(REVIEW, "a", {"first_barrier": "forgot"}, "p", DAY) == ()


def test_a_gap_needs_both_words_on_one_step_of_a_joint_plan() -> None:
    joint = task(about="couple", who=("a", "b"))
    said = [review("done"), review("partly", about="b"), review("not", about="b", day=DAY + timedelta(1))]
    (gap,) = gaps([joint, task(id="second", about="couple"), task(plan="own")], said)
    assert (gap.task, gap.a.outcome, gap.b.outcome) == (joint, "done", "not")
    assert gaps([joint], said[:1]) == ()
    assert gaps([task()], [review("done"), review("done", about="b")]) == ()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from([*STEPS, *ROWS, "mon", "both"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "first", "second", "who", "task", "day", "answer", "other", "days", "tue", "minutes"]),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


rows = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from([*ROWS, *STEPS])},
        optional={
            name: values | st.text(min_size=1, max_size=6) for name in ("first", "second", "task", "who", "words")
        },
    ),
    max_size=4,
)


def stored(definition: Definition) -> Any:
    """Answers of any shape at all under the names of a definition's blocks."""
    return st.dictionaries(st.sampled_from(sorted(definition.blocks)), values | rows, max_size=8)


@pytest.mark.parametrize(("plan", "told"), [(PLAN, REVIEW), (PLAN_1, REVIEW_1)], ids=["v2", "v1"])
@given(data=st.data(), about=st.sampled_from(["couple", "a", "b"]))
@settings(max_examples=60, deadline=None)
def test_no_stored_answer_makes_them_raise(
    plan: Definition, told: Definition, about: About, data: st.DataObject
) -> None:
    answers = data.draw(stored(plan))
    found = tasks(plan, about, answers, "p", DAY)
    for one in found:
        assert one.step
        assert 1 <= one.weeks <= 4
        assert one.who
        assert one.minutes is None or one.minutes > 0
        for act in ACTS:
            following(one, act)
        answers_of([one], DAY)
    smallest(answers, "first")
    said = reviews(told, about, data.draw(stored(told)), "p", DAY)
    assert all(one.outcome in OUTCOMES for one in said)
    gaps(found, said)


# --------------------------------------------------------------------------- what follows
LITTLE = {
    "": ("smaller", "little"), "too_big": ("smaller", "too_big"), "no_time": ("smaller", "no_time"),
    "forgot": ("anchor", "forgot"), "not_wanted": ("drop", "not_wanted"), "others": ("move", "others"),
    "unsafe": ("out", "unsafe"), "other": ("again", "other"),
}  # fmt: skip
STOPS = {"not_wanted": ("drop", "not_wanted"), "unsafe": ("out", "unsafe")}
WANTED = {
    "done": {barrier: STOPS.get(barrier, ("harder", "done")) for barrier in ("", *BARRIERS)},
    "partly": LITTLE,
    "not": LITTLE,
    "did_not_help": {barrier: STOPS.get(barrier, ("swap", "no_help")) for barrier in ("", *BARRIERS)},
    "worse": dict.fromkeys(("", *BARRIERS), ("out", "worse")),
}


@pytest.mark.parametrize("barrier", ["", *BARRIERS])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_follows_from_every_outcome_and_barrier(outcome: str, barrier: str) -> None:
    found = proposal(task(), [review(outcome, barrier)])
    assert (found.act, found.reason) == WANTED[outcome][barrier]
    assert found.ask == (("a",) if found.act == "out" else ())
    assert set(found.choices) <= set(ACTS)
    if found.act == "out":
        assert found.choices == ("out",), "never proposed again"
    if found.act == "drop":
        assert not set(found.choices) & set(KEEPS), "what was not wanted does not come back in another form"


def test_the_most_careful_word_of_the_two_counts_and_the_last_of_each() -> None:
    joint = task(about="couple", who=("a", "b"))
    assert proposal(joint, [review("done"), review("partly", "forgot", "b")]).act == "anchor"
    worse = proposal(joint, [review("done"), review("worse", about="b")])
    assert (worse.act, worse.ask) == ("out", ("b",))
    later = review("done", day=DAY + timedelta(7))
    assert proposal(task(), [review("not", "too_big"), later]).act == "harder"
    assert proposal(task(), [review("worse", plan="another"), review("worse", task="second")]).reason == "unheard"
    assert proposal(task(unwanted=frozenset({"a"})), [review("done")]).act == "drop"


def test_a_step_is_only_offered_what_it_has_words_for() -> None:
    bare = task(minimum="", harder="", minutes=None)
    assert proposal(bare, [review("done")]).choices == ("again",)
    assert proposal(bare, [review("partly")]).act == "again"
    assert "smaller" in proposal(task(minimum=""), [review("partly")]).choices, "it can take half as long"


def test_the_next_step_is_made_of_the_plans_own_words() -> None:
    one = task(confidence={"a": 3})
    smaller = following(one, "smaller")
    assert smaller is not None
    assert (smaller.step, smaller.minimum, smaller.harder, smaller.minutes) == ("Shoes on", "", "Walk", None)
    harder = following(one, "harder")
    assert harder is not None
    assert (harder.step, harder.minimum, harder.harder) == ("Run", "Walk", "")
    half = following(task(minimum=""), "smaller")
    assert half is not None
    assert (half.step, half.minutes) == ("Walk", 10)
    anchor = following(one, "anchor")
    assert anchor is not None
    assert (anchor.cue, anchor.response) == ("", "Walk")
    moved = following(one, "move")
    assert moved is not None
    assert (moved.where, moved.days, moved.time) == ("", (), "")
    assert following(one, "again") == task(confidence={})
    assert [following(one, act) for act in ("swap", "drop", "out", "")] == [None] * 4
    words = {"Walk", "Air", "Park", "it rains", "round the block", "Shoes on", "Run", ""}
    for act in KEEPS:
        made = following(one, act)
        assert made is not None
        assert {made.step, made.why, made.where, made.cue, made.response, made.minimum, made.harder} <= words


@pytest.mark.parametrize("about", ["a", "couple"])
def test_a_plan_written_from_steps_reads_as_those_steps(about: About) -> None:
    who: Any = ("a", "b") if about == "couple" else ("a",)
    first = task(about=about, who=who, item="open_communication.weekly_talk", confidence={})
    second = task(id="second", about=about, who=("a",), item="validate", time="", days=(), confidence={})
    found = tasks(PLAN, about, answers_of([first, second], DAY), "p", DAY)
    plain = [{**vars(one), "long": ""} for one in found]
    assert plain == [vars(first), vars(second)]
    names = {placed.name for placed in PLAN.placed(about)} | {"who"}
    assert set(answers_of([first], DAY)) <= names


def test_the_smallest_version_becomes_the_step_and_nothing_else_changes() -> None:
    made = smallest(WHOLE, "first")
    first, second = tasks(PLAN, "couple", made, "p", DAY)
    assert (first.step, first.minimum, first.harder) == ("1 minimum", "", "1 harder"), "what stood there stays"
    assert second == tasks(PLAN, "couple", WHOLE, "p", DAY)[1]
    bare = {"plan": [{"id": "task", "first": "Run"}, {"id": "minimum", "first": "Shoes"}]}
    assert smallest(bare, "first")["plan"] == [{"id": "task", "first": "Shoes"}, {"id": "harder", "first": "Run"}]
    assert smallest(bare, "second") == bare
    assert bare["plan"][0] == {"id": "task", "first": "Run"}, "the answers it got are as they were"


def test_what_speaks_against_a_piece_of_the_stock() -> None:
    assert barred(["hold", "R1", "R6"], "full", ["R6", "R7"]) == ("R6",)
    assert barred(["hold", "R1"], "hold", []) == ("hold",)
    assert barred([], "hold", ["R1"]) == ()


def test_every_act_has_its_alternatives_and_every_reason_its_words() -> None:
    from clinic.web.homework import ACTS as SAID
    from clinic.web.homework import REASONS as TOLD

    assert set(ELSE) == set(SAID) == set(ACTS)
    assert set(TOLD) == set(REASONS)
