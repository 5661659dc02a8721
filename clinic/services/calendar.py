"""A calendar file with one partner's reminders: made only when that person asks, and never more than “Reminder”.

It is opened as that partner's sheet of the plan: the same keys, the same gate, the same refusal. Steps of the plan for
both come through the gate of their joint sheet; while that is closed they are not there. Nothing in it says
what the reminder is for, whose case it is, or whether there is anybody else (CONFIDENTIALITY, “What each output may
hold”). Its entries have new random ids in every file, so that no two files can be laid side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.audience import SHEETS, About
from clinic.domain.errors import Invalid, NotFound, Refused
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.homework import PLAN, Task, tasks
from clinic.domain.reminder import REMINDER, Left, Reminder, reminders
from clinic.persistence import audit, texts
from clinic.persistence.keyholder import KeyView
from clinic.persistence.keyview import apart
from clinic.persistence.models import Part
from clinic.persistence.store import Store
from clinic.services import records, spoken
from clinic.services import records_parts as parts
from clinic.services.unit_of_work import ident, unit_of_work

NAME: Final = "reminder.ics"
MIME: Final = "text/calendar"
MAKER: Final = "-//Reminder//Reminder//EN"  # PRODID: names no product and no clinic


@dataclass(frozen=True)
class CalendarFile:
    """The file, empty bytes when no step has a weekday and a time; and the steps that are left out."""

    data: bytes = field(repr=False)
    left: tuple[Left, ...] = field(repr=False)


def for_partner(store: Store, token: str, case_id: str, partner: Partner, asked: bool) -> CalendarFile:
    """The reminders of one partner's finished plan and of the joint one. Raises Invalid (nobody asked), Refused."""
    if partner not in PARTNERS:
        raise NotFound
    if not asked:
        raise Invalid({"asked": "required"})
    together = _together(store, token, case_id)
    with unit_of_work(store, token) as session:
        audit.note(session, "calendar.made", case=case_id, recipient=partner)
        view = store.keyholder.open(token, ident(case_id), SHEETS[partner], PLAN, partner)
        planned = [*_tasks(session, view, partner), *together]
        found, left = reminders(planned, partner, store.today())
        language = view.card.get(partner, {}).get("language") or "en"
        if not found:
            audit.unsay(session)
            audit.note(session, "print.view", case=view.case_id, recipient=partner)
        data = written(found, spoken.book(store, language).text(REMINDER), store.settings.time_zone) if found else b""
        return CalendarFile(data, left)


def _together(store: Store, token: str, case_id: str) -> tuple[Task, ...]:
    """The steps of the plan for both, if it may be printed for both now: a request of its own, its gate its own."""
    try:
        with apart(), unit_of_work(store, token) as session:
            audit.note(session, "print.view", case=case_id, recipient="joint")
            return _tasks(session, store.keyholder.open(token, ident(case_id), "sheet:joint", PLAN, "joint"), "couple")
    except Refused:
        return ()


def _tasks(session: Session, view: KeyView, about: About) -> tuple[Task, ...]:
    """The steps of the newest finished plan about somebody, as far as this view reads."""
    head = records.newest(view.heads, PLAN, about)
    if head is None:
        return ()
    mine = session.scalars(select(Part).where(Part.record_id == head.record, Part.key_id.in_(view.key_ids))).all()
    answers, _ = parts.opened_parts(view, head, mine)
    return tasks(texts.read(session, head.sha), about, answers, str(head.record), date.fromisoformat(head.held_on))


def written(found: Sequence[Reminder], word: str, zone: str) -> bytes:
    """The reminders as an iCalendar file (RFC 5545), times in `zone`, each entry the one word."""
    from icalendar import Calendar, Event, Timezone

    made = Calendar()
    made.add("prodid", MAKER)
    made.add("version", "2.0")
    first, last = min(one.first for one in found), max(_end(one) for one in found)
    place = Timezone.from_tzid(zone, first_date=first.date() - timedelta(1), last_date=last.date() + timedelta(7))
    place.pop("comment", None)
    made.add_component(place)
    for one in found:
        entry = Event()
        entry.add("summary", word)
        entry.add("dtstart", one.first.replace(tzinfo=ZoneInfo(zone)))
        entry.add("rrule", {"freq": "weekly", "byday": [day[:2].upper() for day in one.days], "count": one.count})
        entry.add("uid", str(uuid4()))
        entry.add("dtstamp", datetime(one.first.year, one.first.month, one.first.day, tzinfo=UTC))
        made.add_component(entry)
    data: bytes = made.to_ical()
    return data


def _end(one: Reminder) -> datetime:
    """A moment after which it comes no more."""
    return one.first + timedelta(weeks=one.count)
