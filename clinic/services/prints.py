"""What went out: a row for every sheet of a case, its code only as a tag, the rest sealed for its recipient."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.audience import RECIPIENTS, SHEETS, Recipient
from clinic.domain.errors import Refused
from clinic.domain.print_job import PrintJob as PrintJob
from clinic.persistence import audit
from clinic.persistence.keyview import KeyView, apart
from clinic.persistence.models import Print
from clinic.persistence.store import Store
from clinic.services.unit_of_work import ident, unit_of_work


@dataclass(frozen=True)
class Note:
    """What is kept of a sheet that is about to leave.

    `sha`: the definition's text on it; `record`: the one whose answers stand on it; `plan`: what it is a review of;
    `known`: answers that a sheet to fill in began with. By these its code leads to where answers are keyed in
    (`entry`).
    """

    case_id: str
    code: str
    job: PrintJob
    sha: str = ""
    record: str = ""
    plan: str = ""
    known: Mapping[str, Any] | None = field(default=None, repr=False)


def note(store: Store, token: str, case_id: str, code: str, job: PrintJob, *more: Any, **named: Any) -> None:
    """Store that a sheet was printed, before its bytes are handed over: the fields of `Note`.

    Raises Refused if the gate closed since.
    """
    one = Note(case_id, code, job, *more, **named)
    with unit_of_work(store, token, write=True) as session:
        _said(session, one)
        session.add(_row(store, *_view(store, token, one), one, store.keyholder.code_tag(code)))


def note_all(
    store: Store, token: str, wanted: Sequence[Note], also: Callable[[Session], None] = lambda _: None
) -> list[int]:
    """The same for many that leave together: all rows or none. `also` is done with the rows, in their transaction.

    The places of those whose gate closed since; then nothing is stored. Each is sealed in a request of its own, copies
    of one sheet for one reader together.
    """
    refused: list[int] = []
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, one in enumerate(wanted):
        alike.setdefault((one.case_id, one.job.recipient or "", one.job.sheet, one.job.record), []).append(place)
    try:
        with unit_of_work(store, token, write=True) as session:
            rows = dict[int, Print]()
            for one in wanted:
                _said(session, one)
            tags = store.keyholder.code_tags([one.code for one in wanted])
            for places in alike.values():
                try:
                    with apart():
                        view, scope = _view(store, token, wanted[places[0]])
                        rows |= {place: _row(store, view, scope, wanted[place], tags[place]) for place in places}
                except Refused:
                    refused += places
            refused.sort()
            if refused:  # the audit names what was refused, and nothing that was not done
                audit.unsay(session)
                for place in refused:
                    _said(session, wanted[place])
                raise Refused
            session.add_all(rows[place] for place in range(len(wanted)))
            also(session)
    except Refused:
        if not refused:
            raise
    return refused


def _said(session: Session, one: Note) -> None:
    audit.note(session, "print.made", case=one.case_id, record=one.job.record, recipient=one.job.recipient)


def _view(store: Store, token: str, one: Note) -> tuple[KeyView, Recipient]:
    """Its reader's view, and who that is. Raises Refused (the gate)."""
    job = one.job
    if job.recipient is None:
        raise ValueError("a blank belongs to no case")
    named = ident(job.record) if job.record else None
    view = store.keyholder.open(token, ident(one.case_id), SHEETS[job.recipient], job.sheet, job.recipient, named)
    return view, job.recipient


def _row(store: Store, view: KeyView, scope: Recipient, one: Note, tag: bytes) -> Print:
    """A row, sealed for its reader."""
    job, print_id = one.job, uuid4()
    content = {
        "sheet": job.sheet,
        "locales": list(job.tags),
        "paper": job.paper,
        "large": job.large,
        "draft": job.draft,
        "home": job.home,
        "record": one.record or job.record,
        "sha": one.sha,
        "plan": one.plan,
        "known": dict(one.known or {}),
        "code": one.code,
        "day": store.today().isoformat(),
    }
    key_id, sealed = view.seal_print(print_id, scope, content)
    return Print(id=print_id, case_id=view.case_id, code_tag=tag, key_id=key_id, sealed=sealed)


@dataclass(frozen=True)
class Sent:
    """A sheet that went out: for whom, which, on which day, its code, and whether it left the room.

    `record`: the record whose answers stood on it, empty for a sheet to fill in.
    """

    recipient: Recipient
    sheet: str
    day: date
    code: str
    home: bool
    record: str = ""


def given(store: Store, token: str, case_id: str) -> list[tuple[Recipient, str, date]]:
    """What went out for a case so far: recipient, sheet, day. For the staff layer; the map reads it."""
    return [(one.recipient, one.sheet, one.day) for one in sent(store, token, case_id)]


def sent(store: Store, token: str, case_id: str) -> list[Sent]:
    """The same with codes, the oldest first. For the staff layer."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        return list(view.once("prints", lambda: _sent(session, view)))


def _sent(session: Session, view: KeyView) -> list[Sent]:
    found = []
    for row in session.scalars(select(Print).where(Print.case_id == view.case_id)):
        scope = view.scope_of(row.key_id)
        if scope in RECIPIENTS:
            content = view.open_print(row)
            day, home = date.fromisoformat(content["day"]), bool(content.get("home"))
            record = str(content.get("record", ""))
            found.append(Sent(scope, str(content["sheet"]), day, str(content["code"]), home, record))
    return sorted(found, key=lambda one: one.day)


def uneven(found: Iterable[Sent], day: date) -> dict[str, int]:
    """The mirror rule (CLINICAL_RULES D): how many sheets each partner got on a day, if the numbers differ."""
    counts = {who: sum(one.recipient == who and one.day == day for one in found) for who in ("a", "b")}
    return counts if counts["a"] != counts["b"] else {}
