"""What was translated in the browser, written back into PO files."""

import difflib
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from clinic import resources
from clinic.cli import clinic as command
from clinic.domain.errors import Usage
from clinic.i18n.catalogue import catalogue
from clinic.i18n.plurals import categories
from clinic.i18n.po import File
from clinic.services import accounts, overlay, translations
from clinic.services.overlay_export import export
from tests.persistence.making import Clinic
from tests.services.test_overlay import COUNTED, KEY, TITLE, WORD, propose, said, staff

__all__ = ["staff"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the catalogues in the place of the program's own."""
    folder = tmp_path / "translations"
    shutil.copytree(resources.translations(), folder)
    monkeypatch.setattr(resources, "translations", lambda: folder)
    return folder


def po(files: Path, domain: str = "handouts", tag: str = "es") -> Path:
    return files / tag / "LC_MESSAGES" / f"{domain}.po"


def changed(before: bytes, after: bytes) -> list[str]:
    lines = difflib.unified_diff(before.decode().split("\n"), after.decode().split("\n"), n=0, lineterm="")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_the_file_gets_the_edit_and_speaks_again(clinic: Clinic, staff: dict[str, str], files: Path) -> None:
    before, arabic = po(files).read_bytes(), po(files, tag="ar").read_bytes()
    propose(clinic, staff["tom"], "Nuestro ciclo nuevo", 0)
    overlay.mark(clinic.store, staff["rita"], "es", "handouts", KEY, 1, "approved")
    assert export(clinic.store) == {"es handouts": {"written": 1}}
    lines = changed(before, po(files).read_bytes())
    assert "+# state: approved rita 2026-03-02" in lines
    assert len(lines) <= 6, lines
    assert po(files, tag="ar").read_bytes() == arabic
    book = catalogue("es")
    assert (book.text(TITLE), book.state(TITLE)) == ("Nuestro ciclo nuevo", "approved")
    assert said(clinic) == "Nuestro ciclo nuevo"
    entry = overlay.entries(clinic.store, "es", "handouts")[KEY]
    assert (entry.state, entry.rev) == ("approved", 2)
    assert export(clinic.store) == {}, "it is written once"
    with pytest.raises(overlay.OwnWords):  # the file knows no account, the history does
        overlay.mark(clinic.store, author(clinic, staff), "es", "handouts", KEY, 2, "reviewed")
    po(files).write_bytes(po(files).read_bytes().replace(b"Nuestro ciclo nuevo", b"Del archivo"))
    assert said(clinic) == "Del archivo", "a row that was given back is silent"
    assert propose(clinic, staff["tom"], "De nuevo", 2) == 3
    assert said(clinic) == "De nuevo"


def author(clinic: Clinic, staff: dict[str, str]) -> str:
    """Tom, who may review by now."""
    overlay.grant(clinic.store, staff["boss"], accounts.find(clinic.store, "tom").id, "es", True)
    return staff["tom"]


def test_plurals_variants_and_words_of_the_pages(clinic: Clinic, staff: dict[str, str], files: Path) -> None:
    tom, store = staff["tom"], clinic.store
    overlay.propose(store, tom, "es", "messages", WORD, {"": "Palabra"}, 0)
    numbered = "%(num)d " if "%(num)d" in translations.sources("messages")[COUNTED].plural else ""
    forms = {name: f"{numbered}{name}" for name in categories("es")}
    overlay.propose(store, tom, "es", "messages", COUNTED, forms, 0)
    propose(clinic, tom, "Para ella", 0, f"{KEY}@f")
    made = export(store)
    assert made["es handouts"] == {"written": 1}
    assert made["es messages"] in ({"written": 2}, {"written": 1, "plurals": 1})
    keys = [one.key for one in File(po(files).read_bytes()).messages]
    assert keys.index(f"{KEY}@f") == keys.index(KEY) + 1
    assert catalogue("es").text(TITLE, "f") == "Para ella"
    words = {one.lookup: one.forms[0] for one in File(po(files, "messages").read_bytes()).messages}
    assert words[WORD] == "Palabra"
    assert overlay.interface(store, "es").ugettext(WORD) == "Palabra"


def test_words_for_older_english_do_not_overwrite_newer(clinic: Clinic, staff: dict[str, str], files: Path) -> None:
    overlay.propose(clinic.store, staff["tom"], "es", "handouts", KEY, {"": "De antes"}, 0, source="Older English")
    before = po(files).read_bytes()
    assert export(clinic.store) == {"es handouts": {"older": 1}}
    assert po(files).read_bytes() == before


def test_another_checkout_gets_a_copy_and_nothing_is_given_back(
    clinic: Clinic, staff: dict[str, str], files: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(files, other)
    propose(clinic, staff["tom"], "Otro ciclo aparte", 0)
    clinic.store.close()
    named = ["--instance", str(clinic.store.settings.instance), "translations", "export"]
    if clinic.store.settings.database_url.startswith("postgresql"):
        (clinic.store.settings.instance / "config.toml").write_text(
            f'database_url = "{clinic.store.settings.database_url}"\n'
        )
    run = CliRunner().invoke(command, [*named, "--to", str(other)], catch_exceptions=False)
    assert (run.exit_code, run.stdout) == (0, "es handouts: 1 written\n")
    assert "Otro ciclo aparte" in po(other).read_text()
    assert "Otro ciclo aparte" not in po(files).read_text()
    again = CliRunner().invoke(command, named, catch_exceptions=False)
    assert again.stdout == "es handouts: 1 written\n"
    assert "Otro ciclo aparte" in po(files).read_text()


def test_without_po_files_it_says_so(clinic: Clinic, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="--to"):
        export(clinic.store, tmp_path)
