"""Long lists a page at a time, by place and not by number: a later page costs what the first one does.

A place is the random id of a case, which stands in addresses anyway; it tells neither a code nor a day. The order is
day of the last change, then id, both plain columns. A place that is not there, or somebody else's, is the beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, select, tuple_
from sqlalchemy.orm import Session

from clinic.persistence.models import Case

SIZE: Final = 50  # lines on a page

One = TypeVar("One")


@dataclass(frozen=True)
class Place:
    """Where to go on: behind a case or in front of it. Without a case: at the beginning."""

    case: UUID | None = None
    back: bool = False


@dataclass(frozen=True)
class Page(Generic[One]):
    """Lines of a list. `before` and `after` are the cases to go on from, None where the list ends."""

    lines: tuple[One, ...]
    before: UUID | None = None
    after: UUID | None = None


@dataclass(frozen=True)
class Cut:
    """What a page is cut from: a condition and an order, for statements on cases."""

    condition: ColumnElement[bool] | None
    newest_first: bool
    back: bool

    def of(self, wanted: Any, most: int) -> Select[Any]:
        """The rows of a statement that may stand on the page, and one more."""
        columns: list[Any] = [Case.touched_on, Case.id]
        order = [one.desc() for one in columns] if self.newest_first is not self.back else columns
        narrowed = wanted if self.condition is None else wanted.where(self.condition)
        ordered: Select[Any] = narrowed.order_by(*order).limit(most + 1)
        return ordered


def cut(session: Session, place: Place, newest_first: bool = True) -> Cut:
    """How to go on from a place, in the cases this session sees."""
    day = session.scalar(select(Case.touched_on).where(Case.id == place.case)) if place.case else None
    if day is None:
        return Cut(None, newest_first, back=False)
    at, here = tuple_(Case.touched_on, Case.id), tuple_(day, place.case)
    return Cut(at < here if newest_first is not place.back else at > here, newest_first, place.back)


def paged(rows: Sequence[Row[Any]], how: Cut, size: int = SIZE) -> Page[Row[Any]]:
    """The page of rows that `how` gave; they have `id` and `touched_on`, and may come from several statements."""
    backwards = how.newest_first is not how.back
    there = sorted(rows, key=lambda one: (one.touched_on, one.id), reverse=backwards)
    more, lines = len(there) > size, there[:size]
    if how.back:
        lines.reverse()
    ends = (lines[0].id, lines[-1].id) if lines else (None, None)
    # Whoever came from a place has cases on its other side.
    before = more if how.back else how.condition is not None
    after = how.back or more
    return Page(tuple(lines), ends[0] if before else None, ends[1] if after else None)
