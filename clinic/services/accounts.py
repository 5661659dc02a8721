"""Accounts: who there is, in which role, and their passwords. What an admin does to those of others is in `team`.

`by` is the account that does it, for the audit; None is the machine itself, where an instance is made.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, NotFound, SignIn
from clinic.domain.roles import ROLES
from clinic.persistence import audit
from clinic.persistence.keyholder import COUNSELLOR
from clinic.persistence.models import Account, Passkey, RecoveryCode, Throttle
from clinic.persistence.store import Store
from clinic.services import passwords, sessions
from clinic.services.sessions import Actor, actor, sign_in_name, sign_out
from clinic.services.unit_of_work import changed, ident, unit_of_work

__all__ = [
    "ADMIN", "DEMO", "PASSWORD_LENGTH", "Actor", "Person", "actor", "change_password", "create", "create_account",
    "demo_session", "find", "listing", "regain", "set_password", "set_supervisor", "sign_in", "sign_in_name",
    "sign_out", "temporary_password",
]  # fmt: skip

PASSWORD_LENGTH: Final = passwords.ALONE  # of an account that has no second factor yet
NAME_LENGTH: Final = 80
DISPLAY_LENGTH: Final = 120
ADMIN: Final = "admin"
DEMO: Final = "demo"  # the counsellor's account of a demo instance

By = UUID | str | None


@dataclass(frozen=True)
class Person:
    """An account as the list of accounts shows it. `factor`: it has a second factor."""

    id: str
    name: str
    display: str
    role: str
    active: bool
    supervisor_id: str
    factor: bool
    temporary: bool
    confirmed: bool


# ---------------------------------------------------------------- making and changing
def create(
    store: Store,
    name: str,
    password: str,
    display: str = "",
    role: str = COUNSELLOR,
    *,
    supervisor: UUID | str | None = None,
    temporary: bool = True,
    by: By = None,
) -> str:
    """Make an account; its id. `temporary`: its owner has to choose another password at the first sign-in.

    Raises Invalid by field: name (required, name_taken), password (an id of `passwords.problem`), role, supervisor.
    """
    name, display = sign_in_name(name), display.strip()
    wrong = {}
    if not 1 <= len(name) <= NAME_LENGTH:
        wrong["name"] = "required"
    if len(display) > DISPLAY_LENGTH:
        wrong["display"] = "too_long"
    if role not in ROLES:
        wrong["role"] = "not_an_option"
    if why := passwords.problem(password, (name, display), PASSWORD_LENGTH):
        wrong["password"] = why
    if wrong:
        raise Invalid(wrong)
    hashed = passwords.hashed(store, password)
    with unit_of_work(store, write=True) as session:
        if session.scalar(select(Account.id).where(Account.name == name)):
            raise Invalid({"name": "name_taken"})
        account = Account(name=name, display=display or name, role=role, password=hashed, temporary=temporary)
        account.supervisor_id = _supervisor(session, supervisor)
        session.add(account)
        session.flush()
        session.add(store.keyholder.new_account_key(account.id))
        audit.note(session, "account.created", account=account.id, actor=by, role=role)
        return str(account.id)


def create_account(store: Store, name: str, password: str, display: str = "", role: str = COUNSELLOR) -> str:
    """Make an account whose owner chose the password; its id. Raises Invalid."""
    return create(store, name, password, display, role, temporary=False)


def listing(store: Store) -> list[Person]:
    """All accounts, by name."""
    with unit_of_work(store) as session:
        rows = session.scalars(select(Account).order_by(Account.name)).all()
        return [_person(session, one) for one in rows]


def find(store: Store, name: str) -> Person:
    """An account by its sign-in name. Raises NotFound."""
    with unit_of_work(store) as session:
        found = session.scalar(select(Account).where(Account.name == sign_in_name(name)))
        if found is None:
            raise NotFound
        return _person(session, found)


def set_supervisor(store: Store, account: UUID | str, supervisor: UUID | str | None, by: By = None) -> None:
    """Who supervises an account, or nobody. Raises NotFound, Invalid (that account is no active supervisor)."""
    with unit_of_work(store, write=True) as session:
        row = _row(session, account)
        row.supervisor_id = _supervisor(session, supervisor)
        audit.note(session, "account.supervisor", account=row.id, actor=by, supervisor=row.supervisor_id)


# ---------------------------------------------------------------- passwords and factors
def change_password(store: Store, token: str, password: str, new: str, address: str = "") -> None:
    """The owner's new password; all other sessions of the account end.

    Raises Invalid (password: password_wrong; new_password: an id of `passwords.problem`), TooMany, SignIn, Locked.
    """
    found = sessions.reading(store, token, "full", "enrol")
    try:
        sessions.check_password(store, found, password, address)
    except SignIn:
        raise Invalid({"password": "password_wrong"}) from None
    with unit_of_work(store) as session:
        least = passwords.BESIDE if sessions.has_factor(session, found.account) else passwords.ALONE
    names = (found.account.name, found.account.display)
    why = "password_same" if new == password else passwords.problem(new, names, least)
    if why:
        raise Invalid({"new_password": why})
    hashed = passwords.hashed(store, new)
    with unit_of_work(store, write=True) as session:
        mine = (Account.id == found.account.id) & (Account.password == found.account.password)
        if not changed(session, update(Account).where(mine).values(password=hashed, temporary=False)):
            raise SignIn  # it was changed meanwhile
        sessions.end_all(session, found.account.id, but=found.row.id)
        audit.note(session, "account.password_set", account=found.account.id, actor=found.account.id)


def temporary_password(store: Store, account: UUID | str, password: str, by: By = None) -> None:
    """Another person sets a password, to be changed at the next sign-in; all sessions of the account end.

    Raises NotFound, Invalid (password).
    """
    with unit_of_work(store) as session:
        row = _row(session, account)
    if why := passwords.problem(password, (row.name, row.display), PASSWORD_LENGTH):
        raise Invalid({"password": why})
    hashed = passwords.hashed(store, password)
    with unit_of_work(store, write=True) as session:
        row = _row(session, account)
        row.password, row.temporary = hashed, True
        sessions.end_all(session, row.id)
        audit.note(session, "account.password_set", account=row.id, actor=by, temporary=1)


def regain(store: Store, account: UUID | str, password: str) -> None:
    """Give the last admin a temporary password in the place of everything that was lost; the factors go.

    Whoever asks has shown the recovery key. Denied for another role, and while there is another admin who could do it:
    an admin opens no case, so this gives nothing but accounts back. Raises NotFound, Invalid (password).
    """
    with unit_of_work(store) as session:
        row = _row(session, account)
        others = select(Account.id).where(
            Account.role == ADMIN, Account.active, Account.confirmed, Account.temporary.is_(False), Account.id != row.id
        )
        if row.role != ADMIN or not row.active or session.scalar(others.limit(1)):
            raise Denied
    if why := passwords.problem(password, (row.name, row.display), PASSWORD_LENGTH):
        raise Invalid({"password": why})
    hashed = passwords.hashed(store, password)
    with unit_of_work(store, write=True) as session:
        row = _row(session, account)
        row.password, row.temporary, row.confirmed, row.totp, row.totp_step = hashed, True, True, None, 0
        for lost in (Passkey, RecoveryCode):
            session.execute(delete(lost).where(lost.account_id == row.id))
        sessions.end_all(session, row.id)
        audit.note(session, "account.factors_reset", account=row.id)


# ---------------------------------------------------------------- demo, tests, command line
def sign_in(store: Store, name: str, password: str, address: str = "") -> str:
    """The token of a session that is full at once. Raises SignIn, also if a factor is still to come, and TooMany."""
    begun = sessions.begin(store, name, password, address)
    if begun.stage != "full":
        sign_out(store, begun.token)
        raise SignIn
    return begun.token


def set_password(store: Store, name: str, password: str) -> None:
    """Give the demo's account a new password and end its sessions. Denied in any instance that is not a demo."""
    if not store.demo:
        raise Denied
    hashed = passwords.hashed(store, password)
    with unit_of_work(store, write=True) as session:
        account = session.scalars(select(Account).where(Account.name == sign_in_name(name))).one()
        account.password, account.temporary = hashed, False
        sessions.end_all(session, account.id)
        session.execute(delete(Throttle))
        audit.note(session, "account.password_set", account=account.id)


def demo_session(store: Store, name: str = DEMO) -> str:
    """The token of a session of a demo's account, which has no secret to keep. Denied in any other instance."""
    if not store.demo:
        raise Denied
    with unit_of_work(store, write=True) as session:
        account = session.scalars(select(Account.id).where(Account.name == name)).one()
        return sessions.start(store, session, account, "full", kind="command").token


# ---------------------------------------------------------------- inside
def _row(session: Session, account: UUID | str) -> Account:
    row = session.get(Account, ident(account))
    if row is None:
        raise NotFound
    return row


def _person(session: Session, row: Account) -> Person:
    return Person(
        id=str(row.id),
        name=row.name,
        display=row.display,
        role=row.role,
        active=row.active,
        supervisor_id=str(row.supervisor_id or ""),
        factor=sessions.has_factor(session, row),
        temporary=row.temporary,
        confirmed=row.confirmed,
    )


def _supervisor(session: Session, wanted: UUID | str | None) -> UUID | None:
    if not wanted:
        return None
    row = session.get(Account, ident(wanted))
    if row is None or row.role != "supervisor" or not row.active:
        raise Invalid({"supervisor": "not_an_option"})
    return row.id
