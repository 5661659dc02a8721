"""What changed between two sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.i18n.worddiff import Piece, diff


def shown(old: str, new: str) -> str:
    marks = {"same": "{}", "gone": "[-{}-]", "new": "[+{}+]"}
    return "".join(marks[piece.kind].replace("{}", piece.text) for piece in diff(old, new))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("Take ten minutes.", "Take twenty minutes.", "Take [-ten-][+twenty+] minutes."),
        ("One two three", "One three", "One [-two -]three"),
        ("a red old car", "a blue new car", "a [-red old-][+blue new+] car"),
        ("Hello {name}!", "Hello {who}!", "Hello [-{name}-][+{who}+]!"),
        ("你好吗", "你很好", "你[+很+]好[-吗-]"),
        ("don’t go", "do go", "[-don’t-][+do+] go"),
        ("Same", "Same", "Same"),
        ("", "New", "[+New+]"),
        ("", "", ""),
    ],
)
def test_words_are_compared(old: str, new: str, wanted: str) -> None:
    assert shown(old, new) == wanted


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_pieces_give_both_texts_back(old: str, new: str) -> None:
    pieces = diff(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "new") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "gone") == new
    assert all(piece.text for piece in pieces)


def test_a_very_long_text_is_one_change() -> None:
    assert diff("a " * 3000, "b") == (Piece("gone", "a " * 3000), Piece("new", "b"))
