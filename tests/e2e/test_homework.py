"""The homework loop in a real browser: taps in a session, the next plan shrinks, and its paper says no reason."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clinic.domain.answer import Checked
from clinic.services import accounts, cases, records
from clinic.services.cases import PartnerCard
from tests import pdf
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.web.conftest import Clinic, finished, prepared

pytestmark = pytest.mark.everything
TODAY = date.today().isoformat()


def house(served: Served) -> Clinic:
    """A case that may work together, with an own plan of A and one for both, of last week."""
    store = served.store
    token = accounts.sign_in(store, "ana", PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    day = {"day": store.today().isoformat()}
    clinic = Clinic(None, store, {"ana": token}, case, "", "", "")  # type: ignore[arg-type]
    finished(store, token, case, "safety_screening", "a", {"held": day, "conditions": "yes", "fear": "no"})
    prepared(clinic)
    planned(clinic, "a", {"task": "Run a mile before work", "minimum": "Put on the shoes"})
    planned(clinic, "couple", {"task": "Tea at eight, phones away", "minimum": "Tea at the door", "harder": "A story"})
    return clinic


def planned(clinic: Clinic, about: Any, words: dict[str, str]) -> None:
    answers = {"plan": [{"id": row, "first": said} for row, said in words.items()]}
    held = clinic.store.today() - timedelta(7)
    made = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "homework_plan", about, held)
    records.finish(clinic.store, clinic.tokens["ana"], made, 1, Checked(answers, {}, {}))


def test_the_loop_closes(walk: Walk, served: Served) -> None:
    page, clinic = walk.page, house(served)
    walk.sign_in()
    page.goto(f"{walk.address}/cases/{clinic.case}/work")
    walk.look("staff-page")
    taps(walk)
    next_plan(walk)
    from_the_stock(walk)
    right_to_left(walk, clinic)
    assert walk.wrong == []


def panel(page: Page, partner: str) -> Any:
    return page.locator(f"details.hw-panel:has(.aud--{partner})")


def taps(walk: Walk) -> None:
    page = walk.page
    walk.start("session")
    expect(panel(page, "a")).to_have_attribute("open", "")
    expect(panel(page, "b").locator(".hw-task")).to_be_hidden()
    barrier = panel(page, "a").locator(".hw-more").first
    expect(barrier).to_be_hidden()
    walk.look("taps-first")
    mine = panel(page, "a").locator(".hw-task")
    mine.nth(0).locator("label:has-text('Partly')").click()
    mine.nth(1).locator("label:has-text('Done')").click()
    expect(barrier).to_be_visible()
    barrier.locator("select").select_option("too_big")
    panel(page, "b").locator("summary").click()
    expect(panel(page, "a").locator(".hw-task").first).to_be_hidden()  # never both open
    panel(page, "b").locator(".hw-task label:has-text('Made it worse')").click()
    expect(page.locator(".hw-worse:visible")).to_have_count(1)
    walk.look("taps-done")
    expect(page.locator("[data-autosave]")).to_contain_text("Typing kept", timeout=8_000)
    page.reload()
    expect(panel(page, "a").locator("input[value='partly']").first).to_be_checked()  # typing came back
    panel(page, "b").evaluate("one => { one.open = true; }")
    panel(page, "b").locator(".hw-task label:has-text('Done')").click()  # a slip is mended by tapping again
    page.check("input[name='present'][value='partner_a']")
    page.check("input[name='format'][value='dap']")
    walk.finish()


def next_plan(walk: Walk) -> None:
    page = walk.page
    expect(page.locator("section:has(#plans-title)")).to_contain_text("heard")
    page.get_by_role("link", name="New plan").click()
    page.wait_for_url("**/plan")
    own = page.locator("section:has(.aud--a):has(form)").first
    expect(own).to_contain_text("The step was too big.")
    expect(page.locator("section:has(.aud--joint) input[type='radio']:checked")).to_have_count(0)
    walk.look("planner")
    own.get_by_role("button", name="Begin the next plan").click()
    page.wait_for_url("**/records/*")
    expect(page.locator("[id='plan.task.first']")).to_have_value("Put on the shoes")
    expect(page.locator("[id='plan.harder.first']")).to_have_value("Run a mile before work")
    page.fill("[id='plan.minimum.first']", "Look at the shoes")
    page.check("input[name='confidence'][value='5']")
    page.locator("#record button[value='draft']").click()
    expect(page.get_by_role("button", name=re.compile("Take the smallest version"))).to_be_visible()
    walk.look("plan-form")
    walk.finish()
    row = page.locator("section:has(#plans-title) li:has-text('Put on the shoes')")
    row.get_by_role("button", name="Print").click()
    page.wait_for_url("**/print")
    with page.expect_download() as kept:
        page.get_by_role("button", name="Download").click()
    said = pdf.text(kept.value.path().read_bytes())
    assert "Put on the shoes" in said
    assert not re.search("too big|Partly|was not|Tea at eight", said)
    page.go_back()


def from_the_stock(walk: Walk) -> None:
    page = walk.page
    page.get_by_role("link", name="New plan").click()
    page.wait_for_url("**/plan")
    page.evaluate("document.querySelectorAll('#stock > fieldset > details').forEach((one) => { one.open = true; })")
    walk.look("stock-open")
    page.check("input[name='about'][value='couple']")
    page.check("input[value='appreciation.thank_you_why']")
    page.get_by_role("button", name="Begin the plan").click()
    page.wait_for_url("**/records/*")
    expect(page.locator("[id='plan.task.first']")).to_have_value(re.compile("^Once a day, thank your partner"))
    walk.look("plan-form-both")


def right_to_left(walk: Walk, clinic: Clinic) -> None:
    page = walk.page
    planned(clinic, "b", {"task": "اقرأ صفحة", "minimum": "سطر واحد"})
    page.locator("button.langs-one[lang='ar']").click()
    for where in ("work", "plan"):
        page.goto(f"{walk.address}/cases/{clinic.case}/{where}")
        walk.look(f"{where}-rtl")
    made = records.start(clinic.store, clinic.tokens["ana"], clinic.case, "session", "couple")
    page.goto(f"{walk.address}/records/{made}")
    walk.look("taps-rtl")
