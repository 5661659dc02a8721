"""From an appointment to tomorrow's pack on paper, in a real browser, left to right and back."""

from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from clinic.services import accounts, cases, choices
from clinic.services.cases import PartnerCard
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.e2e.test_people import TONGUES, signed_in

pytestmark = pytest.mark.everything


@pytest.fixture
def case(served: Served) -> str:
    """A case of Ana's with three sheets that she chose; its id."""
    ana = accounts.sign_in(served.store, "ana", PASSWORD)
    made = cases.open_case(served.store, ana, {"a": PartnerCard(), "b": PartnerCard()})
    for to, sheet in (("a", "partner_intake"), ("b", "partner_intake"), ("joint", "when_to_get_more_help")):
        choices.choose(served.store, ana, made, to, sheet, "confirmed", title=sheet)  # type: ignore[arg-type]
    return made


@TONGUES
def test_from_an_appointment_to_the_pack(walk: Walk, served: Served, case: str, tongue: str) -> None:
    page, tomorrow = walk.page, date.today() + timedelta(days=1)
    with signed_in(walk, "ana", tongue):
        page.goto(f"{walk.address}/cases/{case}/work")
        card = page.locator("#appointments")
        card.locator("summary").click()
        card.locator("#day").fill(tomorrow.isoformat())
        walk.look("card")
        card.locator("form button").click()
        expect(page.locator("[data-errors]")).to_be_focused()  # the time is missing
        walk.look("faults")
        page.fill("#at", "10:30")
        page.locator("button[value='save']").click()
        page.wait_for_url("**/work#appointments")
        page.locator("#appointments .rows-main").click()
        page.wait_for_url("**/appointments/*")
        expect(page.locator("#at")).to_have_value("10:30")
        walk.look("appointment")
        page.locator("a[href='/day']").first.evaluate("one => one.click()")
        page.wait_for_url("**/day")
        walk.look("day-empty")
        page.locator("main form button").last.click()
        expect(page.locator("main table tbody tr")).to_have_count(1)
        walk.look("day")
        page.locator("form[action='/day/pack'] button").click()
        page.wait_for_url("**/day/pack")
        expect(page.locator("input[name='item']:checked")).to_have_count(3)
        walk.look("pack")
        page.locator("button[value='look']").click()
        expect(page.locator(".leaving input[name='item']:checked")).to_have_count(3)
        walk.look("leaves")
        page.check("#cover")
        with page.context.expect_page() as opened, page.context.expect_event("response") as shown:
            page.locator("button[value='print']").click()
        assert shown.value.all_headers()["content-type"] == "application/pdf"
        opened.value.close()
        page.goto(f"{walk.address}/cases/{case}/pack")
        expect(page.locator("input[name='item']:checked")).to_have_count(0)
        for one in page.locator("main details summary").all():
            one.click()
        page.locator("input[name='item'][value$='|a|partner_intake|']").check()
        walk.look("pack-of-a-case")
        page.locator("button[value='look']").click()
        expect(page.locator("main [role='alert']").first).to_be_visible()  # the other would leave with none
        walk.look("uneven")
        with page.expect_download() as kept:
            page.locator("button[value='zip']").click()
        assert kept.value.suggested_filename.endswith(".zip")
        page.goto(f"{walk.address}/cases/{case}/pack")
        page.locator("section:has(#list-title) > details > summary").click()
        page.fill("#list", "case,sheet,to\nK-0,our_cycle,joint")
        page.locator("form[enctype] button").click()
        expect(page.locator("[data-errors]")).to_be_focused()
        walk.look("list-faults")
        code = cases.caseload(served.store, accounts.sign_in(served.store, "ana", PASSWORD))[0].code
        page.fill("#list", f"case,sheet,to\n{code},when_to_get_more_help,joint")
        page.locator("form[enctype] button").click()
        expect(page.locator(".leaving input[name='item']:checked")).to_have_count(1)
        walk.look("list-leaves")
        page.goto(walk.address + "/")
        walk.look("caseload")
    assert walk.wrong == []
