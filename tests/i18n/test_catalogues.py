"""Languages: what is there, what a key says, how a reworded source keeps its translation, what a check finds."""

import json
import re
from pathlib import Path

import polib
import pytest

from clinic.domain.definition import Text
from clinic.i18n import checking, compiling, locales, merging
from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.message import Entry
from clinic.services import translations
from clinic.services.definitions import definitions

SHIPPED = ("es", "ar")


def po(*entries: polib.POEntry) -> polib.POFile:
    file = merging.template([])
    file.extend(entries)
    return file


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
    file = polib.pofile(str(translations._po(tag, "messages")))
    assert [entry.msgid for entry in file if not entry.translated()] == []


def test_catalogues_are_up_to_date_with_their_source() -> None:
    for domain, pot in translations.templates().items():
        wanted = [(entry.msgctxt, entry.msgid) for entry in pot]
        for tag in SHIPPED:
            file = polib.pofile(str(translations._po(tag, domain)))
            assert [(entry.msgctxt, entry.msgid) for entry in file] == wanted, f"run: clinic translations merge ({tag})"


def test_the_shipped_catalogues_have_no_fault() -> None:
    assert translations.check() == []


def test_nobody_has_reviewed_the_machine_drafts() -> None:
    """A draft says so until a person approved it: no shipped sentence may claim more."""
    for tag in SHIPPED:
        book = catalogue(tag)
        assert {book.state(text) for one in definitions().values() for text in one.texts()} <= {"draft"}


def test_a_reworded_source_keeps_its_translation_fuzzy() -> None:
    file = po(polib.POEntry(msgctxt="x.title", msgid="Old", msgstr="Viejo", tcomment="state: approved Ana 2026-01-01"))
    count = merging.merge(file, merging.template([Text("x.title", "New"), Text("x.lead", "Lead")]))
    changed, new = file
    assert (changed.msgid, changed.msgstr, changed.previous_msgid) == ("New", "Viejo", "Old")
    assert "fuzzy" in changed.flags
    assert "approved" not in changed.tcomment
    assert (new.msgid, new.msgstr) == ("Lead", "")
    assert count == {"kept": 0, "changed": 1, "new": 1, "dropped": 0}


def test_merging_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.po"
    pot = merging.template([Text("x.title", "A sentence that is long enough to be wrapped by the writer. " * 3)])
    merging.merge_file(path, pot, "es")
    once = path.read_bytes()
    merging.merge_file(path, pot, "es")
    assert path.read_bytes() == once


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
    entry = polib.POEntry(msgctxt="x", msgid="Hello", msgstr=target, tcomment=comment, flags=["fuzzy"] * fuzzy)
    path = tmp_path / "handouts.po"
    merging.save(po(entry), path)
    found = json.loads(compiling.compile_po(path).read_text("utf-8"))
    assert found == {"x": ["Hello", target, state]}


def test_a_translation_of_older_english_is_not_used() -> None:
    book = Catalogue("es", {"x": Entry("Old", {"": "Viejo"}, "approved")})
    assert book.text(Text("x", "New")) == "New"
    assert book.state(Text("x", "New")) == "changed"
    assert book.text(Text("x", "Old")) == "Viejo"


@pytest.mark.parametrize(
    ("target", "percent", "problem"),
    [
        ("Hola {nombre}", False, "placeholders"),
        ("Hola {name.__class__}", False, "placeholders"),
        ("Hola {name} {name}", False, "placeholders"),
        ("Hola {name}\u202e", False, "hidden"),
        ("Hola {name} <b>", False, "markup"),
        ("Hola {name} " + "x" * 200, False, "longer"),
        ("Hola {name} %(num)99999999d", True, "placeholders"),
        ("Hola {name} 100 %", True, "placeholders"),
    ],
)
def test_a_fault_is_found(target: str, percent: bool, problem: str) -> None:
    entry = polib.POEntry(msgctxt="x", msgid="Hello {name}", msgstr=target)
    found = checking.check(po(entry), percent)
    assert [line for line in found if re.search(problem, line)], found


def test_a_good_translation_has_no_fault() -> None:
    assert checking.check(po(polib.POEntry(msgctxt="x", msgid="Hello {name}", msgstr="Hola {name}")), False) == []
