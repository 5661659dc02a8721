"""The way back from paper: print, take the code from the PDF, key the answers in without a mouse, print them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from clinic.domain.code import new_code
from clinic.services import accounts, cases, prints, records
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from tests import pdf
from tests.e2e.conftest import PASSWORD, Served, Walk

pytestmark = pytest.mark.everything
SHEET = "whats_underneath"  # needs no preparation
WORDS = "I heard only the tone of voice"


def a_case(served: Served) -> tuple[str, str]:
    """A session of Ana's, and her case."""
    token = accounts.sign_in(served.store, "ana", PASSWORD)
    return token, cases.open_case(served.store, token, {"a": PartnerCard(), "b": PartnerCard()})


def kept(page: Page) -> Path:
    """The PDF of the sheet that this page is about."""
    with page.expect_download() as found:
        page.locator("button[value='download']").click()
    return Path(found.value.path())


def code_on(content: bytes) -> str:
    found = re.search(r"\b[A-HJ-NP-Z2-9]{9}\b", pdf.text(content))
    assert found, "no code on the sheet"
    return found[0]


def keys(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def choose_sheet(walk: Walk, case: str, sheet: str, to: str = "a") -> None:
    walk.page.goto(f"{walk.address}/cases/{case}/print")
    walk.page.locator(f"form:has(input[value='{sheet}']) button[value='{to}']").click()
    expect(walk.page.locator("img.picture").first).to_be_visible(timeout=20_000)


def test_from_paper_and_back_by_keyboard(walk: Walk, served: Served) -> None:
    page = walk.page
    token, case = a_case(served)
    walk.sign_in()
    choose_sheet(walk, case, SHEET)
    expect(page.locator("#leaves")).to_contain_text("No answers are on it: a sheet to fill in.")
    walk.look("preflight-empty")
    code = code_on(kept(page).read_bytes())

    page.get_by_role("link", name="Enter a code").click()
    expect(page.locator("#code")).to_be_focused()
    walk.look("codes")
    page.keyboard.type(code[:-1] + ("B" if code[-1] == "A" else "A"))
    keys(page, "Tab", "Space", "Enter")
    expect(page.locator("[data-errors]")).to_be_focused()
    expect(page.locator("main")).to_contain_text("This is not a whole code")
    walk.look("codes-mistyped")
    page.fill("#code", code)
    page.check("input[name='to'][value='b']")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("This code opens nothing here.")
    walk.wrong = [one for one in walk.wrong if "404" not in one]
    walk.look("codes-refused")
    expect(page.locator("#code")).to_be_focused()
    keys(page, "Control+a")
    page.keyboard.type(f"{code[:3].lower()} {code[3:6]}-{code[6:]}")
    keys(page, "Tab", "ArrowUp")
    assert page.locator("input[name='to'][value='a']").is_checked()
    page.keyboard.press("Enter")
    page.wait_for_url("**/entries/*")

    expect(page.locator("#what")).to_be_focused()
    walk.look("keying")
    page.locator("#what").focus()
    page.keyboard.type(WORDS)
    keys(page, "Tab", "1", "3")  # two of the doors, by their number
    assert page.locator("input[name='fits']:checked").count() == 2
    keys(page, "Enter")  # goes on and sends nothing off
    assert page.url.rsplit("/", 2)[1] == "entries"
    page.keyboard.type("door one")
    while page.evaluate("document.activeElement.id") != "share":
        page.keyboard.press("Tab")
    page.keyboard.type("nothing yet")
    expect(page.locator("[data-autosave]")).to_contain_text("Typing kept", timeout=8_000)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/codes")
    expect(page.get_by_role("status")).to_contain_text("Finished.")
    expect(page.locator("#code")).to_be_focused()

    choose_sheet(walk, case, SHEET)
    expect(page.locator("#leaves")).to_contain_text(WORDS)
    walk.look("preflight-filled")
    filled = kept(page).read_bytes()
    assert WORDS in " ".join(pdf.text(filled).split())
    again = code_on(filled)
    assert again != code
    page.goto(walk.address + "/codes")
    page.keyboard.type(again)
    keys(page, "Tab", "Space", "Enter")
    page.wait_for_url("**/records/*")
    expect(page.get_by_role("button", name="Add to this record")).to_be_visible()
    walk.look("printed-record")
    (record,) = [one for one in records.listing(served.store, token, case) if one.definition_id == SHEET]
    assert record.signed
    assert walk.wrong == []


def test_numbers_choose_on_a_scale_and_enter_in_a_line_sends_nothing(walk: Walk, served: Served) -> None:
    """Scales by their numbers, ten too; choices by their place; and no key but those of the buttons saves."""
    page = walk.page
    token, case = a_case(served)
    made = records.start(served.store, token, case, "homework_plan", "a")
    walk.sign_in()
    page.goto(f"{walk.address}/entries/{made}")
    walk.look("keying-a-plan")
    field = page.locator("input[type='radio'][value='10']").first.get_attribute("name")
    page.locator(f"input[name='{field}']").first.focus()
    for typed, chosen in (("7", "7"), ("10", "10"), ("0", "0")):
        page.wait_for_timeout(800)
        page.keyboard.type(typed)
        assert page.locator(f"input[name='{field}']:checked").get_attribute("value") == chosen
    keys(page, "ArrowRight")
    assert page.locator(f"input[name='{field}']:checked").get_attribute("value") == "1"
    line = page.locator("input[type='text'], input[type='date']").first
    line.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith(made)
    assert records.read(served.store, token, made).rev == 1
    assert walk.wrong == []


@pytest.mark.parametrize("walk", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript(walk: Walk, served: Served) -> None:
    page = walk.page
    token, case = a_case(served)
    code = new_code()
    prints.note(served.store, token, case, code, PrintJob("check_in", "b"), definitions()["check_in"].sha)
    walk.sign_in()
    page.goto(walk.address + "/codes")
    expect(page.locator("#code")).to_be_focused()  # the cursor is there already
    page.keyboard.type(code.lower())
    page.check("input[name='to'][value='b']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/entries/*")
    line = page.locator("main input[type='text'], main input[type='date']").first
    line.focus()
    page.keyboard.press("Enter")  # without the script it keeps the draft and stays
    expect(page.get_by_role("status").first).to_contain_text("Draft saved.")
    record = page.url.rsplit("/", 1)[1]
    assert not records.read(served.store, token, record).signed
    page.locator("button[value='next']").click()
    page.wait_for_url("**/codes")
    expect(page.get_by_role("status")).to_contain_text("Draft saved.")
    assert walk.wrong == []


def test_right_to_left(walk: Walk, served: Served) -> None:
    page = walk.page
    token, case = a_case(served)
    page.goto(walk.address + "/sign-in")
    page.locator("button[name='tag'][value='ar']").click()
    walk.sign_in()
    choose_sheet(walk, case, SHEET)
    walk.look("preflight")
    page.goto(walk.address + "/codes")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    walk.look("codes")
    for sheet in (SHEET, "homework_plan", "signals_checkin"):
        made = records.start(served.store, token, case, sheet, "a")
        page.goto(f"{walk.address}/entries/{made}")
        walk.look(f"keying-{sheet}")
    assert walk.wrong == []
