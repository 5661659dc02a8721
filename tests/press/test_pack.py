"""A whole pack as it is made: sheets of several readers, each drawn alone, and one file in the end."""

from typing import Any

import pikepdf
import pytest

from clinic.domain.code import new_code
from clinic.domain.page import Page
from clinic.press.press import Press, PressError
from tests import pdf, verapdf

from .conftest import MakePage
from .test_join import assert_sound, fonts_of, sides
from .test_stamp import PAGES, worksheet

READERS = {"a": "Żółw", "b": "Ñandú", "joint": "Œuvre"}  # each has a letter that nobody else has
LETTERS = {"a": b"017b", "b": b"00d1", "joint": b"0152"}


@pytest.fixture
def pack(press: Press, make_page: MakePage) -> dict[str, list[bytes]]:
    """The sheets of three readers: two drawn with answers, two given."""
    made: dict[str, list[bytes]] = {}
    for reader, word in READERS.items():
        with press.child() as child:
            drawn = [press.pdf(make_page(f"<h1>{word}</h1><p>{word} {place}</p>"), child) for place in ("1", "2")]
        given = [press.given(PAGES[name](), {"code": new_code()}) for name in ("en", "de-ar")]
        made[reader] = [drawn[0], given[0], drawn[1], given[1]]
    return made


def test_every_sheet_is_there_in_its_order_and_nobodys_words_are_on_another(
    press: Press, pack: dict[str, list[bytes]]
) -> None:
    made = press.joined(list(pack.values()))
    assert_sound(made)
    text, place = sides(made), 0
    for reader, files in pack.items():
        place += place % 2
        for file in files:
            for one in sides(file):
                assert text[place] == one
                assert not any(word in text[place] for other, word in READERS.items() if other != reader)
                place += 1
    assert place == len(text)


def test_no_font_knows_the_letters_of_two_readers(press: Press, pack: dict[str, list[bytes]]) -> None:
    found = [
        {reader for reader, sign in LETTERS.items() if sign in told}
        for _, told in fonts_of(press.joined(list(pack.values())))
    ]
    assert set().union(*found) == READERS.keys()
    assert all(len(readers) <= 1 for readers in found)


def test_equal_sheets_give_equal_packs(press: Press, pack: dict[str, list[bytes]]) -> None:
    assert press.joined(list(pack.values())) == press.joined(list(pack.values()))


def test_one_broken_sheet_breaks_no_press(press: Press, pack: dict[str, list[bytes]]) -> None:
    with pytest.raises(PressError):
        press.joined([pack["a"], [b"%PDF-1.7\nbroken"]])
    assert press.joined([pack["a"]])


@pytest.mark.everything
def test_verapdf_finds_nothing_in_a_pack_of_all_kinds(
    press: Press, pack: dict[str, list[bytes]], tmp_path: Any
) -> None:
    pages: list[Page] = [
        worksheet(name, tag) for name in ("two_beliefs", "the_wave", "own_worth") for tag in ("en", "ar")
    ]
    alike = [file for page in pages for file in press.given_all(page, [{"code": new_code()} for _ in range(3)])]
    path = tmp_path / "pack.pdf"
    path.write_bytes(press.joined([*pack.values(), alike]))
    with pikepdf.open(path) as file:
        assert len(file.pages) > 30
    assert pdf.ua1(path.read_bytes()) == []
    assert verapdf.missing() == ""
    assert verapdf.check([path]) == {path: []}
