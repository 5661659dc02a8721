"""Finished drawings on screen: the shapes of the paper, each answer once, in the order of the loop."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.services.definitions import definition
from tests.web.conftest import Clinic, finished

# sheet → (about, ids of its diagram blocks with their shapes)
SHEETS: dict[str, tuple[Any, dict[str, str]]] = {
    "our_cycle": ("couple", {"loop": "two", "round": "cycle"}),
    "the_wave": ("a", {"wave": "wave"}),
    "circle_of_support": ("a", {"rings": "circles"}),
}


def said(sheet: str, block: str) -> dict[str, str]:
    """One answer for each box, like nothing else on the page."""
    found = next(one.block for one in definition(sheet).placed(SHEETS[sheet][0]) if one.block.id == block)
    return {node.id: f"w-{block}-{place} <i>" for place, node in enumerate(found.nodes)}


def record(clinic: Clinic, sheet: str) -> str:
    about, blocks = SHEETS[sheet]
    names = {one.block.id: one.name for one in definition(sheet).placed(about)}
    given = {names[block]: said(sheet, block) for block in blocks}
    return finished(clinic.store, clinic.tokens["ana"], clinic.case, sheet, about, given)


def drawn(page: str, sheet: str) -> None:
    """Each block as its shape, with the words of its SVG, and its answers once and in order."""
    for block, shape in SHEETS[sheet][1].items():
        found = next(one.block for one in definition(sheet).placed(SHEETS[sheet][0]) if one.block.id == block)
        part = page[page.index(f'class="drawing drawing--{shape}"') :]
        assert re.search(r'<svg [^>]*role="img"><title>' + re.escape(found.alt.en), part), block
        words = [one.replace("<i>", "&lt;i&gt;") for one in said(sheet, block).values()]
        assert re.findall(rf"w-{block}-\d &lt;i&gt;", page) == words
        for node in found.nodes:
            assert node.label.en in part
    assert "w-loop-0 <i>" not in page
    assert not re.search(r'<[^>]+ style="', page)  # a browser would refuse it


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_finished_record_shows_its_drawings(clinic: Clinic, ana: FlaskClient, sheet: str) -> None:
    drawn(ana.get(f"/records/{record(clinic, sheet)}").text, sheet)


def test_the_couple_view_draws_what_both_said_and_nothing_of_one(clinic: Clinic, ana: FlaskClient) -> None:
    for sheet in SHEETS:
        record(clinic, sheet)
    page = ana.get(f"/cases/{clinic.case}/couple").text
    drawn(page, "our_cycle")
    for word in ("w-wave", "w-rings", "drawing--wave", "drawing--circles"):
        assert word not in page


def test_a_box_that_nobody_filled_in_stays_in_its_place(clinic: Clinic, ana: FlaskClient) -> None:
    some = {"loop": {"b_reads": "only this"}}
    page = ana.get(f"/records/{finished(clinic.store, clinic.tokens['ana'], clinic.case, 'our_cycle', 'couple', some)}")
    part = page.text[page.text.index("drawing--two") :]
    assert [part.index(f"at-{place}") for place in (11, 13, 33, 31)] == sorted(
        part.index(f"at-{place}") for place in (11, 13, 31, 33)
    )
    assert part.count("only this") == 1
    assert "drawing--cycle" not in page.text


def test_browsers_get_the_rules_that_paper_has(clinic: Clinic, ana: FlaskClient) -> None:
    assert "/static/drawing.css" in ana.get("/").text
    with ana.get("/static/drawing.css") as reply:
        rules = reply.text
    assert ".dnode {" in rules
    assert not re.search(r"var\(|grid|light-dark", re.sub(r"/\*.*?\*/", "", rules, flags=re.S))
