"""Who may open what: the keyholder makes views, a view opens and seals with the keys of one purpose.

In process for now, behind the interface that its own process will have: it reads through a connection of its own
that cannot write, it checks session, grant and purpose itself, and rows to be stored go back to the caller.
Nothing opened and no data key is kept here between two calls.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from clinic.domain.audience import CASE_SCOPES, VIEWS, About, Purpose, Recipient, Scope
from clinic.domain.errors import Denied, NotFound, Refused, SignIn, VaultLocked
from clinic.persistence import sealing
from clinic.persistence.models import (
    Account,
    Autosave,
    Case,
    Instance,
    KeyRing,
    Part,
    Print,
    Record,
    SignedIn,
    SystemKey,
)
from clinic.persistence.vault import Vault, Wrapped

IDLE: Final = timedelta(minutes=10)
ABSOLUTE: Final = timedelta(hours=12)
LIST_LIMIT: Final = 100  # cases whose heads one list may open
SYSTEM_KEYS: Final = ("facts", "index", "pepper", "web")
ON_PAPER: Final = ("language", "beside", "paper", "size", "variant")  # of the card, for a recipient
COUNSELLOR: Final = "counsellor"

Gate = Callable[[Any, date, str, Recipient], bool]


class NotYours(Denied):
    """A part, head or purpose that this view has no key for: a bug in the caller, never the person's doing."""


@dataclass(frozen=True)
class Head:
    """The sealed head of a record. `held_on` is an ISO day, `created`, `changed`, `signed_at` are ISO moments."""

    record: UUID
    case: UUID
    rev: int
    about: About
    definition: str
    version: int
    sha: str
    author: str
    held_on: str
    created: str
    changed: str
    signed_at: str = ""
    of_record: str = ""
    supersedes: str = ""
    reason: str = ""  # of a correction; for the staff layer only

    def bound(self, kind: str, scope: str, key_id: UUID, *more: str | int) -> bytes:
        """Associated data of a part or autosave of this record at this revision."""
        return sealing.bind(
            kind, 1, self.record, self.case, scope, self.about, self.definition, self.version, self.sha, self.rev,
            key_id, *more,
        )  # fmt: skip


_ROW_FIELDS: Final = ("record", "case", "rev")  # of Head: these stand in the row, the rest is sealed


@dataclass(frozen=True)
class Who:
    """An account with a live session."""

    account: UUID
    name: str
    display: str
    role: str


class KeyView:
    """The keys of one case for one purpose, until `close`. Holds ciphers, no keyholder, and shows nothing.

    `heads` are the heads of the records that a recipient's view may know of, `card` what paper needs of the case
    card; both are empty for other purposes, which open heads and card themselves.
    """

    __slots__ = ("_ciphers", "_keys", "account", "card", "case_id", "heads", "purpose")

    def __init__(
        self, purpose: Purpose, case_id: UUID, account: UUID, keys: Mapping[Scope, tuple[UUID, AESGCM]]
    ) -> None:
        self.purpose, self.case_id, self.account = purpose, case_id, account
        self._ciphers = {key_id: (scope, cipher) for scope, (key_id, cipher) in keys.items()}
        self._keys = {scope: key_id for scope, (key_id, _) in keys.items()}
        self.heads: dict[UUID, Head] = {}
        self.card: dict[str, Any] = {}

    def scope_of(self, key_id: UUID) -> Scope | None:
        """The scope of a key of this view; None for every other key."""
        found = self._ciphers.get(key_id)
        return found[0] if found else None

    def key_of(self, scope: Scope) -> UUID:
        """The id of a scope's key. Raises NotYours."""
        if scope not in self._keys:
            raise NotYours
        return self._keys[scope]

    @property
    def key_ids(self) -> frozenset[UUID]:
        """The ids of all keys of this view."""
        return frozenset(self._ciphers)

    def open(self, part: Part, head: Head) -> dict[str, Any]:
        """The content of a part of the record with this head. Raises NotYours, Damaged."""
        scope, cipher = self._cipher(part.key_id)
        bound = self._mine(head, part.record_id).bound("part", scope, part.key_id)
        return dict(sealing.unseal(cipher, part.sealed, bound))

    def seal(self, scope: Scope, head: Head, content: Mapping[str, Any]) -> Part:
        """A part to store with the record that has this head. Raises NotYours."""
        key_id = self.key_of(scope)
        bound = self._mine(head, head.record).bound("part", scope, key_id)
        return Part(
            record_id=head.record,
            key_id=key_id,
            sealed=sealing.seal(self._ciphers[key_id][1], content, bound),
        )

    def open_head(self, row: Record) -> Head:
        """The head of a record of this case. Raises NotYours, Damaged."""
        _, cipher = self._cipher(self.key_of("head"))
        if row.case_id != self.case_id:
            raise NotYours
        return _open_head(row, self.key_of("head"), cipher)

    def seal_head(self, head: Head) -> bytes:
        """The sealed head for the row `head.record` at `head.rev`. Raises NotYours."""
        key_id = self.key_of("head")
        value = {
            name: getattr(self._mine(head, head.record), name)
            for name in Head.__dataclass_fields__
            if name not in _ROW_FIELDS
        }
        return sealing.seal(self._ciphers[key_id][1], value, _head_bound(head.record, head.case, head.rev, key_id))

    def open_card(self, row: Case) -> dict[str, Any]:
        """The case card. Raises NotYours, Damaged."""
        _, cipher = self._cipher(self.key_of("head"))
        if row.id != self.case_id:
            raise NotYours
        return _open_card(row, self.key_of("head"), cipher)

    def seal_card(self, rev: int, card: Mapping[str, Any]) -> bytes:
        """The sealed card for this case at revision `rev`. Raises NotYours."""
        key_id = self.key_of("head")
        return sealing.seal(self._ciphers[key_id][1], card, _card_bound(self.case_id, rev, key_id))

    def open_autosave(self, row: Autosave, head: Head) -> dict[str, Any]:
        """What a tab had typed, sealed at `row.base_rev`. Raises NotYours, Damaged."""
        scope, cipher = self._cipher(row.key_id)
        base = replaced(self._mine(head, row.record_id), rev=row.base_rev)
        bound = base.bound("autosave", scope, row.key_id, str(row.account_id), row.tab)
        return dict(sealing.unseal(cipher, row.sealed, bound))

    def seal_autosave(self, scope: Scope, head: Head, tab: str, base_rev: int, content: Mapping[str, Any]) -> Autosave:
        """What a tab of this view's account has typed, to be stored. Raises NotYours."""
        key_id = self.key_of(scope)
        base = replaced(self._mine(head, head.record), rev=base_rev)
        bound = base.bound("autosave", scope, key_id, str(self.account), tab)
        sealed = sealing.seal(self._ciphers[key_id][1], content, bound)
        return Autosave(
            record_id=head.record,
            account_id=self.account,
            tab=tab,
            key_id=key_id,
            base_rev=base_rev,
            sealed=sealed,
        )

    def seal_print(self, print_id: UUID, scope: Scope, content: Mapping[str, Any]) -> tuple[UUID, bytes]:
        """What went out, under the key of its recipient: key id and sealed content. Raises NotYours."""
        key_id = self.key_of(scope)
        return key_id, sealing.seal(
            self._ciphers[key_id][1], content, sealing.bind("print", 1, print_id, self.case_id, scope, key_id)
        )

    def open_print(self, row: Print) -> dict[str, Any]:
        """What a print was. Raises NotYours, Damaged."""
        scope, cipher = self._cipher(row.key_id)
        bound = sealing.bind("print", 1, row.id, self.case_id, scope, row.key_id)
        return dict(sealing.unseal(cipher, row.sealed, bound))

    def close(self) -> None:
        """Forget all keys and what was opened; a closed view raises NotYours."""
        self._ciphers, self._keys = {}, {}
        self.heads, self.card = {}, {}

    def _cipher(self, key_id: UUID) -> tuple[Scope, AESGCM]:
        if key_id not in self._ciphers:
            raise NotYours
        return self._ciphers[key_id]

    def _mine(self, head: Head, record: UUID) -> Head:
        if head.case != self.case_id or head.record != record:
            raise NotYours
        return head

    def __repr__(self) -> str:
        return f"<KeyView {self.purpose}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a view does not leave its process")


def _head_bound(record: UUID, case: UUID, rev: int, key_id: UUID) -> bytes:
    return sealing.bind("head", 1, record, case, rev, key_id)


def _open_head(row: Record, key_id: UUID, cipher: AESGCM) -> Head:
    value = sealing.unseal(cipher, row.head, _head_bound(row.id, row.case_id, row.rev, key_id))
    return Head(record=row.id, case=row.case_id, rev=row.rev, **value)


def _card_bound(case: UUID, rev: int, key_id: UUID) -> bytes:
    return sealing.bind("card", 1, case, rev, key_id)


def _open_card(row: Case, key_id: UUID, cipher: AESGCM) -> dict[str, Any]:
    return dict(sealing.unseal(cipher, row.card, _card_bound(row.id, row.rev, key_id)))


@dataclass
class _Request:
    """What one request has opened: a second purpose, or a second case, is refused."""

    asked: tuple[Purpose, frozenset[UUID]] | None = None
    views: list[KeyView] = field(default_factory=list)


_REQUEST: ContextVar[_Request | None] = ContextVar("request", default=None)


@contextmanager
def request() -> Iterator[None]:
    """One request: views are opened for one purpose only, and close at its end. One inside another is the same."""
    if _REQUEST.get() is not None:
        yield
        return
    mine = _Request()
    token = _REQUEST.set(mine)
    try:
        yield
    finally:
        _REQUEST.reset(token)
        for view in mine.views:
            view.close()


def _once(purpose: Purpose, cases: Iterable[UUID]) -> None:
    current, asked = _REQUEST.get(), (purpose, frozenset(cases))
    if current is None:
        return
    if current.asked not in (None, asked):
        raise NotYours
    current.asked = asked


def _noted(view: KeyView) -> KeyView:
    current = _REQUEST.get()
    if current is not None:
        current.views.append(view)
    return view


class Keyholder:
    """Holds the open vault. `engine` is read only; `gate` decides which sheets may be opened for whom."""

    def __init__(self, vault: Vault, engine: Engine, gate: Gate, clock: Callable[[], datetime] | None = None) -> None:
        self._vault, self._engine, self._gate = vault, engine, gate
        self._clock = clock or (lambda: datetime.now(UTC))
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        with Session(engine) as session:
            instance = session.get(Instance, vault.instance)
            rows = {row.name: row for row in session.scalars(select(SystemKey))}
        if instance is None or not rows.keys() >= set(SYSTEM_KEYS):
            raise VaultLocked("the database belongs to another instance than the keys.")
        try:
            keys = {name: self._system(rows[name]) for name in SYSTEM_KEYS}
            self.facts: dict[str, Any] = sealing.unseal(
                AESGCM(keys["facts"]), instance.sealed, _facts_bound(vault.instance)
            )
        except sealing.Damaged:
            raise VaultLocked("the database does not fit the keys.") from None
        self._index, self._pepper, self._web = keys["index"], keys["pepper"], keys["web"]
        self._nobody = self.password_hash("nobody")  # verified for unknown names, so that they take as long

    # ------------------------------------------------------------------ views
    def who(self, token: str) -> Who:
        """The account of a live session. Raises SignIn."""
        with Session(self._engine) as session:
            return self._who(session, token)

    def open(
        self,
        token: str,
        case_id: UUID,
        purpose: Purpose,
        sheet: str | None = None,
        recipient: Recipient | None = None,
        record: UUID | None = None,
    ) -> KeyView:
        """The only maker of views of a case that exists.

        A sheet's purpose needs `sheet`, a definition id, or `record`, the record to print; the gate is asked here.
        Raises SignIn, NotFound (unknown and foreign case alike), Refused (gate), NotYours (a second purpose).
        """
        _once(purpose, [case_id])
        with Session(self._engine) as session:
            who = self._who(session, token)
            case = self._granted(session, who, [case_id])[case_id]
            keys = self._keys(session, who, [case_id], VIEWS[purpose] | {"head"})[case_id]
            view = self._view(purpose, case_id, who, keys)
            if purpose == "couple" or purpose.startswith("sheet:"):
                view.heads = self._heads(session, view, keys["head"])
            if purpose.startswith("sheet:"):
                self._admit(view, _open_card(case, *keys["head"]), sheet, recipient, record)
        return _noted(view)

    def open_list(self, token: str, case_ids: Iterable[UUID]) -> dict[UUID, KeyView]:
        """Views that open heads and cards only, of at most 100 cases of the own caseload."""
        wanted = list(dict.fromkeys(case_ids))
        if len(wanted) > LIST_LIMIT:
            raise NotYours
        _once("list", ())
        with Session(self._engine) as session:
            who = self._who(session, token)
            self._granted(session, who, wanted)
            keys = self._keys(session, who, wanted, VIEWS["list"])
        return {case_id: _noted(self._view("list", case_id, who, keys[case_id])) for case_id in wanted}

    def create(self, token: str, case_id: UUID) -> tuple[list[KeyRing], KeyView]:
        """Keys for a new case: the rows to store with it, and a view to seal its card. Raises SignIn, Denied."""
        who = self.who(token)
        if who.role != COUNSELLOR:
            raise Denied
        made: dict[Scope, tuple[UUID, AESGCM]] = {}
        rows = []
        scopes: tuple[Scope, ...] = (*CASE_SCOPES, "process")
        for scope in scopes:
            named, key = _named(scope, who.account), AESGCM.generate_key(256)
            wrapped = self._vault.wrap(key, named, case_id)
            tag = self._ring_tag(case_id, named)
            rows.append(KeyRing(id=wrapped.id, case_id=case_id, tag=tag, kid=wrapped.kid, wrapped=wrapped.sealed))
            made[scope] = (wrapped.id, AESGCM(key))
        # In the order of random ids: the order in the file would tell the scopes.
        return sorted(rows, key=attrgetter("id")), _noted(KeyView("staff", case_id, who.account, made))

    # ------------------------------------------------------------------ index and passwords
    def record_tag(self, view: KeyView, definition_id: str) -> bytes:
        """What finds a case's records of one definition; differs in every case."""
        return self._tag("record", view.case_id, definition_id)[:8]

    def code_tag(self, code: str) -> bytes:
        """What finds a print by the code on its paper."""
        return self._tag("print", code)[:16]

    def throttle_tag(self, *fields: str) -> bytes:
        """The throttle's key for an account and address, or an address."""
        return self._tag("throttle", *fields)[:16]

    def web_secret(self) -> bytes:
        """What the web signs its cookies with. It opens nothing."""
        return self._web

    def password_hash(self, password: str) -> str:
        """Argon2id over HMAC(pepper, password)."""
        return self._hasher.hash(self._peppered(password))

    def password_fits(self, hashed: str | None, password: str) -> bool:
        """Whether a password is right; takes as long for an account that is not there (None)."""
        try:
            fits = self._hasher.verify(hashed or self._nobody, self._peppered(password))
        except (VerificationError, InvalidHashError):
            return False
        return fits and hashed is not None

    def dispose(self) -> None:
        """Give back its connections."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return "<Keyholder>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("the keyholder does not leave its process")

    # ------------------------------------------------------------------ inside
    def _who(self, session: Session, token: str) -> Who:
        found = session.execute(
            select(SignedIn, Account)
            .join(Account, Account.id == SignedIn.account_id)
            .where(SignedIn.token_hash == token_hash(token), Account.active)
        ).one_or_none()
        if found is None or not live(found[0], self._clock()):
            raise SignIn
        account = found[1]
        return Who(account.id, account.name, account.display, account.role)

    def _granted(self, session: Session, who: Who, case_ids: list[UUID]) -> dict[UUID, Case]:
        """The cases, if each is this counsellor's; else NotFound."""
        own = select(Case).where(Case.id.in_(case_ids), Case.counsellor_id == who.account)
        found = {case.id: case for case in session.scalars(own)} if who.role == COUNSELLOR else {}
        if set(found) != set(case_ids):
            raise NotFound
        return found

    def _keys(
        self, session: Session, who: Who, case_ids: list[UUID], scopes: Iterable[Scope]
    ) -> dict[UUID, dict[Scope, tuple[UUID, AESGCM]]]:
        """Unwrap the keys of these scopes; one that is not there (erased, or never made) is left out."""
        wanted = {
            self._ring_tag(case_id, _named(scope, who.account)): (case_id, scope)
            for case_id in case_ids
            for scope in scopes
        }
        found: dict[UUID, dict[Scope, tuple[UUID, AESGCM]]] = {case_id: {} for case_id in case_ids}
        for row in session.scalars(select(KeyRing).where(KeyRing.tag.in_(wanted))):
            case_id, scope = wanted[row.tag]
            wrapped = Wrapped(row.id, row.kid, row.wrapped)
            found[case_id][scope] = (row.id, self._vault.unwrap(wrapped, _named(scope, who.account), case_id))
        return found

    def _view(self, purpose: Purpose, case_id: UUID, who: Who, keys: Mapping[Scope, tuple[UUID, AESGCM]]) -> KeyView:
        """A view with what the purpose may hold of these keys, and nothing else."""
        return KeyView(purpose, case_id, who.account, {one: keys[one] for one in VIEWS[purpose] & keys.keys()})

    def _heads(self, session: Session, view: KeyView, head: tuple[UUID, AESGCM]) -> dict[UUID, Head]:
        """Heads of the records that have a part this view opens: it never learns of the others."""
        reached = select(Part.record_id).where(Part.key_id.in_(view.key_ids))
        rows = session.scalars(select(Record).where(Record.case_id == view.case_id, Record.id.in_(reached)))
        return {row.id: replaced(_open_head(row, *head), reason="") for row in rows}

    def _admit(
        self,
        view: KeyView,
        card: Mapping[str, Any],
        sheet: str | None,
        recipient: Recipient | None,
        record: UUID | None,
    ) -> None:
        """Ask the gate; then give the view what paper needs of the card: that recipient's, no one else's."""
        mine: Recipient = view.purpose.removeprefix("sheet:")  # type: ignore[assignment]
        if recipient not in (None, mine):
            raise NotYours
        named = view.heads[record].definition if record in view.heads else None
        asked = sheet or named
        if asked is None or (record is not None and named is None):
            raise Refused
        for one in {asked, named or asked}:
            if not self._gate(card.get("ruling"), self._clock().astimezone().date(), one, mine):
                raise Refused
        partners = card.get("partners", {})
        whose = {one: partners.get(one, {}) for one in (("a", "b") if mine == "joint" else (mine,))}
        view.card = {
            partner: {name: values.get(name, "") for name in ON_PAPER if name != "variant" or mine != "joint"}
            for partner, values in whose.items()
        }

    def _ring_tag(self, case_id: UUID, named: str) -> bytes:
        return self._tag("ring", case_id, named)[:16]

    def _tag(self, *fields: str | UUID) -> bytes:
        return hmac.digest(self._index, sealing.bind(*fields), hashlib.sha256)

    def _peppered(self, password: str) -> str:
        return hmac.new(self._pepper, password.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _system(self, row: SystemKey) -> bytes:
        return self._vault.unwrap_bytes(Wrapped(row.id, row.kid, row.wrapped), row.name, self._vault.instance)


def system_rows(vault: Vault, facts: Mapping[str, Any]) -> list[SystemKey | Instance]:
    """The keys of a new instance and its sealed facts, to be stored."""
    rows: list[SystemKey | Instance] = []
    for name in SYSTEM_KEYS:
        key = AESGCM.generate_key(256)
        wrapped = vault.wrap(key, name, vault.instance)
        rows.append(SystemKey(name=name, id=wrapped.id, kid=wrapped.kid, wrapped=wrapped.sealed))
        if name == "facts":
            sealed = sealing.seal(AESGCM(key), dict(facts), _facts_bound(vault.instance))
            rows.append(Instance(id=vault.instance, sealed=sealed))
    return rows


def token_hash(token: str) -> bytes:
    """What is stored of a session's token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def live(row: SignedIn, now: datetime) -> bool:
    """Whether a session is neither idle too long nor too old."""
    return now - row.seen < IDLE and now - row.created < ABSOLUTE


def _facts_bound(instance: UUID) -> bytes:
    return sealing.bind("facts", 1, instance)


def _named(scope: Scope, account: UUID) -> str:
    return f"process/{account}" if scope == "process" else scope
