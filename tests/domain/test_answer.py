"""Answers: what people type becomes a value or stays as it was typed, and nothing is lost on the way."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.domain.answer import (
    DAYS,
    WRONG,
    Leaf,
    by_scope,
    clean,
    field_path,
    gather,
    kept,
    leaves,
    missing,
    read,
    read_form,
    row_ids,
    shown,
    spread,
)
from clinic.domain.definition import ANSWER_LENGTH, Block, Definition, ListItem, Text, parse

LISTS = {"aims": tuple(ListItem(one, {"people": Text(f"aims.{one}.people", one)}) for one in ("trust", "calm", "bond"))}

FORM = """
id = "form"
version = 1
kind = "session"
title = "Form"
audience = "staff"
about = "couple"

[[section]]
id = "all"

[[section.block]]
id = "mood"
kind = "choice"
label = "Mood"
other = true
required = true
options = [{ id = "good", label = "Good" }, { id = "low", label = "Low" }]

[[section.block]]
id = "why"
kind = "prompt"
label = "Why low?"
required = true
show_if = { block = "mood", is = "low" }

[[section.block]]
id = "marks"
kind = "checklist"
label = "Marks"
max = 2
options = [{ id = "x", label = "X" }, { id = "y", label = "Y" }, { id = "z", label = "Z" }]

[[section.block]]
id = "story"
kind = "prompt"
label = "Story"
audience = "joint"
max = 50
asks = [{ id = "first", label = "First", required = true }, { id = "then", label = "Then" }]

[[section.block]]
id = "sure"
kind = "scale"
label = "How sure?"

[[section.block]]
id = "signs"
kind = "matrix"
stem = "Lately"
rows = [{ id = "tired", label = "Tired" }, { id = "tense", label = "Tense" }]
points = [{ id = "no", label = "No" }, { id = "some", label = "Some" }, { id = "much", label = "Much" }]

[[section.block]]
id = "aims"
kind = "table"
from = "aims"
show = "people"
columns = [
  { id = "rating", label = "0 to 10", type = "scale", max = 10 },
  { id = "left", label = "Out", type = "tick" },
]

[[section.block]]
id = "goals"
kind = "table"
open = 3
required = true
columns = [
  { id = "goal", label = "Goal", required = true },
  { id = "by", label = "By", type = "date" },
  { id = "times", label = "Times", type = "number" },
]

[[section.block]]
id = "when"
kind = "date"
fields = [{ id = "day", label = "Day", type = "date" }, { id = "at", label = "At", type = "time" }]

[[section.block]]
id = "week"
kind = "grid"
stem = "Week"
rows = [{ id = "walk", label = "Walk", type = "tick" }, { id = "hours", label = "Hours", type = "number" }]

[[section.block]]
id = "rings"
kind = "diagram"
shape = "circles"
alt = "Three rings"
nodes = [{ id = "in", label = "In" }, { id = "mid", label = "Mid" }, { id = "out", label = "Out" }]

[[section]]
id = "each"
per_partner = true

[[section.block]]
id = "worried"
kind = "choice"
label = "Worried?"
options = [{ id = "no", label = "No" }, { id = "yes", label = "Yes" }]

[[section.block]]
id = "asked"
kind = "prompt"
label = "What was said"
show_if = { block = "worried", is = "yes" }
"""
DEFINITION: Definition = parse(FORM.encode(), "form.toml", LISTS)
FIELDS = [field_path(one, leaf) for one in DEFINITION.placed("couple") for leaf in leaves(one.block, ("r1", "r2"))]


def block(id_: str) -> Block:
    return DEFINITION.blocks[id_]


def form(**fields: str | list[str]) -> dict[str, list[str]]:
    """Fields by path, `__` for the dot."""
    return {key.replace("__", "."): [value] if isinstance(value, str) else value for key, value in fields.items()}


# --------------------------------------------------------------------------- one value
BAD = {
    "bidi override": "The \u202eevil\u202c way",
    "control character": "a\x07b",
    "nul": "a\x00b",
    "lone surrogate": "a\ud800b",
    "private use": "a\ue000b",
    "noncharacter": "a\ufffeb",
}


@pytest.mark.parametrize("name", BAD)
def test_hidden_characters_are_refused_and_the_text_is_kept(name: str) -> None:
    found = read_form(DEFINITION, "couple", form(story__then=BAD[name]))
    assert found.wrong == {"story.then": "bad_character"}
    assert found.raw == {"story.then": BAD[name]}
    assert found.answers == {}


@pytest.mark.parametrize(
    "text",
    [
        "We laughed 😀",
        "family 👩‍👩‍👧",
        "new emoji \U0001fae9",
        "marks \u200fshalom\u200e",
        "line\n\nline\tx",
        "Straße ﬁ",
        "ب",
        "நன்றி",
    ],
)
def test_ordinary_text_is_taken(text: str) -> None:
    assert clean(text) == text


def test_text_is_composed_trimmed_and_has_plain_line_ends() -> None:
    assert clean("  e\u0301a\r\nb\rc \n") == "\u00e9a\nb\nc"


def test_a_megabyte_is_too_long_and_kept() -> None:
    paste = "word " * 200_000
    found = read_form(DEFINITION, "couple", form(why=paste))
    assert found.wrong == {"why": "too_long"}
    assert found.raw == {"why": paste}


def test_the_limit_of_a_block_counts() -> None:
    assert read_form(DEFINITION, "couple", form(story__first="x" * 50)).wrong == {}
    assert read_form(DEFINITION, "couple", form(story__first="x" * 51)).wrong == {"story.first": "too_long"}
    assert read_form(DEFINITION, "couple", form(why="x" * ANSWER_LENGTH)).wrong == {}


@pytest.mark.parametrize(
    ("field", "typed", "problem"),
    [
        ("when.day", "0000-01-01", "not_a_date"),
        ("when.day", "0001-01-01", "not_a_date"),
        ("when.day", "1899-12-31", "not_a_date"),
        ("when.day", "2026-02-30", "not_a_date"),
        ("when.day", "tomorrow", "not_a_date"),
        ("when.day", "2026-03-31\ud800", "not_a_date"),
        ("when.at", "25:00", "not_a_time"),
        ("sure", "11", "out_of_range"),
        ("sure", "-1", "out_of_range"),
        ("sure", "3.5", "not_a_number"),
        ("sure", "9" * 400, "not_a_number"),
        ("sure", "²", "not_a_number"),
        ("mood", "best", "not_an_option"),
        ("signs.tired", "3", "out_of_range"),
        ("aims.trust.rating", "11", "out_of_range"),
        ("goals.r1.times", "many", "not_a_number"),
    ],
)
def test_what_does_not_parse_is_kept_in_raw(field: str, typed: str, problem: str) -> None:
    found = read_form(DEFINITION, "couple", {field: [typed], "story.first": ["kept"]})
    assert found.wrong == {field: problem}
    assert found.raw == {field: typed}
    assert found.answers == {"story": {"first": "kept"}}
    assert problem in WRONG


def test_a_bad_list_is_kept_whole() -> None:
    found = read_form(DEFINITION, "couple", form(marks=["x", "nobody"]))
    assert (found.wrong, found.raw) == ({"marks": "not_an_option"}, {"marks": ["x", "nobody"]})
    assert read_form(DEFINITION, "couple", form(marks=["x", "y", "z"])).wrong == {"marks": "too_many"}


@pytest.mark.parametrize(
    ("field", "typed", "answer"),
    [
        ("sure", "0", {"sure": 0}),
        ("sure", " 10 ", {"sure": 10}),
        ("sure", "٧", {"sure": 7}),
        ("signs.tense", "0", {"signs": {"tense": 0}}),
        ("aims.calm.rating", "0", {"aims": [{"id": "calm", "rating": 0}]}),
        ("aims.calm.left", "on", {"aims": [{"id": "calm", "left": True}]}),
        ("goals.r1.times", "0", {"goals": [{"id": "r1", "times": 0}]}),
        ("week.hours.sun", "0", {"week": {"hours": {"sun": 0}}}),
        ("week.walk.mon", "1", {"week": {"walk": {"mon": True}}}),
        ("when.at", "18:30", {"when": {"at": "18:30"}}),
        ("when.day", "2026-03-31", {"when": {"day": "2026-03-31"}}),
        ("mood", "good", {"mood": "good"}),
        ("mood.other", "so so", {"mood": {"answer": None, "other": "so so"}}),
        ("rings.mid", "friends", {"rings": {"mid": "friends"}}),
        ("a.worried", "no", {"a.worried": "no"}),
        ("why", "   ", {}),
    ],
)
def test_a_field_becomes_an_answer(field: str, typed: str, answer: dict[str, Any]) -> None:
    found = read_form(DEFINITION, "couple", {field: [typed]})
    assert (found.answers, found.wrong, found.raw) == (answer, {}, {})


def test_ticks_come_in_definition_order() -> None:
    assert read_form(DEFINITION, "couple", form(marks=["z", "x", "z"])).answers == {"marks": ["x", "z"]}


def test_added_rows_keep_their_order_and_their_limit() -> None:
    sent = {f"goals.{row}.goal": [row] for row in ("r9", "r2", "r5", "r1")} | {"goals.Not-a-row.goal": ["x"]}
    found = read_form(DEFINITION, "couple", sent).answers["goals"]
    assert [row["id"] for row in found] == ["r9", "r2", "r5"]
    assert row_ids(block("goals"), found) == ("r9", "r2", "r5")
    assert row_ids(block("aims"), [{"id": "trust", "rating": 1}]) == ()


# --------------------------------------------------------------------------- whole records
GOOD: dict[str, Any] = {"mood": "good", "story": {"first": "x"}, "goals": [{"id": "r1", "goal": "walk"}]}


def test_missing_names_fields_and_hidden_blocks_need_nothing() -> None:
    assert missing(DEFINITION, "couple", {}) == {
        "mood": "required",
        "story.first": "required",
        "goals": "required",
    }
    assert missing(DEFINITION, "couple", GOOD) == {}
    assert missing(DEFINITION, "couple", {**GOOD, "mood": "low"}) == {"why": "required"}
    assert missing(DEFINITION, "couple", {**GOOD, "goals": [{"id": "r1", "times": 0}]}) == {"goals.r1.goal": "required"}


def test_other_words_answer_a_required_choice() -> None:
    assert missing(DEFINITION, "couple", {**GOOD, "mood": {"answer": None, "other": "so so"}}) == {}


def test_each_partner_has_an_own_condition() -> None:
    answers = {**GOOD, "a.worried": "yes", "b.worried": "no", "a.asked": "fine", "b.asked": "left over"}
    names = [one.name for one in shown(DEFINITION, "couple", answers)]
    assert "a.asked" in names
    assert "b.asked" not in names
    assert "b.asked" not in kept(DEFINITION, "couple", answers)


def test_parts_hold_only_what_belongs_to_their_key() -> None:
    answers = {**GOOD, "a.worried": "yes", "b.worried": "no", "left_over": "of an old version"}
    parts = by_scope(DEFINITION, "couple", answers)
    assert parts == {
        "joint": {"story": {"first": "x"}},
        "staff_a": {"a.worried": "yes"},
        "staff_b": {"b.worried": "no"},
        "staff_couple": {"mood": "good", "goals": GOOD["goals"]},
    }
    assert set(by_scope(DEFINITION, "couple", {})) == {"joint", "staff_a", "staff_b", "staff_couple"}


# --------------------------------------------------------------------------- properties
def value_of(leaf: Leaf) -> st.SearchStrategy[Any]:
    """A value that a leaf may hold, as `read` makes it."""
    if leaf.type == "int":
        return st.integers(leaf.min, leaf.max)
    if leaf.type in ("one", "many"):
        ids = [one.id for one in leaf.options]
        if leaf.type == "one":
            return st.sampled_from(ids)
        return st.sets(st.sampled_from(ids), min_size=1, max_size=leaf.max or None).map(
            lambda chosen: [id_ for id_ in ids if id_ in chosen]
        )
    fixed: dict[str, st.SearchStrategy[Any]] = {
        "tick": st.just(True),
        "date": st.dates().map(str),
        "time": st.times().map(lambda at: at.strftime("%H:%M")),
    }
    return fixed.get(leaf.type, st.text(min_size=1, max_size=20))


@st.composite
def filled(draw: st.DrawFn) -> tuple[Block, dict[str, Any]]:
    chosen = block(draw(st.sampled_from([one.id for one in DEFINITION.blocks.values()])))
    found = leaves(chosen, ("r1", "r2"))
    wanted = draw(st.lists(st.sampled_from(found), unique=True))
    return chosen, {leaf.path: draw(value_of(leaf)) for leaf in wanted}


@settings(deadline=None)
@given(filled())
def test_gather_undoes_spread(case: tuple[Block, dict[str, Any]]) -> None:
    chosen, values = case
    answer = gather(chosen, values)
    assert {path: one for path, one in spread(chosen, answer).items() if one is not None} == values
    assert gather(chosen, spread(chosen, answer)) == answer


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(FIELDS) | st.text(max_size=20),
        st.lists(st.text(st.characters(exclude_categories=()), max_size=12) | st.just("1" * 5000), max_size=3),
    )
)
def test_read_form_never_refuses_and_loses_no_text(sent: dict[str, list[str]]) -> None:
    found = read_form(DEFINITION, "couple", sent)
    assert set(found.raw) == set(found.wrong)
    assert set(found.wrong.values()) <= set(WRONG)
    for path in found.raw:
        assert found.raw[path] in (sent[path], sent[path][0])
    shown(DEFINITION, "couple", found.answers)
    missing(DEFINITION, "couple", found.answers)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_one_leaf_takes_any_text_or_names_the_fault(text: str) -> None:
    for type_ in ("text", "int", "one", "many", "tick", "date", "time"):
        problem = ""
        try:
            read(Leaf("", type_, max=10), text)
        except ValueError as error:
            problem = str(error)
        assert problem in {"", *WRONG}


def test_a_week_has_seven_days() -> None:
    assert [leaf.path for leaf in leaves(block("week"))][:7] == [f"walk.{day}" for day in DAYS]
