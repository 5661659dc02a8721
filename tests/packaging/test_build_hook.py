"""The build hook brings catalogues in the form that the program reads, and leaves the tree as it was."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

# state: reviewed Ana 2026-11-01
msgctxt "our_cycle.title"
msgid "Our cycle"
msgstr "Nuestro ciclo"

#, fuzzy
msgctxt "our_cycle.exit"
msgid "A way out"
msgstr "Una salida"
"""


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "translations" / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a source tree with the real compiler and one locale."""
    tree = tmp_path / "tree"
    messages = tree / "translations" / "es" / "LC_MESSAGES"
    compiler = tree / "clinic" / "i18n" / "compiling.py"
    for folder in (messages, compiler.parent, tree / "forms"):
        folder.mkdir(parents=True)
    compiler.write_bytes((ROOT / "clinic" / "i18n" / "compiling.py").read_bytes())
    for name in ("handouts.po", "messages.po"):
        (messages / name).write_text(CATALOGUE, encoding="utf-8")
    for name in ("forms/intake.toml", "translations/handouts.pot", "translations/hatch_build.py"):
        (tree / name).touch()
    return tree


def test_messages_are_compiled_with_their_state(hook: ModuleType, tree: Path, tmp_path: Path) -> None:
    handouts, messages = (json.loads(one.read_text("utf-8")) for one in hook.compiled(tree, tmp_path / "scratch"))
    assert handouts["our_cycle.title"] == ["Our cycle", "Nuestro ciclo", "reviewed"]
    assert handouts["our_cycle.exit"][2] == "changed"
    assert messages["our_cycle.title\x04Our cycle"] == ["Our cycle", "Nuestro ciclo", "reviewed"]


def test_the_tree_stays_as_it_was(hook: ModuleType, tree: Path, tmp_path: Path) -> None:
    before = set((tree / "translations").rglob("*"))
    hook.compiled(tree, tmp_path / "scratch")
    assert set((tree / "translations").rglob("*")) == before


def test_sources_of_catalogues_and_code_stay_out(hook: ModuleType, tree: Path) -> None:
    assert [path.name for path in hook.assets(tree)] == ["intake.toml"]
