"""What may be imported where: the start stays light, the layers hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = sorted((ROOT / "clinic" / "domain").glob("*.py"))
PDF = {"pikepdf", "pypdfium2", "weasyprint"}
HEAVY = {"alembic", "argon2", "babel", "cryptography", "flask", "jinja2", "sqlalchemy", "weasyprint"}


def loaded_by(statement: str, *options: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded after a statement."""
    code = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, *options, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def imports(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module if node.level == 0 and node.module else f"clinic.{path.parent.name}")
    return names


@pytest.mark.parametrize("module", ["clinic", "clinic.cli", "clinic.config", "clinic.doctor"])
def test_the_start_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}") & HEAVY


def test_the_bootstrap_needs_only_the_standard_library() -> None:
    # -S: no site-packages, as on a machine that has nothing but python3.
    loaded = loaded_by("import clinic.__main__", "-S")
    assert loaded - sys.stdlib_module_names == {"__main__", "clinic"} - sys.stdlib_module_names


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.stem)
def test_domain_imports_the_standard_library_only(path: Path) -> None:
    foreign = {name for name in imports(path) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert all(name.startswith("clinic.domain") for name in foreign), foreign


def test_only_the_press_makes_and_reads_pdfs() -> None:
    """Of modules that the contract in pyproject.toml does not list yet, too."""
    press = ROOT / "clinic" / "press"
    users = {path for path in (ROOT / "clinic").rglob("*.py") if PDF & {one.partition(".")[0] for one in imports(path)}}
    assert users, "the press does"
    assert all(path.is_relative_to(press) for path in users), users


def test_imports_run_one_way() -> None:
    run = subprocess.run(
        ["lint-imports", "--no-cache"], executable=Path(sys.executable).with_name("lint-imports"),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
