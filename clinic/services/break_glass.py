"""An admin opens a case that is not theirs, to read: with a reason, for eight hours at most, and not quietly.

The counsellor of the case and the supervisor see it at their next sign-in, the audit has it, and it ends by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, NotFound
from clinic.persistence import audit
from clinic.persistence.keyholder import Who
from clinic.persistence.models import Account, Case, Grant
from clinic.persistence.store import Store
from clinic.services import notices, second_person
from clinic.services.transfer import case_by_code
from clinic.services.unit_of_work import ident, unit_of_work

LONGEST: Final = 8  # h
WATCHING: Final = ("supervisor", "admin")


@dataclass(frozen=True)
class Glass:
    """A live grant. `until` is a moment; `mine` when it is the reader's own."""

    id: str
    case_id: str
    code: str
    by: str
    reason: str
    until: datetime
    mine: bool


def open_(store: Store, token: str, code: str, reason: str, hours: int) -> str:
    """Open a case to read until so many hours from now; the case id.

    Raises Denied (only an admin, and not one who waits for a confirmation), StepUp, Invalid.
    """
    who = second_person.fresh(store, token)
    if who.role != "admin":
        raise Denied
    with unit_of_work(store, token, write=True, unscoped="break_glass") as session:
        second_person.must_be_confirmed(session, who)
        case = case_by_code(session, who, code)
        wrong = second_person.reason_faults(reason)
        wrong |= {} if case else {"code": "no_case"}
        wrong |= {} if 1 <= hours <= LONGEST else {"hours": "out_of_range"}
        if wrong or case is None:
            raise Invalid(wrong)
        until = store.clock() + timedelta(hours=hours)
        grant = _grant(store, who.account, case.id, until, reason.strip())
        session.add(grant)
        session.flush()
        audit.note(session, "grant.opened", case=case.id, grant=grant.id)
        told = {"code": case.code, "by": who.display, "until": until.isoformat()}
        notices.put_all(store, session, _told(session, who, case), "break_glass", **told)
        return str(case.id)


def end(store: Store, token: str, grant_id: str) -> None:
    """End a grant before its time: whoever has it, the counsellor of the case, or the supervisor. Raises NotFound."""
    who = store.keyholder.who(token)
    with unit_of_work(store, token, write=True, unscoped="break_glass") as session:
        grant = session.get(Grant, ident(grant_id))
        case = session.get(Case, grant.case_id) if grant else None
        if grant is None or case is None or not _sees(session, who, grant, case):
            raise NotFound
        id_, holder = grant.id, grant.account_id
        session.delete(grant)
        session.flush()
        audit.note(session, "grant.ended", case=case.id, grant=id_)
        others = [one for one in (*_concerned(session, case), holder) if one != who.account]
        notices.put_all(store, session, others, "break_glass_ended", code=case.code, by=who.display)


def live(store: Store, token: str) -> list[Glass]:
    """The grants that hold now and that this person has, or whose case is theirs; the next to end first."""
    who, found = store.keyholder.who(token), []
    with unit_of_work(store, token, unscoped="break_glass") as session:
        for grant in session.scalars(select(Grant).where(Grant.ends_on >= store.today())):
            case = session.get_one(Case, grant.case_id)
            said = store.keyholder.office_open(grant.id, grant.sealed)
            until = datetime.fromisoformat(said["until"])
            if until > store.clock() and _sees(session, who, grant, case):
                by = session.get_one(Account, grant.account_id).display
                mine = grant.account_id == who.account
                found.append(Glass(str(grant.id), str(case.id), case.code, by, said["reason"], until, mine))
    return sorted(found, key=lambda one: one.until)


def _grant(store: Store, account: UUID, case: UUID, until: datetime, reason: str) -> Grant:
    id_ = uuid4()
    said = {"case": str(case), "account": str(account), "until": until.isoformat(), "reason": reason}
    sealed = store.keyholder.office_seal(id_, said)
    return Grant(id=id_, case_id=case, account_id=account, ends_on=until.astimezone().date(), sealed=sealed)


def _concerned(session: Session, case: Case) -> list[UUID]:
    return [case.counsellor_id, *notices.supervisors_of(session, case.counsellor_id)]


def _told(session: Session, who: Who, case: Case) -> list[UUID]:
    """Those concerned; if none of them can sign in, everybody else who might say something: not quietly, ever."""
    near = _concerned(session, case)
    if session.scalar(select(Account.id).where(Account.id.in_(near), Account.active).limit(1)):
        return near
    others = select(Account.id).where(Account.role.in_(WATCHING), Account.active, Account.id != who.account)
    return [*near, *session.scalars(others)]


def _sees(session: Session, who: Who, grant: Grant, case: Case) -> bool:
    return who.account == grant.account_id or who.account in _concerned(session, case)
