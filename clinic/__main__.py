"""Secure Base, from a fresh checkout: python3 -m clinic COMMAND

  python3 -m clinic demo [--no-serve] [--port 8000]   set everything up, make made-up couples, serve
  python3 -m clinic test [--everything] [ARGS]        set up, run the tests
  python3 -m clinic COMMAND --help                    every other command, once set up

The first start makes .venv here, installs what is pinned in pyproject.toml, and on Debian the system packages
that are missing (as root or with sudo). That takes about a minute; later starts go straight on.
"""

# Standard library only, and readable by an old python3 so that it can say what it needs.
from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clinic import doctor

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "secure-base.json"  # what is installed; written last
MAKING = VENV / "secure-base.making"  # there while we install: a start that was killed leaves it behind
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
ON_PAPER = {"bench", "demo", "print", "serve", "test"}  # the commands that need Pango
HELP = {"-h", "--help"}


def main() -> None:
    """Set up what the command needs, then become the CLI of .venv; its exit code is ours."""
    arguments = sys.argv[1:]
    if sys.version_info < (3, 11):
        sys.exit("clinic needs Python 3.11 or newer; this is " + sys.version.split()[0])
    if not (ROOT / "pyproject.toml").is_file() or _own_environment():
        return _here()
    if (not arguments or arguments[0] in HELP) and not _ready(()):
        return print(__doc__)  # asking for help installs nothing
    command = _command(arguments)
    with _one_at_a_time():
        _system(command, everything=command == "test" and "--everything" in arguments)
        _install(_extras(command, arguments))
    _become([str(PYTHON), "-m", "clinic.cli", *arguments])


def _command(arguments: Sequence[str]) -> str:
    """Return the first argument that is no option; `--instance` is the one that takes a value before a command."""
    rest = iter(arguments)
    for one in rest:
        if one == "--instance":
            next(rest, None)
        elif not one.startswith("-"):
            return one
    return ""


def _here() -> None:
    from clinic.cli import main as cli

    cli()


def _own_environment() -> bool:
    """Say whether we run in an environment of the user's that has us installed: then it is theirs to keep."""
    from importlib import metadata

    if sys.prefix == sys.base_prefix or (VENV.exists() and os.path.samefile(sys.prefix, VENV)):
        return False
    try:
        return bool(metadata.version("secure-base"))
    except metadata.PackageNotFoundError:
        return False


def _extras(command: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the optional dependencies of pyproject.toml that the command needs."""
    if command == "fonts" and "cjk" in arguments:
        return ("cjk",)
    everything = ("cjk", "test") if "--everything" in arguments else ("test",)
    return everything if command == "test" else ()


def _system(command: str, everything: bool) -> None:
    """Install the system packages that the command needs, or stop with the line that installs them."""
    tools = doctor.PAPER if command in ON_PAPER else ()
    tools += doctor.TEST if command == "test" else ()
    tools += doctor.EVERYTHING if everything else ()
    tools += () if PYTHON.exists() else (doctor.VENV,)
    lacking = doctor.missing(tools)
    if lacking and doctor.manager() == "apt":
        _apt(doctor.packages(lacking, "apt"))
        lacking = doctor.missing(lacking)
    if lacking:
        names = ", ".join(tool.name for tool in lacking)
        sys.exit(f"clinic: this machine lacks {names}. Please run:\n  {doctor.command(lacking)}")


def _apt(packages: Sequence[str]) -> None:
    """Try to install Debian packages; whoever calls looks whether it worked."""
    if os.geteuid() == 0:
        prefix = []
    elif shutil.which("sudo"):
        # Without a terminal sudo cannot ask for a password: -n makes it fail at once.
        prefix = ["sudo"] if sys.stdin and sys.stdin.isatty() else ["sudo", "-n"]
    else:
        return
    _say("installing system packages: " + " ".join(packages))
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    # Often the package lists are fresh enough; a bare image has none, then the first try costs half a second.
    first = subprocess.run(install, stdin=subprocess.DEVNULL, capture_output=True)
    if first.returncode:
        subprocess.run([*apt, "update"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        subprocess.run(install, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _install(extras: Sequence[str]) -> None:
    """Make .venv and install the pins, unless the stamp says that all is there."""
    if _ready(extras):
        return
    stamp = _stamp()
    if MAKING.exists() or not _usable():
        if VENV.is_symlink():
            VENV.unlink()
        shutil.rmtree(VENV, ignore_errors=True)
    else:
        extras = sorted({*extras, *stamp.get("extras", ())})
    VENV.mkdir(exist_ok=True)
    MAKING.touch()
    STAMP.unlink(missing_ok=True)
    if not PYTHON.exists():
        _say("making .venv")
        _run([_base_python(), "-m", "venv", str(VENV)])
    _say("installing what pyproject.toml pins" + (" and the test tools" if extras else ""))
    # No byte code now: Python compiles what it imports, which is a third of what is installed.
    pip = [str(PYTHON), "-m", "pip", "--no-input", "--disable-pip-version-check", "-qq"]
    pip += ["install", "--no-compile"]
    pip += ["-c", str(CONSTRAINTS)] if CONSTRAINTS.exists() else []
    _run([*pip, "-e", str(ROOT) + (f"[{','.join(extras)}]" if extras else "")])
    _say("making the fonts, once")
    _run([str(PYTHON), "-m", "clinic.cli", "fonts", *(["cjk"] if "cjk" in extras else [])])
    STAMP.write_text(json.dumps({"key": _key(), "extras": sorted(extras)}), encoding="utf-8")
    MAKING.unlink()


def _ready(extras: Sequence[str]) -> bool:
    stamp = _stamp()
    return (
        PYTHON.exists() and not MAKING.exists() and stamp.get("key") == _key() and set(extras) <= set(stamp["extras"])
    )


def _stamp() -> dict:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _key() -> str:
    """Hash what .venv depends on: the pins, the minor version of Python, the place of the checkout."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {sys.platform} {ROOT}\n".encode())
    for path in (ROOT / "pyproject.toml", CONSTRAINTS):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def _usable() -> bool:
    """Say whether .venv can be built upon: its python starts, is of our version, and has pip."""
    probe = "import sys, pip; print(*sys.version_info[:2]); sys.exit(sys.prefix == sys.base_prefix)"
    try:
        run = subprocess.run([str(PYTHON), "-c", probe], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0 and run.stdout.split() == [str(part) for part in sys.version_info[:2]]


def _base_python() -> str:
    """Return the python to make .venv from; never the one inside a .venv that was just removed."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=ROOT)
    if done.returncode:
        sys.exit("clinic: setting up failed at:\n  " + " ".join(command))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let a second start wait until the first has installed (where the system can lock files)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (ROOT / "pyproject.toml").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    if os.name == "nt":  # there exec returns to the shell before the command is done
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def _say(line: str) -> None:
    print("clinic: " + line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("clinic: stopped; the next start takes it from there")
