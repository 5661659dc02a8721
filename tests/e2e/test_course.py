"""How it goes, and the way of an answer to both, in a real browser: choose, look, the yes, couple view, on paper."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from icalendar import Calendar
from playwright.sync_api import expect

from clinic.domain.answer import Checked
from clinic.services import accounts, cases, records
from clinic.services.cases import PartnerCard
from clinic.services.prints import PrintJob
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.plans import planned
from tests.sheets import page_of
from tests.web.conftest import finished, prepared

pytestmark = pytest.mark.everything
RATED = {
    "a": (
        (62, {"trust": 3, "calm": 2, "bond": 5}),
        (41, {"trust": 4, "bond": 5}),
        (20, {"trust": 4, "calm": 5}),
        (2, {"trust": 6, "calm": 6, "bond": 7}),
    ),
    "b": ((60, {"trust": 7, "growth": 2}), (40, {"trust": 6}), (1, {"trust": 7, "growth": 4})),
}


@pytest.fixture
def case(served: Served) -> str:
    """A case at full, with check-ins of both and a joint plan that both looked back on."""
    store, token = served.store, accounts.sign_in(served.store, "ana", PASSWORD)
    made = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    answers = {"held": {"day": store.today().isoformat()}, "conditions": "yes", "fear": "no"}
    finished(store, token, made, "safety_screening", "a", answers)
    clinic: Any = SimpleNamespace(store=store, tokens={"ana": token}, case=made)
    prepared(clinic)

    def add(definition: str, about: Any, ago: int, answers: dict[str, Any], of: str = "") -> str:
        id_ = records.start(store, token, made, definition, about, store.today() - timedelta(ago), of)
        records.finish(store, token, id_, 1, Checked(answers, {}, {}))
        return id_

    for who, rows in RATED.items():
        for ago, aims in rows:
            rating = {"aims": [{"id": id_, "rating": value} for id_, value in aims.items()]}
            words = {"better": "The walk on Sunday.\nNobody looked at a phone."} if (who, ago) == ("a", 2) else {}
            add("check_in", who, ago, rating | words)
    plan = add("homework_plan", "couple", 9, planned("We talk after dinner, ten minutes.", who="both"))
    add("homework_review", "a", 2, {"first": "partly"}, plan)
    add("homework_review", "b", 2, {"first": "not"}, plan)
    add("homework_plan", "a", 1, planned("A walk", ("tue", "fri"), "18:30", store.today(), 2))
    return made


def share_aim(walk: Walk, case: str, who: str) -> None:
    walk.page.goto(f"{walk.address}/cases/{case}/course")
    walk.page.locator(f"form:has(input[name=owner][value={who}]):has(input[name=aim][value=trust]) button").click()
    walk.page.locator("#agreed").check()
    walk.page.locator("button[value=share]").click()
    walk.page.wait_for_url("**/course")


def test_an_answer_goes_to_both(walk: Walk, case: str, served: Served) -> None:
    page = walk.page
    walk.sign_in()
    page.goto(f"{walk.address}/cases/{case}/work")
    page.get_by_role("link", name="How it goes").click()
    expect(page.locator("#aims-a")).to_contain_text("Aims over time")
    expect(page.get_by_text("two different words")).to_be_visible()
    page.locator("figure details summary").first.click()
    walk.look("course")
    page.locator("details[open] summary").first.click()
    page.goto(f"{walk.address}/cases/{case}/work")
    page.locator(".path-step", has=page.get_by_role("heading", name="How it is now")).locator(
        ".path-cell"
    ).first.locator("a").last.click()
    page.get_by_role("link", name="Share an answer with both").click()
    walk.look("share")
    page.get_by_role("button", name="Choose : What was a little better").or_(
        page.get_by_role("button", name="Choose: What was a little better")
    ).click()
    expect(page.locator(".exact")).to_contain_text("The walk on Sunday.")
    page.locator("button[value=share]").click()  # without the yes
    expect(page.locator(".errors")).to_be_focused()
    walk.look("exactly-this")
    page.locator("#agreed").check()
    page.locator("button[value=share]").click()
    expect(page.get_by_role("status")).to_contain_text("Both may read it now.")
    for who in ("a", "b"):
        share_aim(walk, case, who)
    expect(page.locator("#shared-title")).to_be_visible()
    walk.look("stands")
    page.goto(f"{walk.address}/cases/{case}/couple")
    expect(page.locator(".couple-card").first).to_contain_text("The walk on Sunday.")
    expect(page.locator(".couple-card figure")).to_have_count(1)
    walk.look("couple")
    token = accounts.sign_in(served.store, "ana", PASSWORD)
    job = PrintJob("session_summary", "joint")
    paper = page_of(served.store, token, case, job, "approved", "CODE")
    assert "The walk on Sunday." in paper.html
    assert paper.html.count("<svg") == 1
    assert "I feel calm about us" not in paper.html
    page.goto(f"{walk.address}/cases/{case}/course")
    page.locator("li", has_text="The walk on Sunday.").get_by_role("button", name="Stop sharing it").click()
    expect(page.get_by_role("status")).to_contain_text("It is taken back.")
    page.goto(f"{walk.address}/cases/{case}/couple")
    expect(page.locator("main")).not_to_contain_text("The walk on Sunday.")
    assert walk.wrong == []


def test_a_file_for_a_calendar(walk: Walk, case: str) -> None:
    page = walk.page
    walk.sign_in()
    page.goto(f"{walk.address}/cases/{case}/calendar")
    page.get_by_role("button", name="Make the file").click()
    expect(page.locator(".errors")).to_contain_text("only when the person asks")
    walk.look("reminders")
    page.locator("input[name=to][value=a]").check()
    page.locator("#asked").check()
    with page.expect_download() as found:
        page.get_by_role("button", name="Make the file").click()
    assert found.value.suggested_filename == "reminder.ics"
    made = Calendar.from_ical(found.value.path().read_bytes())
    assert [str(one["summary"]) for one in made.walk("VEVENT")] == ["Reminder"]
    page.locator("input[name=to][value=b]").check()
    page.get_by_role("button", name="Make the file").click()
    expect(page.locator(".notice")).to_contain_text("no weekday is ticked, no time of day is set")
    walk.look("nothing")
    assert walk.wrong == []


@pytest.mark.parametrize("walk", [{"color_scheme": "dark"}], indirect=True)
def test_the_course_right_to_left_and_dark(walk: Walk, case: str) -> None:
    page = walk.page
    walk.sign_in()
    page.locator("button.langs-one[lang='ar']").click()
    for who in ("a", "b"):
        share_aim(walk, case, who)
    assert page.locator("html").get_attribute("dir") == "rtl"
    walk.look("course-rtl-dark")
    page.goto(f"{walk.address}/cases/{case}/couple")
    walk.look("couple-rtl-dark")
    assert walk.wrong == []
