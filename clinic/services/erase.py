"""Erasing: a partner, or a case whose time is over. What is destroyed is the wrapped key; without it nothing opens.

First the erasure is written down outside the database (`erasures`), then everything else in one transaction. Cut off
in between, `resume` destroys the keys at the next start and `tidy` cleans the card when the case is opened next.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from clinic.domain.audience import CASE_SCOPES, Scope, scope_of
from clinic.domain.errors import Refused, SecondPerson
from clinic.persistence import audit, press_queue, sealing
from clinic.persistence.engine import BUSY
from clinic.persistence.keyview import Given, Head, KeyView
from clinic.persistence.models import Appointment, Autosave, Case, Grant, KeyRing, Part, Print, Record, Request
from clinic.persistence.store import Store
from clinic.persistence.vault import Vault, Wrapped
from clinic.services import cases, erasures, export, notices, release, retention, rulings
from clinic.services import records_parts as parts
from clinic.services.cases import PartnerCard
from clinic.services.erasures import Erased, Whom
from clinic.services.unit_of_work import ident, unit_of_work

Person = Literal["a", "b"]
TOUCHING: Final[tuple[Scope, ...]] = ("joint", "staff_couple", "process")  # may tell of one partner all the same
_PATIENCE: Final = 10.0  # s that a reader may hold up the sweeping of the files
_LOCKED: Final = "55P03"  # PostgreSQL: a lock was not to be had in time


@dataclass(frozen=True)
class ToLookAt:
    """A record that stays and may tell of the person: a human reads it. `scopes` are those with an answer."""

    id: str
    title: Any
    held_on: str
    scopes: tuple[Scope, ...]


# --------------------------------------------------------------------------- the acts
def person(store: Store, token: str, case_id: str, whom: Person, request: str) -> bool:
    """Erase one partner's own answers and, unless there is a duty to keep them, staff's notes about them.

    `request` is what a second person agreed to. True when staff's notes went too. Raises StepUp, SecondPerson,
    NotFound.
    """
    with unit_of_work(store, token, write=True, unscoped="erase") as session:
        view, row = _open(store, session, token, case_id, whom, request)
        known = retention.kept(row, view.open_card(row), store.settings.retention_years)
        scopes: tuple[Scope, ...] = (whom,) if known.duty(store.today()) else (whom, scope_of("staff", whom))
        keys = [view.key_of(scope) for scope in scopes if scope in _scopes(view)]
        erasures.add(store.keyholder, store.settings, view.case_id, whom, keys, store.today())
        carry_out(store, session, view, row, whom, keys)
        _noted(store, session, row, "erase.done", request)
    scrub(store)
    return len(scopes) > 1


def case(store: Store, token: str, case_id: str, request: str) -> None:
    """Erase a case whose time is over: every key but that of the empty shell. Raises Refused (hold, or too early)."""
    with unit_of_work(store, token, write=True, unscoped="erase") as session:
        view, row = _open(store, session, token, case_id, "case", request)
        known = retention.kept(row, view.open_card(row), store.settings.retention_years)
        if known.hold or known.over_on > store.today():
            raise Refused
        keys = _all_but_head(session, view)
        erasures.add(store.keyholder, store.settings, view.case_id, "case", keys, store.today())
        carry_out(store, session, view, row, "case", keys)
        _noted(store, session, row, "retention.done", request)
    scrub(store)


def to_look_at(store: Store, token: str, case_id: str) -> list[ToLookAt]:
    """Joint, couple's and process texts with an answer: they may tell of an erased person. For the staff layer."""
    with unit_of_work(store, token) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        found = []
        for one in parts.all_opened(session, view):
            scopes = tuple(
                scope for scope in TOUCHING if scope in one.parts and view.open(one.parts[scope], one.head)["answers"]
            )
            if scopes:
                found.append(ToLookAt(str(one.row.id), one.definition.title, one.head.held_on, scopes))
        return found


# --------------------------------------------------------------------------- after a cut
def resume(store: Store) -> int:
    """Destroy the keys that are on the list and still there: an erasure was cut off. How many. For the start."""
    listed = erasures.read(store.keyholder, erasures.merge(erasures.places(store.settings)))
    if not listed:
        return 0
    with unit_of_work(store, write=True, unscoped="erase") as session:
        ids = {UUID(key) for one in listed for key in one.keys}
        found = [row.id for row in session.scalars(select(KeyRing).where(KeyRing.kid != 0)) if row.id in ids]
        _destroy(session, found)
        if found:
            audit.note(session, "erase.resumed")
    scrub(store)
    return len(found)


def tidy(store: Store, token: str, case_id: str) -> None:
    """Clean card and heads of a case after an erasure that was cut off. For the staff layer; mostly does nothing."""
    mine = [one for one in erasures.read(store.keyholder, erasures.merge(erasures.places(store.settings)))
            if one.case == str(ident(case_id))]  # fmt: skip
    if not mine:
        return
    with unit_of_work(store, token, write=True, unscoped="erase") as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        row = cases.locked(session, view.case_id)
        known = set(view.open_card(row).get("erased") or ())
        for one in mine:
            if one.whom not in known:
                carry_out(store, session, view, row, one.whom, [UUID(key) for key in one.keys])
                audit.note(session, "erase.resumed", case=row.id)


def apply(store: Store, vault: Vault, listed: Iterable[Erased]) -> int:
    """Carry out a list of erasures in a database that was restored; how many were not in it yet."""
    count = 0
    with unit_of_work(store, write=True, unscoped="restore") as session:
        for one in listed:
            row = session.get(Case, UUID(one.case))
            if row is None:
                continue
            view = _maintenance(session, vault, row.id)
            if one.whom not in (view.open_card(row).get("erased") or ()):
                keys = _all_but_head(session, view) if one.whom == "case" else [UUID(key) for key in one.keys]
                carry_out(store, session, view, row, one.whom, keys)
                audit.note(session, "erase.resumed", case=row.id)
                count += 1
    scrub(store)
    return count


# --------------------------------------------------------------------------- how it is done
def carry_out(store: Store, session: Session, view: KeyView, row: Case, whom: Whom, keys: Collection[UUID]) -> None:
    """Destroy keys and whatever told of the person in card and heads, in a unit that is open already."""
    _destroy(session, keys)
    view.forget(keys)
    _empty_heads(session, view)
    _cancel(session, view, whom)
    _take_back(store, session, view, whom)
    session.flush()
    card = view.open_card(row)
    erased = sorted({*(card.get("erased") or ()), whom})
    today = store.today()
    if whom == "case":
        nobody = {one: asdict(PartnerCard()) for one in cases.PARTNERS}
        shell = {"partners": nobody, "closed_on": today.isoformat(), "erased": erased, "ruling": rulings.first(store)}
        session.execute(delete(Grant).where(Grant.case_id == row.id))
        cases.write_card(row, view, shell, row.touched_on)
        row.archived = True
        return
    partners = {**card["partners"], whom: asdict(PartnerCard())}
    before = dict(card.get("ruling") or {})
    if "overrides" in before:
        before["overrides"] = [one for one in before["overrides"] if one.get("recipient") != whom]
    ruling = rulings.made(store, parts.for_map(session, view), before)
    cases.write_card(row, view, card | {"partners": partners, "ruling": ruling, "erased": erased}, row.touched_on)


def scrub(store: Store) -> None:
    """Take the old bytes of changed rows out of the database's files, as far as the database can."""
    connection = store.engine.raw_connection()
    try:
        if store.engine.dialect.name == "sqlite":
            _empty_log(connection)
        else:
            _rewrite(connection)
    finally:
        connection.close()


def _empty_log(connection: Any) -> None:
    # secure_delete has overwritten the row in its page; the log still holds older pages until it is emptied.
    end, cursor = time.monotonic() + _PATIENCE, connection.cursor()
    cursor.execute("PRAGMA busy_timeout=100")
    try:
        while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] and time.monotonic() < end:
            time.sleep(0.1)  # a reader is in the way; if it stays there, the next start does it
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY * 1000}")


def _rewrite(connection: Any) -> None:
    # VACUUM alone leaves the old row's bytes in its page; FULL writes the table's file anew. The pages' role of
    # PostgreSQL may not, without an error: a function of the owner does the same for it.
    driver, end = connection.driver_connection, time.monotonic() + _PATIENCE
    driver.rollback()
    driver.autocommit = True
    try:
        driver.execute("SET lock_timeout = 100")  # ms; while it waits for a reader, everybody else waits for it
        narrowed = driver.execute("SELECT row_security_active('key_ring')").fetchone()[0]
        statement = "SELECT clinic_guard.rewrite('{}')" if narrowed else 'VACUUM FULL "{}"'
        for table in ("key_ring", "press_key", "press_item", "case", "record", "autosave", "print", "appointment"):
            while not _rewritten(driver, statement.format(table)) and time.monotonic() < end:
                time.sleep(0.1)  # as above: if the reader stays there, the next start does it
    finally:
        driver.execute("RESET lock_timeout")
        driver.autocommit = False


def _rewritten(driver: Any, statement: str) -> bool:
    """False when somebody reads the table."""
    try:
        driver.execute(statement)
    except Exception as error:
        if getattr(error, "sqlstate", "") != _LOCKED:
            raise
        return False
    return True


def _destroy(session: Session, keys: Collection[UUID]) -> None:
    """The keys go, with what was typed and printed under them; their rows stay, empty."""
    for row in session.scalars(select(KeyRing).where(KeyRing.id.in_(keys))):
        row.kid, row.wrapped = 0, b""
    for table in (Autosave, Print):
        session.execute(delete(table).where(table.key_id.in_(keys)))
    if keys:  # whose sheets wait for the press is sealed, so all that wait go: they are asked for again
        press_queue.drop_all(session.connection())
    session.flush()


def _empty_heads(session: Session, view: KeyView) -> None:
    """Records of which nothing opens any more: drafts go, of signed ones an empty head stays."""
    rows = session.scalars(select(Record).where(Record.case_id == view.case_id)).all()
    keys: dict[UUID, set[UUID]] = {row.id: set() for row in rows}
    for part in session.scalars(select(Part).where(Part.record_id.in_(keys))):
        keys[part.record_id].add(part.key_id)
    for row in rows:
        if keys[row.id] and keys[row.id] <= view.erased:
            if row.signed:
                row.head = view.seal_head(_nothing(row))
            else:
                session.execute(delete(Autosave).where(Autosave.record_id == row.id))
                session.execute(delete(Part).where(Part.record_id == row.id))
                session.execute(delete(Record).where(Record.id == row.id))
                session.expunge(row)


def _cancel(session: Session, view: KeyView, whom: Whom) -> None:
    """Appointments of somebody alone tell of that person; those of both stay. Of a closed case all go."""
    for row in session.scalars(select(Appointment).where(Appointment.case_id == view.case_id)).all():
        try:
            tells = whom in ("case", view.open_appointment(row)["who"])
        except sealing.Damaged:  # it opens for nobody: no reason to keep it, and none to keep anything else
            tells = True
        if tells:
            session.delete(row)


def _take_back(store: Store, session: Session, view: KeyView, whom: Whom) -> None:
    """What somebody shared was a copy of an answer that is gone now: nobody reads it any more in a page for both."""
    if whom == "case":
        return
    session.flush()
    for one in release.stands(view, parts.all_opened(session, view)):
        if one.owner == whom:
            release.end(store, session, view, one.record)


def _nothing(row: Record) -> Head:
    return Head(row.id, row.case_id, row.rev, "couple", "", 0, "", "", "", "", "")


def _open(store: Store, session: Session, token: str, case_id: str, whom: Whom, request: str) -> tuple[KeyView, Case]:
    """The view for an erasure to which somebody else agreed: to this one, of this partner."""
    view = store.keyholder.open(token, ident(case_id), "erase", request=ident(request))
    row = session.get(Request, ident(request))
    if row is None or store.keyholder.office_open(row.id, row.sealed).get("partner") != whom:
        raise SecondPerson
    export.done(session, row.id)
    return view, cases.locked(session, view.case_id)


def _noted(store: Store, session: Session, row: Case, verb: str, request: str) -> None:
    audit.note(session, verb, case=row.id, request=ident(request))
    readers = [row.counsellor_id, *notices.supervisors_of(session, row.counsellor_id)]
    notices.put_all(store, session, readers, "erased", code=row.code)


def _scopes(view: KeyView) -> set[Scope | None]:
    return {view.scope_of(key) for key in view.key_ids}


def _all_but_head(session: Session, view: KeyView) -> list[UUID]:
    """Every key of the case, process notes of every author too; the head's opens the empty shell."""
    rows = session.scalars(select(KeyRing).where(KeyRing.case_id == view.case_id, KeyRing.kid != 0))
    return [row.id for row in rows if row.id != view.key_of("head")]


def _maintenance(session: Session, vault: Vault, case_id: UUID) -> KeyView:
    """A view of a case without a session: for a restore, which holds the recovery key."""
    keys: dict[Scope, tuple[UUID, bytes]] = {}
    erased = set()
    for row in session.scalars(select(KeyRing).where(KeyRing.case_id == case_id)):
        if row.kid == 0:
            erased.add(row.id)
        for scope in CASE_SCOPES if row.kid else ():
            try:
                keys[scope] = (row.id, vault.unwrap_bytes(Wrapped(row.id, row.kid, row.wrapped), scope, case_id))
            except sealing.Damaged:
                continue  # the key of another scope
    return KeyView(Given("erase", case_id, case_id, keys, frozenset(erased)))
