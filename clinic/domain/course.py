"""The course of an aim: ratings 0–10 over the days on which somebody was asked, and the shapes that draw it.

Screen and paper draw from the same shapes (`plot`). One partner's course is that partner's; two lines stand together
only where each of the two released theirs. Nothing here adds up, averages or compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from clinic.domain.definition import Block
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.formulation import Opened

MOST: Final = 10  # an aim is rated from 0 to this
LABELS: Final = 3  # dates written below a chart at most: first, last and one between

Course = tuple[tuple[date, int | None], ...]  # None: asked on that day, and left open
Points = tuple[tuple[date, int], ...]


@dataclass(frozen=True)
class Line:
    """One course in a field of 100 × 100, 0 at the top left: its points, and the stretches without a gap."""

    points: tuple[tuple[float, float], ...]
    runs: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class Plot:
    """Lines over the same days; `ticks` are all days with their place, `labels` the few that are written out."""

    lines: tuple[Line, ...]
    ticks: tuple[tuple[date, float], ...]
    labels: tuple[tuple[date, float], ...]


def courses(opened: Iterable[Opened]) -> Mapping[Partner, Mapping[str, Course]]:
    """The course of every aim that a partner rated, by partner and aim, from finished records that ask for aims.

    A day on which the partner was asked and left an aim open is there without a number. Of two answers of one day the
    later record counts.
    """
    found: dict[Partner, dict[str, dict[date, int | None]]] = {one: {} for one in PARTNERS}
    for one in sorted((one for one in opened if one.signed), key=lambda one: (one.held_on, one.written)):
        for placed in one.definition.placed(one.about):
            # By whose part it is in: what staff rated of somebody is about them, and not theirs to share.
            if placed.block.feeds == "aims" and placed.scope in ("a", "b"):
                given = _given(placed.block, one.answers.get(placed.name))
                for row in placed.block.rows:
                    days = found[placed.scope].setdefault(row.id, {})
                    days[one.held_on] = given.get(row.id, days.get(one.held_on))
    return {
        who: {
            aim: tuple(sorted(days.items())) for aim, days in aims.items() if any(v is not None for v in days.values())
        }
        for who, aims in found.items()
    }


def _given(block: Block, answer: Any) -> dict[str, int]:
    """The number of each row of a table with one number column, or of a matrix."""
    if isinstance(answer, Mapping):
        return {str(id_): value for id_, value in answer.items() if _rating(value)}
    rows = [row for row in answer or () if isinstance(row, Mapping)]
    numbers = ((str(row.get("id")), [value for name, value in row.items() if name != "id"]) for row in rows)
    return {id_: found[0] for id_, values in numbers if (found := [one for one in values if _rating(one)])}


def _rating(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def rated(course: Course) -> Points:
    """The points of a course, its gaps left out."""
    return tuple((day, value) for day, value in course if value is not None)


def plot(lines: Sequence[Course]) -> Plot:
    """The shapes of one or more courses over the days of all of them, from the first to the last."""
    days = sorted({day for line in lines for day, _ in line})
    places = {day: _across(day, days) for day in days}
    drawn = []
    for line in lines:
        runs: list[list[tuple[float, float]]] = [[]]
        for day, value in line:
            if value is None:
                runs.append([])
            else:
                runs[-1].append((places[day], round(100 - value * 100 / MOST, 2)))
        drawn.append(Line(tuple(point for run in runs for point in run), tuple(tuple(run) for run in runs if run)))
    ticks = tuple(places.items())
    return Plot(tuple(drawn), ticks, _labels(ticks))


def _across(day: date, days: Sequence[date]) -> float:
    """How far across: by the calendar, so that a long pause looks long. A single day stands in the middle."""
    span = (days[-1] - days[0]).days
    return round((day - days[0]).days * 100 / span, 2) if span else 50.0


def _labels(ticks: tuple[tuple[date, float], ...]) -> tuple[tuple[date, float], ...]:
    """First and last day, and the one nearest the middle if it has room there."""
    if len(ticks) < LABELS:
        return ticks
    middle = min(ticks[1:-1], key=lambda one: abs(one[1] - 50))
    return (ticks[0], middle, ticks[-1]) if 35 <= middle[1] <= 65 else (ticks[0], ticks[-1])


def path(run: Sequence[tuple[float, float]], wide: float = 100, high: float = 100) -> str:
    """A stretch as the data of an SVG path, in a field of this size."""
    return "M" + "L".join(f"{round(x * wide / 100, 2):g} {round(y * high / 100, 2):g}" for x, y in run)
