"""Check definition files; hold published ones to their promises (DECISIONS D4).

`forms/versions.lock` remembers, for every shipped definition, its version, the hash of its text and the shape of
its blocks. A changed text needs a higher version; a block id keeps its kind, its audience and what its options mean.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clinic import resources
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError
from clinic.domain.library import parse_library
from clinic.domain.suggest import parse_tables
from clinic.services.definitions import definitions, library, library_files, read


def check(paths: Iterable[Path]) -> list[str]:
    """What is wrong with these files, one line each; empty when all is well."""
    locked = _lock()
    problems = []
    for path in paths:
        try:
            problems += _check(path, locked)
        except ClinicError as error:
            problems.append(str(error))
    return problems


def _check(path: Path, locked: dict[str, Any]) -> list[str]:
    """One file: weights, a library list (with the other lists as shipped), or a definition."""
    if path.name == "suggestion.toml":
        parse_tables(path.read_bytes(), library())
    elif path.parent.name == "library":
        parse_library(library_files() | {path.stem: path.read_bytes()})
    else:
        definition = read(path)
        return broken_promises(definition, locked.get(definition.id))
    return []


def broken_promises(definition: Definition, old: dict[str, Any] | None) -> list[str]:
    """What a definition broke of what its published version promised."""
    if old is None:
        return []
    problems = []
    if definition.sha != old["sha"] and definition.version <= old["version"]:
        problems.append(f"{definition.id}: its text has changed, so version must be {old['version'] + 1}")
    shapes = _shapes(definition)
    for block, shape in old["blocks"].items():
        if block in shapes and shapes[block][:2] != shape[:2]:
            problems.append(f"{definition.id}, block {block}: its kind or audience has changed; use a new id")
        elif block in shapes and not set(shape[2]) <= set(shapes[block][2]):
            gone = ", ".join(sorted(set(shape[2]) - set(shapes[block][2])))
            problems.append(f"{definition.id}, block {block}: lost {gone}, which old records may hold; use a new id")
    return problems


def _shapes(definition: Definition) -> dict[str, list[Any]]:
    """Of each block: kind, audience, ids of options, rows and the like."""
    found: dict[str, list[Any]] = {}
    for id_, block in definition.blocks.items():
        lists = (block.options, block.rows, block.columns, block.asks, block.fields, block.nodes)
        found[id_] = [block.kind, block.audience, [item.id for items in lists for item in items]]
    return found


def lock() -> int:
    """Write the lock anew from the shipped definitions: a release does this. Returns how many."""
    locked = {
        one.id: {"version": one.version, "sha": one.sha, "blocks": _shapes(one)} for one in definitions().values()
    }
    _lock_path().write_text(json.dumps(locked, indent=1, sort_keys=True) + "\n", "utf-8")
    return len(locked)


def _lock_path() -> Path:
    return resources.forms() / "versions.lock"


def _lock() -> dict[str, Any]:
    path = _lock_path()
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found
