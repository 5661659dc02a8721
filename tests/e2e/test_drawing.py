"""The drawings in a real browser: wide and narrow, left to right and right to left, light and dark."""

from types import SimpleNamespace
from typing import Any

import pytest

from clinic.services import accounts, cases, records
from clinic.services.cases import PartnerCard
from tests.e2e.conftest import PASSWORD, Served, Walk
from tests.web.test_drawing import SHEETS, record

pytestmark = pytest.mark.everything


@pytest.mark.parametrize("walk", [{}, {"locale": "ar", "color_scheme": "dark"}], indirect=True, ids=["en", "ar"])
def test_drawings(walk: Walk, served: Served, request: pytest.FixtureRequest) -> None:
    page = walk.page
    token = accounts.sign_in(served.store, "ana", PASSWORD)
    case = cases.open_case(served.store, token, {"a": PartnerCard(), "b": PartnerCard()})
    clinic: Any = SimpleNamespace(store=served.store, tokens={"ana": token}, case=case)
    way = request.node.callspec.id
    walk.sign_in()
    for sheet in SHEETS:
        page.goto(f"{walk.address}/records/{record(clinic, sheet)}")
        walk.look(f"{sheet}-{way}")
        boxes = page.locator(".dnode:not(.under):not(.exit)")
        places = [boxes.nth(n).bounding_box() for n in range(boxes.count())]
        assert all(one and one["width"] > 60 for one in places)
    page.goto(f"{walk.address}/cases/{case}/couple")
    walk.look(f"couple-{way}")
    page.goto(f"{walk.address}/records/{records.start(served.store, token, case, 'our_cycle', 'couple')}")
    walk.look(f"form-{way}")
    assert page.locator("html").get_attribute("dir") == ("rtl" if way == "ar" else "ltr")
    assert not walk.wrong
