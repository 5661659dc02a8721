"""Accounts and sessions: create an account, sign in, who is it, sign out."""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, SignIn, TooMany
from clinic.persistence.keyholder import ABSOLUTE, COUNSELLOR, IDLE, live, token_hash
from clinic.persistence.models import Account, SignedIn, Throttle
from clinic.persistence.store import Store
from clinic.services.unit_of_work import unit_of_work

PASSWORD_LENGTH: Final = 12  # characters at least
DEMO: Final = "demo"  # the account of a demo instance
FREE_TRIES: Final = {"account": 5, "address": 20}  # failures before waiting begins
LONGEST_WAIT: Final = 900  # s
FORGIVEN: Final = timedelta(hours=1)
SEEN_STEP: Final = timedelta(seconds=30)  # how exactly the idle time is kept


@dataclass(frozen=True)
class Actor:
    """Who is signed in."""

    id: str
    name: str
    display: str
    role: str


def create_account(store: Store, name: str, password: str, display: str = "", role: str = COUNSELLOR) -> str:
    """Make an account; its id. Raises Invalid: name missing or taken, password too short, unknown role."""
    name = sign_in_name(name)
    wrong = {}
    if not 1 <= len(name) <= 80:
        wrong["name"] = "required"
    if len(password) < PASSWORD_LENGTH:
        wrong["password"] = "password_short"  # noqa: S105 - a message id
    if role != COUNSELLOR:
        wrong["role"] = "not_an_option"
    if wrong:
        raise Invalid(wrong)
    hashed = store.keyholder.password_hash(password)
    with unit_of_work(store, write=True) as session:
        if session.scalar(select(Account.id).where(Account.name == name)):
            raise Invalid({"name": "name_taken"})
        account = Account(name=name, display=display or name, role=role, password=hashed)
        session.add(account)
        session.flush()
        return str(account.id)


def set_password(store: Store, name: str, password: str) -> None:
    """Give the demo's account a new password and end its sessions. Denied in any instance that is not a demo."""
    if not store.demo:
        raise Denied
    hashed = store.keyholder.password_hash(password)
    with unit_of_work(store, write=True) as session:
        account = session.scalars(select(Account).where(Account.name == sign_in_name(name))).one()
        account.password = hashed
        session.execute(delete(SignedIn).where(SignedIn.account_id == account.id))
        session.execute(delete(Throttle))


def sign_in(store: Store, name: str, password: str, address: str = "") -> str:
    """The token of a new session. Raises SignIn, the same for unknown names, and TooMany."""
    name = sign_in_name(name)
    tags = {
        "account": store.keyholder.throttle_tag(name, address),
        "address": store.keyholder.throttle_tag(address),
    }
    with unit_of_work(store, write=True) as session:
        # Counted before the password is looked at, so that many tries at once do not pass for one.
        for kind, tag in tags.items():
            _count(session, tag, FREE_TRIES[kind], store.clock())
        found = session.scalar(select(Account).where(Account.name == name, Account.active))
        account, hashed = (found.id, found.password) if found else (None, None)
    if not store.keyholder.password_fits(hashed, password) or account is None:
        raise SignIn
    with unit_of_work(store, write=True) as session:
        now = store.clock()
        session.execute(delete(Throttle).where(Throttle.key == tags["account"]))
        session.execute(update(Throttle).where(Throttle.key == tags["address"]).values(fails=Throttle.fails - 1))
        return _begin(session, account, now)


def demo_session(store: Store) -> str:
    """The token of a session of the demo's account, which has no secret to keep. Denied in any other instance."""
    if not store.demo:
        raise Denied
    with unit_of_work(store, write=True) as session:
        account = session.scalars(select(Account.id).where(Account.name == DEMO)).one()
        return _begin(session, account, store.clock())


def actor(store: Store, token: str) -> Actor:
    """Who a token belongs to; keeps the session awake. Raises SignIn when it is idle, too old or unknown."""
    who = store.keyholder.who(token)
    now = store.clock()
    with unit_of_work(store) as session:
        row = session.get(SignedIn, token_hash(token))
        stale = row is None or now - row.seen > SEEN_STEP
    if stale:
        _awake(store, token, now)
    return Actor(str(who.account), who.name, who.display, who.role)


def sign_out(store: Store, token: str) -> None:
    """End a session; a token that is not known any more is no error."""
    with unit_of_work(store, write=True) as session:
        session.execute(delete(SignedIn).where(SignedIn.token_hash == token_hash(token)))


def sign_in_name(name: str) -> str:
    """Names compare without case, width or spaces around them."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _begin(session: Session, account: UUID, now: datetime) -> str:
    """A new session, stored; those that have ended go."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(SignedIn).where((SignedIn.created < now - ABSOLUTE) | (SignedIn.seen < now - IDLE)))
    session.add(SignedIn(token_hash=token_hash(token), account_id=account, created=now, seen=now))
    return token


def _awake(store: Store, token: str, now: datetime) -> None:
    with unit_of_work(store, write=True) as session:
        row = session.get(SignedIn, token_hash(token))
        if row is None or not live(row, now):
            raise SignIn
        row.seen = now


def _count(session: Session, tag: bytes, free: int, now: datetime) -> None:
    # Made first if it is not there: two at once must count in one row.
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(insert(Throttle).values(key=tag, fails=0, until=now).on_conflict_do_nothing())
    row = session.get_one(Throttle, tag, with_for_update=True)
    if now < row.until:
        raise TooMany
    if now - row.until > FORGIVEN:
        row.fails = 0
    row.fails += 1
    row.until = now
    if row.fails >= free:
        row.until = now + timedelta(seconds=min(LONGEST_WAIT, 2 ** min(row.fails - free + 3, 20)))
