"""The pages of the other roles in a real browser: axe on each at both widths, left to right and back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from clinic.services import accounts, cases, records
from clinic.services.cases import PartnerCard
from tests.e2e.conftest import PASSWORD, Served, Walk

pytestmark = pytest.mark.everything
TONGUES = pytest.mark.parametrize("tongue", ["en", "ar"])
PEOPLE = (
    ("sven", "supervisor"), ("ada", "admin"), ("alf", "admin"), ("flora", "front_desk"), ("tara", "translator"),
)  # fmt: skip


@pytest.fixture
def case(served: Served) -> str:
    """Everybody there is, and a case of Ana's, whom Sven supervises; its code."""
    ids = {name: accounts.create_account(served.store, name, PASSWORD, name.title(), role) for name, role in PEOPLE}
    accounts.create_account(served.store, "berta", PASSWORD, "Berta")
    accounts.set_supervisor(served.store, accounts.find(served.store, "ana").id, ids["sven"])
    ana = accounts.sign_in(served.store, "ana", PASSWORD)
    made = cases.open_case(served.store, ana, {"a": PartnerCard(language="ar"), "b": PartnerCard()})
    for definition in ("intake", "session", "session"):
        records.start(served.store, ana, made, definition, "couple")
    records.start(served.store, ana, made, "partner_intake", "a")
    return cases.caseload(served.store, ana)[0].code


@contextmanager
def signed_in(walk: Walk, name: str, tongue: str) -> Iterator[None]:
    """One person at the browser, in a language."""
    page = walk.page
    page.goto(walk.address + "/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_selector(".topbar")
    if page.locator("html").get_attribute("lang") != tongue:
        page.locator(f".langs button[value='{tongue}']").click()
        page.wait_for_selector(f"html[lang='{tongue}']")
    yield
    page.locator("form[action='/sign-out'] button").evaluate("one => one.click()")
    page.wait_for_selector("#name")


def menu(walk: Walk) -> list[str]:
    return [str(one.get_attribute("href")) for one in walk.page.locator(".nav-list a").all()]


def go(walk: Walk, where: str, what: str) -> None:
    walk.page.goto(walk.address + where)
    walk.look(what)


@TONGUES
def test_the_pages_of_each_role(walk: Walk, case: str, tongue: str) -> None:
    page = walk.page
    with signed_in(walk, "ada", tongue):
        assert menu(walk) == ["/team", "/sheets", "/backups", "/waiting", "/audit", "/help", "/account"]
        walk.look("team")
        new_account(walk)
        page.goto(walk.address + "/team")
        page.get_by_role("link", name="Flora").click()
        page.fill("#reset-reason", "Asked me in person.")
        walk.look("account")
        page.locator("button[value='reset']").click()
        walk.look("temporary-password")
        transfer(walk, case)
        break_glass(walk, case)
        go(walk, "/audit", "audit")
    with signed_in(walk, "sven", tongue):
        assert menu(walk) == ["/supervision", "/sheets", "/waiting", "/audit", "/help", "/account"]
        waiting(walk)
        supervision(walk)
    with signed_in(walk, "ana", tongue):
        page.wait_for_url("**/waiting")
        walk.look("waiting-counsellor")
        go(walk, "/audit", "audit-counsellor")
    with signed_in(walk, "tara", tongue):
        assert menu(walk) == ["/previews", "/sheets", "/waiting", "/help", "/account"]
        walk.look("previews")
        with page.context.expect_page() as opened, page.context.expect_event("response") as shown:
            page.locator("button[value='our_cycle joint']").click()
        assert shown.value.all_headers()["content-type"] == "application/pdf"
        opened.value.close()
    assert walk.wrong == []


@TONGUES
def test_the_front_desk_has_the_day_and_blanks_and_nothing_else(walk: Walk, case: str, tongue: str) -> None:
    with signed_in(walk, "flora", tongue):
        assert menu(walk) == ["/day", "/sheets", "/waiting", "/help", "/account"]
        walk.look("front-desk")
        assert case not in walk.page.content()
        go(walk, "/sheets", "blanks")
        go(walk, "/waiting", "nothing-waits")
    assert walk.wrong == []


def new_account(walk: Walk) -> None:
    page = walk.page
    page.locator("a[href='/team/new']").click()
    page.wait_for_url("**/team/new")
    page.locator("main button[type='submit']").click()
    expect(page.locator("[data-errors]")).to_be_focused()
    walk.look("new-account-faults")
    page.fill("#name", "cleo")
    page.fill("#display", "Cleo")
    page.select_option("#role", "supervisor")
    page.locator("main button[type='submit']").click()
    expect(page.locator(".once")).to_be_visible()
    walk.look("new-account-made")


def transfer(walk: Walk, case: str) -> None:
    page = walk.page
    page.goto(walk.address + "/transfer")
    page.fill("#code", "K-0")
    page.locator("main button[type='submit']").click()
    expect(page.locator("[data-errors]")).to_be_focused()
    walk.look("transfer-faults")
    page.fill("#code", case.lower())
    page.select_option("#to", label="Berta")
    page.fill("#reason", "Ana is on leave from May.")
    page.locator("main button[type='submit']").click()
    page.wait_for_url("**/waiting")
    walk.look("asked")


def break_glass(walk: Walk, case: str) -> None:
    page = walk.page
    go(walk, "/break-glass", "break-glass")
    page.fill("#code", case)
    page.fill("#reason", "A court asks for the dates.")
    page.fill("#hours", "2")
    page.locator("main button[type='submit']").click()
    page.wait_for_url("**/look/*")
    expect(page.locator("main form[action*='/records']")).to_have_count(0)
    walk.look("case-by-break-glass")


def waiting(walk: Walk) -> None:
    page = walk.page
    page.wait_for_url("**/waiting")
    walk.look("waiting")
    page.locator("form[action^='/notices/'] button").first.click()
    page.wait_for_url("**/waiting")


def supervision(walk: Walk) -> None:
    page = walk.page
    go(walk, "/supervision", "supervision")
    page.locator("tbody a").first.click()
    page.wait_for_url("**/look/*")
    walk.look("case-supervised")
    there = page.url
    page.locator(".rows--groups a").first.click()
    page.wait_for_url("**/records/*")
    expect(page.locator("main form")).to_have_count(0)
    walk.look("record-supervised")
    page.goto(there)
    page.locator("a[href$='/formulation']").click()
    page.wait_for_url("**/formulation")
    expect(page.locator("main form")).to_have_count(0)
    walk.look("map-supervised")
    page.goto(there)
    page.locator("main button:has-text('supervision note'), main .pagehead form button").first.click()
    page.wait_for_url("**/records/*")
    walk.look("supervision-note")
    page.fill("[id='held.day']", "2026-03-02")
    page.fill("#discussed", "The pace of the work.")
    page.check("input[name='lifting'][value='agree']")
    page.fill("#lifting_note", "Both were seen alone again.")
    page.locator("button[value='finish']").click()
    page.wait_for_url("**/look/*")
    walk.look("case-with-note")
