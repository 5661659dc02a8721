"""A case goes to another counsellor: asked for by an admin or a supervisor, confirmed by somebody else.

The new counsellor gets the whole file and a key for process notes of their own; those of the one before stay closed,
for they have one reader.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import Conflict, Denied, Invalid
from clinic.persistence import audit
from clinic.persistence.keyholder import COUNSELLOR, Who
from clinic.persistence.models import Account, Case
from clinic.persistence.store import Store
from clinic.services import notices, second_person
from clinic.services.unit_of_work import ident, unit_of_work

MAY_ASK = ("admin", "supervisor")


def ask(store: Store, token: str, code: str, to: str, reason: str) -> str:
    """Ask that a case goes to another counsellor; the id of the request.

    A supervisor for the cases they supervise, an admin for any, by its code. Raises StepUp, Denied, Invalid.
    """
    who = second_person.fresh(store, token)
    if who.role not in MAY_ASK:
        raise Denied
    with unit_of_work(store, token, write=True, unscoped="transfer") as session:
        second_person.must_be_confirmed(session, who)
        case = case_by_code(session, who, code)
        target = session.get(Account, ident(to)) if to else None
        wrong = {} if case else {"code": "no_case"}
        wrong |= second_person.reason_faults(reason)
        if case is not None and not _may_take(target, case):
            wrong["to"] = "not_an_option"
        if wrong or case is None or target is None:
            raise Invalid(wrong)
        ids = {"to": str(target.id), "from": str(case.counsellor_id)}
        request = second_person.put(store, session, who, "transfer", case, reason, **ids)
        audit.note(session, "transfer.asked", case=case.id, account=target.id)
        return str(request)


def confirm(store: Store, token: str, request_id: str) -> None:
    """Agree to a transfer, and do it. Raises as `second_person.confirm`; Conflict also when something changed since."""
    who = second_person.fresh(store, token)
    with unit_of_work(store, token, write=True, unscoped="transfer") as session:
        one = second_person.agree(store, session, token, who, request_id, ("transfer",))
        case = session.get(Case, one.case, with_for_update={"key_share": True})
        target = session.get(Account, ident(one.ids["to"]))
        if case is None or target is None or case.counsellor_id != one.counsellor or not _may_take(target, case):
            raise Conflict
        before = case.counsellor_id
        audit.note(session, "transfer.done", case=case.id, account=target.id)
        key = store.keyholder.process_key(token, case.id, target.id)
        if key is not None:
            session.add(key)
        case.counsellor_id, case.touched_on = target.id, store.today()
        second_person.done(session, one.row.id)
        out = [before, *notices.supervisors_of(session, before)]
        into = [target.id, *notices.supervisors_of(session, target.id)]
        notices.put_all(store, session, out, "transfer_out", code=case.code, by=who.display)
        notices.put_all(store, session, into, "transfer_in", code=case.code, by=who.display)


def case_by_code(session: Session, who: Who, code: str) -> Case | None:
    """The case with this code, as far as an admin or its supervisor may name it."""
    case = session.scalar(select(Case).where(Case.code == code.strip().upper()))
    if case is None or who.role == "admin":
        return case
    counsellor = session.get_one(Account, case.counsellor_id)
    return case if counsellor.supervisor_id == who.account else None


def _may_take(target: Account | None, case: Case) -> bool:
    # Not before its owner has chosen the password: until then whoever made the account can sign in with it.
    if target is None or target.temporary or not (target.active and target.confirmed):
        return False
    return target.role == COUNSELLOR and target.id != case.counsellor_id
