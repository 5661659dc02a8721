"""The map in a real browser: why a sheet, confirm one, decline one with a reason, remembered, taken back."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import expect

from clinic.services import accounts, cases
from clinic.services.cases import PartnerCard
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.web.conftest import finished, prepared

pytestmark = pytest.mark.everything
REASON = "Too early: a parent died in May."


@pytest.fixture
def case(served: Served) -> str:
    """A case with signals, guesses and a level."""
    token = accounts.sign_in(served.store, "ana", PASSWORD)
    made = cases.open_case(served.store, token, {"a": PartnerCard(), "b": PartnerCard()})
    day = {"day": served.store.today().isoformat()}
    answers = {"held": day, "conditions": "yes", "fear": "no"}
    finished(served.store, token, made, "safety_screening", "a", answers)
    clinic: Any = SimpleNamespace(store=served.store, tokens={"ana": token}, case=made)
    prepared(clinic)
    return made


def test_the_map(walk: Walk, case: str) -> None:
    page = walk.page
    walk.sign_in()
    page.goto(f"{walk.address}/cases/{case}/formulation")
    mine = page.locator("#for-a")
    titles = mine.locator(".suggest-title")
    before = titles.all_inner_texts()
    mine.locator("details.why summary").first.click()
    expect(mine.locator(".chain").first).to_contain_text("Being near serves as proof")
    walk.look("map-why")
    mine.get_by_role("link", name="What else it may be").first.click()
    expect(page.locator("#rivals-a")).to_be_in_viewport()
    mine.get_by_role("button", name=re.compile("^Confirm ?: " + before[1])).click()
    expect(page.get_by_role("status")).to_contain_text("Confirmed.")
    first = mine.locator("details.decline").first
    first.locator("summary").click()
    first.get_by_role("button").click()
    expect(first.locator("textarea")).to_be_focused()  # the browser asks for the reason
    first.get_by_label("Why not now?").fill(REASON)
    first.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("Declined.")
    page.reload()
    assert titles.all_inner_texts()[0] == before[1]
    assert before[0] not in titles.all_inner_texts()
    expect(mine.locator(".stands")).to_contain_text(REASON)
    expect(mine.locator(".is-chosen")).to_contain_text("confirmed on")
    walk.look("map-chosen")
    mine.locator(".stands").get_by_role("button", name=re.compile("^Take back")).click()
    expect(page.get_by_role("status")).to_contain_text("Taken back.")
    mine.locator(".is-chosen").get_by_role("button", name=re.compile("^Take back")).click()
    assert titles.all_inner_texts() == before
    expect(mine.locator(".stands, .is-chosen")).to_have_count(0)
    assert walk.wrong == []


@pytest.mark.parametrize("walk", [{"color_scheme": "dark"}], indirect=True)
def test_the_map_right_to_left_and_dark(walk: Walk, case: str) -> None:
    page = walk.page
    walk.sign_in()
    page.locator("button.langs-one[lang='ar']").click()
    page.goto(f"{walk.address}/cases/{case}/formulation")
    assert page.locator("html").get_attribute("dir") == "rtl"
    page.locator("#for-joint details.why summary").first.click()
    walk.look("map-rtl-dark")
    assert walk.wrong == []
