"""Languages: what is there, what a key says, in which state it is."""

import json
from pathlib import Path

import pytest

from clinic.domain.definition import Text
from clinic.i18n import compiling, locales
from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.message import Entry
from clinic.i18n.po import File, Message, document, rendered
from clinic.services import translations
from clinic.services.definitions import definitions

SHIPPED = ("es", "ar")


def test_english_spanish_and_arabic_are_there() -> None:
    tags = [one.tag for one in locales.translated()]
    assert tags[0] == "en"
    assert set(SHIPPED) <= set(tags)
    assert locales.locale("ar").dir == "rtl"
    assert locales.locale("pt-BR").folder == "pt_BR"


@pytest.mark.parametrize("tag", SHIPPED)
def test_every_handout_sentence_is_translated(tag: str) -> None:
    book = catalogue(tag)
    assert [text.key for text in book.missing(translations.handout_texts())] == []


@pytest.mark.parametrize("tag", SHIPPED)
def test_every_interface_sentence_is_translated(tag: str) -> None:
    file = File(translations.catalogue_path(tag, "messages").read_bytes())
    assert [message.source for message in file.messages if message.state == "untranslated"] == []


def test_the_shipped_catalogues_are_up_to_date_and_have_no_fault() -> None:
    assert translations.check() == []


def test_nobody_has_reviewed_the_machine_drafts() -> None:
    """A draft says so until a person approved it: no shipped sentence may claim more."""
    for tag in SHIPPED:
        book = catalogue(tag)
        assert {book.state(text) for one in definitions().values() for text in one.texts()} <= {"draft"}


@pytest.mark.parametrize(
    ("comment", "fuzzy", "target", "state"),
    [
        ("", False, "", "untranslated"),
        ("", False, "Hola", "draft"),
        ("", True, "Hola", "changed"),
        ("state: reviewed Ana 2026-01-01", False, "Hola", "reviewed"),
        ("state: approved Ana 2026-01-01", False, "Hola", "approved"),
    ],
)
def test_states(tmp_path: Path, comment: str, fuzzy: bool, target: str, state: str) -> None:
    entry = Message("x", "Hello", (target,), comments=(comment,) * bool(comment), flags=("fuzzy",) * fuzzy)
    path = tmp_path / "handouts.po"
    path.write_text(document({"Language": "es"}, [rendered(entry)]), "utf-8")
    found = json.loads(compiling.compile_po(path).read_text("utf-8"))
    assert found == {"x": ["Hello", target, state]}


def test_a_translation_of_older_english_is_not_used() -> None:
    book = Catalogue("es", {"x": Entry("Old", {"": "Viejo"}, "approved")})
    assert book.text(Text("x", "New")) == "New"
    assert book.state(Text("x", "New")) == "changed"
    assert book.text(Text("x", "Old")) == "Viejo"
