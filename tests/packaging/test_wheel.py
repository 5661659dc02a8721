"""The wheel, built through the sdist and installed away from the checkout, brings all it needs."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clinic import __version__

ROOT = Path(__file__).resolve().parents[2]
RUN = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist, and from that a wheel; with the tools of this environment, so without a network."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    run = subprocess.run(build, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> RUN:
    """Install the wheel in an environment that borrows our dependencies; return how to run in it."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "-qq", "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    site = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    # A line in a .pth file is one more folder; .pth files in there, such as our checkout's, are not read.
    Path(site, "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if "CLINIC_" not in name}

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(home / "bin" / program), *arguments]
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)

    return run


def assets() -> list[Path]:
    """Return the files of the checkout that the wheel must carry."""
    return [path for name in ("forms", "templates") for path in (ROOT / name).rglob("*") if path.is_file()]


def test_every_asset_is_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"clinic/_assets/{path.relative_to(ROOT).as_posix()}" for path in assets()}
    assert len(wanted) > 20
    assert wanted - names == set()


def test_nothing_else_is_inside(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"clinic", f"secure_base-{__version__}.dist-info"}


def test_catalogues_are_compiled(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    compiled = [name for name in archive.namelist() if "/LC_MESSAGES/" in name]
    sources = list((ROOT / "translations").glob("*/LC_MESSAGES/*.po"))
    assert len(compiled) == len(sources) > 0
    assert {Path(name).suffix for name in compiled} == {".json"}
    for name in compiled:
        assert json.loads(archive.read(name))


def test_building_writes_nothing_into_the_checkout(wheel: Path) -> None:
    assert not [name for name in ("dist", "build", "clinic/_assets") if (ROOT / name).exists()]


def test_the_command_runs_from_anywhere(installed: RUN) -> None:
    run = installed("clinic", "sheets", "--json")
    assert run.returncode == 0, run.stderr
    shipped = {path.stem for path in (ROOT / "forms" / "worksheets").glob("*.toml")}
    assert shipped
    assert shipped <= {sheet["id"] for sheet in json.loads(run.stdout)}


def test_a_shipped_form_passes_the_check(installed: RUN) -> None:
    run = installed("clinic", "check", str(min((ROOT / "forms" / "worksheets").glob("*.toml"))))
    assert run.returncode == 0, run.stderr


def test_it_runs_from_the_wheel_and_not_from_the_checkout(installed: RUN) -> None:
    code = "from clinic import resources; print(resources.checkout(), resources.forms())"
    run = installed("python", "-c", code)
    where, forms = run.stdout.split()
    assert where == "None"
    assert forms.endswith("site-packages/clinic/_assets/forms")


def test_no_bootstrap_happens(installed: RUN) -> None:
    run = installed("python", "-m", "clinic", "--version")
    assert run.stdout == f"clinic, version {__version__}\n"


def test_the_instance_must_be_named(installed: RUN) -> None:
    run = installed("clinic", "serve")
    assert run.returncode == 2
    assert "CLINIC_INSTANCE_PATH" in run.stderr
    assert run.stderr.count("\n") == 1
