"""Sessions: a row on the server for each browser or token file, found by the hash of its token.

Stages: `password` (the factor is still to come), `enrol` (there is no factor yet), `full`. Every proof of identity
makes a new token, and the old one is worth nothing at once. A wrong password, code or passkey raises SignIn and leaves
the session as it is; whether there still is one, `state` says.
"""

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from clinic.domain.errors import Locked, NotFound, SignIn, StepUp
from clinic.persistence import audit
from clinic.persistence.keyholder import token_hash
from clinic.persistence.models import Account, Passkey, RecoveryCode, SignedIn
from clinic.persistence.session_limits import ABSOLUTE, FILE, FRESH, all_over, asleep, over
from clinic.persistence.store import Store
from clinic.services import passkeys, passwords, throttle
from clinic.services.passkeys import Party
from clinic.services.unit_of_work import changed, ident, unit_of_work

TOKEN_BYTES: Final = 32
AGENT_LENGTH: Final = 60
SEEN_STEP_SECONDS: Final = 30  # how exactly the idle time is kept
CODE_DIGITS: Final = 6
BASE32: Final = str.maketrans("018", "OIB")  # no such digits in a recovery code: misread letters
# Made once: every page asks.
_SIGNED_IN: Final = (
    select(SignedIn, Account)
    .join(Account, Account.id == SignedIn.account_id)
    .where(SignedIn.token_hash == bindparam("hash"), Account.active)
)
# What `has_factor` asks besides.
_AND_PASSKEY: Final = _SIGNED_IN.add_columns(select(Passkey.id).where(Passkey.account_id == Account.id).exists())


@dataclass(frozen=True)
class Begun:
    """A new session: its token, and what is still to come."""

    token: str
    stage: str


@dataclass(frozen=True)
class Actor:
    """Who is signed in."""

    id: str
    name: str
    display: str
    role: str


@dataclass(frozen=True)
class State:
    """What there is to know of a session, also of one that is locked or half way through signing in.

    `couple`: the tag of the case that the couple view holds it to (`shows`). `factor`: its account has a second
    factor; `required`: it must.
    `temporary`: somebody else chose the password; `confirmed`: False after somebody else reset the factors.
    `fresh`: identity was proven within five minutes. `seen`: when somebody last asked for something.
    """

    stage: str
    locked: bool
    couple: bytes | None
    account_id: UUID
    name: str
    display: str
    role: str
    id: UUID
    kind: str
    factor: bool
    required: bool
    temporary: bool
    confirmed: bool
    fresh: bool
    seen: datetime


@dataclass(frozen=True)
class Listed:
    """A session in its owner's list."""

    id: str
    kind: str
    agent: str
    created: datetime
    seen: datetime
    locked: bool
    current: bool


@dataclass(frozen=True)
class Found:
    """A session row with its account, as they were when they were read."""

    row: SignedIn
    account: Account


# ---------------------------------------------------------------- begin
def begin(store: Store, name: str, password: str, address: str, agent: str = "", kind: str = "web") -> Begun:
    """Check name and password. Raises SignIn, the same and as late for unknown names, and TooMany."""
    name = sign_in_name(name)
    tags = throttle.tags(store, "password", name, address)
    with unit_of_work(store, write=True) as session:
        throttle.count(session, tags, store.clock())
        account = session.scalar(select(Account).where(Account.name == name, Account.active))
    if not passwords.fits(store, account.password if account else None, password) or account is None:
        with unit_of_work(store, write=True) as session:
            audit.note(session, "session.failed", actor=account.id if account else None, what="password")
        raise SignIn
    better = passwords.hashed(store, password) if passwords.stale(account.password) else ""
    with unit_of_work(store, write=True) as session:
        throttle.forgive(session, tags)
        if better:
            mine = (Account.id == account.id) & (Account.password == account.password)
            session.execute(update(Account).where(mine).values(password=better))
        return start(store, session, account.id, _stage(store, session, account), agent, kind)


def start(store: Store, session: Session, account: UUID, stage: str, agent: str = "", kind: str = "web") -> Begun:
    """A new session in an open unit, without a proof: the caller had it. Sessions that are over go."""
    now, token = store.clock(), secrets.token_urlsafe(TOKEN_BYTES)
    session.execute(delete(SignedIn).where(all_over(now)))
    # The file proves nothing: who has it may not be its owner.
    proven = now - ABSOLUTE if kind == FILE else now
    row = SignedIn(token_hash=token_hash(token), account_id=account, created=now, seen=now, authed=proven, stage=stage)
    row.agent, row.kind = agent[:AGENT_LENGTH], kind
    session.add(row)
    session.flush()
    audit.note(session, "session.begun", actor=account, session=row.id, stage=stage, kind=kind)
    return Begun(token, stage)


def required(store: Store) -> bool:
    """Whether everybody here needs a second factor: a sealed fact, so everywhere but in a demo."""
    facts = store.keyholder.facts
    return bool(facts.get("factors", not facts.get("demo")))


def has_factor(session: Session, account: Account) -> bool:
    """Whether an account has codes or a passkey. Recovery codes stand in for a factor, they are none."""
    if account.totp is not None:
        return True
    return session.scalar(select(Passkey.id).where(Passkey.account_id == account.id).limit(1)) is not None


# ---------------------------------------------------------------- the second factor
def prove_code(store: Store, token: str, code: str, address: str = "") -> str:
    """A code of the app or a recovery code makes the session full: its new token. Raises SignIn, TooMany."""
    found = _read(store, token, "password")
    how = _checked(store, found, "code", address, lambda session: use_code(store, session, found.account.id, code))
    return _full(store, token, found, how)


def passkey_options(store: Store, token: str, party: Party) -> str:
    """What the browser needs to use a passkey, as JSON: for signing in and for step-up. NotFound: there is none."""
    found = _read(store, token, "password", "full")
    there = _passkeys(store, found.account.id)
    if not there:
        raise NotFound
    return passkeys.request(store, token, party, there)


def prove_passkey(store: Store, token: str, party: Party, response: str, address: str = "") -> str:
    """A passkey makes the session full: its new token. Raises SignIn, TooMany."""
    found = _read(store, token, "password")
    how = _passkey_checked(store, token, found, party, response, address)
    return _full(store, token, found, how)


# ---------------------------------------------------------------- lock, step-up, couple view
def lock(store: Store, token: str) -> None:
    """Lock or cover: nothing is shown until `unlock`. A locked session stays locked. Raises SignIn."""
    found = _read(store, token, "full")
    with unit_of_work(store, write=True) as session:
        session.execute(update(SignedIn).where(_mine(token), ~SignedIn.locked).values(locked=True))
        audit.note(session, "session.locked", actor=found.account.id, session=found.row.id)


def unlock(store: Store, token: str, password: str, address: str = "") -> str:
    """The password opens a locked session again, as it was: its new token. Raises SignIn, TooMany."""
    found = _read(store, token, "full")
    _password(store, found, password, address)
    return _renew(store, token, found, "session.unlocked", locked=False)


def step_up(store: Store, token: str, password: str, code: str | None = None, address: str = "") -> str:
    """Password and, for an account with a factor, a code: five minutes of `fresh`. The new token.

    Raises SignIn, TooMany, Locked.
    """
    found = _open(store, token)
    _password(store, found, password, address)
    with unit_of_work(store) as session:
        asked = has_factor(session, found.account)
    if asked:
        _checked(store, found, "code", address, lambda one: use_code(store, one, found.account.id, code or ""))
    return _renew(store, token, found, "session.stepped_up", authed=store.clock())


def step_up_passkey(store: Store, token: str, party: Party, response: str, address: str = "") -> str:
    """A passkey, which asked for PIN or finger itself, is a proof alone: the new token. Raises as `step_up`."""
    found = _open(store, token)
    _passkey_checked(store, token, found, party, response, address)
    return _renew(store, token, found, "session.stepped_up", authed=store.clock())


def fresh(store: Store, token: str) -> bool:
    """Whether identity was proven within five minutes. Raises SignIn."""
    return state(store, token).fresh


def must_be_fresh(store: Store, token: str) -> Found:
    """The session, if it is full, open and fresh. Raises SignIn, Locked, StepUp."""
    found = _open(store, token)
    if not _fresh(found.row, store.clock()):
        raise StepUp
    return found


def couple(store: Store, token: str, case_id: str | UUID) -> None:
    """Hold the session to the couple view of a case. Raises NotFound, SignIn, Locked."""
    found, case = _open(store, token), ident(case_id)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "session.couple", case=case, session=found.row.id)
        store.keyholder.open(token, case, "couple")  # whose case it is, the keyholder knows
        tag = store.keyholder.couple_tag(found.row.id, case)
        session.execute(update(SignedIn).where(_mine(token)).values(couple_tag=tag, seen=store.clock()))


def leave_couple(store: Store, token: str, password: str, address: str = "") -> str:
    """The password leads out of the couple view: the new token. Raises SignIn, TooMany."""
    found = _read(store, token, "full")
    _password(store, found, password, address)
    return _renew(store, token, found, "session.left_couple", locked=False, couple_tag=None)


# ---------------------------------------------------------------- who is it
def state(store: Store, token: str) -> State:
    """What a token stands for; does not keep it awake. Raises SignIn: no such session any more, or a token file's."""
    now = store.clock()
    with unit_of_work(store) as session:
        row, account, passkey = _asked(session, _AND_PASSKEY, token, now)
        _no_file(row)
    return State(
        stage=row.stage,
        locked=row.stage == "full" and asleep(row, now),
        couple=row.couple_tag,
        account_id=account.id,
        name=account.name,
        display=account.display,
        role=account.role,
        id=row.id,
        kind=row.kind,
        factor=account.totp is not None or passkey,
        required=required(store),
        temporary=account.temporary,
        confirmed=account.confirmed,
        fresh=_fresh(row, now),
        seen=row.seen,
    )


def actor(store: Store, token: str, couple: str | UUID | None = None) -> Actor:
    """Who may see a page; keeps the session awake. `couple`: the case of the couple view's own page.

    Raises SignIn (none, over, or not full), Locked (locked, asleep, or in the couple view of another case).
    """
    now = store.clock()
    with unit_of_work(store) as session:
        row, account = _row(session, token, now)
    if row.stage != "full":
        raise SignIn
    if asleep(row, now) or (row.couple_tag is not None and not _held_to(store, row.id, row.couple_tag, couple)):
        raise Locked
    if (now - row.seen).total_seconds() > SEEN_STEP_SECONDS:
        with unit_of_work(store, write=True) as session:
            session.execute(update(SignedIn).where(_mine(token), ~SignedIn.locked).values(seen=now))
    return Actor(str(account.id), account.name, account.display, account.role)


def shows(store: Store, found: State, case_id: str | UUID | None) -> bool:
    """Whether a session is held to the couple view of this very case."""
    return found.couple is not None and _held_to(store, found.id, found.couple, case_id)


def list_(store: Store, token: str) -> list[Listed]:
    """The account's sessions, the newest first. Raises SignIn, Locked."""
    found, now = _open(store, token), store.clock()
    with unit_of_work(store) as session:
        mine = select(SignedIn).where(SignedIn.account_id == found.account.id, SignedIn.stage == "full")
        rows = [one for one in session.scalars(mine.order_by(SignedIn.created.desc())) if not over(one, now)]
    return [
        Listed(str(one.id), one.kind, one.agent, one.created, one.seen, asleep(one, now), one.id == found.row.id)
        for one in rows
    ]


def end(store: Store, token: str, session_id: str | UUID) -> None:
    """End one of the account's sessions. Raises NotFound, SignIn, Locked."""
    found = _open(store, token)
    with unit_of_work(store, write=True) as session:
        gone = delete(SignedIn).where(SignedIn.id == ident(session_id), SignedIn.account_id == found.account.id)
        if not changed(session, gone):
            raise NotFound
        audit.note(session, "session.ended", actor=found.account.id, session=ident(session_id))


def end_all(session: Session, account: UUID, but: UUID | None = None) -> None:
    """End every session of an account in an open unit, but one."""
    gone = delete(SignedIn).where(SignedIn.account_id == account)
    session.execute(gone if but is None else gone.where(SignedIn.id != but))


def sign_out(store: Store, token: str) -> None:
    """End a session; a token that is not known any more is no error."""
    with unit_of_work(store, write=True) as session:
        row = session.scalar(select(SignedIn).where(_mine(token)))
        if row is not None:
            audit.note(session, "session.out", actor=row.account_id, session=row.id)
            session.delete(row)


def token_for_file(store: Store, token: str, agent: str = "token file") -> str:
    """The token of a session of 90 days for the command line. Raises StepUp unless identity was proven just now."""
    found = must_be_fresh(store, token)
    with unit_of_work(store, write=True) as session:
        return start(store, session, found.account.id, "full", agent, FILE).token


def sign_in_name(name: str) -> str:
    """Names compare without case, width or spaces around them."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


# ---------------------------------------------------------------- for factors and accounts
def reading(store: Store, token: str, *stages: str) -> Found:
    """The session of a token, if it is in one of these stages and open. Raises SignIn, Locked."""
    found = _read(store, token, *stages)
    if found.row.stage == "full" and (asleep(found.row, store.clock()) or found.row.couple_tag is not None):
        raise Locked
    return found


def renew(store: Store, session: Session, token: str, now: datetime, **values: Any) -> str:
    """A new token for a session in an open unit; the old one is dead. Raises SignIn: somebody else was quicker."""
    new = secrets.token_urlsafe(TOKEN_BYTES)
    done = update(SignedIn).where(_mine(token)).values(token_hash=token_hash(new), seen=now, **values)
    if not changed(session, done):
        raise SignIn
    return new


def clean_code(code: str) -> str:
    """What was typed, without blanks and dashes, its digits in ASCII, whatever keyboard they come from."""
    letters = (one for one in unicodedata.normalize("NFKC", code) if one.isalnum())
    return "".join(str(unicodedata.decimal(one, one)) for one in letters)


def use_code(store: Store, session: Session, account: UUID, code: str) -> str:
    """Use up a code of the app, or a recovery code: which it was, or empty. Of many at once only one gets it."""
    typed = clean_code(code)
    if len(typed) == CODE_DIGITS and typed.isdecimal():
        step = store.keyholder.totp_step(account, typed, store.clock())
        if step is None:
            return ""
        claim = update(Account).where(Account.id == account, Account.totp.is_not(None), Account.totp_step < step)
        return "totp" if changed(session, claim.values(totp_step=step)) else ""
    kept = store.keyholder.code_hash(typed.upper().translate(BASE32))
    gone = delete(RecoveryCode).where(RecoveryCode.hash == kept, RecoveryCode.account_id == account)
    return "code" if changed(session, gone) else ""


def check_password(store: Store, found: Found, password: str, address: str = "") -> None:
    """The password of a session's account, counted. Raises SignIn, TooMany."""
    _password(store, found, password, address)


def check_code(store: Store, found: Found, address: str, use: Callable[[Session], str]) -> str:
    """A code, counted; `use` says in an open unit what it was. Raises SignIn, TooMany."""
    return _checked(store, found, "code", address, use)


# ---------------------------------------------------------------- inside
def _stage(store: Store, session: Session, account: Account) -> str:
    if has_factor(session, account):
        return "password"
    return "enrol" if required(store) else "full"


def _mine(token: str) -> Any:
    return SignedIn.token_hash == token_hash(token)


def _row(session: Session, token: str, now: datetime) -> tuple[SignedIn, Account]:
    row, account = _asked(session, _SIGNED_IN, token, now)
    return row, account


def _asked(session: Session, statement: Any, token: str, now: datetime) -> Any:
    """What a statement about the session of a token finds. Raises SignIn."""
    found = session.execute(statement, {"hash": token_hash(token)}).one_or_none()
    if found is None or over(found[0], now):
        raise SignIn
    return found


def _read(store: Store, token: str, *stages: str) -> Found:
    """The session of a token in one of these stages, locked or not. Raises SignIn."""
    with unit_of_work(store) as session:
        found = Found(*_row(session, token, store.clock()))
    _no_file(found.row)
    if found.row.stage not in stages:
        raise SignIn
    return found


def _no_file(row: SignedIn) -> None:
    """A token file signs in at the command line: no browser takes its token, and it changes nothing of the account."""
    if row.kind == FILE:
        raise SignIn


def _open(store: Store, token: str) -> Found:
    """The session of a token, full and open. Raises SignIn, Locked."""
    return reading(store, token, "full")


def _held_to(store: Store, session_id: UUID, tag: bytes, case_id: str | UUID | None) -> bool:
    try:
        return bool(case_id) and store.keyholder.couple_tag(session_id, ident(case_id or "")) == tag
    except NotFound:
        return False


def _fresh(row: SignedIn, now: datetime) -> bool:
    return row.stage == "full" and now - row.authed <= FRESH


def _passkeys(store: Store, account: UUID) -> list[Passkey]:
    with unit_of_work(store) as session:
        return list(session.scalars(select(Passkey).where(Passkey.account_id == account)))


def _password(store: Store, found: Found, password: str, address: str) -> None:
    tags = throttle.tags(store, "password", found.account.name, address)
    with unit_of_work(store, write=True) as session:
        throttle.count(session, tags, store.clock())
    fits = passwords.fits(store, found.account.password, password)
    with unit_of_work(store, write=True) as session:
        if fits:
            throttle.forgive(session, tags)
        else:
            audit.note(session, "session.failed", actor=found.account.id, session=found.row.id, what="password")
    if not fits:
        raise SignIn


def _checked(store: Store, found: Found, what: str, address: str, use: Callable[[Session], str]) -> str:
    tags = throttle.tags(store, "code", str(found.account.id), address, alone=True)
    with unit_of_work(store, write=True) as session:
        throttle.count(session, tags, store.clock())
    with unit_of_work(store, write=True) as session:
        how = use(session)
        if how:
            throttle.forgive(session, tags)
        else:
            audit.note(session, "session.failed", actor=found.account.id, session=found.row.id, what=what)
        if how == "code":
            _recovered(session, found)
    if not how:
        raise SignIn
    return how


def _recovered(session: Session, found: Found) -> None:
    """A recovery code was used: whoever has one is the owner, also after a reset."""
    audit.note(session, "factor.used_code", actor=found.account.id)
    if not found.account.confirmed:
        session.execute(update(Account).where(Account.id == found.account.id).values(confirmed=True))
        audit.note(session, "account.confirmed", actor=found.account.id, account=found.account.id, how="recovery_code")


def _passkey_checked(store: Store, token: str, found: Found, party: Party, response: str, address: str) -> str:
    there = _passkeys(store, found.account.id)

    def use(session: Session) -> str:
        used = passkeys.used(store, token, party, there, response)
        if used is None:
            return ""
        # Keys that count must count on; those that do not count say 0 for ever.
        on = (Passkey.sign_count < used[1]) | ((Passkey.sign_count == 0) & (used[1] == 0))
        claim = update(Passkey).where(Passkey.id == used[0], Passkey.account_id == found.account.id, on)
        return "passkey" if changed(session, claim.values(sign_count=used[1])) else ""

    return _checked(store, found, "passkey", address, use)


def _full(store: Store, token: str, found: Found, how: str) -> str:
    now = store.clock()
    with unit_of_work(store, write=True) as session:
        new = renew(store, session, token, now, stage="full", created=now, authed=now)
        audit.note(session, "session.begun", actor=found.account.id, session=found.row.id, stage="full", how=how)
        return new


def _renew(store: Store, token: str, found: Found, verb: str, **values: Any) -> str:
    with unit_of_work(store, write=True) as session:
        new = renew(store, session, token, store.clock(), **values)
        audit.note(session, verb, actor=found.account.id, session=found.row.id)
        return new
