"""Stamped sheets: the same in every letter as a sheet that was drawn, or drawn."""

import io
import random
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pikepdf
import pypdfium2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clinic.documents import Fonts, Options, page, sheet
from clinic.domain.code import ALPHABET, new_code
from clinic.domain.page import SLOTS, Page
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services.definitions import definitions
from tests import pdf, verapdf

from .conftest import MakePage

STAMPED = b"% slot"  # stands in every file that was stamped
NEAR = 0.01  # pt
BY_LETTER = "font-kerning: none; font-variant-ligatures: none"

Draw = Callable[[Page, dict[str, str]], bytes]


@cache
def worksheet(name: str, *tags: str, date: bool = False, **options: Any) -> Page:
    """A sheet as it is given, with its slots open."""
    definition = definitions()[name]
    found = sheet(definition, None, None, definition.abouts[0])
    books = [catalogue(tag) for tag in tags]
    stacks = Fonts({tag: fonts.font_stack(tag) for tag in tags}, {tag: fonts.title_stack(tag) for tag in tags})
    return page(found, books, Options(**options), SLOTS["code"], SLOTS["date"] if date else "", stacks)


PAGES: dict[str, Callable[[], Page]] = {  # made when first used: the fonts must be there
    "en": partial(worksheet, "our_cycle", "en"),
    "es": partial(worksheet, "our_cycle", "es"),
    "ar": partial(worksheet, "our_cycle", "ar"),
    "ru": partial(worksheet, "two_beliefs", "ru"),
    "de-ar": partial(worksheet, "our_cycle", "de", "ar"),
    "ar-en": partial(worksheet, "two_beliefs", "ar", "en"),
    "large": partial(worksheet, "two_beliefs", "en", large=True),
    "large-ar": partial(worksheet, "two_beliefs", "ar", large=True),
    "letter": partial(worksheet, "our_cycle", "en", paper="letter"),
    "saver": partial(worksheet, "our_cycle", "es", ink="saver"),
    "draft": partial(worksheet, "our_cycle", "en", draft=True),
    "letterhead": partial(worksheet, "two_beliefs", "en", letterhead=("Oak Street Practice", "Tel. 555 0100")),
}
DATED: dict[str, tuple[Callable[[], Page], str]] = {
    "en": (partial(worksheet, "our_cycle", "en", date=True), "12 May 2026"),
    "de": (partial(worksheet, "our_cycle", "de", date=True), "3. März 2026"),
    "large": (partial(worksheet, "two_beliefs", "en", date=True, large=True), "31/12/2026"),
    "handout": (partial(worksheet, "the_wave", "en", date=True), "Thursday, 5 June"),
    "de-ar": (partial(worksheet, "our_cycle", "de", "ar", date=True), "7. Juni 2026"),
    "ar": (partial(worksheet, "our_cycle", "ar", date=True), "20260512"),
}


@pytest.fixture(scope="module")
def full(press: Press) -> Draw:
    """Draw a page with words as any other."""

    def draw(page: Page, words: dict[str, str]) -> bytes:
        with press.child() as child:
            return press.pdf(page.with_words(words), child)

    return draw


def letters(content: bytes) -> list[list[tuple[str, tuple[float, ...]]]]:
    """Each letter of each side with its box in pt."""
    found = []
    with pypdfium2.PdfDocument(content) as document:
        for side in document:
            text = side.get_textpage()
            found.append([(text.get_text_range(n, 1), text.get_charbox(n)) for n in range(text.count_chars())])
    return found


def operators(content: bytes) -> list[list[bytes]]:
    """What each side is drawn by, in one piece."""
    with pikepdf.open(io.BytesIO(content)) as file:
        return [_drawn_by(side).replace(STAMPED, b"").split() for side in file.pages]


def _drawn_by(side: Any) -> bytes:
    parts = side.Contents if isinstance(side.Contents, pikepdf.Array) else [side.Contents]
    return b"\n".join(part.read_bytes() for part in parts)


def tags(content: bytes) -> list[str]:
    """The tree of tags: kind, pieces of content and texts of each, without the numbers of objects."""
    told = []
    with pikepdf.open(io.BytesIO(content)) as file:
        sides = {side.obj.objgen: number for number, side in enumerate(file.pages)}
        waiting = [(0, file.Root.StructTreeRoot.K[0])]
        while waiting:
            depth, one = waiting.pop()
            kids = list(one.get("/K", []))
            pieces = [int(kid) for kid in kids if not isinstance(kid, pikepdf.Dictionary)]
            side = sides[one.Pg.objgen] if "/Pg" in one else None
            told.append(f"{depth} {one.get('/S')} {side} {pieces} {one.get('/Alt', '')} {one.get('/Lang', '')}")
            waiting += [(depth + 1, kid) for kid in reversed(kids) if isinstance(kid, pikepdf.Dictionary)]
    return told


def assert_alike(stamped: bytes, drawn: bytes) -> None:
    assert STAMPED in stamped
    assert STAMPED not in drawn
    assert pdf.text(stamped) == pdf.text(drawn)
    assert pdf.text_by_poppler(stamped) == pdf.text_by_poppler(drawn)
    for side, other in zip(letters(stamped), letters(drawn), strict=True):
        assert [one for one, _ in side] == [one for one, _ in other]
        for (_, box), (_, same) in zip(side, other, strict=True):
            assert box == pytest.approx(same, abs=NEAR)
    assert operators(stamped) == operators(drawn)
    assert pdf.png(stamped, 100) == pdf.png(drawn, 100)
    assert tags(stamped) == tags(drawn)
    assert pdf.metadata(stamped) == pdf.metadata(drawn)
    assert pdf.ua1(stamped) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_stamped_sheet_is_the_sheet_that_would_be_drawn(press: Press, full: Draw, name: str) -> None:
    words = {"code": new_code()}
    assert_alike(press.given(PAGES[name](), words), full(PAGES[name](), words))


@pytest.mark.parametrize("name", DATED)
def test_a_date_is_stamped_where_its_letters_stand_side_by_side(press: Press, full: Draw, name: str) -> None:
    made, date = DATED[name]
    page = made()
    words = {"code": "WQ7ZLAVT2", "date": date}
    assert_alike(press.given(page, words), full(page, words))


CODES = st.text(ALPHABET, min_size=9, max_size=9)


@pytest.mark.parametrize("name", ["en", "ar"])
@settings(max_examples=6)
@given(code=CODES)
@example(code="22222222A")  # digits before a letter, in a text from right to left
def test_any_code_is_drawn_as_the_engine_draws_it(press: Press, full: Draw, name: str, code: str) -> None:
    stamped, drawn = press.given(PAGES[name](), {"code": code}), full(PAGES[name](), {"code": code})
    assert operators(stamped) == operators(drawn)
    assert pdf.text(stamped) == pdf.text(drawn)


@settings(max_examples=30)
@given(code=CODES)
def test_any_code_can_be_read_from_every_side(press: Press, code: str) -> None:
    file = press.given(PAGES["en"](), {"code": code})
    assert pdf.text(file).count(code) == pdf.pages(file)
    assert STAMPED in file


def test_all_of_many_sheets_are_alike_but_for_their_words(press: Press) -> None:
    codes = [new_code() for _ in range(50)]
    files = press.given_all(PAGES["en"](), [{"code": code} for code in codes])
    assert len({len(file) for file in files}) == 1
    for file, code in random.sample(list(zip(files, codes, strict=True)), 5):
        assert code in pdf.text(file)
        assert not any(other in pdf.text(file) for other in codes if other != code)


def test_equal_words_give_equal_bytes_in_every_press(press: Press) -> None:
    words = {"code": "WQ7ZLAVT2"}
    other = Press()
    try:
        assert (
            press.given(PAGES["ar"](), words) == press.given(PAGES["ar"](), words) == other.given(PAGES["ar"](), words)
        )
    finally:
        other.stop()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("code", "ABCDEFGHÑ"),
        ("code", "رمز"),
        ("code", "ABCDEFGHJKLMNPQ"),
        ("date", "12 مايو 2026"),
        ("date", "5月12日"),
    ],
)
def test_a_word_that_cannot_be_stamped_is_drawn(press: Press, full: Draw, name: str, word: str) -> None:
    page = worksheet("our_cycle", "ar", date=name == "date")
    words = {"code": "WQ7ZLAVT2", name: word}
    assert press.given(page, words) == full(page, words)


def test_a_word_with_a_space_is_drawn_in_a_text_from_right_to_left(press: Press, full: Draw) -> None:
    page, words = DATED["ar"][0](), {"code": "WQ7ZLAVT2", "date": "12 May 2026"}
    assert press.given(page, words) == full(page, words)
    assert STAMPED in press.given(DATED["en"][0](), words)


CODE = f'<span style="{BY_LETTER}">{SLOTS["code"]}</span>'


@pytest.mark.parametrize(
    "body",
    [
        f"<p>{CODE}</p>",
        f"<p>The code: {CODE}</p>",
        f"<p style='text-align: right'>{CODE}</p>",
        f"<p style='text-align: end; {BY_LETTER}'>{SLOTS['code']}</p>",
        f"<p style='text-align: center; font-size: 30pt; font-weight: 700'>{CODE}</p>",
        f"<p style='direction: rtl'>{CODE}</p>",
        f"<div style='width: 90mm; text-align: center'><p>{CODE}</p></div><p>{CODE}</p>",
        f"<table><tr><td style='width: 90mm'>{CODE}</td><td>next</td></tr></table>",
    ],
)
@pytest.mark.parametrize("lang", ["en", "ar"])
def test_a_slot_keeps_to_its_side_of_the_line(
    press: Press, full: Draw, make_page: MakePage, body: str, lang: str
) -> None:
    page = make_page(f"<h1>سلام WIDE</h1>{body}", lang)
    for code in ("LLLLLLLL7", "WMWMWMWMW"):
        stamped, drawn = press.given(page, {"code": code}), full(page, {"code": code})
        assert STAMPED in stamped
        assert operators(stamped) == operators(drawn)
        assert pdf.text(stamped) == pdf.text(drawn)


@pytest.mark.parametrize(
    "body",
    [
        f"<p>{SLOTS['code']}</p>",  # its letters move together
        f"<p>{CODE} and more</p>",
        f"<p style='text-align: right'>more {CODE}</p>",
        f"<p style='text-align: center'>more {CODE}</p>",
        f"<p style='text-transform: lowercase'>{CODE}</p>",
        f"<p style='text-decoration: underline'>{CODE}</p>",
        f"<p><u>{CODE}</u></p>",
        f"<p style='letter-spacing: 1mm'>{CODE}</p>",
        f"<p><b style='padding-right: 1mm; background: #ddd'>{CODE}</b></p>",
        f"<p>x{SLOTS['code']}x</p>",
        f"<p style='float: left; border: 1pt solid'>{CODE}</p>",
        f"<p style='display: inline-block; border: 1pt solid'>{CODE}</p>",
        f"<table><tr><td>{CODE}</td><td>next</td></tr></table>",
        f"<p style='width: 12mm; overflow-wrap: anywhere'>{CODE}</p>",
        f"<p style='width: 30mm; overflow-wrap: anywhere'>{CODE}</p>",  # wide enough for some words only
        f"<p style='opacity: 0.5'>{CODE}</p>",
        f"<p style='display: none'>{CODE}</p>",
    ],
)
def test_where_a_word_would_move_others_the_sheet_is_drawn(
    press: Press, full: Draw, make_page: MakePage, body: str
) -> None:
    page = make_page(f"<h1>x</h1>{body}")
    for code in ("LLLLLLLL7", "WMWMWMWMW"):
        made, drawn = press.given(page, {"code": code}), full(page, {"code": code})
        assert made == drawn or ("30mm" in body and code[0] == "L" and operators(made) == operators(drawn))


def test_a_slot_needs_its_word(press: Press) -> None:
    with pytest.raises(ValueError, match="no word for the date"):
        DATED["en"][0]().with_words({"code": "WQ7ZLAVT2"})
    with pytest.raises(PressError):
        press.given(DATED["en"][0](), {"code": "WQ7ZLAVT2"})
    with pytest.raises(PressError):
        press.given(PAGES["en"](), {"code": ""})
    assert PAGES["en"]().with_words({"code": "<&", "date": "unused"}).html.count("&lt;&amp;") == 1


def test_no_placeholder_can_be_a_code_and_none_hides_another() -> None:
    assert PAGES["en"]().slots == ("code",)
    assert DATED["en"][0]().slots == ("code", "date")
    for name, placeholder in SLOTS.items():
        assert set(placeholder).isdisjoint(ALPHABET)
        assert not any(other in placeholder for key, other in SLOTS.items() if key != name)


@pytest.mark.everything
def test_verapdf_finds_nothing(press: Press, tmp_path: Any) -> None:
    paths = []
    for name in PAGES:
        paths.append(tmp_path / f"{name}.pdf")
        paths[-1].write_bytes(press.given(PAGES[name](), {"code": new_code()}))
    assert verapdf.missing() == ""
    assert verapdf.check(paths) == {path: [] for path in paths}
