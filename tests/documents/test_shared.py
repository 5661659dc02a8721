"""What both let go, on paper: lines of words, and one picture of two lines only where both let the same aim go."""

import re
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clinic.documents import Options
from clinic.documents.chart import said
from clinic.documents.sheet import sheet
from clinic.domain import release
from clinic.domain.release import Released
from tests import layout, pdf, verapdf

from .catalogues import AR, EN, ES
from .conftest import Draw, make_page, shipped

DAY = date(2026, 1, 5)
SUMMARY = shipped()["session_summary"]


def course(*ratings: int, every: int = 14, first: int = 0) -> tuple[tuple[date, int], ...]:
    return tuple((DAY + timedelta(first + every * n), value) for n, value in enumerate(ratings))


TEXTS = (
    Released("1", "a", DAY, "What was a little better?\nThe walk on Sunday. Nobody looked at a phone."),
    Released("2", "b", DAY, "What was hard?\nأتعب كثيرا ولا أعرف كيف أقول ذلك."),
)
BOTH = (
    Released("3", "a", DAY, aim="trust", points=course(4, 5, 5, 7)),
    Released("4", "b", DAY, aim="trust", points=course(6, 5, 6, every=20, first=3)),
)
ALONE = Released("5", "b", DAY, aim="calm", points=course(3, 5))
ALL = (*TEXTS, *BOTH, ALONE)


def answers(*found: Released) -> dict[str, Any]:
    return {"shared": release.values(found)}


def html(*found: Released, **options: Any) -> str:
    return make_page(SUMMARY, answers(*found) if found else None, options=Options(**options)).html


def part(*found: Released) -> Any:
    made = sheet(SUMMARY, answers(*found), "joint", "couple")
    return next(one for one in made.parts if one.kind == "shared")


def test_it_holds_what_was_let_go_and_nobody_else_is_named() -> None:
    text = html(TEXTS[0])
    assert "The walk on Sunday." in text
    assert "A shared" in text
    assert "B shared" not in text, "nothing says that the other gave nothing"
    assert "<svg" not in text


def test_a_blank_is_room_to_write_for_each() -> None:
    text = html()
    assert text.index("A shared") < text.index("B shared")
    assert "<svg" not in text
    assert len(re.findall('class="line"', text)) > len(re.findall('class="line"', html(TEXTS[0])))


def test_one_picture_only_for_an_aim_of_both() -> None:
    assert "<svg" not in html(BOTH[0], ALONE)
    text = html(*ALL)
    assert text.count("<svg") == 1
    assert text.count("I can count on my partner") == 2, "the heading, and in the words for who cannot see it"
    assert "I feel calm about us" in text
    assert "0 at the bottom to 10" in text
    own = make_page(SUMMARY, answers(*ALL), "a").html
    assert "The walk" not in own
    assert "<svg" not in own


def test_each_line_has_a_mark_and_a_dash_of_its_own() -> None:
    svg = re.search(r"<svg.*?</svg>", html(*BOTH), re.S)
    assert svg
    assert svg[0].count("<circle") == len(BOTH[0].points)
    assert svg[0].count("h2.800v2.800") == len(BOTH[1].points)
    assert svg[0].count("stroke-dasharray") == 1
    assert "<text" not in svg[0], "words are HTML over the drawing"


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_the_shapes_stay_in_their_field_and_time_runs_as_the_page_reads(mirrored: bool, wide: bool) -> None:
    (chart,) = said(part(*BOTH), 165.0, mirrored, wide).charts
    for drawn in (chart.a, chart.b):
        places = [mark.x for mark in drawn.marks]
        assert all((one < two) is not mirrored for one, two in pairwise(places))
        assert all(1.4 <= mark.x <= chart.width - 1.4 and 1.4 <= mark.y <= chart.height - 1.4 for mark in drawn.marks)
    assert all(0 <= name.left and name.left + name.width <= chart.width + 0.01 for name in chart.names)
    assert [value for value, _ in chart.rules] == [10, 5, 0]
    assert chart.beside is not wide


def test_the_table_beside_it_has_every_number_and_no_other() -> None:
    (chart,) = said(part(*BOTH), 165.0, False, False).charts
    assert [(day, a) for day, a, _ in chart.rows if a is not None] == [(d.isoformat(), v) for d, v in BOTH[0].points]
    assert [(day, b) for day, _, b in chart.rows if b is not None] == [(d.isoformat(), v) for d, v in BOTH[1].points]


VARIANTS = {
    "en": ((EN,), Options()),
    "ar": ((AR,), Options(ink="saver")),
    "es large": ((ES,), Options(large=True, paper="letter")),
    "ar large": ((AR,), Options(large=True)),
    "en ar": ((EN, AR), Options(paper="letter")),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_prints_well_in_every_form(draw: Draw, name: str) -> None:
    books, options = VARIANTS[name]
    long = (Released("6", "a", DAY, aim="bond", points=course(*([5, 6, 7] * 6), every=7)),)
    long += (Released("7", "b", DAY, aim="bond", points=course(*([2, 3] * 9), every=9)),)
    content = draw(make_page(SUMMARY, answers(*ALL, *long), catalogues=books, options=options))
    assert pdf.ua1(content) == []
    assert layout.faults(layout.sides(content)) == []
    assert "The walk on Sunday." in pdf.text(content).replace("\n", " ")


@pytest.mark.everything
def test_verapdf_finds_nothing(draw: Draw, tmp_path: Path) -> None:
    paths = []
    for name, (books, options) in VARIANTS.items():
        paths.append(tmp_path / f"{name}.pdf")
        paths[-1].write_bytes(draw(make_page(SUMMARY, answers(*ALL), catalogues=books, options=options)))
    assert verapdf.missing() == ""
    assert verapdf.check(paths) == {path: [] for path in paths}
