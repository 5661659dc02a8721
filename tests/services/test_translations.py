"""Extract, merge, check and begin on the command line, in a folder of our own."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clinic import resources
from clinic.cli import clinic as command
from clinic.i18n import merging, plurals, po
from clinic.i18n.locales import NAMES
from clinic.press import fonts
from clinic.services import translations
from clinic.services.definitions import definitions

KEY = "our_cycle.title"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(resources, "translations", lambda: tmp_path)
    return tmp_path


def run(*words: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(command, ["translations", *words])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


def handouts(own: Path, tag: str = "es") -> Path:
    return own / tag / "LC_MESSAGES" / "handouts.po"


def put(own: Path, key: str, text: str, **more: str) -> None:
    path = handouts(own)
    file = po.File(path.read_bytes())
    (one,) = [one for one in file.messages if one.context == key]
    path.write_bytes(file.edited({(one.context, one.source): po.Edit((text,), **more)}))


def test_from_nothing_to_a_clean_check(own: Path) -> None:
    assert f"handouts: {len(translations.sources('handouts'))} messages" in run("extract").output
    assert "es handouts: " in run("new", "es").output
    assert run("check").output == ""
    assert "0 changed" in run("merge").output
    assert [one.state for one in po.File(handouts(own).read_bytes()).messages[:3]] == ["untranslated"] * 3


def test_every_language_begins_with_its_own_forms(own: Path) -> None:
    wanted = [one for one in translations.templates()["messages"] if one.plural][:2]
    for tag in (tag for tag in NAMES if tag != "en"):
        file = po.File(merging.merged(None, wanted, tag, "messages")[0])
        assert file.header["Plural-Forms"] == plurals.header(tag)
        assert [len(one.forms) for one in file.messages] == [len(plurals.categories(tag))] * 2


def test_a_language_is_not_begun_twice_or_unknown(own: Path) -> None:
    run("new", "es")
    put(own, KEY, "Nuestro ciclo")
    before = handouts(own).read_bytes()
    for tag in ("es", "xx", "en"):
        assert type(run("new", tag, exit_code=1).exception).__name__ == "Usage"
    assert handouts(own).read_bytes() == before


def test_drift_fails_the_check(own: Path) -> None:
    run("extract")
    run("new", "es")
    pot = own / "handouts.pot"
    pot.write_text(pot.read_text("utf-8").replace('msgid "Our loop"', 'msgid "Our ring"'), "utf-8")
    assert "handouts.pot is out of date" in run("check", exit_code=1).output
    run("extract")
    path = handouts(own)
    path.write_text(path.read_text("utf-8").replace('msgid "Our loop"', 'msgid "Our ring"'), "utf-8")
    assert "es: handouts.po is out of date" in run("check", "es", exit_code=1).output
    run("merge")
    run("check")


def test_a_blocking_fault_fails_the_check_and_a_warning_is_said_on_request(own: Path) -> None:
    run("extract")
    run("new", "es")
    put(own, KEY, "Nuestro ciclo.")
    assert run("check").output == ""
    assert f"es: {KEY}: The sign at the end differs" in run("check", "--warnings").output
    put(own, KEY, "Nuestro {ciclo}")
    assert f"es: {KEY}: Keep the words in braces" in run("check", exit_code=1).output
    put(own, KEY, "Nuestro {ciclo}", state="changed", previous="Old")
    assert run("check").output == "", "words for older English are not used, so they break nothing"


def test_a_changed_number_fails_the_check_on_a_sheet_about_safety(own: Path) -> None:
    run("extract")
    run("new", "es")
    texts = [text for one in definitions().values() if one.careful for text in one.texts()]
    text = next(text for text in texts if set("123456789") & set(text.en) and "{" not in text.en)
    put(own, text.key, "Espere 77 minutos.")
    assert "about safety" in run("check", exit_code=1).output


def test_a_file_that_cannot_be_read_fails_the_check(own: Path) -> None:
    run("extract")
    run("new", "es")
    (own / "es" / "glossary.toml").write_text("[[term", "utf-8")
    assert "es: glossary.toml" in run("check", exit_code=1).output
    handouts(own).write_text('msgid "a\n', "utf-8")
    assert "es: handouts.po, line 1" in run("check", exit_code=1).output
    handouts(own).unlink()
    assert "es: handouts.po is missing" in run("check", exit_code=1).output


def test_a_glyph_that_no_font_has_is_a_fault(own: Path) -> None:
    source = translations.sources("handouts")[KEY]
    found = translations.checked(source, {"": "Nuestro \U0001f300 ciclo"}, "es")
    assert [one.check for one in found if one.tier == "block"] == ["glyphs"]


def test_beginning_a_language_says_how_to_get_its_fonts(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(tag: str) -> list[str]:
        raise fonts.FontsMissing(tag, "cjk")

    monkeypatch.setattr(fonts, "families", missing)
    assert "ja: not printable until its fonts are made by: python3 -m clinic fonts" in run("new", "ja").output
