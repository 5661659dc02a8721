"""How it goes, sharing with both, the couple view, and the calendar file, by their pages."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar

from clinic.domain.answer import Checked
from clinic.services import records, release
from tests.plans import planned
from tests.web.conftest import Clinic, finished, post, prepared

SECRET = "ZQnobodyelseQZ"


@pytest.fixture
def seen(clinic: Clinic) -> Clinic:
    """Ana's case at full, with check-ins of both, the last one of A with words."""
    prepared(clinic)
    for ago, a, b in ((20, 3, 7), (10, 4, 6)):
        for who, value in (("a", a), ("b", b)):
            check_in(clinic, who, ago, trust=value)
    check_in(clinic, "a", 0, calm=5, better="We laughed <b>twice</b>.", remarks=SECRET)
    return clinic


def check_in(clinic: Clinic, about: Any, ago: int, better: str = "", remarks: str = "", **aims: int) -> str:
    answers: dict[str, Any] = {"aims": [{"id": id_, "rating": value} for id_, value in aims.items()]}
    answers |= {name: text for name, text in (("better", better), ("remarks", remarks)) if text}
    day = clinic.store.today() - timedelta(ago)
    id_ = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "check_in", about, day)
    records.finish(clinic.store, clinic.tokens["ana"], id_, 1, Checked(answers, {}, {}))
    return id_


def with_words(clinic: Clinic) -> str:
    listed = records.listing(clinic.store, clinic.tokens["ana"], clinic.case)
    return [one.id for one in listed if one.definition_id == "check_in" and one.about == "a"][-1]


def shared(clinic: Clinic, ana: FlaskClient, place: str = "better") -> Any:
    """The whole way: choose, look, say yes."""
    address = f"/records/{with_words(clinic)}/share"
    look = post(ana, address, place=place)
    fields = dict(re.findall(r'<input type="hidden" name="(seen|place)" value="([^"]*)"', look.text))
    day = clinic.store.today().isoformat()
    return look, post(ana, address, **fields, agreed="1", day=day, do="share")


# --------------------------------------------------------------------------- how it goes
def test_each_partner_has_charts_of_their_own(seen: Clinic, ana: FlaskClient) -> None:
    text = ana.get(f"/cases/{seen.case}/course").text
    cards = dict(re.findall(r'<section class="card" aria-labelledby="(aims-[ab])">(.*?)</section>', text, re.S))
    assert 'class="chart-line chart-a"' in cards["aims-a"]
    assert "chart-b" not in cards["aims-a"]
    assert "chart-a" not in cards["aims-b"].replace("chart-axis", "")
    assert cards["aims-a"].count("<svg viewBox") == 2
    assert cards["aims-b"].count("<svg viewBox") == 1
    assert text.count("no validated measure") == 1
    for title, desc in re.findall(r"<title[^>]*>(.+?)</title><desc[^>]*>(.+?)</desc>", cards["aims-a"], re.S):
        assert title
        assert "From 0 to 10." in html.unescape(desc)
    assert "not rated" in cards["aims-a"]
    assert "average" not in text.lower().replace("we add nothing up", "")


def test_the_first_layer_and_the_couple_view_know_nothing_of_it(seen: Clinic, ana: FlaskClient) -> None:
    plan = finished(seen.store, seen.tokens["ana"], seen.case, "homework_plan", "couple", planned("We talk"))
    for who, outcome in (("a", "done"), ("b", "worse")):
        id_ = records.start(seen.store, seen.tokens["ana"], seen.case, "homework_review", who, of_record=plan)  # type: ignore[arg-type]
        records.finish(seen.store, seen.tokens["ana"], id_, 1, Checked({"first": outcome}, {}, {}))
    course = ana.get(f"/cases/{seen.case}/course").text
    assert "two different words" in course
    assert "It made things worse." in course
    assert "reason to ask" in course
    for path in (f"/cases/{seen.case}", f"/cases/{seen.case}/couple", f"/cases/{seen.case}/print", "/"):
        text = ana.get(path).text
        for word in ("worse", "different words", "chart-line", "We laughed", SECRET):
            assert word not in text, (path, word)


def test_with_nothing_there_it_says_so(clinic: Clinic, ana: FlaskClient) -> None:
    text = ana.get(f"/cases/{clinic.case}/course").text
    assert text.count("No finished check-in yet.") == 2
    assert "Share with both" not in text
    assert "<figure" not in text


# --------------------------------------------------------------------------- sharing
def test_an_answer_goes_to_both_after_it_was_shown_and_agreed_to(seen: Clinic, ana: FlaskClient) -> None:
    record = with_words(seen)
    assert f"/records/{record}/share" in ana.get(f"/records/{record}").text
    assert SECRET not in ana.get(f"/records/{record}/share").text
    look, done = shared(seen, ana)
    assert "We laughed &lt;b&gt;twice&lt;/b&gt;." in look.text
    assert done.status_code == 303
    assert done.location.endswith(f"/cases/{seen.case}/course")
    couple = ana.get(f"/cases/{seen.case}/couple").text
    assert "A shared" in couple
    assert "We laughed &lt;b&gt;twice&lt;/b&gt;." in couple
    assert SECRET not in couple
    assert "both may read it" in ana.get(f"/records/{record}/share").text


def test_without_a_yes_nothing_goes(seen: Clinic, ana: FlaskClient) -> None:
    address = f"/records/{with_words(seen)}/share"
    look = post(ana, address, place="better")
    mark = re.search(r'name="seen" value="([0-9a-f]{64})"', look.text)
    assert mark
    for fields in (
        {},
        {"agreed": "1", "day": ""},
        {"agreed": "1", "day": "soon"},
        {"day": seen.store.today().isoformat()},
    ):
        reply = post(ana, address, place="better", seen=mark[1], do="share", **({"day": ""} | fields))
        assert reply.status_code == 422
        assert "Error: Case" in reply.text
    changed = {"agreed": "1", "day": seen.store.today().isoformat(), "do": "share"}
    assert post(ana, address, place="better", seen="0" * 64, **changed).status_code == 409
    assert post(ana, address, place="remarks", seen=mark[1], **changed).status_code == 404
    assert "A shared" not in ana.get(f"/cases/{seen.case}/couple").text


def test_it_can_be_taken_back_from_two_places(seen: Clinic, ana: FlaskClient) -> None:
    for where in ("course", "record"):
        shared(seen, ana)
        page = ana.get(f"/cases/{seen.case}/course").text
        found = re.search(r"/records/([0-9a-f-]{36})/withdraw", page)
        assert found
        if where == "record":
            page = ana.get(f"/records/{found[1]}").text
            assert "Add to this record" not in page
            assert "Correct this record" not in page
            assert f"/records/{found[1]}/withdraw" in page
        assert post(ana, f"/records/{found[1]}/withdraw").status_code == 303
        assert "We laughed" not in ana.get(f"/cases/{seen.case}/couple").text
        assert post(ana, f"/records/{found[1]}/withdraw").status_code == 409


def test_both_see_one_picture_when_both_shared_the_aim(seen: Clinic, ana: FlaskClient) -> None:
    couple = f"/cases/{seen.case}/couple"
    for who, pictures in (("a", 0), ("b", 1)):
        look = post(ana, f"/cases/{seen.case}/aim", owner=who, aim="trust")
        mark = re.search(r'name="seen" value="([0-9a-f]{64})"', look.text)
        assert mark
        fields = {"agreed": "1", "day": seen.store.today().isoformat(), "do": "share"}
        done = post(ana, f"/cases/{seen.case}/aim", owner=who, aim="trust", seen=mark[1], **fields)
        assert done.status_code == 303
        assert ana.get(couple).text.count('class="chart-line') == pictures * 2
    assert "I feel calm about us" not in ana.get(couple).text
    assert post(ana, f"/cases/{seen.case}/aim", owner="a", aim="growth").status_code == 404


def test_under_hold_it_waits(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic, "hold")
    check_in(clinic, "a", 0, better="We laughed.", calm=3)
    address = f"/records/{with_words(clinic)}/share"
    assert "Not now" in ana.get(address).text
    assert "Choose" not in ana.get(address).text
    mark = release.of_record(clinic.store, clinic.tokens["ana"], with_words(clinic)).offers[-1]
    fields = {"agreed": "1", "day": clinic.store.today().isoformat(), "do": "share", "seen": mark.seen}
    assert post(ana, address, place=mark.place, **fields).status_code == 409
    assert "We laughed" not in ana.get(f"/cases/{clinic.case}/couple").text


# --------------------------------------------------------------------------- calendar
def test_a_calendar_file_is_made_when_the_person_asked(seen: Clinic, ana: FlaskClient) -> None:
    address = f"/cases/{seen.case}/calendar"
    answers = planned(SECRET, ("mon",), "09:00", seen.store.today())
    finished(seen.store, seen.tokens["ana"], seen.case, "homework_plan", "a", answers)
    assert 'name="asked" value="1">' in ana.get(address).text
    assert post(ana, address, to="a").status_code == 422
    assert post(ana, address, asked="1").status_code == 422
    assert post(ana, address, to="joint", asked="1").status_code == 422
    reply = post(ana, address, to="a", asked="1")
    assert reply.mimetype == "text/calendar"
    assert reply.headers["Content-Disposition"] == "attachment; filename=reminder.ics"
    assert SECRET.encode() not in reply.data
    assert len(list(Calendar.from_ical(reply.data).walk("VEVENT"))) == 1
    nothing = post(ana, address, to="b", asked="1")
    assert nothing.status_code == 422
    assert SECRET not in nothing.text
    assert "There is nothing to remind of" in nothing.text


def test_it_says_what_is_missing_on_the_plan(seen: Clinic, ana: FlaskClient) -> None:
    finished(seen.store, seen.tokens["ana"], seen.case, "homework_plan", "a", planned("A walk", ("mon",)))
    text = post(ana, f"/cases/{seen.case}/calendar", to="a", asked="1").text
    assert "A walk" in text
    assert "no time of day is set" in text
    assert "no weekday" not in text


def test_a_closed_gate_says_the_one_line(clinic: Clinic, ana: FlaskClient) -> None:
    reply = post(ana, f"/cases/{clinic.case}/calendar", to="a", asked="1")
    assert reply.status_code == 409
    assert "This sheet cannot be printed now. The reason is in the staff layer." in reply.text
