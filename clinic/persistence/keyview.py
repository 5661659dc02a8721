"""What a service gets of the keyholder: a view, which opens and seals with the keys of one purpose.

A view holds no keyholder and no ring. It closes at the end of its request; nothing opened is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clinic.domain.audience import About, Purpose, Scope
from clinic.domain.errors import Denied
from clinic.persistence import sealing
from clinic.persistence.models import Appointment, Autosave, Case, Part, Print, Record

Found = TypeVar("Found")
# Asked for once a request. Not a sheet's: there the keyholder asks the gate, and gives heads as they stand just now.
ONCE: Final[frozenset[Purpose]] = frozenset({"staff"})


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


@dataclass(frozen=True)
class Given:
    """What the keyholder hands over for one view, raw keys of 32 bytes included: it lives as long as that call.

    `keys`: key id and key by scope. `erased`: ids of keys of this case that were destroyed. `writes`: the ids of
    the definitions that may be sealed; None stands for all. `heads` and `card` as `KeyView` has them.
    """

    purpose: Purpose
    case_id: UUID
    account: UUID
    keys: Mapping[Scope, tuple[UUID, bytes]] = field(repr=False)
    erased: frozenset[UUID] = frozenset()
    writes: frozenset[str] | None = None
    heads: Mapping[UUID, Head] = field(default_factory=dict, repr=False)
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)


class KeyView:
    """The keys of one case for one purpose, until `close`. Holds ciphers, no keyholder, and shows nothing.

    `heads` are the heads of the records that a recipient's view may know of, `card` what paper needs of the case
    card; both are empty for other purposes, which open heads and card themselves. `erased` are the ids of keys of
    this case that were destroyed: a part that names one is gone for everybody, its record still opens.
    """

    __slots__ = ("_ciphers", "_keys", "_read", "_writes", "account", "card", "case_id", "erased", "heads", "purpose")

    def __init__(self, given: Given) -> None:
        self.purpose, self.case_id, self.account = given.purpose, given.case_id, given.account
        self._ciphers = {key_id: (scope, AESGCM(key)) for scope, (key_id, key) in given.keys.items()}
        self._keys = {scope: key_id for scope, (key_id, _) in given.keys.items()}
        self._writes, self.erased = given.writes, given.erased
        self.heads: dict[UUID, Head] = dict(given.heads)
        self.card: dict[str, Any] = dict(given.card)
        self._read: dict[str, Any] = {}

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

    def may_write(self, definition: str = "") -> bool:
        """Whether this view seals records of a definition; without one: all of them, card and prints too."""
        return self._writes is None or definition in self._writes

    def open(self, part: Part, head: Head) -> dict[str, Any]:
        """The content of a part of the record with this head. Raises NotYours, Damaged."""
        scope, cipher = self._cipher(part.key_id)
        bound = self._mine(head, part.record_id).bound("part", scope, part.key_id)
        return dict(sealing.unseal(cipher, part.sealed, bound))

    def seal(self, scope: Scope, head: Head, content: Mapping[str, Any]) -> Part:
        """A part to store with the record that has this head. Raises NotYours, Denied."""
        key_id = self._for_writing(scope, head.definition)
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
        return open_head(row, self.key_of("head"), cipher)

    def seal_head(self, head: Head) -> bytes:
        """The sealed head for the row `head.record` at `head.rev`. Raises NotYours, Denied."""
        key_id = self._for_writing("head", head.definition)
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
        return open_card(row, self.key_of("head"), cipher)

    def seal_card(self, rev: int, card: Mapping[str, Any]) -> bytes:
        """The sealed card for this case at revision `rev`. Raises NotYours, Denied."""
        key_id = self._for_writing("head")
        return sealing.seal(self._ciphers[key_id][1], card, _card_bound(self.case_id, rev, key_id))

    def open_autosave(self, row: Autosave, head: Head) -> dict[str, Any]:
        """What a tab had typed, sealed at `row.base_rev`. Raises NotYours, Damaged."""
        scope, cipher = self._cipher(row.key_id)
        base = replaced(self._mine(head, row.record_id), rev=row.base_rev)
        bound = base.bound("autosave", scope, row.key_id, str(row.account_id), row.tab)
        return dict(sealing.unseal(cipher, row.sealed, bound))

    def seal_autosave(self, scope: Scope, head: Head, tab: str, base_rev: int, content: Mapping[str, Any]) -> Autosave:
        """What a tab of this view's account has typed, to be stored. Raises NotYours, Denied."""
        key_id = self._for_writing(scope, head.definition)
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
        """What went out, under the key of its recipient: key id and sealed content. Raises NotYours, Denied."""
        key_id = self._for_writing(scope)
        return key_id, sealing.seal(
            self._ciphers[key_id][1], content, sealing.bind("print", 1, print_id, self.case_id, scope, key_id)
        )

    def open_print(self, row: Print) -> dict[str, Any]:
        """What a print was. Raises NotYours, Damaged."""
        scope, cipher = self._cipher(row.key_id)
        bound = sealing.bind("print", 1, row.id, self.case_id, scope, row.key_id)
        return dict(sealing.unseal(cipher, row.sealed, bound))

    def seal_appointment(self, id_: UUID, start: datetime, content: Mapping[str, Any]) -> bytes:
        """How long an appointment of this case is and who comes. Raises NotYours, Denied."""
        key_id = self._for_writing("head")
        return sealing.seal(self._ciphers[key_id][1], content, self._appointment_bound(id_, start, key_id))

    def open_appointment(self, row: Appointment) -> dict[str, Any]:
        """What was sealed with an appointment. Raises NotYours, Damaged (also when its start is another one)."""
        key_id = self.key_of("head")
        if row.case_id != self.case_id:
            raise NotYours
        bound = self._appointment_bound(row.id, row.start, key_id)
        return dict(sealing.unseal(self._cipher(key_id)[1], row.sealed, bound))

    def _appointment_bound(self, id_: UUID, start: datetime, key_id: UUID) -> bytes:
        moment = start.astimezone(UTC).isoformat()
        return sealing.bind("appointment", 1, id_, self.case_id, moment, key_id)

    def forget(self, key_ids: Iterable[UUID]) -> None:
        """Lose keys whose rows were just destroyed: from now on this view opens what everybody else still opens."""
        gone = frozenset(key_ids)
        self._ciphers = {one: found for one, found in self._ciphers.items() if one not in gone}
        self._keys = {scope: one for scope, one in self._keys.items() if one not in gone}
        self.erased |= gone
        self._read.clear()

    def once(self, what: str, read: Callable[[], Found]) -> Found:
        """What a page's services read with this view one after the other, read once; gone when the view closes.

        For units that only read: who writes reads anew, under its own lock.
        """
        if what not in self._read:
            self._read[what] = read()
        found: Found = self._read[what]
        return found

    def has_read(self, what: str) -> bool:
        """Whether `once` has it already."""
        return what in self._read

    def close(self) -> None:
        """Forget all keys and what was opened; a closed view raises NotYours."""
        self._ciphers, self._keys, self._writes = {}, {}, frozenset()
        self.heads, self.card, self._read = {}, {}, {}

    def _for_writing(self, scope: Scope, definition: str = "") -> UUID:
        key_id = self.key_of(scope)
        if not self.may_write(definition):
            raise Denied
        return key_id

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


def open_head(row: Any, key_id: UUID, cipher: AESGCM) -> Head:
    """The head of a record, or of these columns of one: id, case, rev, head. By its case's head key. Raises Damaged."""
    value = sealing.unseal(cipher, row.head, _head_bound(row.id, row.case_id, row.rev, key_id))
    return Head(record=row.id, case=row.case_id, rev=row.rev, **value)


def open_card(row: Case, key_id: UUID, cipher: AESGCM) -> dict[str, Any]:
    """The card of a case by its head key. Raises Damaged."""
    return dict(sealing.unseal(cipher, row.card, _card_bound(row.id, row.rev, key_id)))


def _head_bound(record: UUID, case: UUID, rev: int, key_id: UUID) -> bytes:
    return sealing.bind("head", 1, record, case, rev, key_id)


def _card_bound(case: UUID, rev: int, key_id: UUID) -> bytes:
    return sealing.bind("card", 1, case, rev, key_id)


# ------------------------------------------------------------------ one request
@dataclass
class _Request:
    """A request in this process. Its random id goes with every call, so that the keyholder knows it too."""

    id: str = field(default_factory=lambda: uuid4().hex)
    views: list[KeyView] = field(default_factory=list)
    whole: str = ""  # the id of the request that this one is apart in
    who: dict[str, Who] = field(default_factory=dict, repr=False)  # by token
    opened: dict[tuple[object, ...], KeyView] = field(default_factory=dict, repr=False)


_REQUEST: ContextVar[_Request | None] = ContextVar("request", default=None)


@contextmanager
def request() -> Iterator[None]:
    """One request: views are opened for one purpose only, and close at its end. One inside another is the same."""
    if _REQUEST.get() is not None:
        yield
        return
    with _anew():
        yield


@contextmanager
def apart() -> Iterator[None]:
    """One item of a pack: a request of its own inside another, which has opened nothing and opens nothing after it.

    Its purpose and its case are its own, and its views close at its end. Whose token it is, it knows of the other.
    Raises NotYours: a view is open already.
    """
    current = _REQUEST.get()
    if current is not None and current.views:
        raise NotYours
    with _anew(current):
        yield


@contextmanager
def _anew(around: _Request | None = None) -> Iterator[None]:
    mine = _Request(who=around.who, whole=around.whole or around.id) if around else _Request()
    token = _REQUEST.set(mine)
    try:
        yield
    finally:
        _REQUEST.reset(token)
        for view in mine.views:
            view.close()


def request_id() -> str:
    """The id of the request we are in; empty outside of one, where nothing is compared."""
    current = _REQUEST.get()
    return current.id if current else ""


def whole_id() -> str:
    """The same, but what is apart inside a request counts as that request: for what opens nothing."""
    current = _REQUEST.get()
    return (current.whole or current.id) if current else ""


def who_once(token: str, ask: Callable[[str], Who]) -> Who:
    """The account of a token, asked once a request; outside of one each time. It opens nothing.

    What opens something is asked of the keyholder, and it looks at the session again (`view_once`).
    """
    current = _REQUEST.get()
    if current is None:
        return ask(token)
    if token not in current.who:
        current.who[token] = ask(token)
    return current.who[token]


def view_once(purpose: Purpose, ask: Callable[..., Given], *asked: object) -> KeyView:
    """The view of a case, asked for once a request where `ONCE` says so; outside of one each time.

    A page reads a case through several services: session, role and grant are looked at for the request.
    """
    current = _REQUEST.get()
    if current is None or purpose not in ONCE:
        return view_of(ask(*asked))
    if asked not in current.opened:
        current.opened[asked] = view_of(ask(*asked))
    return current.opened[asked]


def forget_asked() -> None:
    """Something was written, or refused: who is there and what they may open is asked anew, and read anew."""
    current = _REQUEST.get()
    if current is not None:
        current.who.clear()
        current.opened.clear()


def view_of(given: Given) -> KeyView:
    """The view of what was given, closed with the request we are in."""
    view, current = KeyView(given), _REQUEST.get()
    if current is not None:
        current.views.append(view)
    return view
