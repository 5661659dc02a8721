"""Codes on paper: slips are found without looking anything up, and what people type for a sign is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.domain import code
from clinic.domain.code import ALPHABET, LENGTH, checksum, fits, new_code, normalised

SIGNS = st.lists(st.integers(0, 31), min_size=8, max_size=8)


def whole(signs: list[int]) -> str:
    return "".join(ALPHABET[sign] for sign in (*signs, checksum(signs)))


@given(SIGNS, st.integers(0, 8), st.integers(1, 31))
def test_one_wrong_sign_is_found(signs: list[int], place: int, by: int) -> None:
    right = whole(signs)
    wrong = ALPHABET[(ALPHABET.index(right[place]) + by) % 32]
    assert fits(right)
    assert not fits(right[:place] + wrong + right[place + 1 :])


@given(SIGNS, st.integers(0, 6))
def test_nearly_every_swap_of_neighbours_is_found(signs: list[int], place: int) -> None:
    swapped = [*signs]
    swapped[place], swapped[place + 1] = signs[place + 1], signs[place]
    alike = (signs[place] - signs[place + 1]) % 16 == 0
    assert (checksum(swapped) == checksum(signs)) is alike


def test_a_new_code_fits_and_each_is_another() -> None:
    made = {new_code() for _ in range(200)}
    assert len(made) == 200
    assert all(fits(one) and len(one) == LENGTH + 1 for one in made)


@pytest.mark.parametrize(
    "typed",
    [
        "abcdefgh{}",
        "ABCD EFGH {}",
        "abcd-efgh-{}",
        " a b c d e f g h {} ",
        "ＡＢＣＤＥＦＧＨ{}",
        "abcd\u2011efgh\u200e{}\n",
    ],
)
def test_case_spaces_dashes_and_wide_letters_do_not_matter(typed: str) -> None:
    last = whole([ALPHABET.index(sign) for sign in "ABCDEFGH"])[-1]
    assert normalised(typed.format(last)) == "ABCDEFGH" + last
    assert fits(normalised(typed.format(last)))


@pytest.mark.parametrize(("typed", "meant"), [("I1l", "LLL"), ("O0o", "QQQ"), ("٢٣۴", "234"), ("２９", "29")])
def test_signs_that_no_code_has_are_read_as_what_was_meant(typed: str, meant: str) -> None:
    assert normalised(typed) == meant
    assert all(sign in ALPHABET for sign in code.MEANT.values())


@given(st.text(max_size=300))
def test_anything_may_be_typed(text: str) -> None:
    assert isinstance(fits(normalised(text)), bool)


@pytest.mark.parametrize("typed", ["", "ABCDEFGH", "ABCDEFGHJK", "ÄBCDEFGHJ", "ABCDEFGH!", "x" * 5000])
def test_what_is_no_code_does_not_fit(typed: str) -> None:
    assert not fits(normalised(typed))
