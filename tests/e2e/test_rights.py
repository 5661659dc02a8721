"""Copies, erasing and keeping in a real browser: axe at both widths; a file is saved, a person is erased."""

import json
from pathlib import Path

import pytest

from clinic.services import accounts, cases, second_person
from clinic.services.cases import PartnerCard
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.e2e.test_people import TONGUES, go, signed_in

pytestmark = pytest.mark.everything


@pytest.fixture
def case(served: Served) -> str:
    """A case of Ana's, and an admin who may agree; the case's id."""
    accounts.create_account(served.store, "ada", PASSWORD, "Ada", "admin")
    ana = accounts.sign_in(served.store, "ana", PASSWORD)
    return cases.open_case(served.store, ana, {"a": PartnerCard(language="ar"), "b": PartnerCard()})


@TONGUES
def test_a_copy_is_saved_and_a_person_erased(walk: Walk, served: Served, case: str, tongue: str) -> None:
    page = walk.page
    with signed_in(walk, "ana", tongue):
        go(walk, f"/cases/{case}/rights", "rights")
        with page.expect_download() as saved:
            page.locator("form:has(input[name='what'][value='a']) button[value='json']").first.click()
        assert json.loads(Path(saved.value.path()).read_text("utf-8"))["entries"] == []
        page.goto(f"{walk.address}/cases/{case}/rights")
        page.locator("#erase summary").first.click()
        page.fill("#reason-erase-a", "Asked in writing.")
        page.locator("#erase form:has(input[name='partner'][value='a']) button").click()
        page.wait_for_load_state()
        walk.look("rights-asked")
        ada = accounts.sign_in(served.store, "ada", PASSWORD)
        (one,) = second_person.waiting(served.store, ada)
        second_person.confirm(served.store, ada, one.id)
        go(walk, f"/cases/{case}/rights", "rights-confirmed")
        page.locator("input[name='sure']").first.check()
        page.locator("#erase form:has(input[name='request']) button").click()
        page.wait_for_load_state()
        walk.look("rights-erased")
        go(walk, "/retention", "rights-due")
    with signed_in(walk, "ada", tongue):
        go(walk, "/backups", "backups")
