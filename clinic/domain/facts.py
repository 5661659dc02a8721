"""What is known about a couple when a sheet is chosen: exactly the fields of a block in GOLDEN.

Everything is optional: fewer keys give less, never an error. Two facts are equal whatever the order they came in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

from clinic.domain.tables import as_day

Partner = Literal["a", "b"]
PARTNERS: Final[tuple[Partner, ...]] = ("a", "b")
SEERS: Final = ("self", "counsellor", "partner")


def other(partner: Partner) -> Partner:
    """The other one of the two."""
    return "b" if partner == "a" else "a"


@dataclass(frozen=True)
class Observation:
    """One signal or pitfall, as somebody saw it: intensity 0–4; `seen_by` self, counsellor or partner."""

    id: str
    intensity: int
    seen_by: str
    day: date | None = None
    frequency: str = ""
    words: str = ""


@dataclass(frozen=True)
class Judged:
    """A counsellor's confidence in a mechanism (empty: unset) and the reason."""

    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Asked:
    """An answer on record, asked alone, and its day (None: not known, counts as today's)."""

    answer: str
    day: date | None = None


@dataclass(frozen=True)
class Recent:
    """What became of a sheet: given, did_not_help, kept, worse or declined; and the day."""

    outcome: str
    day: date | None = None


@dataclass(frozen=True)
class Person:
    """What is known about one partner. `past` are observations that no longer score but may wait for an answer."""

    signals: tuple[Observation, ...] = ()
    pitfalls: tuple[Observation, ...] = ()
    past: tuple[Observation, ...] = ()
    mech: Mapping[str, Judged] = field(default_factory=dict)
    links: Mapping[tuple[str, str], int] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    source_days: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True)
class Red:
    """A red answer that stands: whom it is about (a, b, couple), which question, which day."""

    about: str
    question: str
    day: date | None = None


@dataclass(frozen=True)
class Facts:
    """A GOLDEN block, plus days and flags where the records have them.

    `decision` is the counsellor's level; `raised` the day of a decision above hold that has a reason, a supervisor's
    note and a review date (`review`), which alone outweighs a red answer; `today` are reasons against a joint sheet.
    """

    a: Person = Person()
    b: Person = Person()
    code: str = ""
    decision: str = "not_decided"
    decided: date | None = None
    raised: date | None = None
    review: date | None = None
    prepared: bool = True
    asked: Mapping[str, Asked] = field(default_factory=dict)
    recent: Mapping[str, Recent] = field(default_factory=dict)
    red: tuple[Red, ...] = ()
    worried: Mapping[str, date | None] = field(default_factory=dict)
    today: tuple[str, ...] = ()
    day: date | None = None

    def of(self, partner: Partner) -> Person:
        """One of the two."""
        return self.a if partner == "a" else self.b

    @classmethod
    def from_block(cls, block: Mapping[str, Any]) -> "Facts":
        """Load a block as GOLDEN writes it. What is missing or of an unknown shape is left out."""
        worried = block.get("worried", {})
        return cls(
            _person(_table(block, "a")),
            _person(_table(block, "b")),
            str(block.get("code", "")),
            str(block.get("decision", "not_decided")),
            as_day(block.get("decided")),
            as_day(block.get("raised")),
            as_day(block.get("review")),
            block.get("prepared", True) is not False,
            {key: _asked(value) for key, value in _table(block, "asked").items()},
            dict(_recents(_table(block, "recent"))),
            tuple(
                Red(str(one[0]), str(one[1]), as_day(one[2]) if len(one) > 2 else None) for one in block.get("red", ())
            ),
            {key: as_day(value) for key, value in worried.items()}
            if isinstance(worried, dict)
            else dict.fromkeys(worried),
            tuple(sorted(str(one) for one in block.get("today", ()))),
            as_day(block.get("day")),
        )


def _table(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = block.get(name)
    return found if isinstance(found, Mapping) else {}


def _person(data: Mapping[str, Any]) -> Person:
    excluded = data.get("excluded", {})
    return Person(
        sort_observations(_observations(data.get("signals", ()))),
        sort_observations(_observations(data.get("pitfalls", ()))),
        sort_observations(_observations(data.get("past", ()))),
        {id_: _judged(value) for id_, value in _table(data, "mech").items()},
        {(str(one[0]), str(one[1])): int(one[2]) for one in data.get("links", ())},
        {id_: str(why) for id_, why in excluded.items()}
        if isinstance(excluded, Mapping)
        else dict.fromkeys(excluded, ""),
        {id_: int(mark) for id_, mark in _table(data, "sources").items()},
    )


def _observations(rows: Iterable[Any]) -> list[Observation]:
    return [
        Observation(str(row[0]), int(row[1]), str(row[2]), as_day(row[3]) if len(row) > 3 else None) for row in rows
    ]


def sort_observations(found: Iterable[Observation]) -> tuple[Observation, ...]:
    """One order for equal sets of observations."""
    return tuple(
        sorted(
            set(found),
            key=lambda one: (one.id, one.seen_by, -one.intensity, str(one.day), one.frequency, one.words),
        )
    )


def _judged(value: Any) -> Judged:
    if isinstance(value, Mapping):
        return Judged(str(value.get("status", "")), str(value.get("reason", "")))
    return Judged(str(value))


def _asked(value: Any) -> Asked:
    if isinstance(value, Mapping):
        return Asked(str(value.get("answer", "")), as_day(value.get("day")))
    return Asked(str(value))


def _recents(data: Mapping[str, Any]) -> Iterable[tuple[str, Recent]]:
    """Keys are `recipient.sheet`, as one key or as a table in a table."""
    for key, value in data.items():
        if isinstance(value, Mapping) and "." not in key:
            yield from ((f"{key}.{sheet}", _recent(one)) for sheet, one in value.items())
        else:
            yield key, _recent(value)


def _recent(value: Any) -> Recent:
    if isinstance(value, Mapping):
        return Recent(str(value.get("outcome", "")), as_day(value.get("day")))
    return Recent(str(value))
