"""Sheets that differ in short words only, a code, a date: drawn once, then stamped. In press children only.

A page with placeholders (`page.SLOTS`) is laid out and drawn as ever. Each placeholder is then cut out of its
side's content and becomes a small stream of fixed size, so that another word is a patch of some bytes. The letters
that a word may need are drawn on a stream that is never written: the fonts get them, the paper does not.

What is stamped is what a render would draw, letter by letter. So a slot is stamped only where letters do not touch
each other (no kerning, no ligatures: every pair is tried), nothing else moves with the length of its word, and the
word reads from left to right. All else is rendered.
"""

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, Literal

import pydyf
from weasyprint.document import Document
from weasyprint.draw.text import draw_first_line
from weasyprint.formatting_structure import boxes
from weasyprint.layout.absolute import AbsolutePlaceholder
from weasyprint.matrix import Matrix
from weasyprint.pdf.stream import Stream
from weasyprint.text.line_break import split_first_line

from clinic.domain.code import ALPHABET
from clinic.domain.page import SLOTS, Page
from clinic.press import fonts, render

MARK: Final = b"% slot"  # first line of a slot's stream; join.py knows files of one template by it
MOST: Final = {"code": 12, "date": 40}  # letters that a slot has room for in the file
TOKEN: Final = 16  # bytes of one letter in the file at most
LATIN: Final = re.compile("[A-Za-zÀ-ɏΑ-ϿЀ-ԯ]")  # scripts whose letters stand side by side, each by itself
WHOLE: Final = 0.2  # how far a width may be from whole 1/1000 em: then every size of the font rounds it alike
ALIKE: Final = ("font_family", "font_size", "font_weight", "font_style", "direction", "lang")

Side = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Letters:
    """One font in one size: how the file names each letter, and how wide it is in px."""

    tokens: Mapping[str, bytes] = field(repr=False)
    widths: Mapping[str, float] = field(repr=False)
    font: bytes = b""


@dataclass(frozen=True)
class Slot:
    """A place of a word: its stream's bytes are content[start : start + size]. `x`, `y`, `width`, `room` in px."""

    name: str
    letters: Letters
    start: int
    size: int
    x: float
    y: float
    width: float
    room: float
    side: Side

    def drawn(self, word: str) -> bytes | None:
        """The bytes that draw a word; None if a render must."""
        tokens, widths = self.letters.tokens, self.letters.widths
        if len(word) > MOST[self.name]:
            return None
        try:
            told, width = b"".join([tokens[one] for one in word]), sum([widths[one] for one in word])
        except KeyError:
            return None
        if width > self.room:
            return None
        spare = self.width - width
        x = self.x + (spare if self.side == "right" else spare / 2 if self.side == "center" else 0)
        return _operators(x, self.y, self.letters.font, told).ljust(self.size)


@dataclass(frozen=True)
class Compiled:
    """A page that was drawn with its slots open. `slots` are in the order of the file."""

    content: bytes = field(repr=False)
    slots: tuple[Slot, ...]

    def stamp(self, words: Mapping[str, str]) -> bytes | None:
        """The file with words in its slots, as a render of `page.with_words(words)`; None: render that instead.

        Raises ValueError if a slot gets no word.
        """
        parts, end = [], 0
        for slot in self.slots:
            word = words.get(slot.name)
            if not word:
                raise ValueError(f"no word for the {slot.name}")
            drawn = slot.drawn(word)
            if drawn is None:
                return None
            parts += [self.content[end : slot.start], drawn]
            end = slot.start + slot.size
        return b"".join([*parts, self.content[end:]])


def compiled(page: Page) -> Compiled | None:
    """Draw a page with placeholders (`page.SLOTS`); None if its words cannot be stamped. Raises as `render.pdf`."""
    document = render.laid_out(page)
    places = _places(document, page.slots)
    if not places:
        return None
    with render.silence():
        letters = _all_letters(document, places, page)
        if letters is None:
            return None
        cuts: list[_Cut] = []
        content = render.written(document, partial(_cut_out, places, letters, cuts))
    if len(cuts) != len(places):
        return None
    cuts.sort(key=lambda cut: cut.stream.offset)
    return Compiled(content, tuple(cut.slot(content) for cut in cuts))


# ------------------------------------------------------------------------- Where the words stand
@dataclass(frozen=True)
class _Place:
    name: str
    number: int  # of the side
    box: Any
    side: Side
    room: float

    @property
    def y(self) -> float:
        return float(self.box.position_y + self.box.baseline)


def _places(document: Document, names: Sequence[str]) -> list[_Place] | None:
    """All placeholders on all sides; None if one cannot be stamped, or none of a name is drawn."""
    found = []
    for number, side in enumerate(document.pages):
        wide = side.width / 3  # boxes in the margin share it; three words would still have room
        for path in _texts(side._page_box, ()):
            name = next((one for one in names if SLOTS[one] in path[-1].text), None)
            if name is None:
                continue
            place = _place(name, number, path, wide) if path[-1].text == SLOTS[name] else None
            if place is None:
                return None
            found.append(place)
    return found if {place.name for place in found} == set(names) else None


def _texts(box: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Each text that is drawn, with all boxes around it."""
    if isinstance(box, AbsolutePlaceholder):
        box = box._box
    path = (*path, box)
    if isinstance(box, boxes.TextBox):
        yield path
    for child in getattr(box, "children", ()):
        yield from _texts(child, path)


def _place(name: str, number: int, path: tuple[Any, ...], wide: float) -> _Place | None:
    """Where a word stands, if nothing around it depends on its length."""
    box = path[-1]
    at = max((n for n, one in enumerate(path) if isinstance(one, boxes.LineBox)), default=0)
    line, inside, around = path[at], path[at + 1 : -1], path[:at]
    if not at or not _plain(box.style) or not all(_bare(one) for one in inside) or not _steady(around):
        return None
    side = _side(line)
    others = [one for one in _atoms(line) if one is not box and (one.width or _said(one))]
    left = [one for one in others if one.position_x < box.position_x]
    if side is None or (side != "right" and len(left) != len(others)) or (side != "left" and left):
        return None
    holder = around[-1]
    if box.style["white_space"] in ("nowrap", "pre"):
        room = wide * 3
    elif isinstance(holder, boxes.MarginBox):
        room = wide
    else:
        room = holder.width - sum(one.width for one in others)
    return _Place(name, number, box, side, room)


def _plain(style: Any) -> bool:
    """Whether the letters of a text are drawn one beside the other and nothing else is."""
    spaced = style["letter_spacing"] not in ("normal", 0) or style["word_spacing"]
    return not spaced and style["text_decoration_line"] == "none" and style["text_transform"] == "none"


def _bare(box: Any) -> bool:
    """Whether a box in the line has no edge of its own that would be drawn or moved."""
    edges = [f"{kind}_{side}" for kind in ("margin", "padding") for side in ("left", "right")]
    return (
        type(box) is boxes.InlineBox
        and not any(getattr(box, edge) for edge in edges)
        and not (box.border_left_width or box.border_right_width)
        and not (box.background and (box.background.color.alpha or len(box.background.layers) > 1))
    )


def _steady(around: Sequence[Any]) -> bool:
    """Whether the box that holds the line is as wide as it is whatever stands in it."""
    for box in reversed(around):
        if isinstance(box, boxes.MarginBox | boxes.PageBox) or box.style["width"] != "auto":
            return True
        if type(box) is not boxes.BlockBox or box.style["float"] != "none":
            return False
        if box.style["position"] not in ("static", "relative"):
            return False
    return True


def _side(line: Any) -> Side | None:
    """The side of the line that its first or last letter keeps to."""
    style = line.style
    sides: dict[str, Side] = {"start": "left", "end": "right", "left": "left", "right": "right", "center": "center"}
    if style["direction"] == "rtl":
        sides |= {"start": "right", "end": "left"}
    align = style["text_align_all"] if style["text_align_last"] == "auto" else style["text_align_last"]
    return sides.get(align)


def _atoms(box: Any) -> Iterator[Any]:
    """What stands on a line: texts, and boxes that are drawn as a whole."""
    for child in box.children:
        if type(child) is boxes.InlineBox:
            yield from _atoms(child)
        else:
            yield child


def _said(box: Any) -> bool:
    return bool(getattr(box, "text", "").strip())


# ------------------------------------------------------------------------- How the letters are drawn
def _all_letters(document: Document, places: Sequence[_Place], page: Page) -> list[Letters] | None:
    """The letters of each place; the fonts of the document have them from now on. None: a slot needs shaping."""
    scratch = Stream(document.fonts, None, {}, {}, None, {}, None)
    known: dict[tuple[object, ...], Letters | None] = {}
    found = []
    for place in places:
        style = place.box.style
        key = (place.name, *(str(style[one]) for one in ALIKE))
        if key not in known:
            known[key] = _letters(scratch, style, _alphabet(place.name, style, page))
        letters = known[key]
        if letters is None:
            return None
        found.append(letters)
    return found


def _alphabet(name: str, style: Any, page: Page) -> str:
    """The letters that a word may have: those of codes; of dates those that the page has anyway, too.

    Right-to-left text turns words round at a space or a stop, so there are none.
    """
    if name == "code":
        return ALPHABET
    letters = string.digits + string.ascii_letters
    if style["direction"] == "rtl":
        return letters
    more = "".join(sorted(set(LATIN.findall(page.html)) - set(letters)))
    lacking = set(fonts.uncovered(more, page.lang))
    return letters + " .,/-" + "".join(one for one in more if one not in lacking)


def _letters(scratch: Any, style: Any, alphabet: str) -> Letters | None:
    """How each letter is drawn, if each is drawn alike whatever stands beside it."""
    tokens: dict[str, bytes] = {}
    widths: dict[str, float] = {}
    anchor = _drawn(scratch, "0", style)
    if anchor is None:
        return None
    (nought,), font, width = anchor
    em = float(font.split()[1]) / 1000
    for letter in alphabet:
        drawn = _drawn(scratch, f"0{letter}0", style)  # a space alone is not drawn at all
        if drawn is None or drawn[1] != font or len(drawn[0]) != 3 or not drawn[0][0] == drawn[0][2] == nought:
            continue
        wide = drawn[2] - 2 * width
        if len(drawn[0][1]) <= TOKEN and abs(wide / em - round(wide / em)) < WHOLE:
            tokens[letter], widths[letter] = drawn[0][1], wide
    pairs = "".join(one + other for place, one in enumerate(tokens) for other in list(tokens)[place:])
    tried = _drawn(scratch, f"0{pairs}0", style)
    if not pairs or tried is None or tried[0] != [nought, *(tokens[one] for one in pairs), nought]:
        return None
    return Letters(tokens, widths, font)


def _drawn(scratch: Any, text: str, style: Any) -> tuple[list[bytes], bytes, float] | None:
    """Letters, font and width (px) of a text that is drawn in one run; None for any other."""
    layout, _, _, width, _, _ = split_first_line(text, style, None, None, 0)
    layout.reactivate(style)
    scratch.stream.clear()
    scratch._current_font = None
    box = SimpleNamespace(text=text, style=style, pango_layout=layout)
    draw_first_line(scratch, box, "clip", "none", Matrix(d=-1))
    layout.deactivate()
    if len(scratch.stream) != 3:  # another font in between, or a letter that is raised
        return None
    _, font, shown = scratch.stream
    tokens = _tokens(shown)
    return None if tokens is None else (tokens, font, float(width))


def _tokens(shown: bytes) -> list[bytes] | None:
    """The line that shows a text, cut into its letters, each with its own correction of width."""
    tokens = re.findall(rb"[0-9a-f]{4}(?:>-?\d+<)?", shown[2:-4].removesuffix(b">") + b"<")
    tokens = [one for one in tokens if one]
    return tokens if _shown(b"".join(tokens)) == shown else None


def _shown(told: bytes) -> bytes:
    """The line that shows letters, as the engine writes it."""
    return b"[<" + (told[:-1] if told.endswith(b"<") else told + b">") + b"] TJ"


def _operators(x: float, y: float, font: bytes, told: bytes) -> bytes:
    return b"1 0 0 -1 %s %s Tm %s %s" % (_number(x), _number(y), font, _shown(told))


def _number(value: float) -> bytes:
    """A number as the engine writes it."""
    return str(int(value)).encode() if value.is_integer() else f"{value:f}".rstrip("0").encode()


# ------------------------------------------------------------------------- Out of the content
@dataclass(frozen=True)
class _Cut:
    place: _Place
    letters: Letters
    stream: Any

    def slot(self, content: bytes) -> Slot:
        """Where it is in the finished file."""
        start = content.index(MARK, self.stream.offset) + len(MARK) + 1
        place = self.place
        return Slot(
            place.name,
            self.letters,
            start,
            len(self.stream.stream[1]),
            float(place.box.position_x),
            place.y,
            float(place.box.width),
            place.room,
            place.side,
        )


def _cut_out(
    places: Sequence[_Place], letters: Sequence[Letters], cuts: list[_Cut], document: Document, file: Any
) -> None:
    """Give each word a stream of its own among the contents of its side."""
    there = {item.reference: item for item in file.objects}
    sides = [there[reference] for reference in file.page_references]
    for number, side in enumerate(sides):
        wanted = [(place, letters[n]) for n, place in enumerate(places) if place.number == number]
        stream = there[side["Contents"]]
        lines = stream.stream
        found = []
        for place, these in wanted:
            at = _where(lines, place)
            if at is not None:
                found.append((at, place, these))
        parts, begin = [stream], 0
        for at, place, these in sorted(found, key=lambda one: one[0]):
            parts[-1].stream = lines[begin:at]
            size = len(_operators(12345.678901, 12345.678901, these.font, b"")) + TOKEN * MOST[place.name]
            slot = pydyf.Stream([MARK, b" " * size])
            parts += [slot, pydyf.Stream(compress=True)]
            cuts.append(_Cut(place, these, slot))
            begin = at + 3
        parts[-1].stream = lines[begin:]
        for part in parts[1:]:
            file.add_object(part)
        side["Contents"] = pydyf.Array([part.reference for part in parts])


def _where(lines: Sequence[Any], place: _Place) -> int | None:
    """The line that begins to draw the placeholder: place, font and letters are the next three."""
    x, y = float(place.box.position_x), place.y
    begin = b"1 0 0 -1 %s %s Tm" % (_number(x), _number(y))
    at = [n for n, line in enumerate(lines) if line == begin]
    if len(at) != 1 or not all(isinstance(line, bytes) for line in lines[at[0] : at[0] + 3]):
        return None
    return at[0] if lines[at[0] + 1].endswith(b" Tf") and lines[at[0] + 2].endswith(b" TJ") else None
