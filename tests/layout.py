"""How the pages of a PDF are filled, found in the file itself: `from tests import layout`.

Every item on a page (a run of text, a line or a box, a drawing) with its place and, for text, its tags. Footers carry
no tag, so what is tagged is the body.
"""

import ctypes
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import pypdfium2
import pypdfium2.raw as pdfium

MM = 72 / 25.4
BOLD = ("Bold", "SemiBold", "Semi-Bold", "Heavy", "Black")
SIDES, HEAD, FOOT = 12.9 * MM, 6 * MM, 16.5 * MM  # where the body of a page may not be; numbers hang in the margin
LEAST_LINES = 4
LEAST_USED = 0.5  # share of a page, from its head to the last thing on it, unless it is the last page


@dataclass(frozen=True)
class Item:
    """One thing on a page, in points from the lower left corner. `tags`: from the document down; () if untagged."""

    left: float
    bottom: float
    right: float
    top: float
    text: str | None = None
    tags: tuple[str, ...] = ()
    bold: bool = False

    @property
    def heading(self) -> bool:
        """A title, or a question above its answer."""
        if any(tag in ("H1", "H2", "H3") for tag in self.tags):
            return True
        return self.bold and "P" in self.tags and not {"L", "TR", "Table"} & set(self.tags)

    @property
    def blank(self) -> bool:
        return self.text is not None and not self.text.strip()

    @property
    def marks(self) -> bool:
        """Nothing but vowel signs, which stand over the letters of the word beside them."""
        return self.text is not None and all(unicodedata.category(sign) in ("Mn", "Zs") for sign in self.text)

    def holds(self, other: "Item") -> bool:
        return (
            self.left - 2 <= other.left
            and other.right <= self.right + 2
            and self.bottom - 2 <= other.bottom
            and other.top <= self.top + 2
        )


@dataclass(frozen=True)
class Side:
    """One page and what stands on it."""

    width: float
    height: float
    items: tuple[Item, ...]
    unembedded: tuple[str, ...] = ()

    @cached_property
    def texts(self) -> list[Item]:
        """The runs of text of the body."""
        return [item for item in self.items if item.text is not None and item.tags and not item.blank]

    @cached_property
    def rules(self) -> list[Item]:
        """Lines to write on: wide, high enough for a hand, and without words."""
        wide = [item for item in self.items if item.text is None and item.right - item.left > 30 * MM]
        return [item for item in wide if not any(item.holds(text) for text in self.texts)]

    @cached_property
    def used(self) -> float:
        """How far down the body reaches, as a share of the page."""
        lowest = min((item.bottom for item in (*self.texts, *self._drawn)), default=self.height)
        return 1 - lowest / self.height

    @property
    def drawing(self) -> bool:
        return any("Figure" in item.tags for item in self.items)

    @property
    def _drawn(self) -> list[Item]:
        return [item for item in self.items if item.text is None]

    @cached_property
    def lines(self) -> int:
        """Lines of text, and rules to write on."""
        heights: list[float] = []
        for item in sorted((*self.texts, *self.rules), key=lambda one: one.bottom):
            if not heights or item.bottom - heights[-1] > 5:
                heights.append(item.bottom)
        return len(heights)


def sides(content: bytes) -> list[Side]:
    """The pages of a file."""
    with pypdfium2.PdfDocument(content) as document:
        return [_side(page) for page in document]


def faults(pages: Sequence[Side]) -> list[str]:
    """What a reader would stumble over: each with its page."""
    found = []
    for number, side in enumerate(pages, 1):
        last = number == len(pages)
        found += [f"page {number}: {fault}" for fault in (*_outside(side), *_covered(side))]
        found += [f"page {number}: {fault}" for fault in _broken(side, first=number == 1, last=last)]
        found += [f"page {number}: {font} is not embedded" for font in side.unembedded]
    return found


def _outside(side: Side) -> Iterator[str]:
    for item in side.texts:
        if item.left < SIDES or item.right > side.width - SIDES or item.top > side.height - HEAD or item.bottom < FOOT:
            yield f"outside its margins: {item.text!r}"
    for item in side.items:
        if item.text is not None and not item.tags and not item.blank and not 6 * MM < item.bottom < FOOT:
            if item.bottom < side.height - 20 * MM:  # the mark of a draft stands in the upper margin
                yield f"outside the footer: {item.text!r}"


def _covered(side: Side) -> Iterator[str]:
    for one, two in combinations([item for item in side.texts if not item.marks], 2):
        across, up = (
            min(one.right, two.right) - max(one.left, two.left),
            min(one.top, two.top) - max(one.bottom, two.bottom),
        )
        if across > 1 and up > 0:
            least = min((item.right - item.left) * (item.top - item.bottom) for item in (one, two))
            if least > 2 and across * up > least * 0.4:
                yield f"one over the other: {one.text!r} and {two.text!r}"


def _broken(side: Side, first: bool, last: bool) -> Iterator[str]:
    """What page breaks may not do."""
    body = sorted((*side.texts, *side._drawn), key=lambda item: item.bottom)
    if not body:
        yield "nothing on it"
        return
    lowest = body[0]
    if lowest.text is not None and lowest.heading:
        yield f"ends with {lowest.text!r}"
    highest = max(item.top for item in body)
    texts = max((item.top for item in side.texts), default=0)
    below = 9 if side.texts else 0  # pt; the border of a row has its words closer than a line has those after it
    if not first and any(rule.top > highest - 3 and rule.bottom > texts + below for rule in side.rules):
        yield "begins with a line whose question stands on the page before"
    if side.lines < LEAST_LINES and not side.drawing:
        yield f"has {side.lines} lines"
    if not last and side.used < LEAST_USED:
        yield f"is used to {side.used:.0%} only"


# --------------------------------------------------------------------------- out of the file
def _side(page: pypdfium2.PdfPage) -> Side:
    tags = _tags(page)
    text = page.get_textpage()
    width, height = page.get_size()
    fonts: dict[int, tuple[str, bool]] = {}
    items, unembedded = [], []
    for thing in page.get_objects():
        mark = tags.get(pdfium.FPDFPageObj_GetMarkedContentID(thing.raw), ())
        if thing.type == pdfium.FPDF_PAGEOBJ_TEXT:
            name, embedded = _font(pdfium.FPDFTextObj_GetFont(thing.raw), fonts)
            if not embedded:
                unembedded.append(name)
            bold = any(word in name for word in BOLD)
            items.append(Item(*thing.get_bounds(), _text(thing.raw, text), mark, bold))
        else:
            items.append(Item(*thing.get_bounds(), None, mark))
    return Side(width, height, tuple(items), tuple(dict.fromkeys(unembedded)))


def _tags(page: pypdfium2.PdfPage) -> dict[int, tuple[str, ...]]:
    """The tags of each piece of marked content."""
    found: dict[int, tuple[str, ...]] = {}

    def walk(element: object, above: tuple[str, ...]) -> None:
        name = (ctypes.c_ushort * 40)()
        pdfium.FPDF_StructElement_GetType(element, name, 80)
        here = (*above, "".join(map(chr, name)).partition("\0")[0])
        for place in range(max(pdfium.FPDF_StructElement_GetMarkedContentIdCount(element), 0)):
            mark = pdfium.FPDF_StructElement_GetMarkedContentIdAtIndex(element, place)
            if mark >= 0:
                found[mark] = here
        for place in range(pdfium.FPDF_StructElement_CountChildren(element)):
            if child := pdfium.FPDF_StructElement_GetChildAtIndex(element, place):
                walk(child, here)

    tree = pdfium.FPDF_StructTree_GetForPage(page)
    for place in range(pdfium.FPDF_StructTree_CountChildren(tree)):
        walk(pdfium.FPDF_StructTree_GetChildAtIndex(tree, place), ())
    pdfium.FPDF_StructTree_Close(tree)
    return found


def _font(font: object, known: dict[int, tuple[str, bool]]) -> tuple[str, bool]:
    key = ctypes.cast(font, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
    if key not in known:
        name = ctypes.create_string_buffer(120)
        pdfium.FPDFFont_GetBaseFontName(font, name, 120)
        known[key] = name.value.decode(), bool(pdfium.FPDFFont_GetIsEmbedded(font))
    return known[key]


def _text(thing: object, page: pypdfium2.PdfTextPage) -> str:
    size = pdfium.FPDFTextObj_GetText(thing, page, None, 0)
    signs = (ctypes.c_ushort * (size // 2 + 1))()
    pdfium.FPDFTextObj_GetText(thing, page, signs, size)
    return "".join(map(chr, signs)).partition("\0")[0]
