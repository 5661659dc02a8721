"""Whether everything is as it was written: the database, every sealed value, the triggers, the audit chain.

What is found is one plain line each, with case codes and ids, never with content.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from clinic.domain.errors import Usage
from clinic.persistence import audit, triggers
from clinic.persistence import store as stores
from clinic.persistence.keyholder import Head, Keyholder, KeyView, NotYours
from clinic.persistence.models import Account, Appointment, Audit, Autosave, Case, KeyRing, Part, Print, Record
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from clinic.services.unit_of_work import unit_of_work

MOST: Final = 200  # lines; more say no more
_BATCH: Final = 1000
Hashes = dict[tuple[str, str, str], str]


def anchor(store: Store) -> dict[str, Any]:
    """Count and last MAC of the audit: kept elsewhere, it tells whether the end was cut off since."""
    with unit_of_work(store) as session:
        last = session.scalars(select(Audit).order_by(Audit.seq.desc()).limit(1)).one_or_none()
        return {
            "count": last.seq if last else 0,
            "head": last.mac.hex() if last else "",
            "day": last.day.isoformat() if last else "",
        }


def verify(store: Store, anchor: Mapping[str, Any] | None = None) -> list[str]:
    """What is wrong, the worst first; empty when nothing is. The keys have to be in this process.

    `anchor`: of a backup, to be held against the audit.
    """
    if not isinstance(store.keyholder, Keyholder):
        raise Usage("Stop the server first: verify opens every record by itself.")
    stores.refuse_narrowed(store.engine)
    with unit_of_work(store, unscoped="verify") as session:
        if damaged := _damaged(session):
            return [damaged]  # what is read from such a file means nothing
        found = _references(session) + _triggers(session)
        lines, hashes = _chain(session, store.keyholder, anchor or {})
        found += lines
        found += _cases(session, store.keyholder, hashes)
    return found[:MOST]


def read_anchor(path: Path) -> dict[str, Any]:
    """The anchor in a file: one JSON object, or the last of several lines. Raises Usage."""
    try:
        text = path.read_text("utf-8").strip().splitlines()
        value = json.loads(text[-1])
        return {"count": int(value["count"]), "head": str(value["head"])}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        raise Usage(f"{path} is not an anchor.") from None


# --------------------------------------------------------------------------- database
def _damaged(session: Session) -> str:
    """What SQLite's own checks say; PostgreSQL has none that a client can run."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return ""
    try:
        if connection.exec_driver_sql("PRAGMA cipher_integrity_check").first():
            return "The database file is damaged: a page does not fit its checksum."
        if connection.exec_driver_sql("PRAGMA integrity_check").scalar() != "ok":
            return "The database file is damaged: its tables do not fit together."
    except OperationalError:
        raise
    except DatabaseError:
        return "The database file is damaged: it cannot be read to its end."
    return ""


def _references(session: Session) -> list[str]:
    """Rows that refer to nothing; PostgreSQL lets none come about."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return []
    broken = {row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
    return [f"In the table {one} a row refers to one that is not there." for one in sorted(broken)]


def _triggers(session: Session) -> list[str]:
    return [f"The trigger {name} is not there as it was made." for name in triggers.wrong(session.connection())]


# --------------------------------------------------------------------------- audit
def _chain(session: Session, keyholder: Keyholder, anchor: Mapping[str, Any]) -> tuple[list[str], Hashes]:
    """Walk the chain once: its first fault, the anchor, and the last hash of every sealed value."""
    found: list[str] = []
    hashes: Hashes = {}
    after, mac, met = 0, b"", not anchor.get("count")
    while rows := audit.lines(session, after, _BATCH):
        if not found and (wrong := keyholder.audit_check(rows, mac)):
            found.append(wrong)
        for row in rows:
            met = met or (row.seq == anchor.get("count") and row.mac.hex() == anchor.get("head"))
            _collect(keyholder, row, hashes)
        after, mac = rows[-1].seq, rows[-1].mac
        session.expunge_all()
    if not met and after < anchor["count"]:
        found.append(f"The audit has {after} lines; the anchor knows {anchor['count']}: the end was cut off.")
    elif not met:
        found.append(f"Line {anchor['count']} of the audit is another one than the anchor knows.")
    return found, hashes


def _collect(keyholder: Keyholder, row: Audit, hashes: Hashes) -> None:
    try:
        payload = keyholder.audit_read([row])[0]
    except Damaged:
        return  # the chain says so already
    for kind, id_, key, digest in payload.get("wrote", ()):
        hashes[(kind, id_, key)] = digest


# --------------------------------------------------------------------------- sealed values
def _cases(session: Session, keyholder: Keyholder, hashes: Hashes) -> list[str]:
    found: list[str] = []
    accounts = list(session.scalars(select(Account.id)))
    ids = list(session.scalars(select(Case.id).order_by(Case.code)))
    for id_ in ids:
        case = session.get_one(Case, id_)
        found += [f"Case {case.code}: {line}" for line in _case(session, keyholder, case, accounts, hashes)]
        session.expunge_all()
        if len(found) > MOST:
            break
    gone = sum(1 for digest in hashes.values() if digest)
    if gone and len(found) <= MOST:
        found.append(f"{gone} sealed values that the audit knows are not there.")
    return found


def _case(session: Session, keyholder: Keyholder, case: Case, accounts: list[UUID], hashes: Hashes) -> Iterator[str]:
    """Everything of one case that does not open, or is not what was written last."""
    ring = list(session.scalars(select(KeyRing).where(KeyRing.case_id == case.id)))
    views, closed = keyholder.whole(case.id, ring, accounts)
    yield from (f"a key does not open ({one})." for one in closed)
    erased = {one.id for one in ring if not one.kid}
    main = views[0]
    yield from _value(hashes, "card", case.id, None, case.card, "its card", lambda: main.open_card(case))
    for row in session.scalars(select(Record).where(Record.case_id == case.id).order_by(Record.id)):
        what = f"record {row.id}"
        yield from _value(hashes, "head", row.id, None, row.head, f"the head of {what}", partial(main.open_head, row))
        head = _head(main, row)
        for part in session.scalars(select(Part).where(Part.record_id == row.id)):
            view = _holder(views, part.key_id)
            opens = _opening(view, partial(_part, part, head), head, part.key_id in erased)
            yield from _value(hashes, "part", row.id, part.key_id, part.sealed, f"a part of {what}", opens)
        for saved in session.scalars(select(Autosave).where(Autosave.record_id == row.id)):
            view = _holder(views, saved.key_id)
            opens = _opening(view, partial(_typing, saved, head), head, saved.key_id in erased)
            yield from _open(opens, f"typing kept for {what}")
    for printed in session.scalars(select(Print).where(Print.case_id == case.id)):
        view = _holder(views, printed.key_id)
        opens = _opening(view, partial(_print, printed), True, printed.key_id in erased)
        yield from _open(opens, f"print {printed.id}")
    for meeting in session.scalars(select(Appointment).where(Appointment.case_id == case.id)):
        yield from _open(partial(main.open_appointment, meeting), f"appointment {meeting.id}")


def _part(part: Part, head: Any, view: KeyView) -> object:
    return view.open(part, head)


def _typing(saved: Autosave, head: Any, view: KeyView) -> object:
    return view.open_autosave(saved, head)


def _print(printed: Print, view: KeyView) -> object:
    return view.open_print(printed)


def _head(view: KeyView, row: Record) -> Head | None:
    try:
        return view.open_head(row)
    except (Damaged, NotYours):
        return None


def _holder(views: list[KeyView], key_id: UUID) -> KeyView | None:
    return next((view for view in views if view.scope_of(key_id)), None)


def _opening(
    view: KeyView | None, opens: Callable[[KeyView], object], head: object, erased: bool
) -> Callable[[], object]:
    """How a value is opened: not at all when its key was destroyed, or when its head says so already."""

    def act() -> object:
        if erased or head is None:
            return None
        if view is None:
            raise Damaged
        return opens(view)

    return act


def _value(
    hashes: Hashes, kind: str, id_: UUID, key: UUID | None, sealed: bytes, what: str, opens: Callable[[], object]
) -> Iterator[str]:
    """A sealed value: it opens, and it is the one that was written last."""
    last = hashes.pop((kind, str(id_), str(key or "")), None)
    refused = next(_open(opens, what), None)
    if refused:
        yield refused
    elif last is None:
        yield f"{what} was not written by this program."
    elif last != audit.digest(sealed):
        yield f"{what} is not what was written last."


def _open(opens: Callable[[], object], what: str) -> Iterator[str]:
    try:
        opens()
    except (Damaged, NotYours):
        yield f"{what} does not open."


def run(store: Store, anchor_file: Path | None) -> list[str]:
    """`clinic verify`: what is wrong, and a note that somebody looked."""
    found = verify(store, read_anchor(anchor_file) if anchor_file else None)
    with unit_of_work(store, write=True) as session:
        audit.note(session, "verify.done", problems=len(found))
    return found
