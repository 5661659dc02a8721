"""Acts that one person asks for and another agrees to: ask, what waits, confirm, take back, and whether it may go on.

What is asked, of which case and why is sealed; the row itself says only who asked and who agreed. Both prove once
more who they are. Nobody confirms what they asked for, nor what concerns their own account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import Conflict, Denied, Invalid, NotFound
from clinic.persistence import audit
from clinic.persistence.keyholder import Who
from clinic.persistence.models import Account, Case, Request
from clinic.persistence.store import Store
from clinic.services import notices, sessions
from clinic.services.unit_of_work import ident, unit_of_work

# The asker goes on once these are confirmed.
GONE_ON_WITH: Final = ("export_file", "staff_export", "erase", "restore")
# Confirming these does them: `team.confirm`.
DONE_AT_ONCE: Final = ("role", "reset", "transfer")
KINDS: Final = (*GONE_ON_WITH, *DONE_AT_ONCE)
OF_A_CASE: Final = frozenset({"export_file", "staff_export", "erase", "transfer"})
OPEN_DAYS: Final = 7
LONGEST_REASON: Final = 500
_SAID: Final = ("kind", "case", "code", "counsellor", "reason", "day")
_BOUND: Final = ("by", "ends_on", "agreed_by")  # what the columns say too; the keyholder goes by these


@dataclass(frozen=True)
class Asked:
    """A request as somebody who may confirm it, or who asked for it, reads it. `about` is the account concerned.

    `ids` is what else was asked for, accounts by name.
    """

    id: str
    kind: str
    by: str
    reason: str
    day: str
    ends_on: str
    code: str = ""
    about: str = ""
    mine: bool = False
    confirmed_by: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """The row of a request with what is sealed in it. `counsellor` is the one whose case it was when it was asked."""

    row: Request
    kind: str
    case: UUID | None
    code: str
    counsellor: UUID | None
    reason: str
    day: str
    ids: Mapping[str, str]

    @property
    def about(self) -> UUID | None:
        """The account that the act concerns."""
        return _id(self.ids.get("account"))

    @property
    def gains(self) -> frozenset[UUID | None]:
        """Accounts that would gain by it: they do not confirm it."""
        return frozenset(_id(self.ids.get(name)) for name in ("to", "supervisor")) - {None}


def fresh(store: Store, token: str) -> Who:
    """Who this is, if they proved it in the last five minutes. Raises SignIn, Locked, StepUp."""
    who = store.keyholder.who(token)
    sessions.must_be_fresh(store, token)
    return who


def must_be_confirmed(session: Session, who: Who) -> None:
    """An account that somebody else reset, or whose password is not its own, neither asks nor confirms: Denied."""
    if not _ready(session, who):
        raise Denied


def reason_faults(reason: str) -> dict[str, str]:
    """What is wrong with a reason: nothing, or the field and a message id."""
    words = reason.strip()
    return {} if 0 < len(words) <= LONGEST_REASON else {"reason": "too_long" if words else "required"}


def ask(store: Store, token: str, kind: str, case: str | None, reason: str, **ids: str) -> str:
    """Ask for an act that the asker goes on with; the id of the request. Raises StepUp, Invalid, NotFound, Denied."""
    if kind not in GONE_ON_WITH or (kind in OF_A_CASE) is not bool(case):
        raise Denied
    if wrong := reason_faults(reason):
        raise Invalid(wrong)
    who = fresh(store, token)
    with unit_of_work(store, token, write=True) as session:
        must_be_confirmed(session, who)
        row = session.get(Case, ident(case)) if case else None
        if case and row is None:
            raise NotFound
        return str(put(store, session, who, kind, row, reason, **ids))


def put(store: Store, session: Session, who: Who, kind: str, case: Case | None, reason: str, **ids: str) -> UUID:
    """Store a request in a unit that is open already; who may ask was checked by the caller."""
    id_, today = uuid4(), store.today()
    last = today + timedelta(OPEN_DAYS)
    said = {
        "by": str(who.account),
        "ends_on": last.isoformat(),
        "kind": kind,
        "case": str(case.id) if case else "",
        "code": case.code if case else "",
        "counsellor": str(case.counsellor_id) if case else "",
        "reason": reason.strip(),
        "day": today.isoformat(),
    }
    sealed = store.keyholder.office_seal(id_, {**ids, **said})
    session.add(Request(id=id_, asked_by=who.account, ends_on=last, sealed=sealed))
    session.flush()
    audit.note(session, "request.asked", case=case.id if case else None, request=id_)
    return id_


def waiting(store: Store, token: str) -> list[Asked]:
    """What this person may confirm, and what they asked for themselves and is not done; the oldest first."""
    who = store.keyholder.who(token)
    with unit_of_work(store, token) as session:
        return asked(store, session, who)


def asked(store: Store, session: Session, who: Who) -> list[Asked]:
    """The same in an open unit."""
    found = [
        _line(session, who, one)
        for one in _open(store, session)
        if one.row.asked_by == who.account or (one.row.confirmed_by is None and _may_confirm(session, who, one))
    ]
    return sorted(found, key=lambda one: (one.day, one.id))


def kind_of(store: Store, token: str, request_id: str) -> str:
    """What a request is for. NotFound: unknown, over, or not for this person."""
    who = store.keyholder.who(token)
    with unit_of_work(store, token) as session:
        one = find(store, session, request_id)
        if one.row.asked_by != who.account and not _may_confirm(session, who, one):
            raise NotFound
        return one.kind


def confirm(store: Store, token: str, request_id: str) -> str:
    """Agree to a request of somebody else, who then goes on with it; its kind.

    Raises StepUp, NotFound (unknown, over, not for this person), Denied (own request), Conflict (confirmed already).
    """
    who = fresh(store, token)
    with unit_of_work(store, token, write=True) as session:
        return agree(store, session, token, who, request_id, GONE_ON_WITH).kind


def agree(store: Store, session: Session, token: str, who: Who, request_id: str, kinds: Iterable[str]) -> Opened:
    """Mark a request as confirmed, in a unit that is open already. Raises as `confirm` does."""
    one = find(store, session, request_id, lock=True)
    if one.row.asked_by == who.account:
        raise Denied
    if one.kind not in kinds or not _may_confirm(session, who, one):
        raise NotFound
    if one.row.confirmed_by is not None:
        raise Conflict
    one.row.confirmed_by, one.row.sealed = who.account, store.keyholder.agree(token, one.row.id)
    audit.note(session, "request.confirmed", case=one.case, request=one.row.id)
    notices.put(store, session, one.row.asked_by, "request_confirmed", by=who.display, act=one.kind)
    return one


def withdraw(store: Store, token: str, request_id: str) -> None:
    """Take an own request back, or say no to one of somebody else.

    Raises NotFound, Conflict (it is confirmed), Denied (an account that waits for a confirmation itself).
    """
    who = store.keyholder.who(token)
    with unit_of_work(store, token, write=True) as session:
        must_be_confirmed(session, who)
        one = find(store, session, request_id, lock=True)
        mine = one.row.asked_by == who.account
        if not mine and not _may_confirm(session, who, one):
            raise NotFound
        if one.row.confirmed_by is not None and not mine:
            raise Conflict
        one.row.done = True
        audit.note(session, "request.refused", case=one.case, request=one.row.id)
        if not mine:
            notices.put(store, session, one.row.asked_by, "request_refused", by=who.display, act=one.kind)


def confirmed(store: Store, session: Session, request_id: str, kind: str, case: str | UUID | None) -> bool:
    """Whether somebody else agreed to exactly this, it is not over and not used up."""
    try:
        one = find(store, session, request_id)
        wanted = ident(case) if case else None
    except NotFound:
        return False
    return one.row.confirmed_by not in (None, one.row.asked_by) and (one.kind, one.case) == (kind, wanted)


def done(session: Session, request_id: str | UUID) -> None:
    """Use a confirmed request up: it holds for one act. NotFound if it is not confirmed or used already."""
    row = session.get(Request, ident(request_id), with_for_update={"key_share": True})
    if row is None or row.done or row.confirmed_by is None:
        raise NotFound
    row.done = True


def find(store: Store, session: Session, request_id: str | UUID, lock: bool = False) -> Opened:
    """An open request. NotFound: unknown, done, or past its last day."""
    row = session.get(Request, ident(request_id), with_for_update={"key_share": True} if lock else None)
    if row is None or row.done or row.ends_on < store.today():
        raise NotFound
    return _opened(store, row)


def _may_confirm(session: Session, who: Who, one: Opened) -> bool:
    """An admin; a supervisor for those they supervise and for new accounts; the counsellor whose case, or whose
    supervisor, it is.

    Never the asker or who would gain by it, and nobody who waits for a confirmation themselves.
    """
    if not _ready(session, who) or who.account == one.row.asked_by or who.account in one.gains:
        return False
    if who.account == one.about:
        return one.kind == "role" and "role" not in one.ids  # a supervisor for oneself, and nothing else
    if who.role == "admin" or one.counsellor == who.account:
        return True
    if who.role == "supervisor" and one.kind == "role" and one.ids.get("new"):
        return True  # else a clinic with one admin never had a second supervisor or admin
    subject = session.get(Account, one.counsellor or one.about) if one.counsellor or one.about else None
    return who.role == "supervisor" and subject is not None and subject.supervisor_id == who.account


def _ready(session: Session, who: Who) -> bool:
    account = session.get(Account, who.account)
    return account is not None and account.confirmed and not account.temporary


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _open(store: Store, session: Session) -> list[Opened]:
    rows = session.scalars(select(Request).where(Request.done.is_(False), Request.ends_on >= store.today()))
    return [_opened(store, row) for row in rows]


def _opened(store: Store, row: Request) -> Opened:
    said: dict[str, Any] = store.keyholder.office_open(row.id, row.sealed)
    kind, case, code, counsellor, reason, day = (said.pop(name, "") for name in _SAID)
    for name in _BOUND:
        said.pop(name, None)
    return Opened(row, kind, _id(case), code, _id(counsellor), reason, day, said)


def _line(session: Session, who: Who, one: Opened) -> Asked:
    def name(account: UUID | None) -> str:
        found = session.get(Account, account) if account else None
        return found.display if found else ""

    accounts = {key: name(_id(one.ids[key])) for key in ("to", "from", "supervisor", "account") if key in one.ids}
    return Asked(
        id=str(one.row.id),
        kind=one.kind,
        by=name(one.row.asked_by),
        reason=one.reason,
        day=one.day,
        ends_on=one.row.ends_on.isoformat(),
        code=one.code,
        about=name(one.about),
        mine=one.row.asked_by == who.account,
        confirmed_by=name(one.row.confirmed_by),
        ids={**one.ids, **accounts},
    )
