"""What somebody must see at the next sign-in: a case that was opened or moved, a changed role, a factor that was reset.

A notice is sealed and holds ids, case codes and names of staff, never anything of a record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, NotFound
from clinic.persistence import audit
from clinic.persistence.models import Account, Notice
from clinic.persistence.store import Store
from clinic.services.unit_of_work import ident, unit_of_work

# kind -> what its sentence names.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "break_glass": ("code", "by", "until"),
    "break_glass_ended": ("code", "by"),
    "transfer_out": ("code", "by"),
    "transfer_in": ("code", "by"),
    "request_confirmed": ("act", "by"),
    "request_refused": ("act", "by"),
    "role": ("role", "by"),
    "supervisor": ("supervisor", "by"),
    "supervises": ("counsellor", "by"),
    "factor_reset": ("account", "by"),
    "confirmed": ("by",),
    "deactivated": ("account", "by"),
    "activated": ("account", "by"),
    "exported": ("code", "by"),
    "erased": ("code", "by"),
    "restored": ("by",),
    "backup_failed": (),
    "override": ("code", "by"),
}


@dataclass(frozen=True)
class Line:
    """A notice as its reader gets it: `kind` of `KINDS`, and what its sentence names."""

    id: str
    kind: str
    day: str
    says: Mapping[str, str]


def tell(store: Store, account_id: str | UUID, kind: str, **says: str) -> None:
    """Leave a notice, in a transaction of its own."""
    with unit_of_work(store, write=True) as session:
        put(store, session, ident(account_id), kind, **says)


def put(store: Store, session: Session, account_id: UUID, kind: str, **says: str) -> None:
    """Leave a notice in a unit that is open already. ValueError: no such kind, or a name that it must not hold."""
    if kind not in KINDS or not says.keys() <= set(KINDS[kind]):
        raise ValueError(f"no notice is a {kind} with {sorted(says)}")
    id_ = uuid4()
    content = {"kind": kind, "day": store.today().isoformat(), "says": says}
    sealed = store.keyholder.office_seal(id_, content)
    session.add(Notice(id=id_, account_id=account_id, sealed=sealed))


def put_all(store: Store, session: Session, accounts: Iterable[UUID | None], kind: str, **says: str) -> None:
    """The same notice for several accounts; each gets one, and those that are nobody none."""
    for account in dict.fromkeys(one for one in accounts if one is not None):
        put(store, session, account, kind, **says)


def unseen(store: Store, token: str) -> list[Line]:
    """The notices that this account has not put away yet, the oldest first."""
    who = store.keyholder.who(token)
    with unit_of_work(store, token) as session:
        rows = session.scalars(select(Notice).where(Notice.account_id == who.account, Notice.seen.is_(False))).all()
    found = []
    for row in rows:
        content = store.keyholder.office_open(row.id, row.sealed)
        found.append(Line(str(row.id), content["kind"], content["day"], content["says"]))
    return sorted(found, key=lambda one: (one.day, one.kind, one.id))


def unseen_of(session: Session, account: UUID) -> int:
    """How many there are of an account; opens none of them."""
    return session.scalar(select(func.count()).where(Notice.account_id == account, Notice.seen.is_(False))) or 0


def seen(store: Store, token: str, notice_id: str) -> None:
    """Put a notice away. NotFound if it is another's or there is none.

    Denied while nobody has confirmed that its owner is back after a reset: whoever reset the account, and signs in
    with what they set, does not clear away what it should tell its owner.
    """
    who = store.keyholder.who(token)
    with unit_of_work(store, token, write=True) as session:
        account = session.get(Account, who.account)
        if account is None or not account.confirmed:
            raise Denied
        row = session.get(Notice, ident(notice_id))
        if row is None or row.account_id != who.account:
            raise NotFound
        row.seen = True
        audit.note(session, "notice.seen", notice=row.id)


def supervisors_of(session: Session, counsellor: UUID) -> list[UUID]:
    """Whom a notice about a counsellor's case goes to besides: the supervisor, or nobody."""
    found = session.scalar(select(Account.supervisor_id).where(Account.id == counsellor))
    return [found] if found else []
