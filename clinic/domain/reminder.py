"""When a plan's steps come round: what a calendar file may know of them, and nothing else (CONFIDENTIALITY, outputs).

A step without a weekday or a time gives no reminder; it is said what it lacks. Times are of the clinic's own clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from clinic.domain.answer import DAYS
from clinic.domain.definition import Text
from clinic.domain.facts import Partner
from clinic.domain.homework import Task

REMINDER: Final = Text(
    "calendar.reminder", "Reminder", "The only word of a calendar entry. Neutral: others may see it."
)
LACKS: Final = ("days", "time", "over")  # what keeps a step out of the calendar


@dataclass(frozen=True)
class Reminder:
    """One step: the local moment it comes first, its weekdays (mon … sun) in order, and how often it comes in all."""

    first: datetime
    days: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Left:
    """A step that gives no reminder, and why: of LACKS."""

    step: str
    lacks: tuple[str, ...]


def reminders(tasks: Iterable[Task], partner: Partner, today: date) -> tuple[tuple[Reminder, ...], tuple[Left, ...]]:
    """The reminders of one partner, the earliest first, and the steps of theirs that give none.

    Only steps that this partner takes part in and did not decline.
    """
    found: set[Reminder] = set()
    left = []
    for task in tasks:
        if partner in task.who and partner not in task.unwanted:
            lacks = _lacks(task, today)
            if lacks:
                left.append(Left(task.step, lacks))
            else:
                found.add(_reminder(task))
    return tuple(sorted(found, key=lambda one: (one.first, one.days, one.count))), tuple(left)


def _lacks(task: Task, today: date) -> tuple[str, ...]:
    wanted = [("days", not task.days), ("time", not task.time)]
    lacks = tuple(name for name, missing in wanted if missing)
    return lacks or (("over",) if _days(task)[-1] < today else ())


def _days(task: Task) -> list[date]:
    """The days on which a step comes round."""
    every = (task.start + timedelta(days) for days in range(7 * max(task.weeks, 1)))
    return [day for day in every if DAYS[day.weekday()] in task.days]


def _reminder(task: Task) -> Reminder:
    days = _days(task)
    return Reminder(datetime.combine(days[0], time.fromisoformat(task.time)), task.days, len(days))
