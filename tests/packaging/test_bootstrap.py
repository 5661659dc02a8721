"""A first start, a later one, one after a kill: real venv, real pip, a tiny project, no network."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clinic import __main__ as bootstrap
from clinic import doctor

ROOT = Path(__file__).resolve().parents[2]
START = Callable[..., subprocess.CompletedProcess[str]]
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "secure-base"
version = "0"
"""
# The least that pip accepts as an editable install: it cannot download hatchling without a network.
BACKEND = """
import zipfile, pathlib

def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "secure_base-0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, "secure_base-0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("here.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: secure-base\\nVersion: 0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "secure_base-0-py3-none-any.whl"
"""
CLI = """
import pathlib, sys
print("ran", sys.argv[1:], sys.prefix)
if sys.argv[1:] == ["fonts"] and pathlib.Path("hang").exists():
    import time; print("hanging", flush=True); time.sleep(60)
sys.exit(7 if sys.argv[1:2] == ["sheets"] else 0)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with the real bootstrap and a project that has no dependencies, set up once."""
    tree = tmp_path_factory.mktemp("checkout")
    (tree / "clinic").mkdir()
    for name in ("__init__.py", "__main__.py", "doctor.py"):
        shutil.copy(ROOT / "clinic" / name, tree / "clinic")
    (tree / "clinic" / "cli.py").write_text(CLI, encoding="utf-8")
    (tree / "backend.py").write_text(BACKEND, encoding="utf-8")
    (tree / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return tree


@pytest.fixture(scope="module")
def start(tree: Path) -> START:
    """Return how to type `python3 -m clinic …` there, with a python that is in no environment."""
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    environment["PIP_NO_INDEX"] = "1"

    def run(*arguments: str, wait: bool = True) -> subprocess.CompletedProcess[str] | subprocess.Popen[str]:
        python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
        command = [str(python), "-m", "clinic", *arguments]
        if not wait:
            return subprocess.Popen(
                command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, process_group=0
            )
        return subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    return run


@pytest.fixture(scope="module", autouse=True)
def first(tree: Path, start: START) -> subprocess.CompletedProcess[str]:
    before = start("--help")
    assert "first start makes .venv" in before.stdout
    assert not (tree / ".venv").exists()
    return start("sheets", "--json")


def test_the_first_start_installs_and_goes_on(first: subprocess.CompletedProcess[str], tree: Path) -> None:
    assert "installing what pyproject.toml pins" in first.stdout, first.stderr
    assert f"ran ['sheets', '--json'] {tree / '.venv'}" in first.stdout
    assert first.returncode == 7


def test_the_fonts_are_made_once_before_the_command(first: subprocess.CompletedProcess[str]) -> None:
    assert first.stdout.index("ran ['fonts']") < first.stdout.index("ran ['sheets'")


def test_a_later_start_goes_straight_on(start: START) -> None:
    began = time.monotonic()
    assert start("sheets").stdout.startswith("ran ['sheets']")
    assert time.monotonic() - began < 5  # seconds; alone it takes 0.1, an installation 30


def test_help_is_the_real_one_once_set_up(start: START) -> None:
    assert start("--help").stdout.startswith("ran ['--help']")


def test_new_pins_are_installed_into_the_environment_that_is_there(start: START, tree: Path) -> None:
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# other pins\n")
    run = start("sheets")
    assert "installing what pyproject.toml pins" in run.stdout
    assert "making .venv" not in run.stdout
    assert start("sheets").stdout.startswith("ran")


def test_a_start_that_was_killed_is_made_good(start: START, tree: Path) -> None:
    (tree / "hang").touch()
    (tree / ".venv" / "secure-base.json").unlink()
    killed = start("sheets", wait=False)
    for line in killed.stdout:
        if "hanging" in line:
            os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    (tree / "hang").unlink()
    run = start("sheets")
    assert "making .venv" in run.stdout
    assert run.returncode == 7
    assert start("sheets").stdout.startswith("ran")


def test_an_environment_whose_python_is_gone_is_made_anew(start: START, tree: Path) -> None:
    for python in (tree / ".venv" / "bin").glob("python*"):
        python.unlink()
        python.symlink_to(tree / "gone")
    run = start("sheets")
    assert "making .venv" in run.stdout
    assert run.returncode == 7


def test_another_python_is_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = bootstrap._key()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert bootstrap._key() != ours
    assert not bootstrap._usable()


def test_what_cannot_be_installed_is_said_and_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = doctor.Tool("Pango", "", lambda: False, {"dnf": ("pango",)})
    monkeypatch.setattr(doctor, "PAPER", (lacking,))
    monkeypatch.setattr(doctor, "manager", lambda: "dnf")
    with pytest.raises(SystemExit, match=r"lacks Pango\. Please run:\n  sudo dnf install -y pango$"):
        bootstrap._system("demo", everything=False)
    bootstrap._system("sheets", everything=False)  # nothing on paper: Pango is not asked for


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["demo", "--no-serve"], "demo"),
        (["--instance", "folder", "serve"], "serve"),
        (["--instance=folder", "serve"], "serve"),
        (["--version"], ""),
    ],
)
def test_the_command_is_found_behind_options(arguments: list[str], command: str) -> None:
    """Else `--instance FOLDER serve` would start on a machine that lacks what it needs."""
    from clinic import __main__ as bootstrap

    assert bootstrap._command(arguments) == command
