"""A page survives its JSON form, within 2 MB."""

import pytest

from clinic.domain.page import LIMIT, Page

PAGE = Page("<p>¿Qué? لا</p>", ("p {}", "h1 {}"), "es", "Hoja")


def test_a_page_comes_back_as_it_was() -> None:
    assert Page.from_json(PAGE.to_json()) == PAGE


def test_too_large_a_page_is_refused_both_ways() -> None:
    with pytest.raises(ValueError, match="2000000"):
        Page("x" * LIMIT, (), "en", "").to_json()
    with pytest.raises(ValueError, match="2000000"):
        Page.from_json(b" " * (LIMIT + 1))


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{}",
        b"{",
        b'{"html":1,"styles":[],"lang":"en","title":""}',
        b'{"html":"","styles":"x","lang":"en","title":""}',
    ],
)
def test_what_is_not_a_page_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a page|Expecting"):
        Page.from_json(text)
