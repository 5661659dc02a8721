"""From the code on a sheet of paper to the record that its answers are keyed into.

A code that is unknown, of somebody else's case, or of another reader's sheet is answered in one way, and as late: each
look-up opens the staff view of one own case, the print's or any. What cannot be a code is found without a look-up.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain import code as codes
from clinic.domain.audience import RECIPIENTS, Recipient, about_of
from clinic.domain.errors import Invalid, NotFound
from clinic.persistence import audit, texts
from clinic.persistence.keyholder import KeyView
from clinic.persistence.models import Case, Print, Record
from clinic.persistence.store import Store
from clinic.services import records, throttle
from clinic.services.unit_of_work import current, unit_of_work


@dataclass(frozen=True)
class Found:
    """The record of a sheet. `printed`: its answers stood on the paper already, so it is there to be read."""

    record: str
    printed: bool = False


def find(store: Store, token: str, typed: str, recipient: str, day: date | None = None) -> Found:
    """The record that the answers of a sheet belong in; begun now, if it is the first time. `recipient`: whose it is.

    `day`: when it was filled in, today if nobody says. Raises Invalid (`code`: a slip of the pen; `to`; `day`: still
    to come), TooMany, and NotFound for every code that opens nothing here.
    """
    code, day = codes.normalised(typed), day or store.today()
    faults = {} if codes.fits(code) else {"code": "no_code"}
    faults |= {} if recipient in RECIPIENTS else {"to": "required"}
    faults |= {} if day <= store.today() else {"day": "not_a_date"}
    if faults:
        raise Invalid(faults)
    tags = {"account": store.keyholder.throttle_tag("sheet", str(store.keyholder.who(token).account))}
    with unit_of_work(store, write=True) as session:
        throttle.count(session, tags, store.clock())
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "print.entered")  # a refusal names no case
        made, view = _print(store, session, token, code)
        scope = view.scope_of(made.key_id) if made else None
        if made is None or scope not in RECIPIENTS or scope != recipient:
            raise NotFound
        audit.unsay(session)
        audit.note(session, "print.entered", case=view.case_id, recipient=scope)
        found = _record(store, session, view, session.get_one(Print, made.id), scope, day)
        throttle.forgive(session, tags)
        return found


def _print(store: Store, session: Session, token: str, code: str) -> tuple[Any, KeyView]:
    """Ids of an own print (or None), and the staff view of its case, or of any own case: always the same work.

    Columns only: a row that becomes an object is looked at once more (`scope`), which would take its time.
    """
    any_ = session.scalar(select(Case.id).limit(1))
    wanted = select(Print.id, Print.case_id, Print.key_id).where(Print.code_tag == store.keyholder.code_tag(code))
    made = session.execute(wanted.with_for_update()).one_or_none()
    case = made.case_id if made else any_
    if case is None:
        raise NotFound
    return made, store.keyholder.open(token, case, "staff")


def _record(store: Store, session: Session, view: KeyView, row: Print, recipient: Recipient, day: date) -> Found:
    """What the sheet was printed from, what was begun from it, or else a new draft of the text on the paper."""
    content = view.open_print(row)
    if content.get("record"):
        return Found(str(content["record"]), printed=True)
    if _there(session, view, content.get("entry", "")):
        return Found(str(content["entry"]))
    # A sheet of an older version of this program does not say which text it has: then the newest.
    definition = texts.read(session, content["sha"]) if content.get("sha") else current(store, content["sheet"])
    plan = content.get("plan", "") if _there(session, view, content.get("plan", "")) else ""
    about, known = about_of(recipient), content.get("known") or {}
    audit.note(session, "record.started", case=view.case_id)
    record = records.begin(store, session, view, definition, about, day, plan, known)
    row.sealed = view.seal_print(row.id, recipient, content | {"entry": record})[1]
    return Found(record)


def _there(session: Session, view: KeyView, record: str) -> bool:
    """Whether a record is there, and of this case; a draft may have been thrown away."""
    row = session.get(Record, UUID(record)) if record else None
    return row is not None and row.case_id == view.case_id
