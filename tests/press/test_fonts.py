"""Fonts: made once, found by locale, and known not to have every character."""

import hashlib
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from clinic.press import fonts, install

WORDS = {
    "en": "“We’re fine” – 50 % … ½ © €",
    "es": "¿Qué pasó? ¡Añádelo, pingüino! ÁÉÍÓÚ Ññ",
    "fr": "Œuvre, cœur, où, « garçon »",
    "de": "Größe, Übung, „Straße“",
    "pl": "Zażółć gęślą jaźń",
    "ru": "Съешь ещё этих булок",
    "uk": "Їжак ґанок є",
    "el": "Ξεσκεπάζω τὴν",
    "tr": "Şişli, ığdır, çöğür",
    "vi": "Chúng tôi cảm thấy được lắng nghe",
    "ar": "السَّلامُ عليكم، لا بأس؟ ١٢٣٤٥٦٧٨٩٠ 123",
    "fa": "می‌خواهم گپ بزنیم ۱۲۳",
    "ur": "ہم ٹھیک ہیں، ڑے",
    "he": "שָׁלוֹם לכולם",
    "hi": "क्षमा करें, हम सुनते हैं १२३",
    "bn": "আমরা শুনছি",
    "pa": "ਅਸੀਂ ਸੁਣ ਰਹੇ ਹਾਂ",
    "ta": "நாங்கள் கேட்கிறோம்",
    "te": "మేము వింటున్నాము",
    "th": "เราฟังกันและกัน",
    "am": "እናዳምጣለን።",
}


@pytest.mark.parametrize(("locale", "text"), WORDS.items())
def test_every_locale_covers_its_letters_and_the_signs_of_the_sheets(locale: str, text: str) -> None:
    assert fonts.uncovered(text + " → ← ↔ ↻ ★ ✓ · ☐ ☑", locale) == []


def test_a_name_in_another_script_prints_too() -> None:
    assert fonts.uncovered("ليلى and שרה", "en") == []


def test_missing_characters_are_named_once_and_in_order() -> None:
    assert fonts.uncovered("a🙂b𓀀🙂", "es") == ["🙂", "𓀀"]


@pytest.mark.parametrize(
    "sign", ["\u200c", "\u200d", "\u200e", "\u200f", "\u061c", "\u00ad", "\n", "\r", "\t", "\u00a0"]
)
def test_joiners_marks_and_line_ends_need_no_glyph(sign: str) -> None:
    assert fonts.uncovered(sign, "ar") == []


@pytest.mark.parametrize(
    "sign", ["\u202e", "\u202a", "\u202c", "\u2066", "\u2069", "\x00", "\x07", "\x1b", "\x85", "\ufeff"]
)
def test_overrides_isolates_and_controls_never_print(sign: str) -> None:
    assert fonts.uncovered(sign, "ar") == [sign]


def test_the_script_comes_first_and_the_serif_only_in_titles() -> None:
    assert fonts.families("ar")[:2] == ["Sheet Sans Arabic", "Sheet Sans"]
    assert fonts.families("es-MX")[0] == "Sheet Sans"
    assert fonts.families("hi-IN")[0] == "Sheet Sans Devanagari"
    assert fonts.title_stack("en").startswith('"Sheet Serif", "Sheet Sans"')
    assert "Serif" not in fonts.font_stack("en")


def test_each_file_has_a_family_of_its_own() -> None:
    names = [name for face in fonts.table()["face"] for name in fonts.file_names(face).values()]
    assert len(names) == len(set(names))


def test_without_fonts_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINIC_CACHE_PATH", str(tmp_path))
    assert not fonts.made()
    for ask in (fonts.families, fonts.config, fonts.font_stack):
        with pytest.raises(fonts.FontsMissing, match="python3 -m clinic fonts$"):
            ask("en")


def test_an_extra_names_itself(made_apart: Path) -> None:
    (made_apart / "coverage.json").write_text(
        '{"Sheet Sans": [[32, 126]], "Sheet Symbols": [], "Sheet Boxes": [], "Sheet Serif": []}'
    )
    with pytest.raises(fonts.FontsMissing, match="python3 -m clinic fonts cjk$"):
        fonts.families("zh-Hans-SG")


@pytest.fixture
def made_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the font folder, at another place."""
    apart = shutil.copytree(fonts.folder(), tmp_path / "fonts")
    monkeypatch.setenv("CLINIC_CACHE_PATH", str(tmp_path))
    return apart


def test_a_damaged_file_is_made_again_with_the_same_bytes(made_apart: Path) -> None:
    victim = made_apart / "SheetBoxes-Bold.ttf"
    before = hashlib.sha256(victim.read_bytes()).digest()
    victim.write_bytes(b"damaged")
    assert install.install() == 1
    assert hashlib.sha256(victim.read_bytes()).digest() == before
    assert f"<dir>{made_apart}</dir>" in (made_apart / "fonts.conf").read_text("utf-8")
    assert fonts.uncovered("☐", "en") == []


def test_the_second_time_nothing_is_imported() -> None:
    code = "import sys; from clinic.press import fonts; print(fonts.install(), 'fontTools' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout.split() == ["0", "False"]


def test_the_text_repair_fits_the_engine() -> None:
    """If this fails, WeasyPrint has moved: see that actual_text.py still fits, then set WRITTEN_FOR."""
    source = (Path(fonts.__file__).with_name("actual_text.py")).read_text("utf-8")
    assert f'WRITTEN_FOR = "{metadata.version("weasyprint")}"' in source
