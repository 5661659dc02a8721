"""Where the English stands: the sentences of the web interface, how much room a sentence of a sheet has on paper,
and which sentences are too grave to be changed in the browser.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clinic.domain.definition import Block, Definition, Item, Text
from clinic.i18n.message import interface_key
from clinic.i18n.po import Message

if TYPE_CHECKING:
    from babel.messages import catalog

# --------------------------------------------------------------------------- the interface
PAGES: Final = (("print/**", "ignore"), ("**.html", "jinja2"))
MODULES: Final = (("**.py", "python"),)
OPTIONS: Final = {"**.html": {"silent": "false", "newstyle_gettext": "true"}}
KEYWORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None, "pgettext": ((1, "c"), 2)}
# Pages and modules that ask for consent, erase, open against a rule, or name the second person. What they say is
# changed in the files only, where a change is read by somebody else before it counts (CONFIDENTIALITY, Uploads).
GUARDED: Final = (
    "web/rights/",
    "web/sheets/override.html",
    "web/team/glass.html",
    "web/team/transfer.html",
    "web/team/person.html",
    "web/desk/waiting.html",
    "web/course/confirm.html",
    "web/course/share.html",
    "rights.py",
)
# Of handouts: refusals and what goes wrong; the mark of a draft; and what a file or a calendar says to whoever sees it.
GUARDED_KEYS: Final = ("error.", "sheet.draft", "sheet.title", "calendar.")
SHORT: Final = 2  # words; so short a text is guarded only if no other page has it: “Case”, “Print”


@dataclass(frozen=True)
class Found:
    """A sentence of the interface, where it stands (folder of a template, or name of a module), and its guard."""

    message: Message
    areas: tuple[str, ...]
    guard: bool

    @property
    def key(self) -> str:
        """Its key in the domain `messages`."""
        return interface_key(self.message.source, self.message.context)


def interface(templates: Path, web: Path) -> list[Found]:
    """The sentences of all templates but those for paper, and of the views, sorted by text, each once."""
    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_dir

    catalog, places = Catalog(charset="utf-8"), dict[str, set[str]]()
    for root, methods in ((templates, PAGES), (web, MODULES)):
        found = extract_from_dir(root, list(methods), OPTIONS, KEYWORDS, ("Translators:",))
        for file, _, message, comments, context in found:
            made = catalog.add(message, None, auto_comments=comments, context=context)
            id_ = made.id if isinstance(made.id, str) else made.id[0]
            places.setdefault(interface_key(id_, context), set()).add(Path(file).as_posix())
    sentences = [message for message in catalog if message.id]
    sentences.sort(key=lambda one: (one.id if isinstance(one.id, str) else one.id[0], one.context or ""))
    return [_found(one, places) for one in sentences]


def _found(one: "catalog.Message", places: Mapping[str, set[str]]) -> Found:
    source, plural = (one.id, "") if isinstance(one.id, str) else one.id
    files = sorted(places[interface_key(source, one.context)])
    guard = _guarded(source, files)
    flags = tuple(flag for flag in sorted(one.flags) if flag != "fuzzy")
    forms = ("", "") if plural else ("",)
    message = Message(one.context, source, forms, plural, "", noted(one.auto_comments, 0, guard), flags=flags)
    return Found(message, tuple(dict.fromkeys(map(_area, files))), guard)


def _guarded(source: str, files: Iterable[str]) -> bool:
    known = [file.startswith(GUARDED) for file in files]
    return all(known) if len(source.split()) <= SHORT else any(known)


def _area(file: str) -> str:
    """`web/cases/card.html` and `cases.py` are `cases`; `base.html` is `base`; `macros/ui.html` is `macros`."""
    parts = file.removeprefix("web/").split("/")
    return parts[0].rsplit(".", 1)[0]


def guarded(key: str) -> bool:
    """Whether a sentence of the domain `handouts` is changed in its file only."""
    return key.startswith(GUARDED_KEYS)


# --------------------------------------------------------------------------- notes in files
GUARD: Final = "guard"
LIMIT: Final = "At most about {limit} characters."


def noted(notes: Iterable[str], limit: int, guard: bool) -> tuple[str, ...]:
    """The lines for translators above a message: what it means, how much room it has, whether it is guarded."""
    lines = [line for note in notes for line in note.split("\n") if line]
    lines += [LIMIT.replace("{limit}", str(limit))] if limit else []
    return (*lines, *([GUARD] if guard else []))


# --------------------------------------------------------------------------- room on paper
# Measured at normal size (10.4 pt) on A4, one language: the narrowest box a text can be in. Widths of a letter are the
# mean over Spanish and German in the fonts of the sheet, and 3–8 % more, for lines that break at words.
ACROSS: Final = 165.0  # mm between the margins
LETTER: Final = 1.95  # mm a bold letter takes in heads of tables (0.96 rem)
SMALL: Final = 1.7  # in heads of narrow columns (0.84 rem)
TITLE: Final = 4.6  # in the serif of titles (2.35 rem)
STEP: Final = 2.6  # in headings of sections (1.26 rem)
MUCH: Final = 90  # characters; with room for more, a text has no limit
NODE: Final = {"cycle": 44.0, "two": 70.0, "wave": 36.0, "circles": 40.0, "map": 40.0}  # mm inside a box of a drawing
LINES: Final[Mapping[str, int]] = {  # lines a text may take in its place before it pushes the rest around
    "title": 2,
    "section": 2,
    "matrix.points": 3,
    "scale.points": 3,
    "scale.ends": 2,
    "table.columns": 3,
    "table.rows": 4,
    "table.options": 2,
    "matrix.rows": 4,
    "grid.rows": 3,
    "grid.days": 1,
    "options": 3,
    "fields": 1,
    "nodes": 3,
    "hints": 3,
    "center": 2,
}
DAYS: Final = ("sheet.mon", "sheet.tue", "sheet.wed", "sheet.thu", "sheet.fri", "sheet.sat", "sheet.sun")
LINE_LABELS: Final = ("sheet.initials", "sheet.date", "sheet.signature")


def limits(definitions: Iterable[Definition]) -> dict[str, int]:
    """Characters a sentence may have, by key: what fits in the narrowest box it is in. No key: as long as it likes.

    The English fits as the sheets are tested, so it is never above its own limit.
    """
    found: dict[str, int] = {}
    for text, room in _rooms(definitions):
        if text.en and room <= MUCH:
            limit = max(room, len(text.en))
            found[text.key] = min(limit, found.get(text.key, limit))
    days = int(ACROSS * 0.74 / 7 / SMALL) * LINES["grid.days"]
    return {**found, **dict.fromkeys(DAYS, days), **dict.fromkeys(LINE_LABELS, 24)}


def _rooms(definitions: Iterable[Definition]) -> Iterator[tuple[Text, int]]:
    for one in definitions:
        if one.recipients or one.blank:
            yield one.title, _letters(ACROSS - 18, TITLE, "title")
            for section in one.sections:
                yield section.title, _letters(ACROSS, STEP, "section")
                for block in section.blocks:
                    yield from _block(block)


def _letters(mm: float, letter: float, place: str) -> int:
    return int(mm / letter) * LINES[place]


def _labels(items: Iterable[Item], mm: float, place: str, letter: float = LETTER) -> Iterator[tuple[Text, int]]:
    for item in items:
        if item.label:
            yield item.label, _letters(mm, letter, place)
        if item.hint:
            yield item.hint, _letters(mm, SMALL, "hints")


def _block(block: Block) -> Iterator[tuple[Text, int]]:
    if block.kind == "matrix":
        share = 0.48 if len(block.points) > 4 else 0.52
        yield from _labels(block.rows, ACROSS * share - 5.2, "matrix.rows")
        if len(block.points) <= 6:  # more of them go into a key above
            yield from _labels(block.points, ACROSS * (1 - share) / len(block.points), "matrix.points", SMALL)
    elif block.kind == "scale":
        count = block.max - block.min + 1
        if count <= 7:
            yield from _labels(block.points, ACROSS / count - 2, "scale.points")
        for end in filter(None, (block.low, block.high)):
            yield end, _letters(ACROSS / 2 - 4, LETTER, "scale.ends")
    elif block.kind == "table":
        yield from _table(block)
    elif block.kind == "grid":
        yield from _labels(block.rows, ACROSS * 0.26 - 5.2, "grid.rows")
    elif block.kind == "date":
        yield from _labels(block.fields, ACROSS / min(len(block.fields), 2) * 0.5, "fields")
    elif block.kind == "diagram":
        yield from _labels(block.nodes, NODE[block.shape], "nodes")
        if block.center:
            yield block.center, _letters(NODE[block.shape] * 2, LETTER, "center")
    elif block.cols == 2:
        yield from _labels(block.options, ACROSS * 0.495 - 12.4, "options")


def _table(block: Block) -> Iterator[tuple[Text, int]]:
    """As templates/print/blocks/table.html shares out the width."""
    count, given = len(block.columns), sum(column.width for column in block.columns)
    pad = 3.4 if count > 5 else 5.2
    first = 0.0
    if block.rows:
        all_given = given and all(column.width for column in block.columns)
        first = 100 - given if all_given else 30 if count < 4 else 26
        yield from _labels(block.rows, ACROSS * first / 100 - pad, "table.rows")
    open_ = sum(not column.width for column in block.columns)
    for column in block.columns:
        percent = column.width or (100 - first - given) / open_
        mm = ACROSS * percent / 100 - pad
        yield from _labels([column], mm, "table.columns")
        yield from _labels(column.options, mm - 5.6, "table.options")
