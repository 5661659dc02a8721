"""The audit: what a unit of work notes is written in its own transaction, sealed and chained, or nothing is done.

A line holds who, when, a verb, ids, and the hash of every part, head and card that the unit wrote. It never holds
content. Services say what they are about to do (`note`), then do it: if it is refused, the line says `denied`.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.orm import Mapper, ORMExecuteState, Session

from clinic.persistence.keyview import request_id
from clinic.persistence.models import Audit, Base, Case, Part, Record

# Every verb there is. The group before the dot is what the audit page filters by.
VERBS: Final = (
    "account.activated",
    "account.confirmed",
    "account.created",
    "account.deactivated",
    "account.factors_reset",
    "account.name_changed",
    "account.password_set",
    "account.role",
    "account.supervisor",
    "appointment.added",
    "appointment.cancelled",
    "appointment.moved",
    "appointment.view",
    "audit.view",
    "backup.made",
    "calendar.made",
    "case.archived",
    "case.card",
    "case.couple_view",
    "case.opened",
    "case.staff_view",
    "case.taken_back",
    "case.view",
    "case.written",
    "caseload.view",
    "choice.confirmed",
    "choice.declined",
    "choice.taken_back",
    "consent.withdrawn",
    "denied",
    "erase.asked",
    "erase.done",
    "erase.resumed",
    "export.a",
    "export.b",
    "export.file",
    "export.joint",
    "export.staff_a",
    "export.staff_b",
    "factor.added",
    "factor.codes",
    "factor.removed",
    "factor.used_code",
    "grant.ended",
    "grant.opened",
    "hold.lifted",
    "machine.accepted",
    "machine.revoked",
    "notice.seen",
    "override.made",
    "pack.cancelled",
    "pack.collected",
    "pack.submitted",
    "print.entered",
    "print.made",
    "print.previewed",
    "print.view",
    "record.added_to",
    "record.autosave",
    "record.corrected",
    "record.discarded",
    "record.moved",
    "record.saved",
    "record.signed",
    "record.started",
    "record.view",
    "release.made",
    "release.taken_back",
    "request.asked",
    "request.confirmed",
    "request.refused",
    "restore.done",
    "retention.done",
    "retention.hold",
    "retention.lifted",
    "retention.until",
    "rotation.done",
    "session.begun",
    "session.couple",
    "session.ended",
    "session.failed",
    "session.left_couple",
    "session.locked",
    "session.out",
    "session.stepped_up",
    "session.unlocked",
    "transfer.asked",
    "transfer.done",
    "translation.commented",
    "translation.dismissed",
    "translation.exported",
    "translation.granted",
    "translation.marked",
    "translation.proposed",
    "translation.proved",
    "translation.revoked",
    "verify.done",
)
_KNOWN: Final = frozenset(VERBS)
UNNAMED: Final = "case.written"  # what a unit wrote without a word of its own
DENIED: Final = "denied"
VIEWS: Final = frozenset({one for one in VERBS if one.endswith(("view", "previewed"))} | {DENIED})

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/-]{0,64}\Z")
_RESERVED: Final = frozenset({"verb", "when", "wrote", "seq", "day"})
_BOOK: Final = "clinic_audit"
_REMEMBERED: Final = 4096  # views noted in the requests of late
_LOCK: Final = 0x5EC5_BA5E  # PostgreSQL: one appends at a time
_AT_ONCE: Final = 100  # lines sealed in one call of the keyholder
# A statement for each line, never one with many rows: the trigger looks at the line before.
_LINE: Final = insert(Audit)
_seen: OrderedDict[tuple[Any, ...], None] = OrderedDict()
_seen_lock = Lock()

Key = tuple[str, UUID, UUID | None]  # head, record · part, record, key · card, case
_COLUMN: Final[Mapping[type[Base], tuple[str, str]]] = {
    Part: ("part", "sealed"),
    Record: ("head", "head"),
    Case: ("card", "card"),
}


class Sealer(Protocol):
    """What the audit needs of the keyholder."""

    def audit_seal_all(
        self, seq: int, day: Any, previous_mac: bytes, payloads: Sequence[Mapping[str, Any]]
    ) -> list[tuple[bytes, bytes]]:
        """Sealed payload and MAC of each line."""


@dataclass
class Book:
    """What a unit has noted so far, and what it wrote: the hash of each sealed value, empty for one that went."""

    account: UUID | None
    entries: list[dict[str, str]] = field(default_factory=list)
    wrote: dict[Key, bytes | None] = field(default_factory=dict)
    unread: set[Key] = field(default_factory=set)
    seen: set[tuple[Any, ...]] = field(default_factory=set)


# --------------------------------------------------------------------------- noting
def open_book(session: Session, account: UUID | None) -> Book:
    """Begin to note for a unit of this account (None: nobody is signed in yet)."""
    book = Book(account)
    session.info[_BOOK] = book
    return book


def reopen(session: Session, book: Book) -> None:
    """Go on with a book in another session."""
    session.info[_BOOK] = book


def note(
    session: Session,
    verb: str,
    /,
    *,
    case: UUID | str | None = None,
    record: UUID | str | None = None,
    account: UUID | str | None = None,
    actor: UUID | str | None = None,
    **ids: UUID | str | int | None,
) -> None:
    """Say what this unit does, before it is done. Ids and fixed words only; anything longer is a ValueError.

    `account` is whom it concerns, `actor` who does it where nobody is signed in yet. The same view is noted once a
    request.
    """
    book: Book = session.info[_BOOK]
    if verb not in _KNOWN:
        raise ValueError(f"no verb of the audit: {verb}")
    named = {"case": _id(case), "record": _id(record), "target": account, "account": actor or book.account, **ids}
    entry = {"verb": verb} | {name: _plain(name, one) for name, one in named.items() if one not in (None, "")}
    key = (request_id(), *entry.items())
    if verb in VIEWS:
        if key in book.seen or (request_id() and key in _seen):
            return
        book.seen.add(key)
    book.entries.append(entry)


def unsay(session: Session) -> None:
    """What this unit does was noted before and needs no line of its own."""
    session.info[_BOOK].entries.clear()


def take(into: Book, book: Book) -> None:
    """Let one book write what another one noted; the same view of the same request once."""
    for one in book.entries:
        key = (request_id(), *one.items())
        if one["verb"] not in VIEWS or key not in into.seen:
            into.entries.append(one)
    into.seen |= book.seen
    book.entries = []


def _id(value: UUID | str | None) -> UUID | None:
    """An id as it came from an address; what is none is left out."""
    try:
        return value if isinstance(value, UUID) else UUID(value or "")
    except ValueError:
        return None


def _plain(name: str, value: UUID | str | int | None) -> str:
    text = str(value)
    if name in _RESERVED or not _PLAIN.match(text):
        raise ValueError(f"not an id: {name}")
    return text


def denied(book: Book, why: str) -> None:
    """Turn what was about to be done into what was refused; `why` is the name of the error."""
    tried = book.entries or [{"verb": "", **({"account": str(book.account)} if book.account else {})}]
    book.entries, book.wrote, book.unread, book.seen = [], {}, set(), set()
    for one in tried:
        entry = one | {"verb": DENIED, "why": why} | ({"tried": one["verb"]} if one["verb"] else {})
        key = (request_id(), *entry.items())
        if not (request_id() and key in _seen):
            book.entries.append(entry)
            book.seen.add(key)


def wrote(session: Session, kind: str, id_: UUID, key_id: UUID | None, sealed: bytes | None) -> None:
    """Report a sealed part, head or card that a Core statement wrote (None: deleted)."""
    session.info[_BOOK].wrote[(kind, id_, key_id)] = sealed


def pending(session: Session) -> bool:
    """Whether something is to be written."""
    book: Book = session.info[_BOOK]
    return bool(book.entries or book.wrote or book.unread)


# --------------------------------------------------------------------------- writing
def append(session: Session, sealer: Sealer, now: datetime, day: Any, before: Sequence[Mapping[str, Any]] = ()) -> None:
    """Write the lines of this unit at the end of the chain, in its transaction; `before`: those of earlier views."""
    book: Book = session.info[_BOOK]
    _read_back(session, book)
    if not (book.entries or book.wrote or before):
        return
    entries: list[dict[str, Any]] = [dict(one) for one in book.entries]
    if book.wrote and not entries:
        entries = [{"verb": UNNAMED} | ({"account": str(book.account)} if book.account else {})]
    hashes = [
        [kind, str(id_), str(key or ""), digest(one)] for (kind, id_, key), one in sorted(book.wrote.items(), key=str)
    ]
    if hashes:
        entries[-1]["wrote"] = hashes
    entries = [*map(dict, before), *entries]
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    table = Audit.__table__
    last = connection.execute(select(table.c.seq, table.c.mac).order_by(table.c.seq.desc()).limit(1)).one_or_none()
    seq, mac = (last.seq, last.mac) if last else (0, b"")
    when = {"when": now.isoformat(timespec="seconds")}
    for start in range(0, len(entries), _AT_ONCE):
        made = sealer.audit_seal_all(seq + 1, day, mac, [one | when for one in entries[start : start + _AT_ONCE]])
        lines = [
            {"seq": number, "day": day, "sealed": sealed, "mac": line_mac}
            for number, (sealed, line_mac) in enumerate(made, start=seq + 1)
        ]
        connection.execute(_LINE, lines)
        seq, mac = lines[-1]["seq"], lines[-1]["mac"]
    book.entries, book.wrote = [], {}


def remember(book: Book) -> None:
    """The unit is committed: its views need not be noted again in this request."""
    if not request_id():
        return
    with _seen_lock:
        for key in book.seen:
            _seen[key] = None
        while len(_seen) > _REMEMBERED:
            _seen.popitem(last=False)


def digest(sealed: bytes | None) -> str:
    """The hash of a sealed value as a line holds it; empty for one that is gone."""
    return "" if sealed is None else hashlib.sha256(sealed).hexdigest()[:32]


# --------------------------------------------------------------------------- what was written
def _key(target: Any) -> Key:
    if isinstance(target, Part):
        return ("part", target.record_id, target.key_id)
    return ("card" if isinstance(target, Case) else "head", target.id, None)


def _kept(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    book = _book_of(target)
    if book is not None and type(target) in _COLUMN:
        book.wrote[_key(target)] = getattr(target, _COLUMN[type(target)][1])


def _gone(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    book = _book_of(target)
    if book is not None and type(target) in _COLUMN:
        book.wrote[_key(target)] = None


def _book_of(target: Any) -> Book | None:
    session = Session.object_session(target)
    return session.info.get(_BOOK) if session is not None else None


def _in_bulk(state: ORMExecuteState) -> None:
    """UPDATE and DELETE by statement: which rows they meet is asked before, what they left is read at the end."""
    book: Book | None = state.session.info.get(_BOOK)
    if book is None or not (state.is_update or state.is_delete) or state.bind_mapper is None:
        return
    model = state.bind_mapper.class_
    if model not in _COLUMN:
        return
    kind, column = _COLUMN[model]
    statement: Any = state.statement
    if state.is_update and column not in {getattr(one, "name", one) for one in statement._values or {}}:
        return
    keys = (Part.record_id, Part.key_id) if model is Part else (model.id,)
    for row in state.session.execute(select(*keys).where(*statement._where_criteria), state.parameters):
        book.unread.add((kind, row[0], row[1] if model is Part else None))


def _read_back(session: Session, book: Book) -> None:
    """What bulk statements left, as it stands now."""
    for kind, id_, key_id in book.unread:
        book.wrote[(kind, id_, key_id)] = session.scalar(_stored(kind, id_, key_id))
    book.unread.clear()


def _stored(kind: str, id_: UUID, key_id: UUID | None) -> Any:
    if kind == "part":
        return select(Part.sealed).where(Part.record_id == id_, Part.key_id == key_id)
    return select(Record.head).where(Record.id == id_) if kind == "head" else select(Case.card).where(Case.id == id_)


def listen(sessions: type[Session]) -> None:
    """Watch what sessions of this kind write by statement."""
    event.listen(sessions, "do_orm_execute", _in_bulk)


for _name, _listener in (("after_insert", _kept), ("after_update", _kept), ("after_delete", _gone)):
    event.listen(Base, _name, _listener, propagate=True)


def lines(session: Session, after: int = 0, limit: int = 1000) -> Sequence[Audit]:
    """Lines of the chain in order."""
    return session.scalars(select(Audit).where(Audit.seq > after).order_by(Audit.seq).limit(limit)).all()
