"""Whether homework or wording falls on one partner (DECISIONS D5): pure, symmetrical, for the staff layer only.

Every finding is made of what is known about both, so it carries the union of their labels: it never leaves the staff
layer. It compares counts and says nothing about why: a counsellor may have good reasons. Swapping the partners swaps
the findings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from clinic.domain.audience import Recipient
from clinic.domain.facts import PARTNERS, Facts, Partner
from clinic.domain.homework import Task
from clinic.domain.suggest import Suggestions
from clinic.domain.tables import Even, Tables

KINDS: Final = ("steps", "minutes", "sheets", "habits", "habit_sheet", "part", "words")
Sheet = tuple[Recipient, str, date]


@dataclass(frozen=True)
class Finding:
    """One thing that falls on `about` more than on the other; `a` and `b` are the numbers that were compared."""

    kind: str
    about: Partner
    a: int
    b: int

    @property
    def more(self) -> int:
        """The number of the partner it falls on."""
        return self.a if self.about == "a" else self.b

    @property
    def fewer(self) -> int:
        """The number of the other one."""
        return self.b if self.about == "a" else self.a


@dataclass(frozen=True)
class Load:
    """What is compared: steps of running plans, sheets that went out or were confirmed, facts, cycle, suggestions."""

    tasks: tuple[Task, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    facts: Facts = Facts()
    cycle: Mapping[str, str] | None = None
    found: Suggestions | None = None


def fairness(load: Load, tables: Tables, today: date) -> tuple[Finding, ...]:
    """The findings of a day, at most one of each kind."""
    even = tables.even
    return tuple(
        finding
        for finding in (
            _steps(_running(load.tasks, today), even),
            _minutes(_running(load.tasks, today), even),
            _sheets(load.sheets, even, today),
            _habits(load.facts, even),
            _habit_sheet(load, even, today),
            _part(load.cycle or {}),
            _words(load.cycle or {}, even),
        )
        if finding
    )


def _running(tasks: Iterable[Task], today: date) -> tuple[Task, ...]:
    """Steps of plans that have not ended: a plan made for next week counts already."""
    return tuple(one for one in tasks if today <= one.start + timedelta(weeks=one.weeks))


def _of(kind: str, counts: Mapping[Partner, int], apart: int) -> Finding | None:
    """A finding if one of two numbers is ahead by `apart` or more."""
    a, b = counts["a"], counts["b"]
    return Finding(kind, "a" if a > b else "b", a, b) if abs(a - b) >= apart else None


def _each(tasks: Iterable[Task]) -> dict[Partner, list[Task]]:
    """The steps of each; one that somebody did not want is nobody's load."""
    tasks = list(tasks)
    return {who: [one for one in tasks if who in one.who and who not in one.unwanted] for who in PARTNERS}


def _steps(tasks: Iterable[Task], even: Even) -> Finding | None:
    return _of("steps", {who: len(mine) for who, mine in _each(tasks).items()}, even.steps)


def _minutes(tasks: Iterable[Task], even: Even) -> Finding | None:
    """Minutes a week: a step without days counts once."""
    counts = {
        who: sum((one.minutes or 0) * max(len(one.days), 1) for one in mine) for who, mine in _each(tasks).items()
    }
    found = _of("minutes", counts, even.minutes)
    return found if found and found.more >= even.times * found.fewer else None


def _lately(sheets: Iterable[Sheet], even: Even, today: date) -> set[Sheet]:
    since = today - timedelta(even.sheet_days)
    return {one for one in sheets if since <= one[2] <= today}


def _sheets(sheets: Iterable[Sheet], even: Even, today: date) -> Finding | None:
    """Different sheets of one's own of late; one that was printed twice counts once."""
    lately = {(to, sheet) for to, sheet, _ in _lately(sheets, even, today)}
    return _of("sheets", {who: sum(to == who for to, _ in lately) for who in PARTNERS}, even.sheets)


def _habits(facts: Facts, even: Even) -> Finding | None:
    """Habits that do not help are written down of one partner only."""
    counts = {who: len({one.id for one in facts.of(who).pitfalls if one.intensity}) for who in PARTNERS}
    found = _of("habits", counts, even.habits)
    return found if found and not found.fewer else None


def _habit_sheet(load: Load, even: Even, today: date) -> Finding | None:
    """A sheet about one's own habits stands in one list only: suggested, confirmed or given of late."""
    named = {(to, sheet) for to, sheet, _ in _lately(load.sheets, even, today)}
    for who in PARTNERS:
        named |= {(who, one.sheet) for one in load.found.of(who)} if load.found else set()
    counts = {who: sum(to == who and sheet in even.habit_sheets for to, sheet in named) for who in PARTNERS}
    return _of("habit_sheet", counts, 1)


def _part(cycle: Mapping[str, str]) -> Finding | None:
    """The loop says what one partner does and not what the other does."""
    counts: dict[Partner, int] = {who: bool(cycle.get(f"{who}_does", "").strip()) for who in PARTNERS}
    return _of("part", counts, 1)


def _words(cycle: Mapping[str, str], even: Even) -> Finding | None:
    """Both parts are there, and one has many more words."""
    counts: dict[Partner, int] = {who: len(cycle.get(f"{who}_does", "").split()) for who in PARTNERS}
    found = _of("words", counts, even.words)
    return found if found and found.fewer and found.more >= even.times * found.fewer else None
