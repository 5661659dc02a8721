"""How long a case is kept: a duty to keep it, a day until which, and which cases are due to be closed.

Nothing is ever deleted by itself. Hold and day stand in the sealed case card.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import select

from clinic.domain.errors import Invalid
from clinic.persistence import audit
from clinic.persistence.keyholder import LIST_LIMIT, KeyView
from clinic.persistence.models import Case
from clinic.persistence.store import Store
from clinic.services import cases
from clinic.services.paging import Page, Place, cut, paged
from clinic.services.unit_of_work import ident, unit_of_work

LONGEST_REASON: Final = 500


@dataclass(frozen=True)
class Kept:
    """Why and until when a case is kept. `hold`: the reason of a legal hold, empty for none."""

    hold: str
    hold_since: str
    until: str
    over_on: date
    closed_on: str = ""
    erased: tuple[str, ...] = ()

    def duty(self, today: date) -> bool:
        """Whether staff's notes must be kept for now."""
        return bool(self.hold) or bool(self.until and self.until > today.isoformat())


@dataclass(frozen=True)
class Due:
    """A case whose time is over."""

    id: str
    code: str
    touched_on: date
    over_on: date


def state(store: Store, token: str, case_id: str) -> Kept:
    """What holds for a case. For the staff layer."""
    with unit_of_work(store, token) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        row = session.get_one(Case, view.case_id)
        return kept(row, view.open_card(row), store.settings.retention_years)


def set_hold(store: Store, token: str, case_id: str, reason: str) -> None:
    """Put a legal hold on a case, or with an empty reason lift it. Raises Invalid (a very long reason)."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise Invalid({"hold": "too_long"})
    change = {"legal_hold": {"reason": reason, "since": store.today().isoformat()} if reason else {}}
    _write(store, token, case_id, change, "retention.hold" if reason else "retention.lifted")


def keep_until(store: Store, token: str, case_id: str, day: str) -> None:
    """Keep a case until a day, longer or shorter than usual; empty: as usual. Raises Invalid (no day)."""
    if day:
        try:
            day = date.fromisoformat(day).isoformat()
        except ValueError:
            raise Invalid({"until": "not_a_date"}) from None
    _write(store, token, case_id, {"retention_until": day}, "retention.until")


def due(store: Store, token: str, place: Place | None = None) -> Page[Due]:
    """Own cases whose time is over, and that no hold keeps: for a person to decide on. The longest waiting first.

    The day stands in the sealed card, so a page looks at so many cases as one list may open, the longest untouched
    first, and may find none of them due.
    """
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        how = cut(session, place or Place(), newest_first=False)
        wanted = select(Case.id, Case.code, Case.touched_on, Case.rev, Case.card)
        rows = [  # each along the index
            row
            for archived in (False, True)
            for row in session.execute(how.of(wanted.where(Case.archived.is_(archived)), LIST_LIMIT)).all()
        ]
        found = paged(rows, how, LIST_LIMIT)
        views = store.keyholder.open_list(token, [row.id for row in found.lines])
        known = [(row, _kept(row, views[row.id], store)) for row in found.lines]
    over = [
        Due(str(row.id), row.code, row.touched_on, one.over_on)
        for row, one in known
        if not one.hold and not one.closed_on and one.over_on <= store.today()
    ]
    return Page(tuple(sorted(over, key=lambda one: (one.over_on, one.code))), found.before, found.after)


def _kept(row: Any, view: KeyView, store: Store) -> Kept:
    return kept(row, view.open_card(row), store.settings.retention_years)


def kept(row: Any, card: dict[str, Any], years: int) -> Kept:
    """The same from an opened card."""
    hold, until = card.get("legal_hold") or {}, str(card.get("retention_until") or "")
    over = date.fromisoformat(until) if until else _after(row.touched_on, years)
    erased = tuple(card.get("erased") or ())
    return Kept(hold.get("reason", ""), hold.get("since", ""), until, over, card.get("closed_on", ""), erased)


def _after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year + years, month=3, day=1)


def _write(store: Store, token: str, case_id: str, change: dict[str, Any], verb: str) -> None:
    with unit_of_work(store, token, write=True) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        row = cases.locked(session, view.case_id)
        # The day of the last change stays: from it the time runs.
        cases.write_card(row, view, view.open_card(row) | change, row.touched_on)
        audit.note(session, verb, case=view.case_id)
