"""Make the fonts of fonts.toml once, at set-up: `python3 -m clinic fonts`. The second time imports nothing.

The folder gets one static TTF for each family and style, `fonts.conf` (a fontconfig that sees nothing else),
`coverage.json` (what `fonts.uncovered` reads) and `made.json` (recipe and SHA-256 of each file).
"""

import ctypes
import ctypes.util
import gc
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from concurrent.futures import ProcessPoolExecutor
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from clinic.press import fonts

WEIGHTS = {"Regular": 400, "SemiBold": 600, "Bold": 700}
ITALIC, BOLD, REGULAR = 0x01, 0x20, 0x40  # bits of OS/2 fsSelection
KEPT_NAMES = {0, 7, 13, 14}  # copyright, trade mark, licence, its address
MAKERS = ("install.py", "letters.py")
# Absolute on purpose: fontconfig resolves a relative cache folder against the working directory.
CONFIG = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{folder}</dir><cachedir>{folder}/cache</cachedir></fontconfig>
"""

Face = dict[str, Any]
Job = tuple[Face, str, Path]


class PackageMissing(LookupError):
    """A font package that fonts.toml pins is not installed, or in another version."""


def install(extras: Collection[str] = ()) -> int:
    """Make what is missing or out of date in `fonts.folder()`; the number of font files made.

    Faces of an extra are made when it is named in `extras` or when they were made before.
    Raises PackageMissing.
    """
    folder = fonts.folder()
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    made = _read(folder / "made.json")
    recipes, jobs = {}, []
    maker = _maker()
    for face in fonts.table()["face"]:
        names = fonts.file_names(face)
        if "extra" in face and face["extra"] not in extras and made.keys().isdisjoint(names.values()):
            continue
        for style, name in names.items():
            recipes[name] = _sha(json.dumps([face, style, maker]).encode())
            if made.get(name) != [recipes[name], _sha_of(folder / name)]:
                _source(face, style)
                jobs.append((face, style, folder))
    config = CONFIG.format(folder=escape(str(folder), quote=False))
    if jobs or _read(folder / "coverage.json") == {} or _text(folder / "fonts.conf") != config:
        _make(jobs)
        _write_tables(folder, recipes, config)
    return len(jobs)


def _make(jobs: list[Job]) -> None:
    if len(jobs) < 2:
        for job in jobs:
            _make_file(job)
        return
    jobs.sort(key=lambda job: _source(job[0], job[1]).stat().st_size, reverse=True)  # long ones first
    with ProcessPoolExecutor(initializer=gc.disable) as pool:  # a third of the time went to the collector
        list(pool.map(_make_file, jobs))


def _write_tables(folder: Path, recipes: dict[str, str], config: str) -> None:
    made = {name: [recipe, _sha_of(folder / name)] for name, recipe in sorted(recipes.items())}
    families = {face["family"]: list(fonts.file_names(face).values()) for face in fonts.table()["face"]}
    coverage = {
        family: _ranges(set.intersection(*(_code_points(folder / name) for name in names)))
        for family, names in families.items()
        if made.keys() >= set(names)
    }
    _replace(folder / "coverage.json", json.dumps(coverage, separators=(",", ":")).encode())
    _replace(folder / "made.json", json.dumps(made, indent=1).encode())
    _replace(folder / "fonts.conf", config.encode())
    _fill_cache(folder / "fonts.conf")


def _make_file(job: Job) -> None:
    from fontTools.ttLib import TTFont
    from fontTools.varLib import instancer

    face, style, folder = job
    font = TTFont(_source(face, style), recalcTimestamp=False)
    if keep := face.get("keep"):
        _cut_down(font, keep)
    if "fvar" in font:
        axes = {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes} | {"wght": WEIGHTS[style]}
        instancer.instantiateVariableFont(font, axes, inplace=True)
    if face.get("letters"):
        from clinic.press import letters

        letters.take_apart(font)
    _rename(font, face["family"], style)
    name = fonts.file_names(face)[style]
    part = folder / f"{name}.{os.getpid()}"
    font.save(part)
    part.replace(folder / name)


def _cut_down(font: Any, keep: str) -> None:
    from fontTools import subset

    tool = subset.Subsetter(subset.Options(name_IDs="*", notdef_outline=True))
    tool.populate(text=keep + " \u00a0")  # the space that follows a sign is drawn with the font of the sign
    tool.subset(font)


def _rename(font: Any, family: str, style: str) -> None:
    names, full = font["name"], f"{family} {style}"
    names.names = [entry for entry in names.names if entry.nameID in KEPT_NAMES]
    plain = fonts.file_names({"family": family, "styles": [style]})[style].removesuffix(".ttf")
    for number, text in {1: family, 2: style, 3: full, 4: full, 6: plain, 16: family, 17: style}.items():
        names.setName(text, number, 3, 1, 0x409)
    font["OS/2"].usWeightClass, font["OS/2"].usWidthClass = WEIGHTS[style], 5
    selection = font["OS/2"].fsSelection & ~(ITALIC | BOLD | REGULAR)
    font["OS/2"].fsSelection = selection | {"Bold": BOLD, "Regular": REGULAR}.get(style, 0)
    font["head"].macStyle = int(style == "Bold")
    if "STAT" in font:
        del font["STAT"]  # it describes axes that are gone


def _source(face: Face, style: str) -> Path:
    name, version = face["package"].split("==")
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise PackageMissing(f"{face['family']} needs {face['package']}") from None
    if package.version != version:
        raise PackageMissing(f"{face['family']} needs {face['package']}, not {package.version}")
    return Path(str(package.locate_file(face["file"].replace("{style}", style))))


def _maker() -> str:
    """What the result depends on beside the face: our own code and the fontTools version."""
    here = Path(__file__).parent
    code = b"".join((here / name).read_bytes() for name in MAKERS)
    return _sha(code + metadata.version("fonttools").encode())


def _code_points(path: Path) -> set[int]:
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        return set(font.getBestCmap())


def _ranges(codes: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ranges


def _fill_cache(config: Path) -> None:
    """Let fontconfig scan the folder now: later it may be read-only. Nothing is lost if it cannot."""
    library = ctypes.util.find_library("fontconfig")
    if library:
        code = f"import ctypes; ctypes.CDLL({library!r}).FcInit()"
        environment = {**os.environ, "FONTCONFIG_FILE": str(config)}
        subprocess.run(  # noqa: S603 (our own interpreter and our own words)
            [sys.executable, "-c", code], env=environment, check=False, timeout=60
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha_of(path: Path) -> str:
    return _sha(path.read_bytes()) if path.exists() else ""


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
