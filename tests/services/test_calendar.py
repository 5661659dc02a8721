"""A calendar file: only when asked, only that partner's, only “Reminder” and when."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from icalendar import Calendar

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.errors import Invalid, NotFound, Refused
from clinic.domain.reminder import Reminder
from clinic.persistence.store import Store
from clinic.services import audit_log, calendar, cases, records, spoken
from clinic.services.audit_log import Filters
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from tests.filling import filled
from tests.plans import planned
from tests.web.conftest import Made, made

__all__ = ["made"]
SECRET = "ZQnobodyelseQZ"
AGREEMENT = "consent_and_secrets_policy"
BERLIN = ZoneInfo("Europe/Berlin")
ALLOWED = {
    "VCALENDAR": {"VERSION", "PRODID"},
    "VEVENT": {"SUMMARY", "DTSTART", "DTSTAMP", "UID", "RRULE"},
    "VTIMEZONE": {"TZID"},
    "STANDARD": {"DTSTART", "TZNAME", "TZOFFSETFROM", "TZOFFSETTO", "RDATE", "RRULE"},
    "DAYLIGHT": {"DTSTART", "TZNAME", "TZOFFSETFROM", "TZOFFSETTO", "RDATE", "RRULE"},
}


@dataclass(frozen=True)
class House:
    store: Store
    token: str
    ben: str
    case: str = ""

    def finish(self, definition: str, about: Any, answers: dict[str, Any], ago: int = 0) -> str:
        day = self.store.today() - timedelta(ago)
        id_ = records.start(self.store, self.token, self.case, definition, about, day)
        records.finish(self.store, self.token, id_, 1, Checked(answers, {}, {}))
        return id_

    def file(self, partner: Any = "a") -> bytes:
        return calendar.for_partner(self.store, self.token, self.case, partner, asked=True).data

    def at(self, level: str, **cards: PartnerCard) -> "House":
        """A case of its own at a level."""
        partners = {"a": PartnerCard(), "b": PartnerCard()} | cards
        house = replace(self, case=cases.open_case(self.store, self.token, partners))
        house.finish(AGREEMENT, "couple", filled(definitions()[AGREEMENT], "couple", lambda _: "Said."), 20)
        for who in ("a", "b"):
            held = {"day": (self.store.today() - timedelta(19)).isoformat()}
            house.finish("safety_screening", who, {"held": held, "conditions": "yes", "fear": "no"}, 19)
        house.finish("map", "couple", {"decision": level, "level_reason": SECRET}, 18)
        return house


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("calendar")
    shutil.copytree(made.folder, folder / "i")
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    store = Store.open(config.load(folder / "i", {"CLINIC_TIME_ZONE": "Europe/Berlin"}))
    yield House(store, made.tokens["ana"], made.tokens["ben"])
    store.close()


@pytest.fixture
def house(clinic: House) -> House:
    return clinic.at("full")


def events(data: bytes) -> list[Any]:
    return list(Calendar.from_ical(data).walk("VEVENT"))


def moments(event: Any) -> list[datetime]:
    """Every time an event comes, as a calendar works it out."""
    start = event["dtstart"].dt
    rule = rrulestr(event["rrule"].to_ical().decode(), dtstart=start.replace(tzinfo=None))
    return [one.replace(tzinfo=start.tzinfo) for one in rule]


def without_random(data: bytes) -> bytes:
    return re.sub(rb"UID:[0-9a-f-]+", b"UID:", data)


# --------------------------------------------------------------------------- what is in it
def test_a_file_has_a_word_and_a_time_and_nothing_else(house: House) -> None:
    start = house.store.today()
    answers = planned(SECRET, ("tue", "fri"), "18:30", start, 2)
    answers["plan"] += [{"id": row, "first": SECRET} for row in ("why", "place", "if", "then", "minimum")]
    house.finish("homework_plan", "a", answers)
    data = house.file()
    assert SECRET.encode() not in data
    made_ = Calendar.from_ical(data)
    for part in made_.walk():
        assert set(part.keys()) <= ALLOWED[part.name], part.name
    (event,) = events(data)
    assert event["summary"] == "Reminder"
    assert event["dtstart"].params["TZID"] == "Europe/Berlin"
    assert event["dtstamp"].dt == datetime.combine(event["dtstart"].dt.date(), datetime.min.time(), UTC)
    code = cases.name(house.store, house.token, house.case).code
    for word in (code, house.case, "Secure", "clinic", "ana", "homework", "VALARM", "partner", "PARTNER"):
        assert word.encode() not in data, word
    assert data.count(b"TZID:") == 1


def test_it_comes_on_the_ticked_days_of_its_weeks(house: House) -> None:
    start = house.store.today() + timedelta(1)
    house.finish("homework_plan", "a", planned("x", ("mon", "thu"), "07:05", start, 3))
    (event,) = events(house.file())
    found = moments(event)
    assert len(found) == 6
    assert {one.weekday() for one in found} == {0, 3}
    assert all(start <= one.date() < start + timedelta(21) for one in found)
    assert {one.strftime("%H:%M") for one in found} == {"07:05"}


@pytest.mark.parametrize(
    ("first", "offsets"), [(date(2026, 10, 20), (2, 1)), (date(2027, 3, 23), (1, 2)), (date(2026, 6, 1), (2, 2))]
)
def test_the_hour_stays_the_same_when_the_clocks_change(first: date, offsets: tuple[int, int]) -> None:
    """The file is read by what it says itself: its own VTIMEZONE, not the zone of whoever opens it."""
    one = Reminder(datetime.combine(first, datetime.min.time()).replace(hour=18, minute=30), ("tue", "sun"), 4)
    data = calendar.written([one], "Reminder", "Europe/Berlin")
    (event,) = events(data)
    found = moments(event)
    assert {moment.strftime("%H:%M") for moment in found} == {"18:30"}
    hours = [moment.astimezone(BERLIN).utcoffset() for moment in found]
    assert (hours[0], hours[-1]) == tuple(timedelta(hours=one) for one in offsets)
    zone = next(iter(Calendar.from_ical(data).walk("VTIMEZONE"))).to_tz()
    for moment in found:
        local = moment.replace(tzinfo=None)
        assert zone.utcoffset(local) == BERLIN.utcoffset(local), local


def test_it_speaks_the_language_of_its_reader(clinic: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Book:
        def __init__(self, tag: str) -> None:
            self.tag = tag

        def text(self, text: Any) -> str:
            return f"{text.en} {self.tag}"

    assert spoken.book(clinic.store, "en").text(calendar.REMINDER) == "Reminder"
    monkeypatch.setattr(spoken, "book", lambda store, tag: Book(tag))
    house = clinic.at("full", a=PartnerCard(language="es"), b=PartnerCard(language="ar"))
    for who in ("a", "b"):
        house.finish("homework_plan", who, planned("x", ("mon",), "09:00", house.store.today()))
    assert [events(house.file(who))[0]["summary"] for who in ("a", "b")] == ["Reminder es", "Reminder ar"]


# --------------------------------------------------------------------------- whose it is
def test_each_has_their_own_steps_and_the_joint_ones_they_take_part_in(house: House) -> None:
    today = house.store.today()
    house.finish("homework_plan", "a", planned("a", ("mon",), "09:01", today))
    house.finish("homework_plan", "b", planned("b", ("mon",), "09:02", today))
    for who, minutes in (("both", {"a": "01 03", "b": "02 03"}), ("partner_a", {"a": "01 03", "b": "02"})):
        house.finish("homework_plan", "couple", planned("both", ("mon",), "09:03", today, who=who))
        for partner, wanted in minutes.items():
            found = sorted(one["dtstart"].dt.strftime("%M") for one in events(house.file(partner)))
            assert " ".join(found) == wanted, (who, partner)


def test_nobody_can_lay_two_files_side_by_side(house: House) -> None:
    today = house.store.today()
    house.finish("homework_plan", "couple", planned("x", ("mon",), "09:00", today, who="both"))
    files = [house.file("a"), house.file("a"), house.file("b")]
    ids = [str(one["uid"]) for data in files for one in events(data)]
    assert len(ids) == len(set(ids)) == 3
    assert len({without_random(data) for data in files}) == 1


def test_a_file_is_the_same_whatever_the_other_has(clinic: House) -> None:
    today, files = clinic.store.today(), set()
    for other in (False, True):
        house = clinic.at("full")
        house.finish("homework_plan", "a", planned("x", ("mon", "wed"), "09:00", today, 2))
        if other:
            house.finish("homework_plan", "b", planned(SECRET, ("sun",), "23:59", today, 4))
            house.finish("homework_review", "b", {"first": "worse"})
            house.finish("check_in", "b", {"better": SECRET})
        files.add(without_random(house.file()))
    assert len(files) == 1


def test_only_the_newest_finished_plan_counts(house: House) -> None:
    today = house.store.today()
    house.finish("homework_plan", "a", planned("old", ("mon",), "08:00", today), 3)
    new = house.finish("homework_plan", "a", planned("new", ("mon",), "09:00", today))
    house.finish("homework_plan", "couple", {}, 1)
    draft = planned("draft", ("mon",), "10:00", today)
    records.start(house.store, house.token, house.case, "homework_plan", "a", answers=draft)
    assert [one["dtstart"].dt.hour for one in events(house.file())] == [9]
    fixed = records.correction(house.store, house.token, new, "misheard")
    records.finish(house.store, house.token, fixed, 1, Checked(planned("new", ("mon",), "11:00", today), {}, {}))
    assert [one["dtstart"].dt.hour for one in events(house.file())] == [11]


# --------------------------------------------------------------------------- when there is none
def test_it_is_made_only_when_the_person_asks(house: House) -> None:
    with pytest.raises(Invalid):
        calendar.for_partner(house.store, house.token, house.case, "a", asked=False)
    assert lines(house) == []


@pytest.mark.parametrize("to", ["joint", "couple", "", "staff_a"])
def test_it_is_for_one_partner(house: House, to: Any) -> None:
    with pytest.raises(NotFound):
        calendar.for_partner(house.store, house.token, house.case, to, asked=True)


def test_it_goes_through_the_gate_of_the_plan(clinic: House) -> None:
    house = clinic.at("hold")
    house.finish("homework_plan", "a", planned("x", ("mon",), "09:00", house.store.today()))
    with pytest.raises(Refused) as error:
        house.file()
    assert error.value.message_id == "refused"
    with pytest.raises(NotFound):
        calendar.for_partner(house.store, house.ben, house.case, "a", asked=True)
    assert [one.verb for one in audit_log.page(house.store, house.token, Filters("denied"), None).lines][:1] == [
        "denied"
    ]


@pytest.mark.parametrize(
    ("answers", "lacks"),
    [
        ({"days": ("mon",)}, ("time",)),
        ({"time": "09:00"}, ("days",)),
        ({}, ("days", "time")),
        ({"days": ("mon",), "time": "09:00", "start": date(2020, 1, 1)}, ("over",)),
    ],
)
def test_it_says_what_a_step_lacks(house: House, answers: dict[str, Any], lacks: tuple[str, ...]) -> None:
    house.finish("homework_plan", "a", planned("A walk", **answers))
    found = calendar.for_partner(house.store, house.token, house.case, "a", asked=True)
    assert found.data == b""
    assert [(one.step, one.lacks) for one in found.left] == [("A walk", lacks)]
    assert lines(house) == [], "no file, no line that says so"


def test_what_was_declined_is_no_reminder(house: House) -> None:
    declined = planned("x", ("mon",), "09:00", house.store.today()) | {"below_own": "not_wanted", "confidence": 2}
    house.finish("homework_plan", "a", declined)
    found = calendar.for_partner(house.store, house.token, house.case, "a", asked=True)
    assert (found.data, found.left) == (b"", ())


def test_the_audit_has_it(house: House) -> None:
    house.finish("homework_plan", "a", planned("x", ("mon",), "09:00", house.store.today()))
    house.file()
    assert lines(house) == ["calendar.made"]


def lines(house: House) -> list[str]:
    code = cases.name(house.store, house.token, house.case).code
    return [one.verb for one in audit_log.page(house.store, house.token, Filters("calendar", case=code), None).lines]
