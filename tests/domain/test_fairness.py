"""Whether homework or wording falls on one partner: what is found, from when on, and that it treats both alike."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.domain.facts import PARTNERS, Facts, Observation, Partner, Person, other
from clinic.domain.fairness import KINDS, Finding, Load, fairness
from clinic.domain.homework import Task
from clinic.domain.suggest import Suggestion, Suggestions, suggest
from tests.domain.couples import GOLDEN, block, facts_of, golden, tables

TODAY = date(2026, 11, 22)
TOMORROW = TODAY + timedelta(1)
DAY: dict[str, Any] = {"start": TODAY - timedelta(3), "weeks": 1}


def task(*who: Partner, minutes: int | None = None, days: int = 0, **more: Any) -> Task:
    values: dict[str, Any] = {
        "id": "first", "plan": "p", "about": "couple", "who": who, "step": "x", "why": "", "where": "", "cue": "",
        "response": "", "minimum": "", "harder": "", "item": "", "days": ("mon", "tue", "wed", "thu")[:days],
        "time": "", "minutes": minutes, "confidence": {}, "unwanted": frozenset(),
    }  # fmt: skip
    return Task(**(values | DAY | more))


def looked(load: Load) -> tuple[Finding, ...]:
    return fairness(load, tables(), TODAY)


def habits(a: int, b: int) -> Facts:
    ids = ("fixing", "comparing", "dismissing")
    one, two = (Person(pitfalls=tuple(Observation(id_, 2, "counsellor") for id_ in ids[:n])) for n in (a, b))
    return Facts(one, two)


def test_an_even_couple_has_no_finding() -> None:
    found = suggest(facts_of(golden("GC-03")), tables())
    even = Load(
        (task("a", "b", minutes=60, days=3), task("a"), task("b")),
        (),
        habits(2, 1),
        {"a_does": "asks", "b_does": "goes"},
        found,
    )
    assert looked(even) == looked(Load()) == ()


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ((task("a"), task("a")), (Finding("steps", "a", 2, 0),)),
        ((task("b"), task("b"), task("a", "b")), (Finding("steps", "b", 1, 3),)),
        ((task("a"),), ()),  # one more is life
        ((task("a"), task("a", unwanted=frozenset({"a"}))), ()),  # nobody's load
        ((task("a", minutes=15, days=3), task("b", minutes=15)), (Finding("minutes", "a", 45, 15),)),
        ((task("a", minutes=30), task("b", minutes=1)), ()),  # 29 more
        ((task("a", minutes=100), task("b", minutes=70)), ()),  # half an hour more, not half as much again
        ((task("a", minutes=105), task("b", minutes=70)), (Finding("minutes", "a", 105, 70),)),
        ((task("a", start=TODAY - timedelta(8)), task("a", start=TODAY - timedelta(8))), ()),  # it has ended
        ((task("a", start=TOMORROW), task("a", start=TOMORROW)), (Finding("steps", "a", 2, 0),)),
    ],
)  # fmt: skip
def test_steps_and_minutes(tasks: tuple[Task, ...], expected: tuple[Finding, ...]) -> None:
    assert looked(Load(tasks)) == expected


def test_sheets_of_the_last_weeks_each_once() -> None:
    sheets = [("a", "the_wave", TODAY), ("a", "the_wave", TODAY), ("a", "own_worth", TODAY - timedelta(28))]
    assert looked(Load(sheets=tuple(sheets))) == (Finding("sheets", "a", 2, 0),)  # type: ignore[arg-type]
    assert looked(Load(sheets=tuple(sheets[:2]))) == ()  # type: ignore[arg-type]
    old = [(to, sheet, day - timedelta(29)) for to, sheet, day in sheets]
    assert looked(Load(sheets=tuple(old))) == ()  # type: ignore[arg-type]
    both = [("joint", "our_cycle", TODAY), ("joint", "support_menu", TODAY)]
    assert looked(Load(sheets=tuple(both))) == ()  # type: ignore[arg-type]


def test_habits_of_one_only() -> None:
    assert looked(Load(facts=habits(2, 0))) == (Finding("habits", "a", 2, 0),)
    assert looked(Load(facts=habits(3, 1))) == ()
    assert looked(Load(facts=habits(0, 1))) == ()


def test_a_sheet_about_habits_in_one_list_only() -> None:
    found = suggest(facts_of(golden("GC-01")), tables())  # B's second sheet is about B's own habits
    assert looked(Load(found=found)) == (Finding("habit_sheet", "b", 0, 1),)
    confirmed = Load(found=found, sheets=(("a", "pitfall_swaps", TODAY),))
    assert looked(confirmed) == ()


def test_the_loop_names_one_part_only_or_mostly() -> None:
    assert looked(Load(cycle={"a_does": "asks", "b_reads": "is checked", "b_does": "  "})) == (
        Finding("part", "a", 1, 0),
    )
    long = " ".join(["word"] * 20)
    assert looked(Load(cycle={"a_does": "goes quiet", "b_does": long})) == (Finding("words", "b", 2, 20),)
    assert looked(Load(cycle={"a_does": "goes quiet", "b_does": "asks again and again"})) == ()


def test_a_finding_knows_who_has_more() -> None:
    assert (Finding("steps", "b", 1, 3).more, Finding("steps", "b", 1, 3).fewer) == (3, 1)


# --------------------------------------------------------------------------- symmetry
WHO = st.sampled_from([("a",), ("b",), ("a", "b")])
TASKS = st.lists(
    st.builds(
        lambda who, minutes, days, not_wanted: task(*who, minutes=minutes, days=days, unwanted=frozenset(not_wanted)),
        WHO, st.none() | st.integers(1, 120), st.integers(0, 4), st.sets(st.sampled_from("ab")),
    ),
    max_size=5,
)  # fmt: skip
SHEETS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "joint"]),
        st.sampled_from(["the_wave", "own_worth", "pitfall_swaps"]),
        st.integers(0, 40).map(lambda ago: TODAY - timedelta(ago)),
    ),
    max_size=6,
)
WORDS = st.integers(0, 25).map(lambda count: " ".join(["w"] * count))
CYCLE = st.fixed_dictionaries({}, optional={"a_does": WORDS, "b_does": WORDS, "relief": WORDS})
LOADS = st.builds(
    lambda tasks, sheets, counts, cycle, path: Load(
        tuple(tasks), tuple(sheets), habits(*counts), cycle, suggest(facts_of(block(path)), tables())
    ),
    TASKS, SHEETS, st.tuples(st.integers(0, 3), st.integers(0, 3)), CYCLE, st.sampled_from(GOLDEN),
)  # fmt: skip
SIDE: dict[str, Any] = {"a": "b", "b": "a", "joint": "joint"}


def mirrored(load: Load) -> Load:
    """The same couple with A and B swapped."""

    def turned(one: Task) -> Task:
        unwanted = frozenset(other(who) for who in one.unwanted)
        return replace(one, who=tuple(who for who in PARTNERS if other(who) in one.who), unwanted=unwanted)

    def list_(found: Suggestions, to: Partner) -> tuple[Suggestion, ...]:
        return tuple(replace(one, recipient=to) for one in found.of(other(to)))

    cycle = load.cycle or {}
    found = load.found
    return Load(
        tuple(turned(one) for one in load.tasks),
        tuple((SIDE[to], sheet, day) for to, sheet, day in load.sheets),
        Facts(load.facts.b, load.facts.a),
        {
            SIDE.get(name[0], name[0]) + name[1:] if name[1:] == "_does" else name: words
            for name, words in cycle.items()
        },
        replace(found, a=list_(found, "a"), b=list_(found, "b")) if found else None,
    )


@settings(max_examples=150, deadline=None)
@given(LOADS)
def test_swapping_the_partners_swaps_the_findings(load: Load) -> None:
    found = looked(load)
    assert looked(mirrored(load)) == tuple(Finding(one.kind, other(one.about), one.b, one.a) for one in found)
    assert [one.kind for one in found] == [kind for kind in KINDS if kind in {one.kind for one in found}]
    assert all(one.more > one.fewer for one in found)
