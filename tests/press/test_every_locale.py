"""Every definition in every language that has it, alone and beside another: PDF/UA-1, no box, nothing cut or outside.

English, Spanish and Arabic go through every form of print in test_every_sheet; the others meet the two that differ most
here, plain and with everything large. Two languages side by side: each pair of scripts and directions.
"""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from clinic import documents
from clinic.documents import Fonts, Options
from clinic.domain.audience import Recipient, about_of
from clinic.domain.definition import Definition
from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.locales import locale, translated
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services.definitions import definitions
from clinic.services.readiness import readiness
from tests import layout, pdf, verapdf
from tests.documents import samples

from .test_every_sheet import CODE
from .test_every_sheet import machine as machine  # a fixture
from .test_every_sheet import press as press  # a fixture

TAGS: Final = [one.tag for one in translated()]
MORE: Final = [tag for tag in TAGS if tag not in ("en", "es", "ar")]
ON_PAPER: Final = [one.id for one in definitions().values() if one.blank or one.recipients]
WAYS: Final = ((Options("a4", False, "full"), False), (Options("letter", True, "saver"), True))
# Long words, no spaces, two directions, joined letters: each script meets each other, on either side.
PAIRS: Final = [
    (first, second)
    for first, second in (
        ("de", "ar"), ("zh-Hans", "he"), ("he", "en"), ("ar", "he"), ("zh-Hans", "ar"), ("hi", "de"), ("fr", "zh-Hans"),
        ("he", "hi"),
    )
    if {first, second} <= set(TAGS)
]  # fmt: skip
# Four that have every kind of block between them meet all pairs; the first two pairs meet everything on paper.
FOUR: Final = ("our_cycle", "homework_plan", "signals_checkin", "circle_of_support")
SIDE_BY_SIDE: Final = [(sheet, tags) for sheet in FOUR for tags in PAIRS] + [
    (sheet, tags) for sheet in ON_PAPER if sheet not in FOUR for tags in PAIRS[:2]
]


def drawn(
    press: Press, definition: Definition, reader: Recipient | None, tags: tuple[str, ...], options: Options, full: bool
) -> bytes:
    about = about_of(reader) if reader else definition.abouts[0]
    given: dict[str, Any] | None = samples.answers(definition, about) if full else None
    sheet = documents.sheet(definition, given, reader, about)
    stacks = Fonts({tag: fonts.font_stack(tag) for tag in tags}, {tag: fonts.title_stack(tag) for tag in tags})
    page = documents.page(sheet, [catalogue(tag) for tag in tags], options, CODE, fonts=stacks)
    with press.child() as child:
        return press.pdf(page, child)


def faults(machine: verapdf.Machine, path: Path, content: bytes, two: bool = False) -> list[str]:
    path.write_bytes(content)
    found = [*pdf.ua1(content), *layout.faults(layout.sides(content)), *machine.check(path)]
    return [one for one in found if not (two and "is used to" in one)]  # two languages fill pages as they can


def boxes(book: Catalogue, definition: Definition) -> list[str]:
    """Signs of a language that its fonts do not have."""
    return fonts.uncovered("".join(book.text(text) for text in definition.texts()), book.locale)


@pytest.mark.everything
@pytest.mark.parametrize("tag", MORE)
@pytest.mark.parametrize("sheet", ON_PAPER)
def test_every_definition(press: Press, machine: verapdf.Machine, tmp_path: Path, sheet: str, tag: str) -> None:
    definition = definitions()[sheet]
    if not readiness(definition, tag, "complete").printable:
        return  # not offered in this language yet
    assert boxes(catalogue(tag), definition) == []
    readers: tuple[Recipient | None, ...] = definition.recipients or (None,)
    wrong = {}
    for options, full in WAYS:
        for reader in readers[:2]:  # joint and A: B's is A's
            content = drawn(press, definition, reader, (tag,), options, full and bool(reader))
            wrong[reader, options.large] = faults(machine, tmp_path / "sheet.pdf", content)
    assert {which: found for which, found in wrong.items() if found} == {}


@pytest.mark.everything
@pytest.mark.parametrize(("sheet", "tags"), SIDE_BY_SIDE)
def test_side_by_side(
    press: Press, machine: verapdf.Machine, tmp_path: Path, sheet: str, tags: tuple[str, str]
) -> None:
    definition = definitions()[sheet]
    content = drawn(press, definition, definition.recipients[0], tags, Options("a4", False, "full"), full=False)
    assert faults(machine, tmp_path / "sheet.pdf", content, two=True) == []
    sides = layout.sides(content)
    for side in sides:
        at = [(item.text.strip(), round(item.bottom)) for item in side.texts if item.text and _is_number(item)]
        assert all(at.count(one) == 2 for one in at), "each step has its number in both, at one height"
    said = pdf.text(content)
    for tag in tags:
        (first, *_) = re.findall(r"\w+", catalogue(tag).text(definition.title))
        assert first in said or locale(tag).dir == "rtl"  # Hebrew and Arabic: test_extraction


def _is_number(item: layout.Item) -> bool:
    """The number of a step: digits alone, larger than the words."""
    return "H2" in item.tags and (item.text or "").strip().isdecimal() and item.top - item.bottom > 9
