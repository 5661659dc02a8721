"""The list on top of a pack: codes of sheets and their numbers of sides, a gap between piles, and nothing else."""

from collections.abc import Sequence
from typing import Final, Literal

from markupsafe import Markup

from clinic.documents import words
from clinic.documents.page import PAPERS, Fonts
from clinic.domain.page import Page

# No word is on it but the title that every file has, so it needs no translation: it is read in the clinic.
LOCALE: Final = "en"


def page(piles: Sequence[Sequence[tuple[str, int]]], paper: Literal["a4", "letter"], fonts: Fonts) -> Page:
    """Piles of (code, sides) in their order."""
    line = Markup("<p>{} \N{MIDDLE DOT} {}</p>")
    rows = Markup().join(
        Markup("<div>{}</div>").format(Markup().join(line.format(code, sides) for code, sides in pile))
        for pile in piles
    )
    title = words.TITLE.en
    html = Markup(
        '<!DOCTYPE html><html lang="{}"><head><meta charset="utf-8"><title>{}</title></head>'
        "<body><h1>{}</h1>{}</body></html>"
    ).format(LOCALE, title, title, rows)
    style = (
        f"@page {{ size: {PAPERS[paper][0]}; margin: 20mm }} "
        f"html {{ font-family: {fonts.of(LOCALE)}; font-size: 10pt; line-height: 1.4 }} "
        f"h1 {{ font-family: {fonts.of(LOCALE, title=True)}; font-size: 16pt; bookmark-level: none }} "
        "p { margin: 0 } div { margin-top: 4mm; break-inside: avoid }"
    )
    return Page(str(html), (style,), LOCALE, title)
