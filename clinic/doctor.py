"""What this machine lacks, and the command that installs it. Standard library only: it runs before .venv."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# One name a library for each system; WeasyPrint opens the same ones.
LIBRARIES = {
    "linux": "lib{}.so.0",
    "darwin": "lib{}.dylib",
    "win32": "lib{}-0.dll",
}
BREW_FOLDERS = ("/opt/homebrew/lib", "/usr/local/lib")
JAXB = ("/usr/share/java/jaxb-api.jar",)


@dataclass(frozen=True)
class Tool:
    """Something that pip cannot install: what it does, how to see it, its packages by package manager."""

    name: str
    why: str
    here: Callable[[], bool]
    packages: Mapping[str, tuple[str, ...]]


def library(stem: str) -> bool:
    """Say whether the loader finds a library, such as `pango-1.0`."""
    name = LIBRARIES.get(sys.platform, LIBRARIES["linux"]).format(stem)
    folders = BREW_FOLDERS if sys.platform == "darwin" else ()
    for candidate in (name, *(f"{folder}/{name}" for folder in folders)):
        try:
            ctypes.CDLL(candidate)
        except OSError:
            continue
        return True
    return False


def _program(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _postgresql() -> bool:
    # Debian keeps pg_ctl out of PATH.
    return bool(shutil.which("pg_ctl") or list(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")))


def _venv() -> bool:
    importlib.invalidate_caches()
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


_MSYS = "mingw-w64-x86_64-"
VENV = Tool("python venv", "makes .venv", _venv, {"apt": ("python3-venv",), "dnf": ("python3",), "brew": ("python",)})
PAPER = (
    Tool(
        "Pango",
        "lays out text on paper",
        lambda: all(map(library, ("gobject-2.0", "pango-1.0", "pangoft2-1.0"))),
        {
            "apt": ("libpango-1.0-0", "libpangoft2-1.0-0"),
            "dnf": ("pango",),
            "brew": ("pango",),
            "pacman": (_MSYS + "pango",),
        },
    ),
    Tool(
        "harfbuzz-subset",
        "makes sheets small, and quickly: without it one sheet takes over half a second longer",
        lambda: library("harfbuzz-subset"),
        {
            "apt": ("libharfbuzz-subset0",),
            "dnf": ("harfbuzz",),
            "brew": ("harfbuzz",),
            "pacman": (_MSYS + "harfbuzz",),
        },
    ),
)
TEST = (
    Tool(
        "Poppler",
        "reads PDFs back in the tests",
        _program("pdftotext"),
        {
            "apt": ("poppler-utils",),
            "dnf": ("poppler-utils",),
            "brew": ("poppler",),
            "pacman": (_MSYS + "poppler",),
        },
    ),
)
EVERYTHING = (
    Tool(
        "Chromium",
        "drives the pages in the tests",
        _program("chromium", "chromium-browser", "google-chrome"),
        {"apt": ("chromium",), "dnf": ("chromium",), "brew": ("--cask", "chromium")},
    ),
    Tool(
        "PostgreSQL",
        "the second database of the tests",
        _postgresql,
        {"apt": ("postgresql",), "dnf": ("postgresql-server",), "brew": ("postgresql@17",)},
    ),
    Tool(
        "Java",
        "runs veraPDF",
        _program("java"),
        {"apt": ("default-jre-headless",), "dnf": ("java-latest-openjdk-headless",), "brew": ("openjdk",)},
    ),
    Tool(
        "JAXB",
        "a library of veraPDF",
        lambda: any(Path(jar).exists() for jar in JAXB),
        {"apt": ("libjaxb-java",), "dnf": ("jaxb-api",)},
    ),
)
INSTALL = {
    "apt": "sudo apt-get install -y {}",
    "dnf": "sudo dnf install -y {}",
    "brew": "brew install {}",
    "pacman": "pacman -S {}    (in an MSYS2 shell; put its mingw64/bin on PATH)",
}


def manager() -> str | None:
    """Return the package manager whose commands we know for this machine, or None."""
    if sys.platform == "darwin":
        return "brew"
    if os.name == "nt":
        return "pacman"
    return next((name for name in ("apt", "dnf") if shutil.which({"apt": "apt-get"}.get(name, name))), None)


def missing(tools: Iterable[Tool]) -> list[Tool]:
    """Return the tools that are not here."""
    return [tool for tool in tools if not tool.here()]


def packages(tools: Iterable[Tool], by: str | None) -> list[str]:
    """Return the packages of these tools for one package manager, each once."""
    return list(dict.fromkeys(name for tool in tools for name in tool.packages.get(by or "", ())))


def command(tools: Iterable[Tool]) -> str:
    """Return the line that installs these tools here; without a known manager, what to look for."""
    tools, by = list(tools), manager()
    names = packages(tools, by)
    if by and names:
        return INSTALL[by].format(" ".join(names))
    return "install with your package manager: " + ", ".join(tool.name for tool in tools)


def report() -> tuple[list[str], bool]:
    """Return a line for each thing that printing and testing need, and whether printing has all it needs."""
    lines = []
    for tools, label in ((PAPER, "missing"), (TEST + EVERYTHING, "missing, for the tests only")):
        for tool in tools:
            state = "ok" if tool.here() else f"{label}: {command([tool])}"
            lines.append(f"{tool.name} ({tool.why}): {state}")
    return lines, not missing(PAPER)
