"""The course of an aim, its shapes, and what of it two people may see together."""

from datetime import date
from typing import Any

import pytest

from clinic.domain import release
from clinic.domain.course import Course, courses, path, plot, rated
from clinic.domain.formulation import Opened
from clinic.domain.release import Released
from clinic.services.definitions import definitions

DAY = date(2026, 3, 1)


def on(day: int) -> date:
    return DAY.replace(day=day)


def check_in(about: Any, day: int, signed: bool = True, written: str = "", **aims: int) -> Opened:
    answers = {"aims": [{"id": id_, "rating": value} for id_, value in aims.items()]}
    return Opened(definitions()["check_in"], about, answers if aims else {}, on(day), signed, written)


def test_each_partner_has_a_course_of_their_own_with_gaps_where_nothing_was_rated() -> None:
    mine = [check_in("a", 20, trust=7), check_in("a", 1, trust=4, calm=2), check_in("a", 10, calm=3)]
    found = courses([*mine, check_in("b", 1, trust=9)])
    assert found["a"]["trust"] == ((on(1), 4), (on(10), None), (on(20), 7))
    assert found["b"] == {"trust": ((on(1), 9),)}
    assert "bond" not in found["a"], "an aim that nobody rated is no line"


def test_drafts_do_not_count_and_of_one_day_the_later_record_does() -> None:
    early = check_in("a", 1, written="2026-03-01T09", trust=2)
    late = check_in("a", 1, written="2026-03-01T18", trust=5)
    found = courses([late, check_in("a", 5, signed=False, trust=9), early])
    assert found["a"]["trust"] == ((on(1), 5),)


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, "text", [{"id": "trust"}], [{"id": "trust", "rating": "7"}], [{"id": "trust", "rating": 11}]],
)
def test_what_is_no_rating_is_left_out(answer: Any) -> None:
    one = Opened(definitions()["check_in"], "a", {"aims": answer}, DAY)
    assert courses([one])["a"] == {}


def test_the_scale_is_always_0_to_10_and_days_stand_by_the_calendar() -> None:
    line: Course = ((on(1), 0), (on(6), 10), (on(11), 5))
    assert plot([line]).lines[0].points == ((0.0, 100.0), (50.0, 0.0), (100.0, 50.0))
    assert plot([((DAY, 3),)]).ticks == ((DAY, 50.0),)
    assert plot([((DAY, 3),)]).lines[0].points == ((50.0, 70.0),)


def test_a_gap_parts_the_line_and_leaves_its_mark_on_the_axis() -> None:
    drawn = plot([((on(1), 1), (on(2), None), (on(3), 2), (on(5), 3))])
    assert [len(run) for run in drawn.lines[0].runs] == [1, 2]
    assert [day for day, _ in drawn.ticks] == [on(1), on(2), on(3), on(5)]


def test_two_lines_share_the_days_of_both() -> None:
    a, b = plot([((on(1), 1), (on(11), 2)), ((on(6), 3),)]).lines
    assert (a.points[1][0], b.points[0][0]) == (100.0, 50.0)


@pytest.mark.parametrize(
    ("days", "named"), [([1], 1), ([1, 9], 2), ([1, 15, 31], 3), ([1, 2, 31], 2), ([1, 5, 15, 30, 31], 3)]
)
def test_a_few_days_are_written_out(days: list[int], named: int) -> None:
    drawn = plot([tuple((on(day), 5) for day in days)])
    assert len(drawn.labels) == named
    assert {drawn.labels[0][0], drawn.labels[-1][0]} == {on(days[0]), on(days[-1])}


def test_a_path_goes_into_a_field_of_any_size() -> None:
    assert path(((0, 100), (50, 0))) == "M0 100L50 0"
    assert path(((0, 100), (50, 0)), 80, 40) == "M0 40L40 0"
    assert rated(((on(1), None), (on(2), 3))) == ((on(2), 3),)


# --------------------------------------------------------------------------- released
TEXT = Released("r1", "a", DAY, "The walk.\nعشاء")
AIM_A = Released("r2", "a", DAY, aim="trust", points=((on(1), 4), (on(9), 0)))
AIM_B = Released("r3", "b", DAY, aim="trust", points=((on(1), 6),))


@pytest.mark.parametrize("one", [TEXT, AIM_A, AIM_B])
def test_a_release_comes_back_out_of_its_record(one: Released) -> None:
    assert release.read(release.answers(one), one.record, on(20)) == one


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"whose": "from_a"},
        {"words": "x"},
        {"whose": "from_c", "words": "x"},
        {"whose": "from_b", "aim": "trust"},
        {"whose": "from_a", "course": [{"day": "2026-01-01", "rating": 3}]},
    ],
)
def test_what_was_taken_back_is_no_release(answers: dict[str, Any]) -> None:
    assert release.read(answers, "r", DAY) is None


def test_two_lines_stand_together_only_where_both_released() -> None:
    alone = release.shared(release.values([TEXT, AIM_A]))
    assert alone.both == ()
    assert alone.of("from_a") == (TEXT.text,)
    assert alone.alone("from_a") == (("trust", AIM_A.points),)
    together = release.shared(release.values([AIM_B, AIM_A, TEXT]))
    assert together.both == (("trust", AIM_A.points, AIM_B.points),)
    assert together.alone("from_a") == together.alone("from_b") == ()
    assert not release.shared({}).any
