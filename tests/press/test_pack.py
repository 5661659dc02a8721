"""Packs in the press: new paper for each pile, tags and languages, pages that fail, limits."""

import io
import os
import signal
from typing import Any

import pypdf
import pytest

from clinic.domain.page import Page
from clinic.press.limits import Limits
from clinic.press.press import Press, PressError
from tests import pdf, verapdf

from .conftest import MakePage
from .test_press import HANG, pid_of

BREAK = "<p style='break-before: page'>{}</p>"


@pytest.fixture
def words(make_page: MakePage) -> Any:
    """`words("one", sides=2, lang="en")`: a page that says so on each of its sides."""

    def make(word: str, sides: int = 1, lang: str = "en", styles: tuple[str, ...] = ()) -> Page:
        more = "".join(BREAK.format(f"{word}{number}") for number in range(2, sides + 1))
        return make_page(f"<h1>{word}1</h1><p>said</p>{more}", lang, styles)

    return make


def sides(content: bytes) -> list[str]:
    """The words of each side."""
    return [" ".join((page.extract_text() or "").split()) for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def test_each_pile_begins_on_a_new_sheet_of_paper(press: Press, words: Any) -> None:
    made = press.pack([[words("a", 2), words("more")], [words("b")], [words("both", 2)]])
    assert sides(made) == ["a1 said", "a2", "more1 said", "", "b1 said", "", "both1 said", "both2"]
    assert not pdf.ua1(made)
    assert pdf.metadata(made)["Title"] == "Worksheet"
    assert pdf.names(made) == set()


def test_the_empty_side_is_of_the_same_paper(press: Press, words: Any) -> None:
    made = press.pack([[words("a", styles=("@page { size: letter }",))], [words("b", styles=("@page { size: A4 }",))]])
    boxes = [[round(float(one)) for one in page.mediabox[2:]] for page in pypdf.PdfReader(io.BytesIO(made)).pages]
    assert boxes == [[612, 792], [612, 792], [595, 842]]


def spoken(content: bytes) -> list[tuple[str, str]]:
    """What stands at the top of the tags: kind and language."""
    root: Any = pypdf.PdfReader(io.BytesIO(content)).trailer["/Root"]
    document = root["/StructTreeRoot"]["/K"][0].get_object()
    assert document["/S"] == "/Document"
    return [(one.get_object()["/S"], str(one.get_object().get("/Lang", ""))) for one in document["/K"]]


def test_the_tags_say_where_another_language_begins(press: Press, words: Any, make_page: MakePage) -> None:
    arabic = make_page("<h1>ورقة</h1><p>سلام</p>", "ar")
    made = press.pack([[words("a")], [arabic]])
    assert pdf.metadata(made)["Lang"] == "en"
    assert spoken(made) == [("/H1", "en"), ("/P", "en"), ("/H1", "ar"), ("/P", "ar")]
    assert "سلام" in pdf.text(made)
    assert not pdf.ua1(made)


@pytest.mark.everything
def test_verapdf_finds_nothing(press: Press, words: Any, make_page: MakePage, tmp_path: Any) -> None:
    table = "<h1>T</h1><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><ul><li>x</li></ul>"
    piles = [[make_page(table), words("a")], [make_page(table, "ar")], [words("b", 2)]]
    path = tmp_path / "pack.pdf"
    path.write_bytes(press.pack(piles))
    assert verapdf.missing() == ""
    assert verapdf.check([path]) == {path: []}


def test_equal_piles_give_equal_bytes_again_and_again(press: Press, words: Any) -> None:
    piles = [[words("a", 2)], [words("b")]]
    with press.packing() as packing:
        assert [packing.add(page) for pile in piles for page in pile] == [2, 1]
        one = packing.join([[0], [1]])
        assert sides(packing.join([[1]])) == ["b1 said"]
        assert packing.join([[0], [1]]) == one == press.pack(piles)
        assert sides(packing.join([[1], [], [0]])) == ["b1 said", "", "a1 said", "a2"]


def test_a_page_that_fails_is_left_out_and_the_others_go_on(press: Press, words: Any, make_page: MakePage) -> None:
    bad = make_page('<p id="secret">named</p>')
    with press.packing() as packing:
        packing.add(words("a"))
        with pytest.raises(PressError) as caught:
            packing.add(bad)
        assert caught.value.kind == "log"
        packing.add(words("b"))
        assert packing.pages == 2
        assert sides(packing.join([[0, 1]])) == ["a1 said", "b1 said"]
    with pytest.raises(PressError):
        press.pack([[words("a"), bad]])


def test_a_page_that_hangs_costs_its_child_and_nothing_else(words: Any, make_page: MakePage) -> None:
    machine = Press(limits=Limits(seconds=2))
    try:
        with machine.packing() as packing:
            packing.add(words("a"))
            first = pid_of(packing._child)
            with pytest.raises(PressError) as caught:
                packing.add(make_page(HANG))
            assert caught.value.kind == "timeout"
            packing.add(words("b"))
            assert pid_of(packing._child) != first
            assert sides(packing.join([[0], [1]])) == ["a1 said", "", "b1 said"]
    finally:
        machine.stop()


def test_a_lost_child_is_replaced_and_gets_its_pages_again(press: Press, words: Any) -> None:
    with press.packing() as packing:
        packing.add(words("a"))
        os.kill(pid_of(packing._child), signal.SIGKILL)
        packing.add(words("b"))
        os.kill(pid_of(packing._child), signal.SIGKILL)
        assert sides(packing.join([[0, 1]])) == ["a1 said", "b1 said"]


def test_a_child_is_not_replaced_for_ever(press: Press, words: Any) -> None:
    def again_and_again() -> None:
        for number in range(9):
            packing.add(words(str(number)))
            os.kill(pid_of(packing._child), signal.SIGKILL)

    with press.packing() as packing, pytest.raises(PressError) as caught:
        again_and_again()
    assert caught.value.kind == "lost"


@pytest.mark.parametrize(("limits", "many"), [(Limits(pack=2), 1), (Limits(sides=4), 2)])
def test_a_pack_is_bounded(words: Any, limits: Limits, many: int) -> None:
    machine = Press(limits=limits)
    try:
        with machine.packing() as packing:
            packing.add(words("a", many))
            packing.add(words("b", many))
            with pytest.raises(PressError) as caught:
                packing.add(words("c"))
            assert (caught.value.kind, caught.value.where) == ("size", "pack")
            assert len(sides(packing.join([[0, 1]]))) == 2 * many
    finally:
        machine.stop()


def test_a_large_pack_is_refused(words: Any) -> None:
    machine = Press(limits=Limits(answer=1000))
    try:
        with machine.packing() as packing:
            packing.add(words("a"))
            with pytest.raises(PressError) as caught:
                packing.join([[0]])
            assert caught.value.kind == "size"
    finally:
        machine.stop()


def test_the_child_ends_with_its_pack(press: Press, words: Any) -> None:
    with press.packing() as packing:
        packing.add(words("a"))
        first = pid_of(packing._child)
    with press.packing() as packing:
        packing.add(words("b"))
        assert pid_of(packing._child) != first
        with pytest.raises(PressError):  # it knows of no page but its own
            packing.join([[1]])
