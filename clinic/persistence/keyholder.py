"""Who may open what: the keyholder makes views, after it checked session, role, grant and purpose itself.

It reads through a connection of its own that cannot write; rows to be stored go back to the caller. Nothing opened
and no data key is kept here between two calls. It runs in a process of its own (keyholder_process.py) or, for tests
and maintenance, in this one; callers see the same methods (keyholder_client.py).
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Engine, bindparam, false, func, select
from sqlalchemy.orm import Session

from clinic.domain.audience import (
    CASE_SCOPES,
    REACHED,
    READ_ONLY,
    SHEETS,
    STEPPED_UP,
    TWO_PEOPLE,
    VIEWS,
    Purpose,
    Recipient,
    Scope,
)
from clinic.domain.errors import Denied, Locked, NotFound, Refused, SecondPerson, SignIn, StepUp
from clinic.domain.roles import Cases, Rights, rights
from clinic.persistence import sealing
from clinic.persistence.keyview import (
    Given,
    Head,
    KeyView,
    NotYours,
    Who,
    open_card,
    open_head,
    request,
    view_of,
    view_once,
    who_once,
)
from clinic.persistence.keyview import request_id as request_of_now
from clinic.persistence.models import (
    Account,
    AccountKey,
    Audit,
    Case,
    Grant,
    KeyRing,
    Part,
    PressKey,
    Record,
    Request,
    SignedIn,
)
from clinic.persistence.press_keys import PressKeys
from clinic.persistence.session_limits import ABSOLUTE, FRESH, IDLE, asleep, over
from clinic.persistence.system_keys import AGREED, SYSTEM_KEYS, SystemKeys, lacking_system_rows, system_rows
from clinic.persistence.vault import Vault, Wrapped

__all__ = [
    "ABSOLUTE", "COUNSELLOR", "IDLE", "LIST_LIMIT", "STEP_UP", "SYSTEM_KEYS", "Gate", "Head", "KeyView", "Keyholder",
    "NotYours", "Who", "lacking_system_rows", "live", "request", "system_rows", "token_hash",
]  # fmt: skip

LIST_LIMIT: Final = 100  # cases whose heads one list may open
ON_PAPER: Final = ("language", "beside", "paper", "size", "variant")  # of the card, for a recipient
STEP_UP: Final = FRESH
COUNSELLOR: Final = "counsellor"
GLASS: Final = timedelta(hours=8)  # a grant that says it holds longer is not one of ours
TOTP_STEP: Final = 30  # s
REMEMBERED: Final = 4096  # requests whose purpose is known
HOLDERS: Final = frozenset({"counsellor", "supervisor", "admin"})  # who may take part in a transfer

Gate = Callable[[Any, date, str, Recipient], bool]
Keys = Mapping[Scope, tuple[UUID, bytes]]

# Made once: to build such a statement takes longer than to run it.
_ME: Final = bindparam("me", type_=Case.counsellor_id.type)
_IDS: Final = bindparam("ids", expanding=True, type_=Case.id.type)
_TAGS: Final = bindparam("tags", expanding=True, type_=KeyRing.tag.type)
_WHOSE: Final[dict[Cases, ColumnElement[bool]]] = {
    "own": Case.counsellor_id == _ME,
    "supervised": Case.counsellor_id.in_(select(Account.id).where(Account.supervisor_id == _ME)),
    "granted": Case.id.in_(select(Grant.case_id).where(Grant.account_id == _ME)),
    "none": false(),
}
_SOME: Final = {kind: select(Case.id).where(Case.id.in_(_IDS), condition) for kind, condition in _WHOSE.items()}
_THESE: Final = {kind: select(Case).where(Case.id.in_(_IDS), condition) for kind, condition in _WHOSE.items()}
_RING: Final = select(KeyRing.id, KeyRing.tag, KeyRing.kid, KeyRing.wrapped).where(
    KeyRing.case_id.in_(_IDS), KeyRing.tag.in_(_TAGS) | (KeyRing.kid == 0)
)
_REACHED: Final = select(Record.id, Record.case_id, Record.rev, Record.head).where(
    Record.case_id == bindparam("case", type_=Record.case_id.type),
    Record.id.in_(
        select(Part.record_id).where(Part.key_id.in_(bindparam("keys", expanding=True, type_=Part.key_id.type)))
    ),
)
_SESSION: Final = (
    select(SignedIn, Account)
    .join(Account, Account.id == SignedIn.account_id)
    .where(SignedIn.token_hash == bindparam("hash"), SignedIn.stage == "full", Account.active)
)


@dataclass(frozen=True)
class _Signed:
    """A live session with what of it decides. `confirmed`: not reset, and its password is its owner's own."""

    who: Who
    rights: Rights
    confirmed: bool
    authed: datetime


class _Asked:
    """What each request has opened: a second purpose, or a second case, is refused."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Purpose, frozenset[UUID]]] = OrderedDict()

    def once(self, id_: str, purpose: Purpose, cases: Iterable[UUID]) -> None:
        """Note it, or raise NotYours. An empty id is no request."""
        if not id_:
            return
        asked = (purpose, frozenset(cases))
        if self._known.setdefault(id_, asked) != asked:
            raise NotYours
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class Keyholder(SystemKeys):
    """Holds the open vault. `engine` is read only; `gate` decides which sheets may be opened for whom."""

    def __init__(self, vault: Vault, engine: Engine, gate: Gate, clock: Callable[[], datetime] | None = None) -> None:
        self._vault, self._engine, self._gate = vault, engine, gate
        self._clock = clock or (lambda: datetime.now(UTC))
        self._asked = _Asked()
        super().__init__(vault, engine)
        self._press = PressKeys(vault, engine, self.office_open, self._clock)

    # ------------------------------------------------------------------ views
    def who(self, token: str) -> Who:
        """The account of a live session. Raises SignIn, Locked."""
        return who_once(token, self._who)

    def _who(self, token: str) -> Who:
        with Session(self._engine) as session:
            return self._signed(session, token).who

    def open(
        self,
        token: str,
        case_id: UUID,
        purpose: Purpose,
        sheet: str | None = None,
        recipient: Recipient | None = None,
        record: UUID | None = None,
        request: UUID | None = None,
    ) -> KeyView:
        """The only maker of views of a case that exists.

        A sheet's purpose needs `sheet`, a definition id, or `record`, the record to print; the gate is asked here.
        `request` is the id of a request that somebody else confirmed, where the purpose needs two people.
        Raises SignIn, Locked, NotFound (unknown and foreign case alike, and what the role never opens), Refused
        (gate), StepUp, SecondPerson, NotYours (a second purpose).
        """
        asked = (request_of_now(), token, case_id, purpose, sheet, recipient, record, request)
        return view_once(purpose, self.give, *asked)

    def open_list(self, token: str, case_ids: Iterable[UUID]) -> dict[UUID, KeyView]:
        """Views that open heads and cards only, of at most 100 cases of the own caseload."""
        given = self.give_list(request_of_now(), token, list(case_ids))
        return {one.case_id: view_of(one) for one in given}

    def paper(self, token: str, case_id: UUID, recipient: Recipient) -> dict[str, dict[str, str]]:
        """What paper needs of the card, by partner: languages, paper, size. No key, and the gate is not asked.

        The first layer shows the same. It counts as the purpose of that recipient's sheet. Raises as `open` does.
        """
        return self.give_paper(request_of_now(), token, case_id, recipient)

    def create(self, token: str, case_id: UUID) -> tuple[list[KeyRing], KeyView]:
        """Keys for a new case: the rows to store with it, and a view to seal its card. Raises SignIn, Denied."""
        rows, given = self.give_new(token, case_id)
        return rows, view_of(given)

    def process_key(self, token: str, case_id: UUID, account_id: UUID) -> KeyRing | None:
        """For a transfer: the key of a counsellor's process notes in a case, to be stored; None if it is there.

        Raises NotFound: no such case or no such counsellor. Whether there may be a transfer is the caller's to ask.
        """
        with Session(self._engine) as session:
            if self._signed(session, token).who.role not in HOLDERS:
                raise Denied
            account = session.get(Account, account_id)
            fits = account is not None and account.active and account.role == COUNSELLOR
            if not fits or session.get(Case, case_id) is None:
                raise NotFound
            named = _named("process", account_id)
            tag = self._ring_tag(case_id, named)
            if session.scalar(select(KeyRing.id).where(KeyRing.tag == tag)):
                return None
        return self._new_key(case_id, named)[0]

    def give(
        self,
        request_id: str,
        token: str,
        case_id: UUID,
        purpose: Purpose,
        sheet: str | None = None,
        recipient: Recipient | None = None,
        record: UUID | None = None,
        request: UUID | None = None,
    ) -> Given:
        """What `open` makes its view of; a request is known by its id. Raises as `open` does."""
        self._asked.once(request_id, purpose, [case_id])
        with Session(self._engine) as session:
            signed = self._signed(session, token, case_id if purpose == "couple" else None)
            case = self._granted(session, signed, [case_id], purpose)[case_id]
            self._proven(session, signed, purpose, case_id, request)
            scopes = VIEWS[purpose] & signed.rights.scopes
            keys, erased = self._keys(session, signed.who, [case_id], scopes | {"head"})
            given = _given(purpose, case_id, signed, keys[case_id], scopes, erased)
            if purpose in REACHED:
                given = replaced(given, heads=self._heads(session, given, keys[case_id]["head"]))
            if purpose.startswith("sheet:"):
                card = open_card(case, *_opener(keys[case_id]["head"]))
                given = replaced(given, card=self._admit(given, card, sheet, recipient, record))
            return given

    def give_list(self, request_id: str, token: str, case_ids: Sequence[UUID]) -> list[Given]:
        """What `open_list` makes its views of."""
        wanted = list(dict.fromkeys(case_ids))
        if len(wanted) > LIST_LIMIT:
            raise NotYours
        self._asked.once(request_id, "list", ())
        with Session(self._engine) as session:
            signed = self._signed(session, token)
            self._granted(session, signed, wanted, "list")
            keys, erased = self._keys(session, signed.who, wanted, VIEWS["list"])
        return [_given("list", one, signed, keys[one], VIEWS["list"], erased) for one in wanted]

    def give_paper(self, request_id: str, token: str, case_id: UUID, recipient: Recipient) -> dict[str, dict[str, str]]:
        """What `paper` gives."""
        if recipient not in SHEETS:
            raise NotYours
        purpose = SHEETS[recipient]
        self._asked.once(request_id, purpose, [case_id])
        with Session(self._engine) as session:
            signed = self._signed(session, token)
            case = self._granted(session, signed, [case_id], purpose)[case_id]
            keys, _ = self._keys(session, signed.who, [case_id], {"head"})
            found = _paper(open_card(case, *_opener(keys[case_id]["head"])), recipient)
        return {one: {name: text for name, text in of.items() if name != "variant"} for one, of in found.items()}

    def give_new(self, token: str, case_id: UUID) -> tuple[list[KeyRing], Given]:
        """What `create` makes its view of."""
        with Session(self._engine) as session:
            signed = self._signed(session, token)
        if signed.rights.cases != "own" or not signed.confirmed:
            raise Denied
        made: dict[Scope, tuple[UUID, bytes]] = {}
        rows = []
        scopes: tuple[Scope, ...] = (*CASE_SCOPES, "process")
        for scope in scopes:
            row, key = self._new_key(case_id, _named(scope, signed.who.account))
            rows.append(row)
            made[scope] = (row.id, key)
        # In the order of random ids: the order in the file would tell the scopes.
        given = _given("staff", case_id, signed, made, signed.rights.scopes, frozenset())
        return sorted(rows, key=attrgetter("id")), given

    # ------------------------------------------------------------------ signing in
    def new_account_key(self, account_id: UUID) -> AccountKey:
        """An account's own key, to be stored."""
        wrapped = self._vault.wrap(AESGCM.generate_key(256), "own", account_id)
        return AccountKey(account_id=account_id, id=wrapped.id, kid=wrapped.kid, wrapped=wrapped.sealed)

    def totp_new(self, key: AccountKey, account_id: UUID) -> tuple[str, bytes]:
        """A new secret for codes: in base 32, to be shown once, and sealed, to be stored in `Account.totp`."""
        import pyotp

        secret = pyotp.random_base32()
        return secret, sealing.seal(self._own(key, account_id), secret, _totp_bound(account_id))

    def totp_step(self, account_id: UUID, code: str, now: datetime, sealed: bytes | None = None) -> int | None:
        """The step whose code this is, one to either side of now; None if it is none, or not newer than the last.

        `sealed` is a secret that the account does not have yet. The caller claims the step in one UPDATE that
        names the last one: only so a code works once, also when it comes twice at the same moment.
        """
        with Session(self._engine) as session:
            account, key = session.get(Account, account_id), session.get(AccountKey, account_id)
        sealed = sealed or (account.totp if account else None)
        if account is None or key is None or sealed is None:
            return None
        secret = str(sealing.unseal(self._own(key, account_id), sealed, _totp_bound(account_id)))
        return _step(secret, code, int(now.timestamp()) // TOTP_STEP, account.totp_step)

    def seal_kept(self, account_id: UUID, data: bytes) -> bytes:
        """What somebody sent while signed out or locked, for this account only. Raises NotFound without a key."""
        with Session(self._engine) as session:
            cipher = self._own_of(session, account_id)
        return sealing.seal_bytes(cipher, sealing.pad(data), _kept_bound(account_id))

    def open_kept(self, token: str, data: bytes) -> bytes:
        """The inverse, for the account that is signed in.

        Raises SignIn, Locked, Damaged (another account's), Denied: somebody else reset its sign-in, and nobody has
        confirmed yet that its owner is back. What was typed may be of a case.
        """
        with Session(self._engine) as session:
            signed = self._signed(session, token)
            if not signed.confirmed:
                raise Denied
            account = signed.who.account
            cipher = self._own_of(session, account)
        return sealing.unpad(sealing.unseal_bytes(cipher, data, _kept_bound(account)))

    # ------------------------------------------------------------------ audit and office
    def audit_open(self, token: str, rows: Sequence[Audit]) -> list[dict[str, Any]]:
        """The payloads that this role may see, each with `seq` and `day`: others are left out.

        Whoever opens cases sees what was done to these, the admin what belongs to no case, everyone what names
        their own account. Raises SignIn, Locked, Damaged.
        """
        with Session(self._engine) as session:
            signed = self._signed(session, token)
            said, events = [(row, self._payload(row)) for row in rows], signed.rights.events
            mine = self._of_mine(session, signed, [one.get("case") for _, one in said]) if events == "cases" else set()
        me, found = str(signed.who.account), []
        for row, payload in said:
            case = payload.get("case")
            seen = case in mine if case else events == "accounts"
            if seen or (signed.confirmed and events != "none" and me in payload.values()):
                found.append(payload | {"seq": row.seq, "day": row.day})
        return found

    def agree(self, token: str, request: UUID) -> bytes:
        """The words of a request, sealed anew with this account as the one that agrees: to be stored in its row.

        Only this makes a request one to which somebody agreed; the columns of its row alone do not. Raises SignIn,
        Locked, StepUp, Denied (one's own), NotFound (unknown, over, confirmed already, or not for this account).
        """
        with Session(self._engine) as session:
            signed, row = self._signed(session, token), session.get(Request, request)
            if self._clock() - signed.authed > STEP_UP:
                raise StepUp
            said = self._office_said(request, row.sealed) if row else {}
            if row is None or not self._waits(row, said) or AGREED in said:
                raise NotFound
            if row.asked_by == signed.who.account:
                raise Denied
            if not self._judges(session, signed, said):
                raise NotFound
        return self._office_sealed(request, said | {AGREED: str(signed.who.account)})

    def whole(
        self, case_id: UUID, ring: Sequence[KeyRing], accounts: Iterable[UUID]
    ) -> tuple[list[KeyView], list[UUID]]:
        """Views with every key of a case, process notes of all accounts too, and the ids of keys that do not open.

        For `verify`: only where the keyholder is in this process. The first view has the case's own keys.
        """
        names: dict[bytes, tuple[Scope, str]] = {self._ring_tag(case_id, one): (one, one) for one in CASE_SCOPES}
        for account in accounts:
            named = _named("process", account)
            names[self._ring_tag(case_id, named)] = ("process", named)
        own: dict[Scope, tuple[UUID, bytes]] = {}
        more: list[dict[Scope, tuple[UUID, bytes]]] = []
        closed: list[UUID] = []
        for row in ring:
            if not row.kid:
                continue
            try:
                scope, named = names[row.tag]
                key = self._vault.unwrap_bytes(Wrapped(row.id, row.kid, row.wrapped), named, case_id)
            except (KeyError, sealing.Damaged):
                closed.append(row.id)
                continue
            if scope == "process":
                more.append({scope: (row.id, key)})
            else:
                own[scope] = (row.id, key)
        nobody = UUID(int=0)
        views = [KeyView(Given("list", case_id, nobody, keys, writes=frozenset())) for keys in [own, *more]]
        return views, closed

    # ------------------------------------------------------------------ sheets that wait for the press
    def items_new(self, item_ids: Sequence[UUID]) -> list[tuple[bytes, PressKey]]:
        """Keys for new press items, and the row to store with each."""
        return [self._press.new(one) for one in item_ids]

    def item_key(self, item_id: UUID, token: UUID) -> bytes:
        """The key of an item for whoever claimed it with this token; no session is asked for. See `PressKeys.claimed`.

        Raises NotFound.
        """
        return self._press.claimed(item_id, token)

    def claimed_keys(self, claims: Sequence[tuple[UUID, UUID]]) -> list[bytes | None]:
        """The same for many that this machine claimed; None for one whose key it does not get."""
        return self._press.claimed_here(claims)

    def item_keys(self, token: str, batch_id: UUID) -> dict[UUID, bytes]:
        """The keys of the finished items of an own batch. Raises SignIn, Locked, Denied (as `open_kept`), NotFound."""
        with Session(self._engine) as session:
            signed = self._signed(session, token)
        if not signed.confirmed:
            raise Denied
        return self._press.of_batch(signed.who.account, batch_id)

    # ------------------------------------------------------------------ about itself
    def opened(self) -> bool:
        """It is: a keyholder of this process has the key, or it would not be here."""
        return True

    def last_seen(self) -> datetime | None:
        """When anybody was last there who is signed in."""
        with Session(self._engine) as session:
            return session.scalar(select(func.max(SignedIn.seen)))

    def dispose(self) -> None:
        """Give back its connections."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return "<Keyholder>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("the keyholder does not leave its process")

    # ------------------------------------------------------------------ inside
    def _of_mine(self, session: Session, signed: _Signed, named: Iterable[Any]) -> set[str]:
        """Which of these cases are the account's: only those are looked up, it may have thousands."""
        ids = {UUID(one) for one in named if one}
        asked = {"me": signed.who.account, "ids": sorted(ids)}
        return {str(id_) for id_ in session.scalars(_SOME[_cases_of(signed)], asked)} if ids else set()

    def _signed(self, session: Session, token: str, couple: UUID | None = None) -> _Signed:
        """The session of a token. `couple`: the case that a session in couple view may still be asked for."""
        found = session.execute(_SESSION, {"hash": token_hash(token)}).one_or_none()
        now = self._clock()
        if found is None or over(found[0], now):
            raise SignIn
        row, account = found
        if asleep(row, now) or (row.couple_tag is not None and not self._couples_own(row, couple)):
            raise Locked
        who = Who(account.id, account.name, account.display, account.role)
        return _Signed(who, rights(account.role), account.confirmed and not account.temporary, row.authed)

    def _couples_own(self, row: SignedIn, case_id: UUID | None) -> bool:
        """Whether the couple view that holds this session is that of this case."""
        tag = row.couple_tag or b""
        return case_id is not None and hmac.compare_digest(tag, self.couple_tag(row.id, case_id))

    def _granted(self, session: Session, signed: _Signed, case_ids: list[UUID], purpose: Purpose) -> dict[UUID, Case]:
        """The cases, if this account opens each of them for this; else NotFound."""
        if purpose not in signed.rights.purposes:
            raise NotFound
        asked = {"me": signed.who.account, "ids": case_ids}
        found = {case.id: case for case in session.scalars(_THESE[_cases_of(signed)], asked)}
        if signed.rights.cases == "granted":
            found = {id_: case for id_, case in found.items() if self._live_grant(session, signed, id_)}
        if set(found) != set(case_ids):
            raise NotFound
        return found

    def _live_grant(self, session: Session, signed: _Signed, case_id: UUID) -> bool:
        """Whether a grant that says so itself lets this account open this case now."""
        me, now = signed.who.account, self._clock()
        for row in session.scalars(select(Grant).where(Grant.account_id == me, Grant.case_id == case_id)):
            said = self._office_said(row.id, row.sealed)
            fits = (said.get("case"), said.get("account")) == (str(case_id), str(me))
            if fits and row.ends_on >= self._today() and now < _moment(said.get("until")) <= now + GLASS:
                return True
        return False

    def _proven(self, session: Session, signed: _Signed, purpose: Purpose, case_id: UUID, request: UUID | None) -> None:
        if purpose in STEPPED_UP and self._clock() - signed.authed > STEP_UP:
            raise StepUp
        if purpose in TWO_PEOPLE and not self._agreed(session, signed, purpose, case_id, request):
            raise SecondPerson

    def _agreed(self, session: Session, signed: _Signed, purpose: Purpose, case_id: UUID, request: UUID | None) -> bool:
        """Whether somebody else agreed to exactly this, and it was not done yet."""
        row = session.get(Request, request) if request else None
        said = self._office_said(row.id, row.sealed) if row else {}
        if row is None or not self._waits(row, said) or row.asked_by != signed.who.account:
            return False
        other = session.get(Account, row.confirmed_by) if row.confirmed_by else None
        if other is None or other.id == row.asked_by or not (other.active and other.confirmed):
            return False
        if said.get(AGREED) != str(other.id):
            return False
        partner = purpose[-1] if purpose.startswith("export:staff_") else None
        return (said.get("kind"), said.get("case")) == (TWO_PEOPLE[purpose], str(case_id)) and (
            partner is None or said.get("partner") == partner
        )

    def _waits(self, row: Request, said: Mapping[str, Any]) -> bool:
        """Whether a request is open, and says itself who asked and until when: its columns anybody may have written."""
        last = _moment(said.get("ends_on")).date()
        return not row.done and min(last, row.ends_on) >= self._today() and said.get("by") == str(row.asked_by)

    def _judges(self, session: Session, signed: _Signed, said: Mapping[str, Any]) -> bool:
        """Whether this account may agree to what was asked: see `second_person`, which says the same to people."""
        me, about = str(signed.who.account), said.get("account")
        if not signed.confirmed or me in (said.get("to"), said.get("supervisor")):
            return False
        if me == about:
            return said.get("kind") == "role" and "role" not in said
        if signed.who.role == "admin" or me == said.get("counsellor"):
            return True
        if signed.who.role == "supervisor" and said.get("kind") == "role" and said.get("new"):
            return True
        subject = said.get("counsellor") or about
        found = session.get(Account, UUID(subject)) if subject else None
        return signed.who.role == "supervisor" and found is not None and found.supervisor_id == signed.who.account

    def _keys(
        self, session: Session, who: Who, case_ids: list[UUID], scopes: Iterable[Scope]
    ) -> tuple[dict[UUID, dict[Scope, tuple[UUID, bytes]]], frozenset[UUID]]:
        """Unwrap the keys of these scopes, and say which keys of these cases were erased."""
        wanted = {
            self._ring_tag(case_id, _named(scope, who.account)): (case_id, scope)
            for case_id in case_ids
            for scope in scopes
        }
        found: dict[UUID, dict[Scope, tuple[UUID, bytes]]] = {case_id: {} for case_id in case_ids}
        erased = set()
        for row in session.execute(_RING, {"ids": case_ids, "tags": list(wanted)}):
            if row.kid == 0:
                erased.add(row.id)
            elif row.tag in wanted:
                case_id, scope = wanted[row.tag]
                wrapped = Wrapped(row.id, row.kid, row.wrapped)
                key = self._vault.unwrap_bytes(wrapped, _named(scope, who.account), case_id)
                found[case_id][scope] = (row.id, key)
        return found, frozenset(erased)

    def _new_key(self, case_id: UUID, named: str) -> tuple[KeyRing, bytes]:
        key = AESGCM.generate_key(256)
        wrapped, tag = self._vault.wrap(key, named, case_id), self._ring_tag(case_id, named)
        return KeyRing(id=wrapped.id, case_id=case_id, tag=tag, kid=wrapped.kid, wrapped=wrapped.sealed), key

    def _heads(self, session: Session, given: Given, head: tuple[UUID, bytes]) -> dict[UUID, Head]:
        """Heads of the records that have a part this view opens: it never learns of the others."""
        asked = {"case": given.case_id, "keys": [key_id for key_id, _ in given.keys.values()]}
        opener, rows = _opener(head), session.execute(_REACHED, asked)
        return {row.id: replaced(open_head(row, *opener), reason="") for row in rows}

    def _admit(
        self,
        given: Given,
        card: Mapping[str, Any],
        sheet: str | None,
        recipient: Recipient | None,
        record: UUID | None,
    ) -> dict[str, Any]:
        """Ask the gate; then what paper needs of the card: that recipient's, no one else's."""
        # A sheet's purpose is its recipient behind a word; mypy cannot read that from the text.
        mine: Recipient = given.purpose.removeprefix("sheet:")  # type: ignore[assignment]
        if recipient not in (None, mine):
            raise NotYours
        found = given.heads.get(record) if record else None
        named = found.definition if found else None
        asked = sheet or named
        if asked is None or (record is not None and named is None):
            raise Refused
        for one in {asked, named or asked}:
            if not self._gate(card.get("ruling"), self._today(), one, mine):
                raise Refused
        return _paper(card, mine)

    def _office_said(self, id_: UUID, sealed: bytes) -> dict[str, Any]:
        try:
            return self.office_open(id_, sealed)
        except sealing.Damaged:
            return {}

    def _own_of(self, session: Session, account_id: UUID) -> AESGCM:
        row = session.get(AccountKey, account_id)
        if row is None:
            raise NotFound
        return self._own(row, account_id)

    def _own(self, row: AccountKey, account_id: UUID) -> AESGCM:
        return self._vault.unwrap(Wrapped(row.id, row.kid, row.wrapped), "own", account_id)

    def _today(self) -> date:
        return self._clock().astimezone().date()


def token_hash(token: str) -> bytes:
    """What is stored of a session's token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def live(row: SignedIn, now: datetime) -> bool:
    """Whether a session is neither locked nor too old."""
    return not asleep(row, now) and not over(row, now)


def _paper(card: Mapping[str, Any], recipient: Recipient) -> dict[str, dict[str, str]]:
    """What paper needs of the card: that recipient's, no one else's. A couple's sheet uses the neutral form."""
    partners = card.get("partners", {})
    whose = {one: partners.get(one, {}) for one in (("a", "b") if recipient == "joint" else (recipient,))}
    return {
        partner: {name: values.get(name, "") for name in ON_PAPER if name != "variant" or recipient != "joint"}
        for partner, values in whose.items()
    }


def _given(
    purpose: Purpose, case_id: UUID, signed: _Signed, keys: Keys, scopes: frozenset[Scope], erased: frozenset[UUID]
) -> Given:
    """What the purpose may hold of these keys, and nothing else."""
    writes = frozenset() if purpose in READ_ONLY else signed.rights.writes
    return Given(purpose, case_id, signed.who.account, {one: keys[one] for one in scopes & keys.keys()}, erased, writes)


def _cases_of(signed: _Signed) -> Cases:
    """Whose cases this account may come near; a grant is then looked at closely."""
    return signed.rights.cases if signed.confirmed else "none"


def _opener(key: tuple[UUID, bytes]) -> tuple[UUID, AESGCM]:
    return key[0], AESGCM(key[1])


def _step(secret: str, code: str, now: int, last: int) -> int | None:
    import pyotp

    codes, typed = pyotp.HOTP(secret), "".join(code.split())
    if not (typed.isascii() and typed.isdigit()):
        return None
    fits = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(codes.at(step), typed)]
    return next((step for step in fits if step > last), None)


def _moment(text: object) -> datetime:
    """An ISO moment; what is none lies in the past."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _totp_bound(account: UUID) -> bytes:
    return sealing.bind("totp", 1, account)


def _kept_bound(account: UUID) -> bytes:
    return sealing.bind("kept", 1, account)


def _named(scope: Scope, account: UUID) -> str:
    return f"process/{account}" if scope == "process" else scope
