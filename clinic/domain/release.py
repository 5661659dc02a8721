"""What a partner released: one answer, word for word, or the course of one aim, from then on read by both.

A release is a joint record (`forms/released.toml`). What is derived for both, such as the page about a visit, reads
these records and nothing of the answers they were copied from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from clinic.domain.course import Points
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.tables import as_day

RELEASED: Final = "released"  # the form of a release; its kind is "release": nobody begins one as a form
KIND: Final = "release"
OWNERS: Final[Mapping[str, Partner]] = {"from_a": "a", "from_b": "b"}
OPTIONS: Final[Mapping[Partner, str]] = {who: option for option, who in OWNERS.items()}


@dataclass(frozen=True)
class Released:
    """One answer that its owner let go: `text` word for word; or an aim with its points. `day` is that of the yes."""

    record: str
    owner: Partner
    day: date
    text: str = field(default="", repr=False)
    aim: str = ""
    points: Points = field(default=(), repr=False)


def read(answers: Mapping[str, Any], record: str, held_on: date) -> Released | None:
    """A release from the joint answers of its record; None for one that was taken back, or is none."""
    owner = OWNERS.get(str(answers.get("whose", "")))
    text, aim = str(answers.get("words", "")), str(answers.get("aim", ""))
    points = tuple(sorted(_points(answers.get("course"))))
    if owner is None or not (text or (aim and points)):
        return None
    agreed = answers.get("agreed")
    day = as_day(agreed.get("day")) if isinstance(agreed, Mapping) else None
    return Released(record, owner, day or held_on, text, aim if points else "", points)


def _points(rows: Any) -> Iterable[tuple[date, int]]:
    for row in rows if isinstance(rows, list) else ():
        day, rating = (as_day(row.get("day")), row.get("rating")) if isinstance(row, Mapping) else (None, None)
        if day and isinstance(rating, int) and not isinstance(rating, bool):
            yield day, rating


def answers(one: Released) -> dict[str, Any]:
    """The joint answers of the record that this release becomes: what `read` reads."""
    found: dict[str, Any] = {"whose": OPTIONS[one.owner], "agreed": {"day": one.day.isoformat()}}
    if one.text:
        found["words"] = one.text
    if one.aim:
        found["aim"] = one.aim
        found["course"] = [
            {"id": f"r{n}", "day": day.isoformat(), "rating": rating} for n, (day, rating) in enumerate(one.points, 1)
        ]
    return found


# --------------------------------------------------------------------------- on a page for both
def values(found: Iterable[Released]) -> dict[str, str | int]:
    """Releases as the leaves of a `shared` block: `from_a.1` a text, `trust.from_a.2026-05-03` a rating."""
    made: dict[str, str | int] = {}
    counts = dict.fromkeys(PARTNERS, 0)
    for one in sorted(found, key=lambda one: (one.owner, one.day, one.text)):
        if one.aim:
            made |= {f"{one.aim}.{OPTIONS[one.owner]}.{day.isoformat()}": rating for day, rating in one.points}
        else:
            counts[one.owner] += 1
            made[f"{OPTIONS[one.owner]}.{counts[one.owner]}"] = one.text
    return made


@dataclass(frozen=True)
class Shared:
    """The leaves of a `shared` block sorted again: texts by owner, points by aim and owner."""

    texts: Mapping[str, tuple[str, ...]]
    aims: Mapping[str, Mapping[str, Points]]

    def of(self, option: str) -> tuple[str, ...]:
        """The texts of one owner (`from_a`, `from_b`)."""
        return self.texts.get(option, ())

    def alone(self, option: str) -> tuple[tuple[str, Points], ...]:
        """Aims that only this owner released: they stand in words, never in one picture with nothing beside them."""
        return tuple((aim, lines[option]) for aim, lines in self.aims.items() if set(lines) == {option})

    @property
    def any(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.texts or self.aims)

    @property
    def both(self) -> tuple[tuple[str, Points, Points], ...]:
        """Aims that both released: aim, points of A, points of B."""
        return tuple((aim, one["from_a"], one["from_b"]) for aim, one in self.aims.items() if len(one) == len(OWNERS))


def shared(leaves: Mapping[str, Any]) -> Shared:
    """The inverse of `values`."""
    texts: dict[str, list[str]] = {}
    aims: dict[str, dict[str, list[tuple[date, int]]]] = {}
    for path, value in leaves.items():
        first, *rest = path.split(".")
        if first in OWNERS:
            texts.setdefault(first, []).append(str(value))
        elif len(rest) == 2 and rest[0] in OWNERS and (day := as_day(rest[1])) and isinstance(value, int):
            aims.setdefault(first, {}).setdefault(rest[0], []).append((day, value))
    return Shared(
        {option: tuple(one) for option, one in texts.items()},
        {aim: {option: tuple(sorted(points)) for option, points in lines.items()} for aim, lines in aims.items()},
    )
