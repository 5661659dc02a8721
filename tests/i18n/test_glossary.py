"""Glossaries: what they may hold, and when a term counts as used."""

from pathlib import Path

import pytest

from clinic import resources
from clinic.i18n.glossary import BrokenGlossary, Term, glossary, hits, parse


def test_a_glossary_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "glossary.toml"
    assert glossary(path) == ()
    path.write_text('[[term]]\nen = "relief"\nis = ["alivio"]\nnote = "for a while"\n', "utf-8")
    assert glossary(path) == (Term("relief", ("alivio",), "for a while"),)
    path.write_text("", "utf-8")
    assert glossary(path) == ()


@pytest.mark.parametrize(
    "text",
    [
        "term = 1",
        '[other]\na = "b"',
        '[[term]]\nen = "relief"',
        '[[term]]\nen = "relief"\nis = []',
        '[[term]]\nen = "relief"\nis = "alivio"',
        '[[term]]\nen = " "\nis = ["alivio"]',
        '[[term]]\nen = "relief"\nis = ["alivio"]\nmore = 1',
        "[[term",
        "\ud800",
    ],
)
def test_a_broken_glossary_says_so(text: str) -> None:
    with pytest.raises(BrokenGlossary):
        parse(text.encode("utf-8", "surrogatepass"))


def test_a_term_is_used_in_its_simple_endings_and_not_inside_words() -> None:
    terms = (Term("signal", ("señal",)), Term("self-worth", ("valía",)), Term("map", ("mapa",)))
    assert hits(terms, "Two Signals and low self-worth, mapped.") == terms[:2]


@pytest.mark.parametrize(
    ("term", "target", "kept"),
    [
        (Term("relief", ("alivio",)), "ALIVIOS", True),
        (Term("relief", ("alivio",)), "calma", False),
        (Term("sign", ("إشارة",)), "إِشَارَة", True),
        (Term("rest", ("calma", "descanso")), "un descanso", True),
    ],
)
def test_words_count_by_their_beginning_and_without_vowel_signs(term: Term, target: str, kept: bool) -> None:
    assert term.kept(target) is kept


def test_the_shipped_glossaries_can_be_read() -> None:
    found = sorted(resources.translations().glob("*/glossary.toml"))
    assert len(found) >= 2
    assert all(glossary(path) for path in found)
