"""The homework loop in the browser, without JavaScript: plan, taps in the next session, the next plan; and no leak."""

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.domain.answer import Checked
from clinic.domain.homework import tasks
from clinic.services import cases, homework, readiness, records
from clinic.services.cases import PartnerCard
from clinic.services.prints import PrintJob
from tests.sheets import page_of
from tests.web.conftest import PASSWORD, Clinic, finished, post, prepared

WEEK = timedelta(7)


def steps(first: str, minimum: str = "", harder: str = "", **more: str) -> dict[str, Any]:
    """The answers of a plan with one step."""
    words = {"task": first, "minimum": minimum, "harder": harder, **more}
    return {"plan": [{"id": row, "first": said} for row, said in words.items() if said]}


def planned(clinic: Clinic, about: Any, answers: dict[str, Any], days_ago: int = 7) -> str:
    """A finished plan of some days ago."""
    day = clinic.store.today() - timedelta(days_ago)
    token = clinic.tokens["ana"]
    made = records.start(clinic.store, token, clinic.case, "homework_plan", about, day)
    records.finish(clinic.store, token, made, 1, Checked(answers, {}, {}))
    return made


def loop(clinic: Clinic) -> homework.Loop:
    return homework.loop(clinic.store, clinic.tokens["ana"], clinic.case)


def begun(reply: Any) -> str:
    """The id of the record a reply leads to."""
    assert reply.status_code == 303, reply.get_data(as_text=True)[:2000]
    return str(reply.location).rsplit("/", 1)[-1]


def page(client: FlaskClient, address: str) -> str:
    reply = client.get(address)
    assert reply.status_code == 200
    return unescape(reply.get_data(as_text=True))


def session_form(ana: FlaskClient, clinic: Clinic) -> str:
    return page(ana, f"/records/{clinic.draft}")


def fields(text: str) -> dict[str, Any]:
    """The hidden fields of the session's form, as a browser without JavaScript sends them."""
    form = text[text.index('id="record"') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[: form.index("</form>")])
    return {name: value for name, value in found if name != "csrf_token"}


def name(plan: str, partner: str, path: str) -> str:
    return f"hw.{plan}.{partner}.{path}"


NOTE = {"present": ["partner_a"], "format": "dap"}


@pytest.fixture
def joint(clinic: Clinic) -> str:
    prepared(clinic)
    return planned(clinic, "couple", steps("Tea at eight", "Tea at the door", "Tea and a story"))


def test_a_session_opens_with_last_weeks_homework_of_each_apart(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    own = planned(clinic, "a", steps("WALKA in the park"))
    other = planned(clinic, "b", steps("READB a page"))
    text = session_form(ana, clinic)
    panels = re.findall(r'<details class="fold hw-panel" name="homework"( open)?>(.*?)</details>', text, re.S)
    assert [opened for opened, _ in panels] == [" open", ""], "never both open"
    for_a, for_b = (inside for _, inside in panels)
    assert "WALKA" in for_a
    assert "WALKA" not in for_b
    assert "READB" in for_b
    assert "READB" not in for_a
    assert "Tea at eight" in for_a
    assert "Tea at eight" in for_b
    for plan, partner in ((own, "a"), (other, "b"), (joint, "a"), (joint, "b")):
        values = re.findall(rf'type="radio" name="{re.escape(name(plan, partner, "first"))}" value="(\w+)"', text)
        assert values == ["done", "partly", "not", "did_not_help", "worse"], "five taps"


def test_a_plan_of_the_day_itself_or_one_that_was_heard_is_not_asked(clinic: Clinic, ana: FlaskClient) -> None:
    planned(clinic, "a", steps("too fresh"), days_ago=0)
    assert "hw-panel" not in session_form(ana, clinic)
    plan = planned(clinic, "a", steps("an old one"))
    assert "an old one" in session_form(ana, clinic)
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "homework_review", "a", {"first": "done"})
    assert "hw-panel" not in session_form(ana, clinic), "a review keyed in from paper counts too"
    assert {(one.plan, one.outcome) for one in loop(clinic).reviews} == {(plan, "done")}


def test_taps_become_reviews_of_each_one_and_never_stand_in_the_note(
    clinic: Clinic, ana: FlaskClient, joint: str
) -> None:
    sent = (
        fields(session_form(ana, clinic))
        | NOTE
        | {
            name(joint, "a", "first"): "partly",
            name(joint, "a", "first_barrier"): "too_big",
            name(joint, "a", "how_it_was.first.words"): "CANARYA the stairs",
            name(joint, "b", "first"): "done",
            name(joint, "b", "first_barrier"): "forgot",
        }
    )
    assert post(ana, f"/records/{clinic.draft}", **sent).status_code == 303
    known = loop(clinic)
    assert known.reviews == (), "a draft until the note is finished"
    assert set(known.begun) == {(joint, "a"), (joint, "b")}
    text = session_form(ana, clinic)
    assert 'value="partly" id' in text or re.search(r'value="partly"[^>]* checked', text)
    assert "CANARYA the stairs" in text
    sent = fields(text) | NOTE | {"held.day": clinic.store.today().isoformat(), "do": "finish"}
    kept = {
        name(joint, "a", "first"): "partly",
        name(joint, "a", "first_barrier"): "too_big",
        name(joint, "a", "how_it_was.first.words"): "CANARYA the stairs",
        name(joint, "b", "first"): "done",
    }
    assert post(ana, f"/records/{clinic.draft}", **sent, **kept).location.endswith("/work")
    found = {one.about: one for one in loop(clinic).reviews}
    assert (found["a"].outcome, found["a"].barrier, found["a"].words) == ("partly", "too_big", "CANARYA the stairs")
    assert (found["b"].outcome, found["b"].barrier) == ("done", ""), "a barrier belongs to what did not go well"
    token = clinic.tokens["ana"]
    for (plan, partner), record in loop(clinic).finished.items():
        review = records.read(clinic.store, token, record)
        assert (review.of_record, review.about, set(review.scopes)) == (plan, partner, {partner})
    assert "CANARYA" not in str(records.read(clinic.store, token, clinic.draft).answers)
    assert "hw-panel" not in page(ana, f"/records/{clinic.draft}"), "what is finished is asked no more"


@pytest.mark.parametrize("fault", ["missing", "unreadable", "conflict"])
def test_no_tap_is_lost_whatever_happens_to_the_note(fault: str, clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    sent = fields(session_form(ana, clinic)) | {name(joint, "b", "first"): "worse"}
    if fault == "missing":
        sent["do"] = "finish"
    elif fault == "unreadable":
        sent["held.day"] = "not a day"
    else:
        sent["rev"] = "7"
    reply = post(ana, f"/records/{clinic.draft}", **sent)
    assert reply.status_code == (409 if fault == "conflict" else 422)
    again = reply.get_data(as_text=True) if fault != "conflict" else session_form(ana, clinic)
    field = re.escape(name(joint, "b", "first"))
    assert re.search(rf'name="{field}" value="worse"[^>]* checked', again)


def test_a_tap_of_somebody_who_was_quicker_is_not_written_over(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    first = fields(session_form(ana, clinic))
    post(ana, f"/records/{clinic.draft}", **first, **NOTE, **{name(joint, "a", "first"): "done"})
    late = post(ana, f"/records/{clinic.draft}", **{**first, "rev": "2"}, **{
        name(joint, "a", "first"): "not", name(joint, "a", "how_it_was.first.words"): "LATE words",
    })  # fmt: skip
    assert late.status_code == 303
    review = loop(clinic).begun[joint, "a"]
    assert records.read(clinic.store, clinic.tokens["ana"], review).answers["first"] == "done"
    assert "Somebody else changed the homework answers" in page(ana, f"/records/{clinic.draft}")
    assert "LATE words" in page(ana, f"/records/{review}"), "kept, and given back on its own page"


def test_what_is_tapped_is_kept_while_it_is_typed(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    sent = fields(session_form(ana, clinic)) | {name(joint, "a", "first"): "not"}
    assert post(ana, f"/records/{clinic.draft}/typing", **sent).status_code == 204
    text = session_form(ana, clinic)
    assert re.search(r'value="not"[^>]* checked', text)
    sent = fields(text) | {name(joint, "a", "first"): "not"}  # a page that was open all the while still says rev 0
    sent[name(joint, "a", "rev")] = "0"
    assert post(ana, f"/records/{clinic.draft}", **sent).status_code == 303
    review = loop(clinic).begun[joint, "a"]
    assert records.read(clinic.store, clinic.tokens["ana"], review).answers["first"] == "not"


def test_made_it_worse_counts_at_once(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    token = clinic.tokens["ana"]
    level = lambda: cases.case_page(clinic.store, token, clinic.case, "staff").ruling["level"]  # noqa: E731
    assert level() == "full"
    sent = fields(session_form(ana, clinic)) | NOTE | {name(joint, "b", "first"): "worse"}
    post(ana, f"/records/{clinic.draft}", **sent)
    assert level() == "light", "the draft of a review lowers it"
    sent = fields(session_form(ana, clinic)) | NOTE | {
        name(joint, "b", "first"): "worse", "held.day": clinic.store.today().isoformat(), "do": "finish",
    }  # fmt: skip
    post(ana, f"/records/{clinic.draft}", **sent)
    assert level() == "light"
    assert "It made things worse" in page(ana, f"/cases/{clinic.case}/work")


def test_the_next_own_plan_shrinks_and_says_why_on_screen_only(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    plan = planned(clinic, "a", steps("Run a mile", "Put on the shoes"))
    review = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "homework_review", "a", of_record=plan)
    answers = {"first": "partly", "first_barrier": "too_big", "how_it_was": [{"id": "first", "words": "CANARY knees"}]}
    records.finish(clinic.store, clinic.tokens["ana"], review, 1, Checked(answers, {}, {}))
    text = page(ana, f"/cases/{clinic.case}/plan")
    assert "The step was too big." in text
    assert re.search(r'name="act:first" value="smaller" checked', text), "proposed, and one button takes it so"
    made = begun(post(ana, f"/cases/{clinic.case}/plan", plan=plan, **{"act:first": "smaller"}))
    record = records.read(clinic.store, clinic.tokens["ana"], made)
    (task,) = tasks(record.definition, "a", record.answers, made, record.held_on)
    assert (task.step, task.minimum, task.harder) == ("Put on the shoes", "", "Run a mile")
    assert "CANARY" not in str(record.answers)
    assert "too big" not in str(record.answers)


def test_nothing_is_chosen_for_a_plan_of_both_before_the_counsellor_does(
    clinic: Clinic, ana: FlaskClient, joint: str
) -> None:
    review = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "homework_review", "b", of_record=joint)
    words = [{"id": "first", "words": "CANARYB my shifts"}]
    answers = {"first": "not", "first_barrier": "no_time", "how_it_was": words}
    records.finish(clinic.store, clinic.tokens["ana"], review, 1, Checked(answers, {}, {}))
    text = page(ana, f"/cases/{clinic.case}/plan")
    assert "There was no time." in text
    assert not re.search(r'name="act:first"[^>]* checked', text)
    assert "CANARYB" not in text
    refused = post(ana, f"/cases/{clinic.case}/plan", plan=joint)
    assert refused.status_code == 422
    assert "Choose what becomes of each step." in refused.get_data(as_text=True)
    made = begun(post(ana, f"/cases/{clinic.case}/plan", plan=joint, **{"act:first": "smaller"}))
    assert records.read(clinic.store, clinic.tokens["ana"], made).answers["plan"][0] == {
        "id": "task", "first": "Tea at the door",
    }  # fmt: skip


def test_a_plan_from_the_stock_is_in_the_readers_language(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the stock may print in it: its words stand on the plan, where no mark says that they are a draft."""
    monkeypatch.setitem(readiness.LEAST, clinic.store.settings.print_when, "draft")  # type: ignore[misc]
    prepared(clinic)
    token = clinic.tokens["ana"]
    card = cases.case_page(clinic.store, token, clinic.case, "staff")
    cases.update_card(clinic.store, token, clinic.case, card.rev, {"a": PartnerCard(), "b": PartnerCard(language="es")})
    assert "Words in:" in page(ana, f"/cases/{clinic.case}/plan")
    item = "open_communication.note_before_talk"
    english, spanish = (
        records.read(clinic.store, token, begun(post(ana, f"/cases/{clinic.case}/plan", about=about, item=item)))
        for about in ("a", "b")
    )
    first = {one["id"]: one["first"] for one in english.answers["plan"]}
    assert first["task"].startswith("Before a talk, write three lines")
    assert set(first) == {"task", "why", "minimum", "harder", "stop"}
    other = {one["id"]: one["first"] for one in spanish.answers["plan"]}
    assert set(other) == set(first)
    assert not set(other.values()) & set(first.values())
    (task,) = tasks(english.definition, "a", english.answers, english.id, date.today())
    assert (task.item, task.minutes) == (item, 10)


@pytest.mark.parametrize(
    ("about", "items", "says"),
    [
        ("", ["open_communication.weekly_talk"], "Choose for whom the plan is."),
        ("a", ["appreciation.kind_act", "quality_time.evening_hour", "share_load"], "Choose two steps at most."),
        ("a", ["forgiveness.own_my_part"], "This may not be chosen now."),
        ("a", ["no.such"], "This may not be chosen now."),
    ],
)
def test_what_may_not_be_chosen_is_refused_and_what_was_ticked_comes_back(
    about: str, items: list[str], says: str, clinic: Clinic, ana: FlaskClient
) -> None:
    prepared(clinic)
    reply = post(ana, f"/cases/{clinic.case}/plan", about=about, item=items)
    assert reply.status_code == 422
    text = unescape(reply.get_data(as_text=True))
    assert says in text
    shown = [one for one in items if f'value="{one}"' in text]
    assert all(f'value="{one}" checked' in text for one in shown)


@pytest.mark.parametrize("level", ["hold", "not_decided"])
def test_without_a_level_nothing_is_planned_for_both_and_it_says_why(
    level: str, clinic: Clinic, ana: FlaskClient
) -> None:
    if level == "hold":
        prepared(clinic, "hold")
    text = page(ana, f"/cases/{clinic.case}/plan")
    assert re.search(r"Not for: <span class=\"aud aud--joint\">.*?Both</span>", text, re.S)
    assert "a step for both needs the level light or full" in text
    assert bool(re.search(r"Both</span>\s+the level is hold", text)) is (level == "hold")
    reply = post(ana, f"/cases/{clinic.case}/plan", about="couple", item="appreciation.kind_act")
    assert reply.status_code == 422
    own = post(ana, f"/cases/{clinic.case}/plan", about="a", item="open_communication.note_before_talk")
    assert own.status_code == (422 if level == "hold" else 303)


def test_an_open_rule_bars_what_it_speaks_against_and_says_so(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    day = {"day": clinic.store.today().isoformat()}
    doubts = [{"id": "relationship_doubts", "intensity": 4, "seen_by": "self"}]
    note = {"held": day, "present": ["partner_a"], "format": "dap", "a.observed": doubts}
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "session", "couple", note)
    text = page(ana, f"/cases/{clinic.case}/plan")
    assert "(R4)" in text[text.index("My goal and your part") :][:600]
    assert 'value="each_others_goals.my_goal"' not in text, "barred for all three: no box to tick"
    reply = post(ana, f"/cases/{clinic.case}/plan", about="a", item="each_others_goals.my_goal")
    assert reply.status_code == 422
    assert post(ana, f"/cases/{clinic.case}/plan", about="a", item="appreciation.kind_act").status_code == 303


def test_what_made_things_worse_is_not_offered_to_that_one_again(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    item = {"from": [{"id": "first", "activity": "kind_act"}]}
    plan = planned(clinic, "a", steps("A kind act") | item)
    review = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "homework_review", "a", of_record=plan)
    records.finish(clinic.store, clinic.tokens["ana"], review, 1, Checked({"first": "worse"}, {}, {}))
    text = page(ana, f"/cases/{clinic.case}/plan")
    assert "It made things worse." in text
    assert re.findall(r'name="act:first" value="(\w+)"', text) == ["out"], "only out"
    for about, status in (("a", 422), ("couple", 422), ("b", 303)):
        assert post(ana, f"/cases/{clinic.case}/plan", about=about, item="appreciation.kind_act").status_code == status


def test_one_tap_takes_the_smallest_version(clinic: Clinic, ana: FlaskClient) -> None:
    made = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "homework_plan", "a")
    sent = {"rev": "1", "tab": "t", "plan.task.first": "Run a mile", "plan.minimum.first": "Put on the shoes",
            "confidence": "4"}  # fmt: skip
    post(ana, f"/records/{made}", **sent)
    text = page(ana, f"/records/{made}")
    assert 'name="do" value="smallest:first"' in text
    assert "Put on the shoes" in text
    post(ana, f"/records/{made}", **{**sent, "rev": "2"}, do="smallest:first")
    record = records.read(clinic.store, clinic.tokens["ana"], made)
    first = {one["id"]: one["first"] for one in record.answers["plan"]}
    assert first == {"task": "Put on the shoes", "harder": "Run a mile"}
    assert record.answers["confidence"] == 4


def test_the_card_of_the_plans_leads_on(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    text = page(ana, f"/cases/{clinic.case}/work")
    card = text[text.index('id="plans-title"') :]
    assert "Tea at eight" in card
    assert f"/cases/{clinic.case}/plan" in card
    made = begun(post(ana, f"/cases/{clinic.case}/review", plan=joint, about="b"))
    record = records.read(clinic.store, clinic.tokens["ana"], made)
    assert (record.of_record, record.about) == (joint, "b")
    assert record.answers == {"steps": [{"id": "first", "task": "Tea at eight"}]}
    assert begun(post(ana, f"/cases/{clinic.case}/review", plan=joint, about="b")) == made, "goes on with it"
    assert post(ana, f"/cases/{clinic.case}/review", plan=clinic.signed, about="b").status_code == 404
    assert post(ana, f"/cases/{clinic.case}/review", plan=joint, about="couple").status_code == 404


def said(clinic: Clinic, plan: str, partner: Any, answers: dict[str, Any]) -> None:
    """A finished review."""
    token = clinic.tokens["ana"]
    made = records.start(clinic.store, token, clinic.case, "homework_review", partner, of_record=plan)
    records.finish(clinic.store, token, made, 1, Checked(answers, {}, {}))


def test_nothing_of_one_partner_reaches_the_other_or_both(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    """Canaries in plans and reviews; then the next plans, every paper, the couple view and the first layer."""
    token, store = clinic.tokens["ana"], clinic.store
    own = {who: planned(clinic, who, steps(f"ZQ{who}stepQZ", f"ZQ{who}leastQZ", why=f"ZQ{who}whyQZ")) for who in "ab"}
    for who in ("a", "b"):
        for plan in (own[who], joint):
            words = [{"id": "first", "words": f"ZQ{who}wordsQZ"}]
            said(clinic, plan, who, {"first": "not", "first_barrier": "forgot", "how_it_was": words})
    address = f"/cases/{clinic.case}/plan"
    made = {
        "a": begun(post(ana, address, plan=own["a"], **{"act:first": "smaller"})),
        "b": begun(post(ana, address, plan=own["b"], **{"act:first": "anchor"})),
        "joint": begun(post(ana, address, plan=joint, **{"act:first": "smaller"})),
    }
    for record in made.values():
        view = records.read(store, token, record)
        records.finish(store, token, record, view.rev, Checked(view.answers, {}, {}))
    marks = {to: set() for to in made}  # type: dict[str, set[str]]
    for to, record in made.items():
        for sheet, of in (
            ("homework_plan", record),
            ("homework_plan", ""),
            ("session_summary", ""),
            *(() if to == "joint" else (("homework_review", ""),)),
        ):
            job = PrintJob(sheet, to, record=of)  # type: ignore[arg-type]
            text = unescape(page_of(store, token, clinic.case, job, "approved", "K7QM2XTPA").html)
            marks[to] |= set(re.findall(r"ZQ([ab])\w+QZ", text))
            assert not re.search("forgotten|was asked|homework_review", text), "a reason is never on paper"
    assert marks == {"a": {"a"}, "b": {"b"}, "joint": set()}
    for where in (f"/cases/{clinic.case}", f"/cases/{clinic.case}/print", "/"):
        assert not re.search("ZQ[ab]\\w+QZ", page(ana, where))
    post(ana, f"/cases/{clinic.case}/couple")
    assert not re.search("ZQ[ab]\\w+QZ", page(ana, f"/cases/{clinic.case}/couple"))


def test_a_review_of_a_plan_that_was_corrected_since_is_a_review_of_what_took_its_place(
    clinic: Clinic, ana: FlaskClient
) -> None:
    token, store = clinic.tokens["ana"], clinic.store
    plan = planned(clinic, "a", steps("Wlak"))
    mended = records.correction(store, token, plan, "a slip")
    view = records.read(store, token, mended)
    said(clinic, plan, "a", {"first": "done"})
    records.finish(store, token, mended, view.rev, Checked(steps("Walk"), {}, {}))
    known = loop(clinic)
    assert [(one.id, one.tasks[0].step) for one in known.running()] == [(mended, "Walk")]
    assert [(one.plan, one.outcome) for one in known.reviews] == [(mended, "done")]
    assert "hw-panel" not in session_form(ana, clinic), "heard already"


def test_what_was_not_wanted_is_not_asked_about(clinic: Clinic, ana: FlaskClient) -> None:
    planned(clinic, "a", steps("Walk") | {"below_own": "not_wanted"})
    planned(clinic, "couple", steps("Dishes") | {"who": [{"id": "who", "first": "partner_b"}]})
    text = session_form(ana, clinic)
    assert text.count('<details class="fold hw-panel"') == 1
    panel = text[text.index("hw-panel") :]
    assert "Partner B" in panel[:800], "only whose step it is"
    assert "Walk" not in panel[: panel.index("</details>")]


def test_taps_are_kept_when_the_screen_is_covered(clinic: Clinic, ana: FlaskClient, joint: str) -> None:
    address = f"/records/{clinic.draft}"
    sent = fields(session_form(ana, clinic)) | {name(joint, "b", "first"): "partly"}
    post(ana, "/lock", **sent, **{"lock-at": address})
    assert ana.get(address).status_code == 423
    assert post(ana, "/unlock", password=PASSWORD, next=address).status_code in (200, 303)
    assert re.search(r'value="partly"[^>]* checked', session_form(ana, clinic))
