"""A counsellor's week with one couple, counted in taps on a phone: from opening the case to tomorrow's pack.

Every click, tap and filled field counts as one. The numbers are ceilings: a page that asks for more fails here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from clinic.domain.answer import Checked
from clinic.services import accounts, appointments, cases, prints, records
from clinic.services.cases import PartnerCard
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.web.conftest import Clinic, finished, prepared

pytestmark = pytest.mark.everything
PHONE: Final = {"width": 360, "height": 780}
DAYS: Final = ("mon", "thu")
CEILING: Final = {
    "open the case": 2,
    "begin the session note": 1,
    "homework review, A": 5,
    "homework review, B": 5,
    "finish the session note": 4,
    "a glance at the map": 1,
    "confirm a sheet": 1,
    "new plan from a shelf": 6,
    "finish the plan": 5,
    "print it, with the preflight": 3,
    "calendar for A": 5,
    "pack of tomorrow": 6,
}


@dataclass
class Counted:
    """A finger on one page that counts."""

    page: Page
    taps: dict[str, int] = field(default_factory=dict)
    now: str = ""

    @contextmanager
    def stretch(self, name: str) -> Iterator[None]:
        """What is done from here on counts as this."""
        self.now, self.taps[name] = name, 0
        yield

    def tap(self, what: Locator | str) -> None:
        """One tap on something that can be seen."""
        one = self.page.locator(what) if isinstance(what, str) else what
        self.taps[self.now] += 1
        one.first.click()

    def fill(self, what: str, text: str) -> None:
        """One field, however long."""
        self.taps[self.now] += 1
        self.page.fill(what, text)


@pytest.fixture
def clinic(served: Served) -> Clinic:
    """A couple that may work together; last week each had a plan of their own, both a plan of two steps."""
    store = served.store
    token = accounts.sign_in(store, "ana", PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    made = Clinic(None, store, {"ana": token}, case, "", "", "")  # type: ignore[arg-type]
    day = {"day": store.today().isoformat()}
    finished(store, token, case, "safety_screening", "a", {"held": day, "conditions": "yes", "fear": "no"})
    prepared(made)
    for about, steps in (
        ("a", ("Run a mile before work", "Phone a friend on Sunday")),
        ("b", ("Read ten pages", "Call my sister")),
        ("couple", ("Tea at eight, phones away", "A walk on Saturday")),
    ):
        planned(made, about, *steps)
    tomorrow = store.today() + timedelta(days=1)
    appointments.add(store, token, case, tomorrow, time(10, 30), 50, "both")
    return made


def planned(clinic: Clinic, about: Any, first: str, second: str) -> None:
    """A finished plan of last week with two steps, and with days and a time if it is A's."""
    answers: dict[str, Any] = {"plan": [{"id": "task", "first": first, "second": second}]}
    if about == "a":
        answers["days"] = {"first": dict.fromkeys(DAYS, True)}
        answers["times"] = {"first_time": "18:00", "day": clinic.store.today().isoformat()}
        answers["weeks"] = 2
    held = clinic.store.today() - timedelta(7)
    made = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "homework_plan", about, held)
    records.finish(clinic.store, clinic.tokens["ana"], made, 1, Checked(answers, {}, {}))


def test_a_week_in_taps(walk: Walk, clinic: Clinic) -> None:
    page, hand = walk.page, Counted(walk.page)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    walk.sign_in()
    session(hand, page)
    map_and_plan(hand, page, clinic.store.today().isoformat())
    on_paper(hand, page, clinic)
    print("\n" + "\n".join(f"{taps:3}  of {CEILING[name]:2}  {name}" for name, taps in hand.taps.items()))
    print(f"{sum(hand.taps.values()):3}  of {sum(CEILING.values()):2}  in all")
    assert {name: taps for name, taps in hand.taps.items() if taps > CEILING[name]} == {}
    assert hand.taps.keys() == CEILING.keys()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert walk.wrong == []


def session(hand: Counted, page: Page) -> None:
    with hand.stretch("open the case"):
        hand.tap("main tbody a")
        hand.tap(page.get_by_role("link", name="Open the staff layer"))
        page.wait_for_url("**/work")
    with hand.stretch("begin the session note"):
        hand.tap("form:has(input[value='session']):has(input[name='about'][value='couple']) button")
        page.wait_for_url("**/records/*")
    mine = {who: page.locator(f"details.hw-panel:has(> summary .aud--{who})") for who in ("a", "b")}
    with hand.stretch("homework review, A"):
        for task, outcome in zip(mine["a"].locator(".hw-task").all(), ("Done", "Partly", "Done", "Not"), strict=True):
            hand.tap(task.locator(f"label:has(span:text-is('{outcome}'))"))
    with hand.stretch("homework review, B"):
        hand.tap(mine["b"].locator("summary"))
        for task in mine["b"].locator(".hw-task").all():
            hand.tap(task.locator("label:has(span:text-is('Done'))"))
    with hand.stretch("finish the session note"):
        hand.tap("label:has(input[name='present'][value='partner_a'])")
        hand.tap("label:has(input[name='present'][value='partner_b'])")
        hand.tap("label:has(input[name='format'][value='dap'])")
        hand.tap("button[value='finish']")
        page.wait_for_url("**/work")


def map_and_plan(hand: Counted, page: Page, today: str) -> None:
    with hand.stretch("a glance at the map"):
        hand.tap(page.get_by_role("link", name="Map and suggested sheets"))
        page.wait_for_url("**/formulation")
    with hand.stretch("confirm a sheet"):
        hand.tap(page.locator("#for-joint").get_by_role("button", name="Confirm"))
        expect(page.get_by_role("status")).to_contain_text("Confirmed.")
    with hand.stretch("new plan from a shelf"):
        hand.tap(".crumbs a[href$='/work']")
        page.wait_for_url("**/work")
        hand.tap(page.get_by_role("link", name="New plan"))
        page.wait_for_url("**/plan")
        hand.tap("#stock label:has(input[name='about'][value='couple'])")
        hand.tap("#stock fieldset > details:has(input[value='appreciation.thank_you_why']) > summary")
        hand.tap("label:has(input[value='appreciation.thank_you_why'])")
        hand.tap(page.get_by_role("button", name="Begin the plan"))
        page.wait_for_url("**/records/*")
    with hand.stretch("finish the plan"):
        for day in DAYS:
            hand.tap(f"label:has(input[name='days.first.{day}'])")
        hand.fill("[id='times.first_time']", "20:00")
        hand.fill("[id='times.day']", today)
        hand.tap("button[value='finish']")
        page.wait_for_url("**/work")


def on_paper(hand: Counted, page: Page, clinic: Clinic) -> None:
    with hand.stretch("print it, with the preflight"):
        row = page.locator("section:has(#plans-title) li", has_text="thank your partner")
        hand.tap(row.get_by_role("button", name="Print"))
        page.wait_for_url("**/print")
        expect(page.locator("#leaves")).to_contain_text("What both said together")
        hand.tap("label:has(input[name='goes'][value='home'])")
        with page.expect_download() as kept:
            hand.tap("button[value='download']")
        assert kept.value.path().read_bytes()[:5] == b"%PDF-"
    with hand.stretch("calendar for A"):
        hand.tap(".crumbs a[href$='/print']")
        page.wait_for_url("**/print")
        hand.tap(page.get_by_role("link", name="Reminders for a calendar"))
        page.wait_for_url("**/calendar")
        hand.tap("label:has(input[name='to'][value='a'])")
        hand.tap("label:has(#asked)")
        with page.expect_download():
            hand.tap("main form button")
    with hand.stretch("pack of tomorrow"):
        hand.tap(".nav-toggle")
        hand.tap("#nav a[href='/day']")
        page.wait_for_url("**/day")
        hand.tap(page.get_by_role("button", name="Next day"))
        hand.tap("form[action='/day/pack'] button")
        page.wait_for_url("**/day/pack")
        hand.tap("button[value='look']")
        expect(page.locator(".leaving input[name='item']:checked")).to_have_count(3)
        with page.expect_download():
            hand.tap("button[value='download']")
    sent = [(one.recipient, one.sheet) for one in prints.sent(clinic.store, clinic.tokens["ana"], clinic.case)]
    assert len(sent) == 4  # the plan, then the sheet that was confirmed and the plans of last week
