"""The drawing of one partner's map: boxes in three columns, and the curves between them.

Text stays HTML. The curves live in a stretched 100 × 100 field, so that a box's row is all that places it: row i of n
has its middle at (i + ½) / n. Points go to the first column of a pair on the left and mirror in right-to-left pages.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from clinic.domain.facts import Partner
from clinic.domain.formulation import Map
from clinic.domain.suggest import Lane, Suggestion, Suggestions

Label = Callable[[str, str], str]
STRENGTH_OF_FIT: Final = {5: 3, 4: 2, 3: 1}


@dataclass(frozen=True)
class Box:
    """One box: `kind` signal, pitfall, mechanism, giving, sex, source or sheet; `to` says its links in words."""

    kind: str
    id: str
    title: str
    level: int = 0  # intensity 0–4, or the mark of a source
    seen_by: str = ""
    status: str = ""
    recipient: str = ""
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """Three columns of boxes; `curves` of the two gutters as (path, strength 1–3, whether it leads on to a sheet)."""

    seen: tuple[Box, ...]
    under: tuple[Box, ...]
    sheets: tuple[Box, ...]
    first: tuple[tuple[str, int, bool], ...]
    second: tuple[tuple[str, int, bool], ...]


Edge = tuple[int, int, int]


def draw(drawn: Map, found: Suggestions, about: Partner, label: Label) -> Drawing:
    """The drawing for one partner. `label` names a box by kind and id."""
    lanes = _lanes(drawn, found, about)
    seen = _seen(drawn, about, label)
    sheets = [one for one in (*found.of(about), *found.joint) if _leads(one, about, lanes)]
    places = {(box.kind, box.id): row for row, box in enumerate(seen)}
    under = {lane.id: row for row, lane in enumerate(lanes)}
    first = _first_edges(drawn, about, lanes, places, under)
    second = [(under[one.lane], row, STRENGTH_OF_FIT.get(one.fit, 1)) for row, one in enumerate(sheets)]
    leading = {one[0] for one in second}
    named = [label(lane.kind, lane.id) for lane in lanes]
    titles = [label("sheet", one.sheet) for one in sheets]
    return Drawing(
        tuple(_to(box, [named[j] for i, j, _ in first if i == row]) for row, box in enumerate(seen)),
        tuple(
            _to(Box(lane.kind, lane.id, named[row], status=lane.status), [titles[j] for i, j, _ in second if i == row])
            for row, lane in enumerate(lanes)
        ),
        tuple(Box("sheet", one.sheet, titles[row], recipient=one.recipient) for row, one in enumerate(sheets)),
        _curves(first, len(seen), len(lanes), leading),
        _curves(second, len(lanes), len(sheets), set(range(len(sheets)))),
    )


def _lanes(drawn: Map, found: Suggestions, about: Partner) -> list[Lane]:
    """Mechanisms with a line or a judgement, and every other lane that has points; the strongest first."""
    linked = {one.mechanism for one in drawn.links if one.about == about}
    judged = {lane.id for lane in found.trace.lanes[about] if lane.kind == "mechanism" and lane.status}
    open_ = [lane for lane in found.trace.lanes[about] if lane.status != "ruled_out"]
    return [lane for lane in open_ if lane.points or lane.id in linked | judged]


def _seen(drawn: Map, about: Partner, label: Label) -> list[Box]:
    boxes = []
    for kind, all_ in (("signal", drawn.signals), ("pitfall", drawn.pitfalls)):
        for one in all_:
            if one.about == about and one.excluded is None and one.now and one.now[0].intensity:
                best = one.now[0]
                boxes.append(Box(kind, one.id, label(kind, one.id), best.intensity, best.seen_by))
    return sorted(boxes, key=lambda box: (box.kind == "pitfall", -box.level))


def _leads(one: Suggestion, about: Partner, lanes: list[Lane]) -> bool:
    known = {lane.id for lane in lanes}
    return one.lane in known and any(lane.about == about and lane.points for lane in one.lanes)


def _first_edges(
    drawn: Map, about: Partner, lanes: list[Lane], places: dict[tuple[str, str], int], under: dict[str, int]
) -> list[Edge]:
    edges = [
        (places["signal", one.signal], under[one.mechanism], one.strength)
        for one in drawn.links
        if one.about == about and ("signal", one.signal) in places and one.mechanism in under
    ]
    for lane in lanes:
        if lane.kind in ("giving", "sex"):
            edges += [
                (places[one.kind, one.id], under[lane.id], _strength(one.points))
                for one in lane.evidence
                if (one.kind, one.id) in places
            ]
    return edges


def _strength(points: Fraction) -> int:
    return 1 if points < 4 else 2 if points < 7 else 3


def _to(box: Box, names: list[str]) -> Box:
    return replace(box, to=tuple(names))


def _curves(edges: list[Edge], left: int, right: int, leading: set[int]) -> tuple[tuple[str, int, bool], ...]:
    """Curves from weak to strong, so that the strong lie on top; those into a `leading` box stand out."""
    made = []
    for i, j, strength in sorted(edges, key=lambda one: one[2]):
        start, end = _middle(i, left), _middle(j, right)
        made.append((f"M0 {start}C50 {start} 50 {end} 100 {end}", strength, strength > 1 and j in leading))
    return tuple(made)


def _middle(row: int, rows: int) -> float:
    return round((row + 0.5) * 100 / rows, 2)
