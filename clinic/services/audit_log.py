"""The audit as a page shows it: what this account may know of, the newest first.

Lines are sealed, so filters other than the day are looked at after opening, in batches; a page looks at a bounded
number of lines and says where to go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied
from clinic.domain.roles import rights
from clinic.persistence import audit
from clinic.persistence.models import Account, Audit, Case
from clinic.persistence.store import Store
from clinic.services.unit_of_work import unit_of_work

# Verb groups, for the filter: what stands before the dot.
GROUPS: Final = tuple(sorted({verb.split(".")[0] for verb in audit.VERBS}))
SHOWN: Final = 50  # lines on a page
LOOKED_AT: Final = 5_000  # lines opened for a page
_BATCH: Final = 500
_NEVER: Final = 2**62  # no line has this number
_IDS: Final = frozenset({"verb", "account", "target", "case", "record", "wrote", "when", "seq", "day", "why", "tried"})


@dataclass(frozen=True)
class Filters:
    """What to look for; empty says anything. `account` is a staff name or an id, `case` a case code."""

    group: str = ""
    since: date | None = None
    until: date | None = None
    account: str = ""
    case: str = ""


@dataclass(frozen=True)
class Line:
    """One line. `account` did it, `target` is whom it concerned; `case` is a code, empty for a case not one's own.

    A refusal has the verb `denied`, what was `tried`, and `why`: the name of the error.
    """

    seq: int
    day: date
    at: datetime | None
    verb: str
    account: str = ""
    target: str = ""
    case: str = ""
    record: str = ""
    tried: str = ""
    why: str = ""
    more: tuple[tuple[str, str], ...] = ()

    @property
    def group(self) -> str:
        """What the filter calls it."""
        return self.verb.split(".")[0]


@dataclass(frozen=True)
class Page:
    """Lines, the newest first. `before` goes on to older ones; None when there are none."""

    lines: tuple[Line, ...]
    before: int | None


def page(store: Store, token: str, filters: Filters | None = None, before: int | None = None) -> Page:
    """The lines older than `before` that fit. Raises Denied for a role that has nothing to read here."""
    wanted = filters or Filters()
    with unit_of_work(store, token) as session:
        audit.note(session, "audit.view")
        who = store.keyholder.who(token)
        if rights(who.role).events == "none":
            raise Denied
        names = {str(id_): display for id_, display in session.execute(select(Account.id, Account.display))}
        signs = {str(id_): name for id_, name in session.execute(select(Account.id, Account.name))}
        case, span = _case_of(session, wanted), _span(session, wanted)
        found: list[Mapping[str, Any]] = []
        looked_at, at = 0, before
        while len(found) < SHOWN and looked_at < LOOKED_AT:
            rows = _older(session, span, at)
            if not rows:
                at = None
                break
            looked_at, at = looked_at + len(rows), rows[-1].seq
            opened = store.keyholder.audit_open(token, rows)
            found += [one for one in opened if _fits(one, wanted, case, names, signs)]
        if len(found) > SHOWN:
            found, at = found[:SHOWN], found[SHOWN - 1]["seq"]
        codes = _codes(session, found)
        return Page(tuple(_line(one, names, codes) for one in found), at)


def staff(store: Store, token: str) -> list[tuple[str, str]]:
    """Name and display name of every account, for the filter. Raises Denied as `page` does."""
    with unit_of_work(store, token) as session:
        if rights(store.keyholder.who(token).role).events == "none":
            raise Denied
        rows = session.execute(select(Account.name, Account.display).order_by(Account.display)).all()
    return [(name, display) for name, display in rows]


def _case_of(session: Session, wanted: Filters) -> str:
    """The id of the case that is looked for; a word that is no id where there is none of this code."""
    if not wanted.case:
        return ""
    return str(session.scalar(select(Case.id).where(Case.code == wanted.case.strip().upper())) or "none")


def _span(session: Session, wanted: Filters) -> tuple[int | None, int | None]:
    """The first and last number of the days looked for: lines are read along their numbers."""
    low, high = func.min(Audit.seq), func.max(Audit.seq)
    since = session.scalar(select(low).where(Audit.day >= wanted.since)) if wanted.since else None
    until = session.scalar(select(high).where(Audit.day <= wanted.until)) if wanted.until else None
    return (since or _NEVER) if wanted.since else None, (until or 0) if wanted.until else None


def _older(session: Session, span: tuple[int | None, int | None], before: int | None) -> list[Audit]:
    query = select(Audit).order_by(Audit.seq.desc()).limit(_BATCH)
    if before is not None:
        query = query.where(Audit.seq < before)
    first, last = span
    if first is not None:
        query = query.where(Audit.seq >= first)
    if last is not None:
        query = query.where(Audit.seq <= last)
    rows = list(session.scalars(query))
    session.expunge_all()
    return rows


def _codes(session: Session, found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Codes of the cases on this page, as far as they are this account's."""
    named = {UUID(one["case"]) for one in found if one.get("case")}
    return {str(id_): code for id_, code in session.execute(select(Case.id, Case.code).where(Case.id.in_(named)))}


def _fits(
    one: Mapping[str, Any],
    wanted: Filters,
    case: str,
    names: Mapping[str, str],
    signs: Mapping[str, str],
) -> bool:
    if wanted.group and one["verb"].split(".")[0] != wanted.group:
        return False
    if case and one.get("case") != case:
        return False
    if wanted.account:
        people = {one.get("account", ""), one.get("target", "")} - {""}
        known = people | {signs.get(id_, "") for id_ in people} | {names.get(id_, "") for id_ in people}
        return wanted.account.strip().casefold() in {name.casefold() for name in known}
    return True


def _line(one: Mapping[str, Any], names: Mapping[str, str], codes: Mapping[str, str]) -> Line:
    more = tuple((name, _said(str(value), names)) for name, value in sorted(one.items()) if name not in _IDS)
    return Line(
        seq=one["seq"],
        day=one["day"],
        at=_moment(one.get("when")),
        verb=one["verb"],
        account=names.get(one.get("account", ""), ""),
        target=names.get(one.get("target", ""), ""),
        case=codes.get(one.get("case", ""), ""),
        record=one.get("record", "") if one.get("case", "") in codes else "",
        tried=one.get("tried", ""),
        why=one.get("why", ""),
        more=more,
    )


def _said(value: str, names: Mapping[str, str]) -> str:
    """The name of an account instead of its id; no other id is of use to a reader."""
    if value in names:
        return names[value]
    try:
        UUID(value)
    except ValueError:
        return value
    return ""


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
