"""A sheet in one language for whoever translates it: HTML with one sentence marked, pictures, a PDF, a proof.

Blank, or filled with made-up words: nothing of any client comes near it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from clinic import documents
from clinic.documents import Fonts, Options
from clinic.documents.sheet import Speaks
from clinic.domain.audience import Recipient, about_of
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import Unprintable
from clinic.domain.page import Page
from clinic.i18n.extracting import guarded
from clinic.i18n.locales import SOURCE
from clinic.i18n.message import neutral
from clinic.persistence.store import Store
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import overlay, previews
from clinic.services.definitions import definitions
from clinic.services.print_sheet import Undrawn

Made = TypeVar("Made")

START, END = "\ue000", "\ue001"  # round the marked sentence, until it is HTML; no text may hold them (`hidden`)
TAG: Final = re.compile(r"<title>.*?</title>|<[^>]*>", re.DOTALL)
IN_CSS: Final = re.compile(r"\\00e00[01]|[\ue000\ue001]")
SIGNS: Final = 0xF0000  # the first of the private signs; no text may hold them either
MARKED: Final = f"{START}|{END}"
STEPS: Final = range(280, 800, 20)  # widths of the frame in px
SHEET_PX, LEAST = 794, 0.62  # width of A4 on a screen; it is not drawn smaller than this
DPI: Final = 72


@dataclass(frozen=True)
class Layout:
    """One way a definition is laid out: for a recipient, blank or with made-up words."""

    definition: Definition
    recipient: Recipient
    filled: bool


class _Heard:
    """English that notes which sentences a layout asks for; each begins with a sign of its own."""

    def __init__(self) -> None:
        self.locale, self.dir = SOURCE, "ltr"
        self.keys: dict[str, str] = {}

    def text(self, text: Text, variant: str = "") -> str:
        sign = self.keys.setdefault(text.key, chr(SIGNS + len(self.keys)))
        return sign + text.en if text.en else ""


class _Marked:
    """A language in which one sentence has marks round it, and other words if somebody is typing them."""

    def __init__(self, book: Speaks, key: str, typed: str | None) -> None:
        self.locale, self.dir = book.locale, book.dir
        # What says that this is a draft is no one's to type.
        self._book, self._key, self._typed = book, key, None if guarded(key) else typed

    def text(self, text: Text, variant: str = "") -> str:
        said = self._book.text(text)
        if text.key != self._key:
            return said
        said = said if self._typed is None else self._typed or text.en
        return "\n\n".join(f"{START}{part}{END}" for part in said.split("\n\n"))


def layouts(definition: Definition) -> Iterator[Layout]:
    """The ways it is laid out: one partner's own sheet stands for both, blank before filled."""
    first = [one for one in definition.recipients if one != "b"]
    for filled in (False, True):
        for recipient in first:
            if filled or definition.blank:
                yield Layout(definition, recipient, filled)


# By the hash of a definition's text and its layout: the keys of what it says, and of what stands in its running text.
_SAID: Final[dict[tuple[str, Recipient, bool], tuple[frozenset[str], frozenset[str]]]] = {}


def _said(layout: Layout) -> tuple[frozenset[str], frozenset[str]]:
    at = (layout.definition.sha, layout.recipient, layout.filled)
    if at not in _SAID:
        heard = _Heard()
        page = _page(layout, heard, "", Options(draft=True))
        signs = set(TAG.sub("", page.html))
        _SAID[at] = frozenset(heard.keys), frozenset(key for key, sign in heard.keys.items() if sign in signs)
    return _SAID[at]


def says(layout: Layout) -> frozenset[str]:
    """The keys of all sentences that stand on a layout."""
    return _said(layout)[0]


def shows(layout: Layout, key: str) -> bool:
    """Whether a sentence stands in the running text: not in the margin, not in a description that is only read aloud.
    Elsewhere no mark can show it.
    """
    return neutral(key) in _said(layout)[1]


def on_paper(definition: Definition) -> frozenset[str]:
    """The keys of all sentences that stand on some paper of a definition."""
    return frozenset().union(*(says(one) for one in layouts(definition)))


def layout_of(
    key: str, prefers: str = "", others: tuple[str, ...] = (), own: Definition | None = None
) -> Layout | None:
    """Where a sentence is printed: on the preferred definition, on one that holds it, else on any; None for nowhere.

    One that has it in its running text goes before one that does not. `own`: a preferred one of the clinic's own.
    """
    plain = neutral(key)
    shared = () if others or not plain.startswith("sheet.") else tuple(definitions())
    named = [definitions()[id_] for id_ in dict.fromkeys((prefers, *others, *shared)) if id_ in definitions()]
    first = None
    for definition in [own, *named] if own else named:
        for one in layouts(definition):
            if plain in says(one):
                if shows(one, plain):
                    return one
                first = first or one
    return first


def marked(store: Store, tag: str, layout: Layout, key: str, typed: str | None = None) -> Page:
    """The sheet with the sentence of `key` in a `<mark>`; `typed` are its words if they are not saved."""
    return _page(layout, _Marked(overlay.book(store, tag), neutral(key), typed), MADE_UP, _options(store))


def plain(store: Store, tag: str, layout: Layout, key: str = "", typed: str | None = None) -> Page:
    """The sheet as it prints. Raises Unprintable for a character that no font has."""
    book: Speaks = overlay.book(store, tag)
    if typed is not None:
        book = _Marked(book, neutral(key), typed)
    page = _page(layout, book, MADE_UP, _options(store))
    styles = tuple(IN_CSS.sub("", css) for css in page.styles)
    bare = Page(re.sub(MARKED, "", page.html), styles, page.lang, re.sub(MARKED, "", page.title))
    _covered(bare.html, tag, key)
    return bare


MADE_UP: Final = "…"


def _options(store: Store) -> Options:
    return Options(store.settings.paper, draft=True)


def _page(layout: Layout, book: Speaks, made_up: str, options: Options) -> Page:
    definition, recipient = layout.definition, layout.recipient
    answers = previews.answers(definition, recipient, made_up) if layout.filled else None
    sheet = documents.sheet(definition, answers, recipient, about_of(recipient))
    return documents.page(sheet, [book], options, fonts=_fonts(book.locale))


def _fonts(tag: str) -> Fonts:
    """Those of the paper, then what a browser has: it shows a layout too, and has none of ours."""
    try:
        return Fonts({tag: f"{fonts.font_stack(tag)}, sans-serif"}, {tag: f"{fonts.title_stack(tag)}, serif"})
    except fonts.FontsMissing:
        return Fonts()


def _covered(html: str, tag: str, key: str) -> None:
    missing = fonts.uncovered(TAG.sub("", html), tag)
    if missing:
        raise Unprintable(missing[0], key or "sheet")


# --------------------------------------------------------------------------- on a screen
def html(page: Page) -> str:
    """The page as one document for a frame: the first mark has the id `here`, styles are inline, the width fits."""
    said = _with_marks(page.html).replace("<mark>", '<mark id="here">', 1)
    styles = "".join(f"<style>{IN_CSS.sub('', css)}</style>" for css in (*page.styles, SCREEN))
    return said.replace("</head>", f'<meta name="viewport" content="width=device-width">{styles}</head>', 1)


def _with_marks(text: str) -> str:
    """`<mark>` for the marks in running text, none in attributes and titles."""
    out, end = [], 0
    for found in TAG.finditer(text):
        out += [_shown(text[end : found.start()]), re.sub(MARKED, "", found[0])]
        end = found.end()
    return "".join([*out, _shown(text[end:])])


def _shown(text: str) -> str:
    return text.replace(START, "<mark>").replace(END, "</mark>")


def _zooms() -> str:
    rules = [
        f"@media (min-width: {wide}px) {{ html {{ zoom: {min(max(wide / SHEET_PX, LEAST), 1):.3f} }} }}"
        for wide in STEPS
    ]
    return f"html {{ zoom: {LEAST} }} {' '.join(rules)}"


SCREEN: Final = (
    "html { background: #fff; color: #000 } body { padding: 12mm 10mm 16mm 14mm; max-width: 190mm; margin: 0 auto }"
    " html:dir(rtl) body { padding: 12mm 14mm 16mm 10mm }"
    " mark { background: #ffe08a; color: inherit; box-shadow: 0 0 0 2px #ffe08a; scroll-margin: 30vh }"
    f" p, li, td, div {{ overflow-wrap: anywhere }} {_zooms()}"
)


# --------------------------------------------------------------------------- on paper
def pictures(press: Press, page: Page) -> list[bytes]:
    """The pages as PNG, the marked sentence in colour."""
    lit = Page(_with_marks(page.html), tuple(IN_CSS.sub("", css) for css in (*page.styles, LIT)), page.lang, page.title)
    return _drawn(lambda: _images(press, lit))


LIT: Final = "mark { background: #ffe08a; color: inherit }"


def _images(press: Press, page: Page) -> list[bytes]:
    with press.child() as child:
        return press.images(page, child, DPI)


def pdf(press: Press, page: Page) -> bytes:
    """One page as a PDF."""
    return _drawn(lambda: press.blank(page))


def proof(store: Store, press: Press, tag: str, definition: Definition) -> bytes:
    """A whole handout to read before it is approved: each of its layouts, one after the other. Raises Unprintable."""
    pages = [plain(store, tag, one) for one in layouts(definition)]
    return _drawn(lambda: press.joined([[press.blank(one)] for one in pages]))


def _drawn(draw: Callable[[], Made]) -> Made:
    try:
        return draw()
    except PressError as error:
        raise Undrawn(error.kind) from None
