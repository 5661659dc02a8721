"""`clinic print` from a cold start: a blank that is on the disk needs next to nothing, a new one no database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clinic import resources
from clinic.services.blank_cache import Blanks
from tests import pdf

# What takes long to import, and what no blank needs at all.
ENGINE = {"weasyprint", "pypdfium2", "pikepdf", "fontTools"}
RECORDS = {"sqlalchemy", "sqlcipher3", "cryptography", "flask", "alembic", "clinic.persistence"}
PAGES = {"jinja2", "babel", "clinic.documents", "clinic.domain.definition", "clinic.press", "importlib.metadata"}
PROGRAM = (
    "import json, sys\n"
    "from clinic import cli\n"
    "sys.argv = ['clinic', *sys.argv[1:]]\n"
    "try:\n    cli.main()\n"
    "except SystemExit as end:\n    print(json.dumps([end.code, sorted(sys.modules)]))\n"
)


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    """A cache of its own, with the fonts of everybody."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "fonts").symlink_to(resources.cache() / "fonts")
    return {**os.environ, "CLINIC_CACHE_PATH": str(tmp_path / "cache")}


def run(environment: dict[str, str], *arguments: str) -> tuple[int, set[str], str]:
    """Exit code, imported modules, what was said."""
    command = [sys.executable, "-c", PROGRAM, "print", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)  # noqa: S603
    code, modules = json.loads(done.stdout)
    return code or 0, set(modules), done.stderr


def parts(modules: set[str], wanted: set[str]) -> set[str]:
    """Those of `wanted` that are among the modules."""
    return {name for name in wanted if any(one == name or one.startswith(f"{name}.") for one in modules)}


def test_a_kept_blank_imports_nothing_heavy_and_is_the_same_file(cache: dict[str, str], tmp_path: Path) -> None:
    first, second = tmp_path / "1.pdf", tmp_path / "2.pdf"
    code, drawn, said = run(cache, "our_cycle", "--locale", "es", "--draft", "--out", str(first))
    assert code == 0
    assert not parts(drawn, ENGINE | RECORDS), "a blank opens no database, and draws in a child"
    assert parts(drawn, PAGES), "it was laid out here"
    assert "Borrador" in pdf.text(first.read_bytes()).title()
    code, found, again = run(cache, "our_cycle", "--locale", "es", "--draft", "--out", str(second))
    assert code == 0
    assert not parts(found, ENGINE | RECORDS | PAGES | {"socket", "asyncio"})
    assert second.read_bytes() == first.read_bytes()
    assert again == said
    assert "our_cycle, blank, es" in said
    assert second.stat().st_mode & 0o777 == 0o600


def test_with_an_instance_too(cache: dict[str, str], tmp_path: Path) -> None:
    """Its config.toml counts, and its records stay shut."""
    house = tmp_path / "house"
    house.mkdir()
    (house / "config.toml").write_text('letterhead = ["Oak Street"]\n')
    arguments = ("our_cycle", "--instance", str(house), "--letterhead", "--out", str(tmp_path / "1.pdf"))
    run(cache, *arguments)
    assert "Oak Street" in pdf.text((tmp_path / "1.pdf").read_bytes())
    _, found, _ = run(cache, *arguments)
    assert not parts(found, ENGINE | RECORDS | {"jinja2", "babel", "clinic.documents"})
    (house / "config.toml").write_text('letterhead = ["Elm Street"]\n')
    run(cache, *arguments)
    assert "Elm Street" in pdf.text((tmp_path / "1.pdf").read_bytes())


@pytest.mark.parametrize(
    "arguments", [("session",), ("our_cycle", "--locale", "es"), ("no_such",), ("x", "--locale=q")]
)
def test_what_is_refused_is_refused_every_time_and_nothing_is_kept(
    cache: dict[str, str], tmp_path: Path, arguments: Any
) -> None:
    said = [run(cache, *arguments, "--out", str(tmp_path / "x.pdf")) for _ in range(2)]
    assert [code for code, _, _ in said] == [1, 1]
    assert said[0][2] == said[1][2]
    assert "Traceback" not in said[0][2]
    assert not (tmp_path / "x.pdf").exists()
    assert not (tmp_path / "cache" / "blanks").exists()


def test_only_looking_prints_nothing(cache: dict[str, str]) -> None:
    code, _, said = run(cache, "our_cycle", "--show")
    assert (code, said) == (0, "clinic: our_cycle, blank, en approved\n")


def test_the_press_starts_before_the_page_is_laid_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two things that take long go on at once: the child imports the engine while the parent makes the page."""
    from clinic.domain.print_job import PrintJob
    from clinic.press.press import Press
    from clinic.services import definitions, print_command

    steps: list[str] = []
    monkeypatch.setattr(Press, "start", lambda _: steps.append("press"))
    read = definitions.alone
    monkeypatch.setattr(definitions, "alone", lambda id_: (steps.append("page"), read(id_))[1])
    monkeypatch.setattr(Press, "blank", lambda *_: b"%PDF")
    monkeypatch.setattr(resources, "cache", lambda: tmp_path)
    monkeypatch.setattr(Blanks, "keep", lambda *_: steps.append("keep"))
    from clinic.press import fonts

    monkeypatch.setattr(fonts, "families", lambda _: ["SheetSans"])
    monkeypatch.setattr(fonts, "uncovered", lambda *_: [])
    assert print_command._blank(None, PrintJob("our_cycle")).pdf == b"%PDF"
    assert steps == ["press", "page", "keep"]
