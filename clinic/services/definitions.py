"""The shipped library and definitions, read once; a clinic's own definitions once they were accepted."""

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from clinic import resources
from clinic.domain.definition import Definition, parse
from clinic.domain.errors import DefinitionError, NotFound
from clinic.domain.library import Library, parse_library
from clinic.domain.suggest import Tables, parse_tables

OWN = "own_"  # the prefix of a clinic's own definitions; shipped ones are never shadowed


@cache
def library() -> Library:
    """The clinical library."""
    return parse_library(library_files())


def library_files() -> dict[str, bytes]:
    """The shipped lists as they are on disk, by name."""
    folder = resources.forms() / "library"
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.toml"))}


@cache
def tables() -> Tables:
    """Weights, levels and rules of forms/suggestion.toml."""
    return parse_tables((resources.forms() / "suggestion.toml").read_bytes(), library())


@cache
def definitions() -> dict[str, Definition]:
    """All shipped definitions by id: forms first, then worksheets, by file name."""
    return {one.id: one for one in (read(path) for path in shipped_files())}


def definition(id_: str) -> Definition:
    """One shipped definition. NotFound if there is none."""
    found = definitions().get(id_)
    if found is None:
        raise NotFound
    return found


def alone(id_: str) -> Definition:
    """The same, and no other is read: for a command that prints one. NotFound if there is none."""
    path = next((one for one in shipped_files() if one.stem == id_), None)
    if path is None:
        raise NotFound
    return read(path)


def shipped_files() -> list[Path]:
    """The TOML files of forms/ and forms/worksheets/ that are definitions."""
    root = resources.forms()
    return [
        *(path for path in sorted(root.glob("*.toml")) if path.stem != "suggestion"),
        *sorted((root / "worksheets").glob("*.toml")),
    ]


def read(path: Path) -> Definition:
    """One file as a definition. Raises DefinitionError, also when it cannot be read."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise DefinitionError(f"cannot be read: {error.strerror}", path.name) from None
    return _parsed(source, path.name)


@lru_cache(maxsize=128)
def _parsed(source: bytes, name: str) -> Definition:
    return parse(source, name, library().lists())


def own_definitions(folder: Path, accepted: Iterable[str]) -> dict[str, Definition]:
    """A clinic's own definitions in `folder`: only `own_*` files whose hash an admin accepted; others are skipped."""
    known = set(accepted)
    found = {}
    for path in sorted(folder.glob(f"{OWN}*.toml")):
        try:
            one = read(path)
        except DefinitionError:
            continue
        if one.sha in known and one.id not in definitions():
            found[one.id] = one
    return found
