"""What is known about a couple when a sheet is chosen: exactly the fields of a block in GOLDEN.

Everything is optional. Two facts are equal whatever the order they came in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

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


def sort_observations(found: Iterable[Observation]) -> tuple[Observation, ...]:
    """One order for equal sets of observations."""
    return tuple(
        sorted(
            set(found),
            key=lambda one: (one.id, one.seen_by, -one.intensity, str(one.day), one.frequency, one.words),
        )
    )
