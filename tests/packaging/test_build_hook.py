"""The build hook compiles a catalogue as the pages will read it."""

import gettext
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.pofile import PoFileError

HOOK = Path(__file__).resolve().parents[2] / "translations" / "hatch_build.py"
CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgctxt "our_cycle.title"
msgid "Our cycle"
msgstr "Nuestro ciclo"

#, fuzzy
msgctxt "our_cycle.exit"
msgid "A way out"
msgstr "Una salida"
"""


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reviewed_messages_are_there_and_fuzzy_ones_are_not(hook: ModuleType, tmp_path: Path) -> None:
    po = tmp_path / "forms.po"
    po.write_text(CATALOGUE, encoding="utf-8")
    with hook.compiled(po, tmp_path / "deep" / "forms.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    assert catalogue.pgettext("our_cycle.title", "Our cycle") == "Nuestro ciclo"
    assert catalogue.pgettext("our_cycle.exit", "A way out") == "A way out"


def test_a_broken_catalogue_stops_the_build(hook: ModuleType, tmp_path: Path) -> None:
    po = tmp_path / "forms.po"
    po.write_text('msgid "one"\nmsgstrr "uno"\n', encoding="utf-8")
    with pytest.raises(PoFileError):
        hook.compiled(po, tmp_path / "forms.mo")
