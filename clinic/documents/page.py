"""A `Sheet` as a `Page`: one or two languages, paper, size and ink. Strings in, strings out; no request, no rows.

Sizes that follow the hand that writes are in mm, sizes that follow the eye in rem of the variant's base size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from clinic.documents import chart, script, words
from clinic.documents.sheet import Part, Sheet, Speaks, Step, When
from clinic.domain.answer import DAYS
from clinic.domain.definition import Item, Text
from clinic.domain.page import Page
from clinic.resources import static, templates

PAPERS: Final = {"a4": ("210mm 297mm", 210.0), "letter": ("215.9mm 279.4mm", 215.9)}  # CSS size, width in mm
# Scripts whose letters look smaller or stand taller than Latin at one size: factor of size, line height.
METRICS: Final = {
    **dict.fromkeys(("ar", "fa"), (1.06, 1.54)),
    "ur": (1.1, 1.75),
    **dict.fromkeys(("hi", "bn", "pa", "ta", "te", "th", "am"), (1.0, 1.6)),
    **dict.fromkeys(("ja", "ko", "zh"), (0.95, 1.55)),
}
# Characters of one answer above which it leaves its box or cell for a list: no box is clipped, no column endless.
SPILL: Final = {"diagram": 170, "grid": 60, "table": 480}  # a table's is shared by its columns
# Letter is 18 mm shorter than A4: what a page of A4 holds goes on a page of Letter, a little tighter.
SHORTER: Final = (
    ".tall { height: 26mm } .mid { height: 10mm } .low { height: 5mm } .c { padding-top: 1.5mm; padding-bottom: 1.5mm }"
    " .cr { padding-top: 1.5mm; padding-bottom: 1.5mm } .dnodes { height: 29mm } .nodec { height: 27mm }"
    " .b { margin-top: 6.5mm } .s { margin-top: 4mm } .line { height: 8.7mm } .fields { margin-top: 3.5mm }"
    " .item { margin-bottom: 1.7mm } .item2 { margin-bottom: 1.7mm } .t { margin-top: 2mm } .sub { margin-top: 3.6mm }"
)
# A word that may be stamped later has letters that never touch (press/stamp.py); print.css has the same for a date.
LETTER_BY_LETTER: Final = "font-kerning: none; font-variant-ligatures: none"
# About how high things are on paper, in mm, to tell what may stand on one page as a whole.
ROW: Final = {"low": 10, "mid": 17, "tall": 37}
MARK_ROW, WEEK_ROW, OPTION, RULE = 10, 16, 7, 10
WHOLE: Final = 85  # mm above which a table or a list breaks between its rows; large print has fewer lines a page
WHOLE_LARGE: Final = 60
ASKED: Final = 140  # mm of questions with their lines above which a page may end between two of them
ASKED_LARGE: Final = 60
SIGN: Final = 2.05  # mm of width that one letter of an answer needs in a table, in normal size
LINE: Final = 60  # characters of one answer that fit beside a label
KEEP: Final = 420  # characters of one answer above which a block may break over pages


@dataclass(frozen=True)
class Fonts:
    """`font-family` lists as CSS, by locale: running text, and titles with step numbers."""

    text: Mapping[str, str] = field(default_factory=dict)
    title: Mapping[str, str] = field(default_factory=dict)

    def of(self, locale: str, *, title: bool = False) -> str:
        return (self.title.get(locale) if title else None) or self.text.get(locale, "sans-serif")


@dataclass(frozen=True)
class Options:
    """How the paper looks. `letterhead`: the clinic's lines, none unless somebody asked for them."""

    paper: Literal["a4", "letter"] = "a4"
    large: bool = False
    ink: Literal["full", "saver"] = "full"
    draft: bool = False
    letterhead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lang:
    """One language of the page; `mark` is the class of its texts where two stand side by side."""

    catalogue: Speaks
    mark: str = ""

    @property
    def tag(self) -> str:
        return self.catalogue.locale

    @property
    def dir(self) -> str:
        return self.catalogue.dir

    @property
    def attributes(self) -> Markup:
        return Markup('lang="{}" dir="{}"').format(self.tag, self.dir)

    def text(self, text: Text) -> Markup:
        return script.isolated(self.catalogue.text(text), self.dir)

    def filled(self, text: Text, **values: str | int) -> Markup:
        """A sentence with its `{name}` tokens replaced, as plain text."""
        words_ = self.catalogue.text(text)
        for name, value in values.items():
            words_ = words_.replace("{" + name + "}", str(value))
        return script.isolated(words_, self.dir)


class View:
    """What the templates know of the page: languages, paper, and small answers to their questions."""

    screen: Final = False  # as clinic.web.drawing.Screen answers

    def __init__(self, sheet: Sheet, catalogues: Sequence[Speaks], options: Options, code: str, date: str) -> None:
        self.two = len(catalogues) > 1
        self.langs = [Lang(one, f"l{n}" if self.two else "") for n, one in enumerate(catalogues, 1)]
        self.first = self.langs[0]
        self.dir = "ltr" if self.two else self.first.dir
        self.rtl = self.dir == "rtl"
        self.large, self.ink = options.large, options.ink == "saver"
        self.a4 = options.paper == "a4"
        self.code, self.date = code, date
        self.letterhead = options.letterhead
        self.days = DAYS
        self.words, self.week = words, words.WEEK
        left, right = margins(self.two, self.rtl)
        self.width = round(PAPERS[options.paper][1] - left - right, 1)
        self.joint, self.filled = sheet.joint, sheet.filled
        # A page of its own reads well in one language at normal size only; else it leaves half a page empty.
        self.breaks = not (self.two or self.large)

    def when(self, lang: Lang, when: When) -> Markup:
        choice = lang.catalogue.text(when.choice) if when.choice else ""
        return lang.filled(when.word, choice=choice, number=when.number)

    def free(self, value: Any) -> Markup:
        """Attributes of a person's own words: their direction, and their language where it must be another."""
        text = str(value)
        dir_ = script.direction(text) or self.first.dir
        lang = script.language(text, self.first.dir)
        return Markup(' dir="{}" lang="{}"').format(dir_, lang) if lang else Markup(' dir="{}"').format(dir_)

    def runs(self, value: Any) -> list[str]:
        """A person's own words, cut where their direction changes from one line to the next."""
        return [lines for _, lines in script.runs(str(value), self.first.dir)]

    def day(self, value: str, lang: Lang) -> str:
        return script.day(value, lang.tag)

    def keeps(self, part: Part) -> bool:
        """Whether the block stays on one page: not when somebody wrote a lot, or in a long list."""
        wrote = sum(len(value) for value in part.values.values() if isinstance(value, str))
        block = part.block
        if block.kind == "shared" and part.values:  # each of its drawings keeps together by itself
            return False
        row = {"table": ROW[block.size], "grid": WEEK_ROW}.get(block.kind, MARK_ROW)
        options = len(block.options) / (1 if self.two or self.large else block.cols)
        high = row * (len(block.rows) + len(part.rows)) + OPTION * options
        lines = sum(ask.lines + 2 for ask in block.asks) * RULE
        wide = 1.5 if self.two or self.large else 1  # words take more lines
        whole, asked = (WHOLE_LARGE, ASKED_LARGE) if self.large else (WHOLE, ASKED)
        told = (block.shape == "circles" and bool(part.values)) or (block.kind in SPILL and self.spills(part))
        return wrote < KEEP and high * wide < whole and lines < asked and not told

    def shared(self, part: Part) -> chart.Said:
        """What a `shared` block says, with its drawings."""
        return chart.said(part, self.width, self.rtl, self.large or self.two)

    def cards(self, part: Part) -> list[str]:
        """The rows of an open table when each is a table of its own: what was answered, and two to fill in."""
        return [row for row in part.rows if row] + [row for row in part.rows if not row][:2]

    def day_part(self, sheet: Sheet) -> Part | None:
        """The day a sheet asks for first of all: it stands in the head, in place of the date of every sheet."""
        step = sheet.steps[0] if sheet.room and sheet.steps else None
        if not step or len(step.parts) < 2:
            return None
        first, block = step.parts[0], step.parts[0].block
        plain = block.kind == "date" and len(block.fields) == 1 and not (block.label or block.hint or first.when)
        return first if plain and block.fields[0].type == "date" else None

    def steps(self, sheet: Sheet) -> tuple[Step, ...]:
        """The steps below the head."""
        if not self.day_part(sheet):
            return sheet.steps
        return (replace(sheet.steps[0], parts=sheet.steps[0].parts[1:]), *sheet.steps[1:])

    def goes_on(self, before: Part, part: Part) -> bool:
        """Whether the couple's drawing stands on one page with the example before it."""
        return part.block.shape == "two" and before.kind == "callout"

    def tied(self, part: Part, place: int, count: int) -> bool:
        """Whether a row may not start a page: neither the first nor the last row stands alone."""
        return part.block.size != "tall" and place > 0 and (place == 1 or place == count - 1)

    def spills(self, part: Part) -> bool:
        """Whether an answer is too long for its box or cell: then all answers follow as a list."""
        most = SPILL[part.kind] // max(len(part.block.columns), 1) // (2 if self.large else 1)
        if any(isinstance(value, str) and len(value) > most for value in part.values.values()):
            return True
        return any(
            self._splits(part, column.id, column.width) for column in part.block.columns if column.type == "text"
        )

    def _splits(self, part: Part, column: str, percent: int) -> bool:
        """Whether a word is longer than its column is wide."""
        count = len(part.block.columns)
        wide = self.width * (percent or 70 / count) / 100 - (3.4 if count > 5 else 5.4)
        most = 30 if self.turns(part) else wide / SIGN / (1.6 if self.large else 1)
        words_ = (str(part.values.get(path, "")).split() for path in part.values if path.endswith(f".{column}"))
        return any(len(word) > most for row in words_ for word in row)

    def turns(self, part: Part) -> bool:
        """Whether a table has too many columns for large print: then each row is a small table of its own."""
        return self.large and len(part.block.columns) > (3 if self.two else 4)

    def long(self, part: Part) -> list[str]:
        """Leaves whose answer does not fit on a line."""
        return [path for path, value in part.values.items() if isinstance(value, str) and len(value) > LINE]

    def across(self, part: Part) -> int:
        """How many fields stand side by side, each a label and its line; 0 when a label needs lines of its own."""
        most = self.width / SIGN / (1.6 if self.large else 1)  # letters that fit across the page
        longest = max(sum(len(lang.catalogue.text(item.label)) for lang in self.langs) for item in part.block.fields)
        if longest > most * 0.7:
            return 0
        return 1 if self.large or self.two or longest > most * 0.35 else 2

    def room(self, items: Sequence[Item]) -> bool:
        """Whether a few options fit into a table cell, to be circled there."""
        return len(items) <= 4 and all(len(item.label.en) <= 18 for item in items)


def page(
    sheet: Sheet,
    catalogues: Sequence[Speaks],
    options: Options,
    code: str = "",
    date: str = "",
    fonts: Fonts | None = None,
) -> Page:
    """Lay out a sheet in one language or two side by side (the first on the left).

    `code` stands in the footer, `date` in the head, as given. Raises ValueError for another number of languages.
    """
    if len(catalogues) not in (1, 2):
        raise ValueError("a page has one language or two")
    view = View(sheet, catalogues, options, code, date)
    html = _environment().get_template("print/base.html").render(sheet=sheet, c=view)
    title = catalogues[0].text(words.TITLE)
    return Page(html, _styles(view, options, fonts or Fonts()), catalogues[0].locale, title)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["paragraphs"] = paragraphs
    return made


def paragraphs(text: str) -> list[str]:
    """Paragraphs of a definition's prose: blank lines part them, single line ends are spaces."""
    return [" ".join(one.split()) for one in text.split("\n\n") if one.strip()]


# --------------------------------------------------------------------------- CSS
def _styles(view: View, options: Options, fonts: Fonts) -> tuple[str, ...]:
    names = ["print", "drawing", *["pair"] * view.two, *["large"] * view.large, *["ink"] * view.ink]
    return (*(_css(name) for name in names), _page_css(view, options, fonts))


@cache
def _css(name: str) -> str:
    folder = static() if name == "drawing" else templates() / "print"  # a browser reads the drawings' rules too
    return (folder / f"{name}.css").read_text("utf-8")


def margins(two: bool, rtl: bool) -> tuple[int, int]:
    """Left and right margin in mm: step numbers hang in the outer one of the first side; two languages have none."""
    return (18, 18) if two else (20, 25) if rtl else (25, 20)


def _page_css(view: View, options: Options, fonts: Fonts) -> str:
    """The page box, the footer and what depends on locale and paper: equal for all sheets of a clinic."""
    left, right = margins(view.two, view.rtl)
    start, end = ("right", "left") if view.rtl else ("left", "right")
    tag = view.first.tag
    small = f"font: {14 if view.large else 8.5}pt {fonts.of(tag)}; direction: {view.dir}"
    top, bottom = (17, 19) if view.a4 else (15, 17.5)
    foot = f"{small}; vertical-align: top; padding-top: 4mm"
    code = f"content: string(code); {foot}; {LETTER_BY_LETTER}"
    marks = f"@bottom-{start} {{ {code} }} @bottom-{end} {{ content: {_count(view)}; {foot} }} "
    if options.draft:
        word = " · ".join(str(lang.catalogue.text(words.DRAFT)) for lang in view.langs)
        marks += (
            f"@top-{end} {{ content: {_css_string(word)}; {small}; font-weight: 700; font-size: 13pt;"
            " text-transform: uppercase; vertical-align: bottom; padding-bottom: 2.5mm } "
        )
    size, height = METRICS.get(tag.split("-")[0], (1.0, 1.42))
    base = (16.5 if view.large else 10 if view.two else 10.4) * (1 if view.two else size)
    css = [
        f"@page {{ size: {PAPERS[options.paper][0]}; margin: {top}mm {right}mm {bottom}mm {left}mm; {marks}}}",
        f"html {{ font-family: {fonts.of(tag)}; font-size: {base:.2f}pt; line-height: {height} }}",
        f".serif {{ font-family: {fonts.of(tag, title=True)} }}",
    ]
    if view.two:
        css += [_language(lang, fonts) for lang in view.langs]
    if not (view.a4 or view.large):
        css.append(SHORTER)
    return "\n".join(css)


def _language(lang: Lang, fonts: Fonts) -> str:
    """What one of two languages needs: never nested in itself, so the size does not compound."""
    name = lang.mark
    size, height = METRICS.get(lang.tag.split("-")[0], (1.0, 1.42))
    return (
        f".{name} {{ font-family: {fonts.of(lang.tag)}; font-size: {size:g}em; line-height: {height} }}"
        f" .{name}t {{ font-family: {fonts.of(lang.tag, title=True)} }}"
    )


def _count(view: View) -> str:
    """`counter()`s between the words of the language; figures alone when there are two languages."""
    if view.two:
        return 'counter(page) " / " counter(pages)'
    sentence = view.first.catalogue.text(words.PAGE)
    parts = sentence.replace("{pages}", "\0pages\0").replace("{page}", "\0page\0").split("\0")
    return " ".join(f"counter({one})" if one in ("page", "pages") else _css_string(one) for one in parts if one)


def _css_string(text: str) -> str:
    """Any text as a CSS string: all but letters and digits as escapes, so that it cannot end early."""
    return '"' + "".join(one if one.isalnum() else f"\\{ord(one):06x}" for one in text) + '"'
