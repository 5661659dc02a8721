"""Two released courses of one aim on paper: shapes in mm from `domain/course.plot`, and the numbers beside them.

The drawing holds shapes only; its words are HTML over and beside it, in every language and direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from clinic.documents.sheet import Part
from clinic.domain.course import MOST, Plot, Points, path, plot
from clinic.domain.definition import Item
from clinic.domain.release import Shared, shared

HIGH: Final = 44.0  # mm from 0 to 10
EDGE: Final = 3.0  # mm of air around the field, so that no mark is cut
SHARE: Final = 0.52  # of the width that the drawing gets where the table stands beside it
BESIDE: Final = 12  # rows of numbers that fit beside a drawing
NAME: Final = (27.0, 44.0)  # mm that a date below the drawing may take, in normal and in large print
BELOW: Final = (6.0, 9.0)  # mm of room for it


@dataclass(frozen=True)
class Mark:
    """A place in the drawing, in mm from its top left."""

    x: float
    y: float


@dataclass(frozen=True)
class Drawn:
    """One partner's line: the data of its path, and the places of its marks."""

    path: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Named:
    """A date below the drawing: ISO day, left edge and width in mm, and where its words stand in that."""

    day: str
    left: float
    width: float
    align: str


@dataclass(frozen=True)
class Chart:
    """One aim of both: lines of A and B, rules across, days below, and rows of numbers (None: not rated that day)."""

    aim: Item
    width: float
    height: float
    below: float
    a: Drawn
    b: Drawn
    rules: tuple[tuple[int, float], ...]
    ticks: tuple[float, ...]
    names: tuple[Named, ...]
    rows: tuple[tuple[str, int | None, int | None], ...]
    beside: bool


@dataclass(frozen=True)
class Said:
    """What stands in a `shared` block: by owner the texts and the aims only they released; and the aims of both."""

    texts: dict[str, tuple[str, ...]]
    alone: dict[str, tuple[tuple[Item, tuple[tuple[str, int], ...]], ...]]
    charts: tuple[Chart, ...]

    @property
    def any(self) -> bool:
        return bool(self.charts or any(self.texts.values()) or any(self.alone.values()))


def said(part: Part, width: float, mirrored: bool, wide: bool) -> Said:
    """The leaves of a `shared` block, ready to be set. `wide`: the numbers stand below a drawing, not beside it."""
    found: Shared = shared(part.values)
    aims = {row.id: row for row in part.block.rows}
    owners = [ask.id for ask in part.block.asks]
    return Said(
        {one: found.of(one) for one in owners},
        {one: tuple((aims[aim], _iso(points)) for aim, points in found.alone(one) if aim in aims) for one in owners},
        tuple(_chart(aims[aim], a, b, width, mirrored, wide) for aim, a, b in found.both if aim in aims),
    )


def _iso(points: Points) -> tuple[tuple[str, int], ...]:
    return tuple((day.isoformat(), value) for day, value in points)


def _chart(aim: Item, a: Points, b: Points, width: float, mirrored: bool, wide: bool) -> Chart:
    days = sorted({day for day, _ in (*a, *b)})
    beside = not wide and len(days) <= BESIDE
    full = round((width if not beside else width * SHARE) - 9, 1)  # the numbers of the scale stand before it
    field = full - 2 * EDGE
    drawn = plot([a, b])
    values = dict(a), dict(b)
    return Chart(
        aim,
        full,
        HIGH + 2 * EDGE,
        BELOW[wide],
        _drawn(drawn, 0, field, mirrored),
        _drawn(drawn, 1, field, mirrored),
        tuple((value, round(EDGE + HIGH * (1 - value / MOST), 2)) for value in (MOST, MOST // 2, 0)),
        tuple(_x(x, field, mirrored) for _, x in drawn.ticks),
        _names(drawn.labels, full, field, mirrored, NAME[wide]),
        tuple((day.isoformat(), values[0].get(day), values[1].get(day)) for day in days),
        beside,
    )


def _x(percent: float, field: float, mirrored: bool) -> float:
    """Across in mm; in a right-to-left sheet time runs from the right."""
    return round(EDGE + field * (100 - percent if mirrored else percent) / 100, 2)


def _drawn(found: Plot, which: int, field: float, mirrored: bool) -> Drawn:
    line = found.lines[which]
    runs = [[(_x(x, field, mirrored), round(EDGE + y * HIGH / 100, 2)) for x, y in run] for run in line.runs]
    return Drawn("".join(path(run) for run in runs), tuple(Mark(x, y) for run in runs for x, y in run))


def _names(
    labels: Sequence[tuple[date, float]], full: float, field: float, mirrored: bool, wide: float
) -> tuple[Named, ...]:
    """Each date under its place; those at an edge begin or end there."""
    made = []
    for day, percent in labels:
        x = _x(percent, field, mirrored)
        left = min(max(x - wide / 2, 0), full - wide)
        align = "left" if left == 0 else "right" if left == full - wide else "center"
        made.append(Named(day.isoformat(), round(left, 2), wide, align))
    return tuple(made)
