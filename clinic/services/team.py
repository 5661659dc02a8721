"""Accounts, for an admin: make one, another role or supervisor, close and open, reset a lost sign-in.

Nobody changes their own account here, and no admin gains a look at cases alone: a role, a supervisor, a new supervisor
or admin, and a reset sign-in hold once a second person has confirmed them.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from clinic.domain.errors import Conflict, Denied, Invalid, NotFound
from clinic.domain.roles import ROLES
from clinic.persistence import audit
from clinic.persistence.keyholder import COUNSELLOR, Who
from clinic.persistence.models import Account, Passkey, RecoveryCode
from clinic.persistence.store import Store
from clinic.services import notices, passwords, second_person, sessions, transfer
from clinic.services.second_person import Opened
from clinic.services.unit_of_work import ident, unit_of_work

ADMIN: Final = "admin"
SUPERVISOR: Final = "supervisor"
JUDGES: Final = (SUPERVISOR, ADMIN)  # roles that may confirm: a new one waits for a second person itself


@dataclass(frozen=True)
class Member:
    """An account as an admin sees it. `supervisor` is a name, `supervisor_id` empty for nobody."""

    id: str
    name: str
    display: str
    role: str
    active: bool
    confirmed: bool
    temporary: bool
    supervisor: str
    supervisor_id: str
    me: bool


@dataclass(frozen=True)
class Made:
    """An account with a temporary password: it is in no other place, so it is shown now or never."""

    id: str
    name: str
    display: str
    password: str
    waits: bool


def members(store: Store, token: str) -> list[Member]:
    """Every account, the open ones first, by name. Denied for all but admins."""
    who = admin(store, token)
    with unit_of_work(store, token) as session:
        return _members(session, who)


def counsellors(store: Store, token: str) -> list[Member]:
    """The counsellors who may take a case, for those who ask for a transfer."""
    who = store.keyholder.who(token)
    if who.role not in transfer.MAY_ASK:
        raise Denied
    with unit_of_work(store, token) as session:
        found = [one for one in _members(session, who) if one.role == COUNSELLOR and one.active]
        return [one for one in found if one.confirmed and not one.temporary]


def member(store: Store, token: str, account_id: str) -> Member:
    """One account. NotFound, Denied."""
    found = next((one for one in members(store, token) if one.id == str(ident(account_id))), None)
    if found is None:
        raise NotFound
    return found


def make(store: Store, token: str, name: str, display: str, role: str, supervisor: str = "") -> Made:
    """A new account with a temporary password. Raises StepUp, Denied, Invalid."""
    who = admin_now(store, token)
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        supervisor_id = _supervisor(session, supervisor, role)
        if role in JUDGES and not _another_judge(session, who):
            raise Invalid({"role": "nobody_confirms"})
        made, row = _add(store, session, name, display, role, waits=role in JUDGES)
        row.supervisor_id = supervisor_id
        audit.note(session, "account.created", account=row.id, role=role)
        if made.waits:
            ids = {"account": str(row.id), "role": role, "new": "yes"}
            second_person.put(store, session, who, "role", None, "", **ids)
        if supervisor_id:
            notices.put(store, session, supervisor_id, "supervises", counsellor=row.display, by=who.display)
        return made


def ask_change(store: Store, token: str, account_id: str, role: str, supervisor: str, reason: str) -> str:
    """Ask for another role or supervisor; the id of the request. Raises StepUp, Denied, NotFound, Invalid, Conflict."""
    who = admin_now(store, token)
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        row = _other(session, who, account_id)
        if wrong := second_person.reason_faults(reason):
            raise Invalid(wrong)
        if role not in ROLES:
            raise Invalid({"role": "not_an_option"})
        wanted = _supervisor(session, supervisor, role)
        ids = {"account": str(row.id)}
        ids |= {"role": role} if role != row.role else {}
        ids |= {"supervisor": str(wanted or "")} if wanted != row.supervisor_id else {}
        if len(ids) == 1:
            raise Invalid({"role": "nothing_new"})
        if wanted == row.id:
            raise Invalid({"supervisor": "not_an_option"})
        return str(second_person.put(store, session, who, "role", None, reason, **ids))


def set_active(store: Store, token: str, account_id: str, active: bool) -> None:
    """Close an account, so that it cannot sign in, or open it again. Raises StepUp, Denied, NotFound."""
    who = admin_now(store, token)
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        row = _other(session, who, account_id)
        row.active = active
        audit.note(session, "account.activated" if active else "account.deactivated", account=row.id)
        sessions.end_all(session, row.id)
        readers = [row.id, row.supervisor_id]
        kind = "activated" if active else "deactivated"
        notices.put_all(store, session, readers, kind, account=row.display, by=who.display)


def reset(store: Store, token: str, account_id: str, reason: str) -> Made:
    """A temporary password for somebody who lost password or factor; the factors go, recovery codes stay.

    It opens no case until somebody else has confirmed it or its owner has used a recovery code.
    Raises StepUp, Denied, NotFound, Invalid.
    """
    who = admin_now(store, token)
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        row = _other(session, who, account_id)
        if wrong := second_person.reason_faults(reason):
            raise Invalid(wrong)
        password = passwords.temporary()
        row.password, row.temporary, row.confirmed = passwords.hashed(store, password), True, False
        row.totp, row.totp_step = None, 0
        session.execute(delete(Passkey).where(Passkey.account_id == row.id))
        sessions.end_all(session, row.id)
        audit.note(session, "account.factors_reset", account=row.id)
        second_person.put(store, session, who, "reset", None, reason, account=str(row.id))
        readers = [row.id, row.supervisor_id]
        notices.put_all(store, session, readers, "factor_reset", account=row.display, by=who.display)
        return Made(str(row.id), row.name, row.display, password, waits=True)


def confirm(store: Store, token: str, request_id: str) -> str:
    """Agree to a request, and do it where confirming does it; its kind. Raises as `second_person.confirm`."""
    kind = second_person.kind_of(store, token, request_id)
    if kind in second_person.GONE_ON_WITH:
        return second_person.confirm(store, token, request_id)
    if kind == "transfer":
        transfer.confirm(store, token, request_id)
        return kind
    who = second_person.fresh(store, token)
    with unit_of_work(store, token, write=True) as session:
        one = second_person.agree(store, session, token, who, request_id, ("role", "reset"))
        row = session.get(Account, one.about, with_for_update={"key_share": True}) if one.about else None
        if row is None:
            raise Conflict
        if one.kind == "reset" or one.ids.get("new"):
            _confirm_account(store, session, who, row)
        else:
            _change(store, session, who, row, one)
        second_person.done(session, one.row.id)
    return kind


# --------------------------------------------------------------------------- inside
def admin(store: Store, token: str) -> Who:
    """Whose session it is, if an admin's. Raises Denied."""
    who = store.keyholder.who(token)
    if who.role != ADMIN:
        raise Denied
    return who


def admin_now(store: Store, token: str) -> Who:
    """The same, with a proof of the last minutes. Raises StepUp too."""
    who = second_person.fresh(store, token)
    if who.role != ADMIN:
        raise Denied
    return who


def _another_judge(session: Session, who: Who) -> bool:
    """Whether there is somebody but the asker who may confirm a new supervisor or admin."""
    may = select(Account.id).where(Account.role.in_(JUDGES), Account.active, Account.confirmed)
    return session.scalar(may.where(Account.id != who.account).limit(1)) is not None


def _other(session: Session, who: Who, account_id: str) -> Account:
    """Somebody else's account."""
    row = session.get(Account, ident(account_id), with_for_update={"key_share": True})
    if row is None:
        raise NotFound
    if row.id == who.account:
        raise Denied
    return row


def _members(session: Session, who: Who) -> list[Member]:
    rows = session.scalars(select(Account)).all()
    names = {row.id: row.display for row in rows}
    found = [
        Member(
            str(row.id),
            row.name,
            row.display,
            row.role,
            row.active,
            row.confirmed,
            row.temporary,
            names.get(row.supervisor_id, "") if row.supervisor_id else "",
            str(row.supervisor_id or ""),
            row.id == who.account,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (not one.active, one.display.casefold(), one.id))


def _supervisor(session: Session, supervisor: str, role: str) -> UUID | None:
    """The account of a supervisor; only counsellors have one. Raises Invalid."""
    if not supervisor or role != COUNSELLOR:
        return None
    row = session.get(Account, ident(supervisor))
    if row is None or row.role != SUPERVISOR or not row.active:
        raise Invalid({"supervisor": "not_an_option"})
    return row.id


def _add(store: Store, session: Session, name: str, display: str, role: str, waits: bool) -> tuple[Made, Account]:
    name, display = sessions.sign_in_name(name), " ".join(display.split())
    wrong = {} if 1 <= len(name) <= 80 else {"name": "too_long" if name else "required"}
    wrong |= {} if len(display) <= 120 else {"display": "too_long"}
    wrong |= {} if role in ROLES else {"role": "not_an_option"}
    if not wrong and session.scalar(select(Account.id).where(Account.name == name)):
        wrong["name"] = "name_taken"
    if wrong:
        raise Invalid(wrong)
    password = passwords.temporary()
    row = Account(
        id=uuid4(),
        name=name,
        display=display or name,
        role=role,
        password=passwords.hashed(store, password),
        temporary=True,
        confirmed=not waits,
    )
    session.add(row)
    session.flush()
    session.add(store.keyholder.new_account_key(row.id))
    return Made(str(row.id), row.name, row.display, password, waits), row


def _confirm_account(store: Store, session: Session, who: Who, row: Account) -> None:
    row.confirmed = True
    # Recovery codes of before may be in anybody's hands; the owner makes new ones.
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == row.id))
    audit.note(session, "account.confirmed", account=row.id)
    notices.put(store, session, row.id, "confirmed", by=who.display)


def _change(store: Store, session: Session, who: Who, row: Account, one: Opened) -> None:
    """The role and supervisor that were asked for. Who is no supervisor any more supervises nobody. Raises Conflict."""
    if "role" in one.ids:
        row.role = one.ids["role"]
        audit.note(session, "account.role", account=row.id, role=row.role)
        notices.put(store, session, row.id, "role", role=row.role, by=who.display)
        session.execute(update(Account).where(Account.supervisor_id == row.id).values(supervisor_id=None))
        session.flush()
        if not session.scalar(select(Account.id).where(Account.role == ADMIN, Account.active).limit(1)):
            raise Conflict  # nobody could ever give a role again
        sessions.end_all(session, row.id)
    wanted = one.ids.get("supervisor", str(row.supervisor_id or ""))
    before, row.supervisor_id = row.supervisor_id, _supervisor(session, wanted, row.role)
    if row.supervisor_id != before:
        audit.note(session, "account.supervisor", account=row.id, supervisor=row.supervisor_id)
        above = session.get(Account, row.supervisor_id) if row.supervisor_id else None
        notices.put(store, session, row.id, "supervisor", supervisor=above.display if above else "", by=who.display)
        if above:
            notices.put(store, session, above.id, "supervises", counsellor=row.display, by=who.display)
