"""Second factors: codes of an authenticator app, passkeys, recovery codes. Each change needs a fresh proof of identity.

Somebody who has no factor yet is in stage `enrol` and may do nothing but add one; the first one makes the session full.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, NotFound, SignIn
from clinic.persistence import audit
from clinic.persistence.models import Account, AccountKey, Passkey, RecoveryCode, SignedIn
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from clinic.services import passkeys, sessions
from clinic.services.passkeys import NAME_LENGTH, PRODUCT, Party
from clinic.services.sessions import Found
from clinic.services.unit_of_work import changed, unit_of_work

__all__ = [
    "Factor", "Party", "Totp", "add_passkey", "begin_totp", "confirm_by_code", "confirm_totp", "listing",
    "new_recovery_codes", "passkey_registration", "remove",
]  # fmt: skip

CODES: Final = 10  # recovery codes at a time
CODE_BYTES: Final = 10  # 80 bits: 16 letters and digits
CODE_GROUP: Final = 4
SHOWN_FOR: Final = timedelta(minutes=15)  # from the page with a new secret to its first code
TOTP: Final = "totp"


@dataclass(frozen=True)
class Totp:
    """A new secret to be copied into an app: in base 32, as `otpauth:` address, as a QR code (SVG for the page).

    `pending` is the secret sealed for this session; the page hands it back with the first code.
    """

    secret: str
    uri: str
    svg: str
    pending: str


@dataclass(frozen=True)
class Factor:
    """A factor in its owner's list: `kind` totp, passkey or codes; `left` recovery codes; `only` one cannot go."""

    id: str
    kind: str
    name: str = ""
    added_on: date | None = None
    left: int = 0
    only: bool = False


# ---------------------------------------------------------------- codes of an app
def begin_totp(store: Store, token: str, pending: str = "") -> Totp:
    """A new secret, in force after `confirm_totp`; with what an earlier call gave, the same one once more.

    Raises SignIn, Locked, StepUp.
    """
    found = _may_change(store, token)
    kept = _pending(store, found, pending)
    if kept is None:
        secret, sealed = store.keyholder.totp_new(_own_key(store, found.account.id), found.account.id)
        until = (store.clock() + SHOWN_FOR).isoformat()
        value = {"secret": secret, "sealed": _text(sealed), "until": until}
        pending = _text(store.keyholder.office_seal(found.row.id, value))
    else:
        secret = kept[0]
    uri = _uri(secret, found.account.name)
    return Totp(secret, uri, _picture(uri), pending)


def confirm_totp(store: Store, token: str, code: str, pending: str, address: str = "") -> str:
    """The first code of the app puts its secret in force: the session's new token, full.

    Raises Invalid (code_wrong, page_old), TooMany, SignIn, Locked, StepUp.
    """
    found = _may_change(store, token)
    kept = _pending(store, found, pending)
    if kept is None:
        raise Invalid({"code": "page_old"})
    sealed, account = kept[1], found.account.id
    step = store.keyholder.totp_step(account, sessions.clean_code(code), store.clock(), sealed)

    def use(session: Session) -> str:
        _still_none(session, found)
        claim = update(Account).where(Account.id == account, Account.totp_step < (step or 0))
        done = step is not None and changed(session, claim.values(totp=sealed, totp_step=step))
        return TOTP if done else ""

    try:
        sessions.check_code(store, found, address, use)
    except SignIn:
        raise Invalid({"code": "code_wrong"}) from None
    return _added(store, token, found, TOTP)


# ---------------------------------------------------------------- passkeys
def passkey_registration(store: Store, token: str, party: Party) -> str:
    """What the browser needs to make a passkey, as JSON. Raises SignIn, Locked, StepUp."""
    found = _may_change(store, token)
    with unit_of_work(store) as session:
        there = session.scalars(select(Passkey).where(Passkey.account_id == found.account.id)).all()
    return passkeys.creation(store, token, party, found.account, there)


def add_passkey(store: Store, token: str, party: Party, response: str, name: str = "") -> str:
    """Store a passkey: the session's new token, full. Raises Invalid (passkey_wrong), SignIn, Locked, StepUp."""
    found = _may_change(store, token)
    name = " ".join("".join(one for one in name if one.isprintable()).split())[:NAME_LENGTH]
    row = passkeys.created(store, token, party, found.account, response, name, store.today())
    with unit_of_work(store, write=True) as session:
        _still_none(session, found)
        if session.get(Passkey, row.id) is not None:
            raise Invalid({"passkey": "passkey_wrong"})
        session.add(row)
    return _added(store, token, found, "passkey")


# ---------------------------------------------------------------- recovery codes
def new_recovery_codes(store: Store, token: str) -> list[str]:
    """Ten new codes, to be shown once; the old ones are worth nothing from now on.

    Raises SignIn, Locked, StepUp, Denied: no factor yet, reset by somebody else and not confirmed, or the password is
    one that somebody else chose.
    """
    found = _may_change(store, token)
    with unit_of_work(store, write=True) as session:
        # Else whoever had a factor reset could confirm the account with codes made afterwards, and whoever made the
        # account, and signed in first, with codes kept from that day.
        if found.row.stage != "full" or not found.account.confirmed or found.account.temporary:
            raise Denied
        session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == found.account.id))
        codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode() for _ in range(CODES)]
        for code in codes:
            session.add(RecoveryCode(hash=store.keyholder.code_hash(code), account_id=found.account.id))
        audit.note(session, "factor.codes", actor=found.account.id)
    return ["-".join(one[at : at + CODE_GROUP] for at in range(0, len(one), CODE_GROUP)) for one in codes]


def confirm_by_code(store: Store, token: str, code: str, address: str = "") -> None:
    """After a reset: a recovery code from before says that it is the owner. Raises Invalid, TooMany, SignIn, Locked."""
    found = sessions.reading(store, token, "full")
    account = found.account.id

    def use(session: Session) -> str:
        used = sessions.use_code(store, session, account, code)
        return used if used == "code" else ""  # a code of the new app proves nothing about before

    try:
        sessions.check_code(store, found, address, use)
    except SignIn:
        raise Invalid({"code": "code_wrong"}) from None


# ---------------------------------------------------------------- all of them
def listing(store: Store, token: str) -> list[Factor]:
    """The account's factors, and how many recovery codes are left. Raises SignIn, Locked."""
    found = sessions.reading(store, token, "full", "enrol")
    with unit_of_work(store) as session:
        rows = session.scalars(
            select(Passkey).where(Passkey.account_id == found.account.id).order_by(Passkey.added_on, Passkey.name)
        ).all()
        left = _codes_left(session, found.account.id)
    app = [Factor(TOTP, TOTP)] if found.account.totp is not None else []
    keys = [Factor(_text(row.id), "passkey", row.name, row.added_on) for row in rows]
    only = sessions.required(store) and len(app) + len(keys) == 1
    both = [Factor(one.id, one.kind, one.name, one.added_on, only=only) for one in (*app, *keys)]
    return both + ([Factor("codes", "codes", left=left)] if left else [])


def remove(store: Store, token: str, factor: str) -> None:
    """Take a factor away, by its id in `listing`. Raises Invalid (last_factor), NotFound, SignIn, Locked, StepUp."""
    found = sessions.must_be_fresh(store, token)
    account = found.account.id
    with unit_of_work(store, write=True) as session:
        if factor == "codes":
            session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account))
        elif factor == TOTP:
            gone = update(Account).where(Account.id == account, Account.totp.is_not(None)).values(totp=None)
            _or_not_found(changed(session, gone))
        else:
            key = delete(Passkey).where(Passkey.id == _bytes(factor), Passkey.account_id == account)
            _or_not_found(changed(session, key))
        session.expire_all()
        # Looked at after it went: two that go at once leave one.
        if sessions.required(store) and not sessions.has_factor(session, session.get_one(Account, account)):
            raise Invalid({"factor": "last_factor"})
        audit.note(session, "factor.removed", actor=account, kind=factor if factor in (TOTP, "codes") else "passkey")


# ---------------------------------------------------------------- inside
def _may_change(store: Store, token: str) -> Found:
    """The session, if it may change factors: in stage `enrol`, or proven just now."""
    found = sessions.reading(store, token, "enrol", "full")
    if found.row.stage != "enrol":
        return sessions.must_be_fresh(store, token)
    with unit_of_work(store) as session:
        _still_none(session, found)
    return found


def _still_none(session: Session, found: Found) -> None:
    """A session in stage `enrol` adds the first factor only: it had nothing but the password. Raises SignIn."""
    if found.row.stage != "enrol":
        return
    account = session.get_one(Account, found.account.id, with_for_update={"key_share": True}, populate_existing=True)
    if sessions.has_factor(session, account):
        raise SignIn


def _added(store: Store, token: str, found: Found, kind: str) -> str:
    now: datetime = store.clock()
    first = found.row.stage == "enrol"
    values = {"stage": "full", "created": now, "authed": now} if first else {}
    with unit_of_work(store, write=True) as session:
        new = sessions.renew(store, session, token, now, **values)
        if first:
            session.execute(delete(SignedIn).where(SignedIn.account_id == found.account.id, SignedIn.stage == "enrol"))
        audit.note(session, "factor.added", actor=found.account.id, kind=kind)
        if first:
            audit.note(session, "session.begun", actor=found.account.id, session=found.row.id, stage="full", how=kind)
        return new


def _own_key(store: Store, account: UUID) -> AccountKey:
    """The account's own key; accounts of an older version get theirs now."""
    with unit_of_work(store, write=True) as session:
        row = session.get(AccountKey, account)
        if row is None:
            row = store.keyholder.new_account_key(account)
            session.add(row)
        return row


def _pending(store: Store, found: Found, pending: str) -> tuple[str, bytes] | None:
    """Secret and sealed secret of an earlier call for this session, unless that was too long ago."""
    try:
        value = store.keyholder.office_open(found.row.id, _bytes(pending)) if pending else {}
    except (Damaged, NotFound):
        return None
    if not value or store.clock() >= datetime.fromisoformat(value["until"]):
        return None
    return value["secret"], _bytes(value["sealed"])


def _uri(secret: str, name: str) -> str:
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=PRODUCT)


def _picture(uri: str) -> str:
    """Without a size of its own and without style: the page's style sheet says how large it is."""
    import segno

    return segno.make_qr(uri, error="m").svg_inline(border=4, light="#fff", dark="#000", omitsize=True)


def _codes_left(session: Session, account: UUID) -> int:
    counted = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.account_id == account)
    return session.scalar(counted) or 0


def _or_not_found(there: bool) -> None:
    if not there:
        raise NotFound


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """The inverse. Raises NotFound if it is none."""
    try:
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except ValueError:
        raise NotFound from None
