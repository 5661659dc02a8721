"""Direction and language of free text, which nobody declared."""

import re
import unicodedata
from datetime import date
from typing import Final

from babel import Locale
from babel.dates import format_date
from markupsafe import Markup, escape

# A phone number or another long run of figures: kept left to right inside right-to-left text.
FIGURES: Final = re.compile(r"\+?\d[\d\u00a0 ().\-/]{4,}\d")


def direction(text: str) -> str:
    """`ltr` or `rtl` by the first letter that has a direction, as HTML's `dir=auto`; `` if there is none."""
    for sign in text:
        kind = unicodedata.bidirectional(sign)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return ""


def language(text: str, sheet_dir: str) -> str:
    """A tag for text that runs against its sheet: its script, for its language is not known. Else ``."""
    found = direction(text)
    if not found or found == sheet_dir:
        return ""
    if found == "ltr":
        return "und-Latn"
    first = next(sign for sign in text if unicodedata.bidirectional(sign) in ("R", "AL"))
    return "und-Hebr" if unicodedata.name(first, "").startswith("HEBREW") else "und-Arab"


def runs(text: str, default: str) -> list[tuple[str, str]]:
    """`(direction, lines)` of free text: each line goes its own way, neighbours of one way stay together."""
    found: list[tuple[str, str]] = []
    dir_ = direction(text) or default
    for line in text.split("\n"):
        dir_ = direction(line) or dir_
        if found and found[-1][0] == dir_:
            found[-1] = (dir_, f"{found[-1][1]}\n{line}")
        else:
            found.append((dir_, line))
    return found


def isolated(text: str, dir_: str) -> Markup:
    """Text as HTML; in right-to-left text, long figures keep their order."""
    safe = escape(text)
    if dir_ != "rtl" or not FIGURES.search(safe):
        return safe
    # Escaped above: only the digits get markup.
    marked = FIGURES.sub(lambda found: f'<bdi dir="ltr">{found[0]}</bdi>', str(safe))
    return Markup(marked)  # noqa: S704 - see above  # nosec B704


def day(value: str, locale: str) -> str:
    """An ISO date in the words of a locale; other text as it is."""
    try:
        return format_date(date.fromisoformat(value), "medium", locale=Locale.parse(locale, sep="-"))
    except ValueError:
        return value
