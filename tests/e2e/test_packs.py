"""From an appointment to a pack on paper, in a real browser, left to right and back; and a pack that takes long."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from threading import Semaphore
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clinic.press.press import Press, PressError
from clinic.services import accounts, cases, choices, press_room, prints
from clinic.services.cases import PartnerCard
from clinic.services.press_room import PressRoom
from clinic.web import packs as web_packs
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


# --------------------------------------------------------------------------- a pack that takes long
MANY = 8
SOON = 40_000  # ms: a sheet is drawn and the page has asked, also on a busy machine
FAR = "[data-progress]"
WORKING, READY = f"{FAR}[data-progress='working']", f"{FAR}[data-progress='ready']"


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Nobody waits for a pack, and a sheet is drawn only when it was allowed: so many at a time."""
    allowed, turn = Semaphore(0), PressRoom.turn

    def one(room: PressRoom) -> bool:
        if not allowed.acquire(blocking=False):
            return False
        done = turn(room)
        if not done:
            allowed.release()
        return done

    monkeypatch.setattr(web_packs, "PATIENCE", 0.1)
    monkeypatch.setattr(press_room, "TOGETHER", 1)
    monkeypatch.setattr(press_room, "ALIKE", 1)
    monkeypatch.setattr(press_room, "LOOK", 0.1)
    monkeypatch.setattr(PressRoom, "turn", one)

    def allow_(sheets: int) -> None:
        for _ in range(sheets):
            allowed.release()

    return allow_


def asked(walk: Walk, served: Served, sheets: int = MANY) -> str:
    """A pack of a list, asked for in this tab; the address of its page."""
    page, code = walk.page, cases.caseload(served.store, accounts.sign_in(served.store, "ana", PASSWORD))[0].code
    case = cases.caseload(served.store, accounts.sign_in(served.store, "ana", PASSWORD))[0].id
    page.goto(f"{walk.address}/cases/{case}/pack")
    page.locator("section:has(#list-title) > details > summary").click()
    page.fill("#list", f"case,sheet,to,copies\n{code},when_to_get_more_help,joint,{sheets}")
    page.locator("form[enctype] button").click()
    expect(page.locator(".leaving input[name='item']:checked")).to_have_count(1)
    page.locator("button[value='download']").click()
    page.wait_for_url("**/packs/*")
    walk.here("on its way")
    return page.url


def far(page: Page) -> tuple[Any, Any]:
    """How far the bar is, and of how much."""
    bar = page.locator(f"{FAR} progress")
    return bar.get_attribute("max"), bar.evaluate("one => one.value")


def shown(page: Page, done: int, total: int = MANY) -> None:
    """The count on the page, whatever language it is in."""
    expect(page.locator(f"{FAR} [data-part='count']")).to_have_text(
        re.compile(rf"(^|\D){done}\D+{total}(\D|$)"), timeout=SOON
    )


def sent(served: Served, case: str) -> int:
    return len(prints.sent(served.store, accounts.sign_in(served.store, "ana", PASSWORD), case))


@TONGUES
def test_a_pack_on_its_way(walk: Walk, served: Served, case: str, tongue: str, allow: Callable[[int], None]) -> None:
    """Leave it and come back, in two tabs; it goes on by itself and says so without a jump."""
    page = walk.page
    with signed_in(walk, "ana", tongue):
        where = asked(walk, served)
        expect(page).to_have_title(re.compile("Secure Base$"))
        walk.look("begun")
        page.evaluate("window.same = document.querySelector('progress'); document.querySelector('main button').focus()")
        allow(3)
        shown(page, 3)
        assert far(page) == (str(MANY), 3)
        assert page.evaluate("window.same === document.querySelector('progress')"), "the bar was not made anew"
        assert page.evaluate("document.activeElement.closest('[data-progress]') !== null"), "focus stays where it was"
        walk.look("working")
        other = page.context.new_page()
        other.goto(where)
        shown(other, 3)
        page.goto(walk.address + "/day")
        expect(page.locator("#packs-title")).to_be_visible(timeout=SOON)
        walk.look("day-with-a-pack")
        page.locator("main .rows-main").click()
        page.wait_for_url(where)
        allow(MANY)
        for one in (other, page):
            expect(one.locator(READY)).to_be_visible(timeout=SOON)
            expect(one.locator("[data-announce]")).not_to_be_empty(timeout=SOON)
        expect(page.locator("[data-done]")).to_be_focused(timeout=SOON)
        walk.look("ready")
        assert sent(served, case) == 0
        with page.expect_download() as kept:
            page.locator(f"{FAR} button[value='download']").click()
        assert re.fullmatch(r"[0-9a-f]{8}\.pdf", kept.value.suggested_filename)
        assert sent(served, case) == MANY
        with other.expect_download() as again:
            other.locator(f"{FAR} button[value='download']").click()
        assert again.value.path().read_bytes() == kept.value.path().read_bytes()
        assert sent(served, case) == MANY
        page.goto(walk.address + "/packs")
        walk.look("list")
        page.goto(where)
        walk.look("handed-out")
        page.locator(f"{FAR} form[action$='/cancel'] button").click()
        page.wait_for_url("**/packs")
        walk.look("none")
        other.reload()
        expect(other.locator(FAR)).to_have_count(0)
    assert [one for one in walk.wrong if "404" not in one] == []


@pytest.mark.parametrize("walk", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_the_page_reloads_itself(
    walk: Walk, served: Served, case: str, allow: Callable[[int], None]
) -> None:
    page = walk.page
    walk.sign_in()
    asked(walk, served, 3)
    shown(page, 0, 3)
    allow(1)
    shown(page, 1, 3)
    allow(2)
    expect(page.locator(READY)).to_be_visible(timeout=SOON)
    with page.expect_download() as kept:
        page.locator(f"{FAR} button[value='download']").click()
    assert kept.value.path().read_bytes().startswith(b"%PDF")
    assert sent(served, case) == 3
    where = asked(walk, served, 2)
    page.locator(f"{FAR} button").click()
    page.wait_for_url("**/packs")
    page.goto(where)
    expect(page.locator(FAR)).to_have_count(0)


def test_cancelled_signed_out_and_covered_in_the_middle(
    walk: Walk, served: Served, case: str, allow: Callable[[int], None]
) -> None:
    """What goes on is nobody's to see but its owner's, and it is there when they come back."""
    page = walk.page
    with signed_in(walk, "ana", "en"):
        gone = asked(walk, served)
        allow(1)
        shown(page, 1)
        page.locator(f"{FAR} button").click()
        page.wait_for_url("**/packs")
        expect(page.locator(".flash")).to_be_visible(timeout=SOON)
        page.goto(gone)
        expect(page.locator(FAR)).to_have_count(0)
        where = asked(walk, served)
        page.locator("[data-cover-now]").click()
        expect(page.locator("input[name='password']")).to_be_visible(timeout=SOON)
        assert "sheets" not in page.locator("main").inner_text()
        allow(2)
        page.fill("input[name='password']", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(where)
        shown(page, 2)
    page.goto(where)
    expect(page.locator(FAR)).to_have_count(0)
    allow(MANY)
    with signed_in(walk, "ana", "en"):
        page.goto(where)
        expect(page.locator(READY)).to_be_visible(timeout=SOON)
        assert sent(served, case) == 0
    assert [one for one in walk.wrong if "404" not in one] == []


@TONGUES
def test_a_sheet_that_fails_on_its_way(
    walk: Walk, served: Served, case: str, tongue: str, allow: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: Any) -> Any:
        raise PressError("timeout")

    monkeypatch.setattr(Press, "pdf", torn)
    monkeypatch.setattr(Press, "given_all", torn)
    page = walk.page
    with signed_in(walk, "ana", tongue):
        asked(walk, served, 2)
        allow(2)
        expect(page.locator(f"{READY} .bullets li")).to_have_count(1, timeout=SOON)
        expect(page.locator("[data-done]")).to_be_focused(timeout=SOON)
        walk.look("failed")
        page.locator("button[value='back']").click()
        expect(page.locator(".leaving .notice")).to_have_count(1)
        expect(page.locator("input[name='item']:checked")).to_have_count(0)
        walk.look("back")
        assert sent(served, case) == 0
    assert walk.wrong == []
