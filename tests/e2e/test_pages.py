"""The pages of a sheet come after what leaves the room: by themselves, or by a button."""

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import Served, Walk
from tests.e2e.test_codes import SHEET, a_case

BUTTON = "button[value='pages']"
pytestmark = pytest.mark.everything
PLAIN = pytest.mark.parametrize("walk", [{"java_script_enabled": False}], indirect=True)


def chosen(walk: Walk, served: Served) -> None:
    """What leaves the room, of one sheet."""
    _, case = a_case(served)
    walk.sign_in()
    walk.page.goto(f"{walk.address}/cases/{case}/print")
    walk.page.locator(f"form:has(input[value='{SHEET}']) button[value='a']").click()
    expect(walk.page.locator("#leaves")).to_be_visible()


def drawn(route: Route) -> bool:
    return "pages" in (route.request.post_data or "")


def test_what_was_not_drawn_is_asked_for_by_the_button(walk: Walk, served: Served) -> None:
    page, refused = walk.page, list[bool]()

    def once(route: Route) -> None:
        if drawn(route) and not refused:
            refused.append(True)
            route.abort()
        else:
            route.continue_()

    page.route("**/print", once)
    chosen(walk, served)
    expect(page.locator(BUTTON)).to_be_visible()
    expect(page.locator(".picture--waits")).to_be_hidden()
    walk.look("pages-not-drawn")
    page.locator(BUTTON).click()
    expect(page.locator("img.picture").first).to_be_visible(timeout=20_000)
    expect(page.locator(BUTTON)).to_have_count(0)
    assert refused


def test_a_covered_page_gets_no_pictures(walk: Walk, served: Served) -> None:
    page, held = walk.page, list[Route]()
    page.route("**/print", lambda route: held.append(route) if drawn(route) else route.continue_())
    chosen(walk, served)
    expect(page.locator(".picture--waits")).to_be_visible()
    page.evaluate("document.body.setAttribute('data-covered', '')")
    with page.expect_response("**/print"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("img.picture")).to_have_count(0)


@PLAIN
def test_without_javascript(walk: Walk, served: Served) -> None:
    chosen(walk, served)
    walk.page.locator(BUTTON).click()
    expect(walk.page.locator("img.picture").first).to_be_visible(timeout=20_000)
    expect(walk.page.locator("#leaves")).to_be_visible()
    assert walk.wrong == []
