"""Appointments: when a couple comes. Start and case code are plain; how long it is and who comes is staff's.

A count of meetings alone is a secret: who comes is opened by the staff layer of one case and by nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from clinic.domain.audience import Recipient
from clinic.domain.errors import Invalid, NotFound
from clinic.domain.roles import rights
from clinic.persistence import audit
from clinic.persistence.keyview import KeyView
from clinic.persistence.models import Account, Case
from clinic.persistence.models import Appointment as Row
from clinic.persistence.store import Store
from clinic.services.cases import locked
from clinic.services.unit_of_work import ident, unit_of_work

Who = Literal["both", "a", "b"]
WHO: Final[tuple[Who, ...]] = ("both", "a", "b")
MINUTES: Final = (10, 480)  # of one appointment
YEARS: Final = (2000, 2200)  # in which a meeting may lie
# Whose sheets are handed over when these come.
PRESENT: Final[dict[Who, tuple[Recipient, ...]]] = {"both": ("a", "b", "joint"), "a": ("a",), "b": ("b",)}


@dataclass(frozen=True)
class Slot:
    """A start by the clinic's clock, and the code of the case. `case` is empty for who sees codes only."""

    start: datetime
    code: str
    case: str = ""


@dataclass(frozen=True)
class Appointment:
    """One appointment as the staff layer reads it; `start` by the clinic's clock."""

    id: str
    case: str
    start: datetime
    minutes: int
    who: Who

    @property
    def present(self) -> tuple[Recipient, ...]:
        """Whose sheets may be handed over there."""
        return PRESENT[self.who]


def zone(store: Store) -> ZoneInfo:
    """The clinic's time zone."""
    return ZoneInfo(store.settings.time_zone)


def today(store: Store) -> date:
    """The day by the clinic's clock."""
    return store.clock().astimezone(zone(store)).date()


# --------------------------------------------------------------------------- one case
def add(store: Store, token: str, case_id: str, day: date, at: time, minutes: int, who: str) -> str:
    """A new appointment; its id. Raises Invalid (day, minutes, who), NotFound."""
    attends = _checked(day, minutes, who)
    with unit_of_work(store, token, write=True) as session:
        id_ = uuid4()
        audit.note(session, "appointment.added", case=case_id, appointment=id_)
        view = store.keyholder.open(token, ident(case_id), "staff")
        start = _moment(store, day, at)
        sealed = view.seal_appointment(id_, start, {"minutes": minutes, "who": attends})
        _touch(store, session, view)
        session.add(Row(id=id_, case_id=view.case_id, start=start, sealed=sealed))
        return str(id_)


def move(store: Store, token: str, appointment_id: str, day: date, at: time, minutes: int, who: str) -> str:
    """Another start, length or company; the id of the case. Raises Invalid, NotFound."""
    attends = _checked(day, minutes, who)
    with unit_of_work(store, token, write=True) as session:
        row = _row(session, appointment_id)
        audit.note(session, "appointment.moved", case=row.case_id, appointment=row.id)
        view = store.keyholder.open(token, row.case_id, "staff")
        _touch(store, session, view)
        row.start = _moment(store, day, at)
        row.sealed = view.seal_appointment(row.id, row.start, {"minutes": minutes, "who": attends})
        return str(row.case_id)


def cancel(store: Store, token: str, appointment_id: str) -> str:
    """Take an appointment away; the id of the case. Raises NotFound."""
    with unit_of_work(store, token, write=True) as session:
        row = _row(session, appointment_id)
        audit.note(session, "appointment.cancelled", case=row.case_id, appointment=row.id)
        _touch(store, session, store.keyholder.open(token, row.case_id, "staff"))
        session.execute(delete(Row).where(Row.id == row.id))
        return str(row.case_id)


def read(store: Store, token: str, appointment_id: str) -> Appointment:
    """One appointment. For the staff layer. NotFound for an unknown and a foreign one alike."""
    with unit_of_work(store, token) as session:
        row = _row(session, appointment_id)
        audit.note(session, "case.staff_view", case=row.case_id)
        return _opened(store, store.keyholder.open(token, row.case_id, "staff"), row)


def of_case(store: Store, token: str, case_id: str, since: date | None = None) -> list[Appointment]:
    """The appointments of a case from a day on, the first one first. For the staff layer."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        wanted = select(Row).where(Row.case_id == view.case_id)
        if since is not None:
            wanted = wanted.where(Row.start >= _moment(store, since, time()))
        return [_opened(store, view, row) for row in session.scalars(wanted.order_by(Row.start))]


# --------------------------------------------------------------------------- many cases, plain columns only
def of_day(store: Store, token: str, day: date) -> list[Slot]:
    """The starts and codes of a day: of the own cases, for the front desk of all. No view is opened."""
    begin, end = _moment(store, day, time()), _moment(store, day + timedelta(days=1), time())
    wanted = (
        select(Row.start, Case.code, Case.id)
        .join(Case, Case.id == Row.case_id)
        .where(Row.start >= begin, Row.start < end, Case.archived.is_(False))
        .order_by(Row.start, Case.code)
    )
    agenda = _agenda(store, token)
    with unit_of_work(store, token, unscoped="agenda") if agenda else unit_of_work(store, token) as session:
        audit.note(session, "appointment.view")
        rows = session.execute(wanted).all()
    return [Slot(_local(store, start), code, "" if agenda else str(case)) for start, code, case in rows]


def coming(store: Store, token: str, cases: Iterable[str]) -> dict[str, datetime]:
    """The next start of each of these own cases that has one, by its id."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        nearest = func.min(Row.start, type_=Row.start.type)
        mine = Row.case_id.in_([ident(one) for one in cases])
        wanted = select(Row.case_id, nearest).where(mine, Row.start >= store.clock()).group_by(Row.case_id)
        return {str(case): _local(store, start) for case, start in session.execute(wanted)}


def _agenda(store: Store, token: str) -> bool:
    """Whether this account sees the codes of all, and is nobody whose sign-in was reset."""
    who = store.keyholder.who(token)
    if not rights(who.role).agenda:
        return False
    with unit_of_work(store, token) as session:
        account = session.get(Account, who.account)
        return account is not None and account.active and account.confirmed and not account.temporary


# --------------------------------------------------------------------------- how it is done
def _row(session: Session, appointment_id: str) -> Row:
    row = session.get(Row, ident(appointment_id))
    if row is None:
        raise NotFound
    return row


def _opened(store: Store, view: KeyView, row: Row) -> Appointment:
    content = view.open_appointment(row)
    return Appointment(str(row.id), str(row.case_id), _local(store, row.start), int(content["minutes"]), content["who"])


def _touch(store: Store, session: Session, view: KeyView) -> None:
    """The case is in use: nobody closes it for its age."""
    locked(session, view.case_id).touched_on = store.today()


def _checked(day: date, minutes: int, who: str) -> Who:
    wrong: dict[str, str] = {}
    if not YEARS[0] <= day.year < YEARS[1]:
        wrong["day"] = "not_a_date"
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        wrong["minutes"] = "out_of_range"
    attends = next((one for one in WHO if one == who), None)
    if attends is None:
        wrong["who"] = "not_an_option"
    if wrong or attends is None:
        raise Invalid(wrong)
    return attends


def _moment(store: Store, day: date, at: time) -> datetime:
    """A day and a time on the clinic's clock as a moment, to the minute."""
    return datetime.combine(day, at.replace(second=0, microsecond=0), zone(store)).astimezone(UTC)


def _local(store: Store, moment: datetime) -> datetime:
    return moment.astimezone(zone(store))
