"""The workbench in a real browser: every page looked at in both directions, the whole way by keyboard, no script."""

from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from clinic.i18n.message import Entry
from clinic.services import accounts, overlay, sessions, translations, translators
from clinic.services.unit_of_work import unit_of_work
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.e2e.test_people import go, signed_in

pytestmark = pytest.mark.everything
KEYS = ("our_cycle.title", "our_cycle.lead", "our_cycle.who")


@pytest.fixture
def bench(served: Served) -> Served:
    """Tara translates Spanish and Arabic, Tomás Spanish; Ana reviews both. Three sentences of one handout are empty."""
    ids = {
        name: accounts.create_account(served.store, name, PASSWORD, display, role)
        for name, display, role in (
            ("tara", "Tara", "translator"), ("tomas", "Tomás", "translator"), ("ada", "Ada", "admin"),
        )
    }  # fmt: skip
    ids["ana"] = accounts.find(served.store, "ana").id
    with unit_of_work(served.store, write=True) as session:
        admin = sessions.start(served.store, session, UUID(str(ids["ada"])), "full").token
    for name, tag, reviews in (
        ("tara", "es", False),
        ("tara", "ar", False),
        ("tomas", "es", False),
        ("ana", "es", True),
    ):
        translators.grant(served.store, admin, str(ids[name]), tag, reviews)
    for tag in ("es", "ar"):
        for key in KEYS:
            write(served, "tara", key, "", tag)
    return served


def write(served: Served, name: str, key: str, text: str, tag: str = "es") -> None:
    rev = entry(served, key, tag).rev
    token = accounts.sign_in(served.store, name, PASSWORD)
    overlay.propose(served.store, token, tag, "handouts", key, {"": text}, rev)


def entry(served: Served, key: str, tag: str = "es") -> Entry:
    return overlay.entries(served.store, tag, "handouts").get(key, Entry())


def address(key: str, show: str = "all", tag: str = "es") -> str:
    return f"/translate/{tag}/our_cycle/{show}/{translations.sources('handouts')[key].ref}"


def paper(page: Page) -> Any:
    """The frame with the printed page."""
    return page.frame_locator("iframe[name='paper']")


@pytest.mark.parametrize("tongue", ["en", "ar"])
def test_the_pages_of_the_workbench(walk: Walk, bench: Served, tongue: str) -> None:
    page, tag = walk.page, "ar" if tongue == "ar" else "es"
    write(bench, "tara", KEYS[0], "Nuestro ciclo.", "es")
    with signed_in(walk, "tara", tongue):
        go(walk, "/translate", f"languages-{tongue}")
        go(walk, f"/translate/{tag}", f"language-{tongue}")
        go(walk, address(KEYS[1], tag=tag), f"message-{tongue}")
        expect(paper(page).locator("mark").first).to_be_visible()
        page.locator("#said summary").click()
        page.fill("#comment", "¿Ciclo o bucle?")
        page.locator("button[value='comment']").click()
        walk.look(f"comment-{tongue}")
        go(walk, address(KEYS[0]), f"warning-{tongue}")
        go(walk, f"/translate/{tag}/pages-every/all", f"pages-{tongue}")
        go(walk, f"/translate/{tag}/words-errors/all", f"guarded-{tongue}")
        go(walk, f"/translate/{tag}/our_cycle/mine", f"mine-{tongue}")
        go(walk, f"/translate/{tag}/the_wave/todo", f"nothing-left-{tongue}")
        go(walk, f"/translate/{tag}/files", f"files-{tongue}")
        with page.expect_download() as taken:
            page.locator("button[value='out']").click()
        page.set_input_files("#file", taken.value.path())
        page.locator("button[value='read']").click()
        walk.look(f"differences-{tongue}")
    with signed_in(walk, "ana", tongue):
        go(walk, address(KEYS[0], "review"), f"review-{tongue}")
        go(walk, "/translate/es/our_cycle/proof", f"proof-{tongue}")
    assert walk.wrong == []


def test_the_whole_way_by_keyboard(walk: Walk, bench: Served) -> None:
    page = walk.page
    with signed_in(walk, "tara", "en"):
        page.goto(walk.address + address(KEYS[0], "todo"))
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.type("Nuestro ciclo de los dos")
        expect(page.locator("[data-count]")).to_have_text("24")
        expect(paper(page).locator("mark").first).to_have_text("Nuestro ciclo de los dos")  # before it is saved
        assert entry(bench, KEYS[0]).text == ""
        page.keyboard.press("Control+Enter")
        page.wait_for_url(f"**{address(KEYS[1], 'todo')}")
        assert entry(bench, KEYS[0]).text == "Nuestro ciclo de los dos"
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.press("Alt+ArrowDown")
        page.wait_for_url(f"**{address(KEYS[2], 'todo')}#edit")
        page.keyboard.press("Alt+ArrowUp")
        page.wait_for_url(f"**{address(KEYS[1], 'todo')}#edit")
        page.keyboard.press("Alt+n")
        page.wait_for_url(f"**{address(KEYS[2], 'todo')}#edit")
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.type("En pareja")
        page.keyboard.press("Control+s")
        expect(page.locator(".flash")).to_be_visible()
        expect(page.locator("#text")).to_be_focused()
        assert entry(bench, KEYS[2]).text == "En pareja"
        depth = page.evaluate("history.length")
        page.keyboard.type(" siempre")
        expect(paper(page).locator("mark").first).to_contain_text("siempre", timeout=15_000)
        assert page.evaluate("history.length") == depth  # the page that follows the typing leaves Back alone
        page.keyboard.press("Control+s")
        expect(page.locator(".flash")).to_be_visible()
    with signed_in(walk, "ana", "en"):
        page.goto(walk.address + address(KEYS[0], "review"))
        reach(page, "button[value='review']")
        page.keyboard.press("Enter")
        expect(page.locator(".flash")).to_be_visible()
        assert entry(bench, KEYS[0]).state == "reviewed"
    assert walk.wrong == []


def reach(page: Page, selector: str) -> None:
    """Go there with the Tab key."""
    for _ in range(80):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never came to {selector}")


def test_two_who_save_at_once_see_both(walk: Walk, bench: Served) -> None:
    page = walk.page
    with signed_in(walk, "tara", "en"):
        page.goto(walk.address + address(KEYS[1]))
        page.fill("#text", "Lo que escribe Tara")
        write(bench, "tomas", KEYS[1], "Lo que escribe Tomás")
        page.keyboard.press("Control+Enter")
        expect(page.locator("input[value='mine']")).to_be_checked()
        walk.look("conflict")
        page.fill("#text", "Lo de las dos personas")
        expect(page.locator("input[value='edited']")).to_be_checked()
        page.keyboard.press("Control+Enter")
        expect(page.locator(".flash")).to_be_visible()
        assert entry(bench, KEYS[1]).text == "Lo de las dos personas"
    assert walk.wrong == []


def test_pictures_and_the_pdf_in_their_places(walk: Walk, bench: Served) -> None:
    page = walk.page
    with signed_in(walk, "tara", "en"):
        page.goto(walk.address + address(KEYS[0]))
        page.fill("#text", "Nuestro ciclo")
        page.locator("button[value='pictures']").click()
        expect(paper(page).locator("img").first).to_be_visible()
        assert page.locator("#text").input_value() == "Nuestro ciclo"
        with page.context.expect_page() as opened, page.context.expect_event("response") as shown:
            page.locator("button[value='pdf']").click()
        assert shown.value.all_headers()["content-type"] == "application/pdf"
        assert "Nuestro" not in shown.value.url
        opened.value.close()
        page.locator("button[value='save']").click()
        page.wait_for_load_state()
    assert walk.wrong == []


@pytest.mark.parametrize("walk", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript(walk: Walk, bench: Served) -> None:
    page = walk.page
    page.goto(walk.address + "/sign-in")
    page.fill("#name", "tara")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.goto(walk.address + "/translate")
    page.get_by_role("link", name="Español").click()
    page.locator("a[href$='/our_cycle/todo']").first.click()
    page.fill("#text", "Nuestro ciclo")
    page.locator("button[value='page']").click()
    expect(paper(page).locator("mark").first).to_have_text("Nuestro ciclo")
    page.locator("button[value='next']").click()
    page.wait_for_url(f"**{address(KEYS[1], 'todo')}")
    assert entry(bench, KEYS[0]).text == "Nuestro ciclo"
    assert walk.wrong == []
