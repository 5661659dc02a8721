"""Which fonts a locale prints with, where they are, and which characters they lack. Standard library only."""

import json
import tomllib
from bisect import bisect_right
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from clinic import resources

TABLE = Path(__file__).with_name("fonts.toml")
STYLES = ("Regular", "Bold")

# Characters that layout understands without a glyph: line ends, soft hyphen, joiners, direction marks.
INVISIBLE = frozenset("\t\n\r\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2060")
VARIATION_SELECTORS = range(0xFE00, 0xFE10)
# Overrides and isolates of direction never print, even if a font has them: the page sets direction itself.
NEVER = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


class FontsMissing(LookupError):
    """A locale is not printable until its fonts are made; `command` makes them."""

    def __init__(self, locale: str, extra: str | None = None) -> None:
        self.locale = locale
        self.command = "python3 -m clinic fonts" + (f" {extra}" if extra else "")
        super().__init__(f"{locale}: not printable until its fonts are made by: {self.command}")


@cache
def table() -> dict[str, Any]:
    """The contents of fonts.toml."""
    return tomllib.loads(TABLE.read_text("utf-8"))


def file_names(face: dict[str, Any]) -> dict[str, str]:
    """Style name -> file name of a face in the font folder."""
    return {style: f"{face['family'].replace(' ', '')}-{style}.ttf" for style in face.get("styles", STYLES)}


def folder() -> Path:
    """The folder of the TTF files, `fonts.conf` and `coverage.json`."""
    return resources.cache().resolve() / "fonts"


def made() -> bool:
    """Whether the fonts that every locale needs are there."""
    needed = {*table()["everywhere"], table()["titles"]}
    return (folder() / "fonts.conf").exists() and _coverage().keys() >= needed


def install(extras: Collection[str] = ()) -> int:
    """Make what is missing or out of date, see install.py; the number of files made."""
    from clinic.press import install as maker

    return maker.install(extras)


def config(locale: str = "en") -> Path:
    """The private fontconfig file. Raises FontsMissing; without any font the text engine would crash."""
    if not made():
        raise FontsMissing(locale)
    return folder() / "fonts.conf"


def families(locale: str) -> list[str]:
    """Font families of a locale in order: its script, then Latin and signs, then every other script that is
    there (a name or a word in another script still prints). Raises FontsMissing."""
    return list(_families(locale, frozenset(_coverage())))


@cache
def _families(locale: str, there: frozenset[str]) -> tuple[str, ...]:
    own = [face for face in table()["face"] if _speaks(face, locale)]
    always: list[str] = table()["everywhere"]
    for face in own:
        if face["family"] not in there:
            raise FontsMissing(locale, face.get("extra"))
    if not there.issuperset(always):
        raise FontsMissing(locale)
    others = [face["family"] for face in table()["face"] if face.get("locales") and face not in own]
    return (*(face["family"] for face in own), *always, *(name for name in others if name in there))


def lacking() -> dict[str, list[str]]:
    """Command that makes fonts -> the locales that print only after it; {} if all are there."""
    found: dict[str, list[str]] = {}
    for locale in dict.fromkeys(tag for face in table()["face"] for tag in face.get("locales", ())):
        try:
            families(locale)
        except FontsMissing as missing:
            found.setdefault(missing.command, []).append(locale)
    return found


def font_stack(locale: str) -> str:
    """`font-family` of running text in a locale, as CSS."""
    return ", ".join(f'"{name}"' for name in families(locale))


def title_stack(locale: str) -> str:
    """`font-family` of titles and step numbers: a serif for Latin and Cyrillic, else the locale's fonts."""
    return f'"{table()["titles"]}", {font_stack(locale)}'


def uncovered(text: str, locale: str) -> list[str]:
    """Characters of `text` that no font of the locale has, each once, in order. Raises FontsMissing.

    Line ends, joiners and direction marks need no glyph. Control characters and direction overrides or
    isolates are always listed.
    """
    there = _coverage()
    ranges = [there[name] for name in families(locale)]
    return [sign for sign in dict.fromkeys(text) if not _covered(sign, ranges)]


def _covered(sign: str, ranges: list[list[list[int]]]) -> bool:
    code = ord(sign)
    if sign in INVISIBLE or code in VARIATION_SELECTORS:
        return True
    if sign in NEVER or code < 0x20 or 0x7F <= code < 0xA0:
        return False
    return any(_within(code, family) for family in ranges)


def _within(code: int, ranges: list[list[int]]) -> bool:
    place = bisect_right(ranges, code, key=lambda pair: pair[0])
    return place > 0 and code <= ranges[place - 1][1]


def _speaks(face: dict[str, Any], locale: str) -> bool:
    """Whether the face lists the locale or a shorter form of it: zh-Hans-SG, zh-Hans, zh."""
    parts = locale.split("-")
    wanted = {"-".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return not wanted.isdisjoint(face.get("locales", ()))


def _coverage() -> dict[str, list[list[int]]]:
    """Family -> inclusive ranges of code points, ascending; {} when nothing has been made."""
    path = folder() / "coverage.json"
    try:
        return _read_coverage(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


@cache
def _read_coverage(path: Path, changed: int) -> dict[str, list[list[int]]]:
    ranges: dict[str, list[list[int]]] = json.loads(path.read_text("utf-8"))
    return ranges
