"""Every sheet in every form: 22 definitions × 3 readers × 3 languages × 2 papers × 2 sizes × 2 inks × blank or filled.

The press draws whatever it is given, so all 3,168 are drawn here, also those that nobody may have: a sheet for the
couple only is drawn for one partner too (`print_sheet` refuses it; tests/services/test_gate.py). Filled sheets are
filled in every audience, and nobody's words but the reader's may be found in the file.
"""

import itertools
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pypdfium2
import pytest

from clinic import documents, resources
from clinic.documents import Fonts, Options, words
from clinic.domain.audience import RECIPIENTS, About, Recipient, about_of
from clinic.domain.definition import Definition, parse
from clinic.domain.library import parse_library
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.limits import Limits
from clinic.press.press import Press
from tests import layout, pdf, verapdf
from tests.documents import samples
from tests.pairs import pairwise

FORMS: Final = resources.forms()
LISTS: Final = parse_library({path.stem: path.read_bytes() for path in (FORMS / "library").glob("*.toml")}).lists()
SHEETS: Final = {path.stem: path.read_text("utf-8") for path in sorted((FORMS / "worksheets").glob("*.toml"))}
LOCALES: Final = ("en", "es", "ar")
PAPERS: Final = ("a4", "letter")
WAYS: Final = tuple(itertools.product(PAPERS, (False, True), ("full", "saver"), (False, True)))
CODE: Final = "K7QM2XTPA"
# What the answers of each audience say, found in no other file; and what only staff definitions would say.
CANARIES: Final = {"joint": "Qzjoint", "a": "Qzpartna", "b": "Qzpartnb", "staff": "Qzstaffq"}
OTHERS: Final[dict[Recipient, tuple[str, ...]]] = {
    "joint": ("a", "b", "staff"),
    "a": ("b", "staff"),
    "b": ("a", "staff"),
}
LABEL: Final = "Qzlabelq"

Way = tuple[Any, bool, Any, bool]


@cache
def planted(sheet: str, recipient: Recipient) -> Definition:
    """The shipped definition with one more question for everybody but this reader.

    The grammar would refuse most of them; paper must not depend on that.
    """
    head = (
        'id = "plant"\nversion = 1\nkind = "worksheet"\ntitle = "T"\naudience = "recipient"\nrecipients = ["joint"]\n'
    )
    more = "".join(
        f'\n[[section]]\nid = "plant_{who}"\ntitle = "{LABEL}"\naudience = "{who}"\n'
        f'[[section.block]]\nid = "planted_{who}"\nkind = "prompt"\nlabel = "{LABEL}"\n'
        for who in OTHERS[recipient]
    )
    carrier = parse((head + 'level = { joint = "open" }\n' + more).encode(), "plant.toml", {})
    shipped = parse(SHEETS[sheet].encode(), f"{sheet}.toml", LISTS)
    return replace(shipped, sections=shipped.sections + carrier.sections)


def answers(definition: Definition, about: About, recipient: Recipient) -> dict[str, Any]:
    """Every leaf answered: the reader's with the reader's canary, the others' with theirs."""
    mine = samples.answers(definition, about, text=f"{samples.TEXT} {CANARIES[recipient]}")
    short = samples.answers(definition, about)
    found = {name: short[name] if _short(definition, name) else value for name, value in mine.items()}
    for who in OTHERS[recipient]:
        found[f"planted_{who}"] = f"{CANARIES[who]} said this"
        found[f"{who}.stray"] = CANARIES[who]  # of no block at all
    return found


def _short(definition: Definition, name: str) -> bool:
    block = definition.blocks[name.rpartition(".")[2]]
    return block.kind in ("table", "grid", "diagram", "date") or block.short


def drawn(press: Press, child: Any, sheet: str, recipient: Recipient, locale: str, way: Way) -> bytes:
    paper, large, ink, full = way
    definition, about = planted(sheet, recipient), about_of(recipient)
    given = answers(definition, about, recipient) if full else None
    stacks = Fonts({locale: fonts.font_stack(locale)}, {locale: fonts.title_stack(locale)})
    page = documents.page(
        documents.sheet(definition, given, recipient, about),
        [catalogue(locale)],
        Options(paper, large, ink),
        CODE,
        fonts=stacks,
    )
    return press.pdf(page, child)


def faults(content: bytes, sheet: str, recipient: Recipient, locale: str, way: Way) -> list[str]:
    """Everything that is wrong with a file."""
    definition = planted(sheet, recipient)
    pages = layout.sides(content)
    found = [*pdf.ua1(content), *layout.faults(pages)]
    if recipient not in definition.recipients:  # nobody gets it, so nobody minds how full its pages are
        found = [one for one in found if "is used to" not in one]
    with pypdfium2.PdfDocument(content) as file:
        if file.get_metadata_dict(skip_empty=True)["Title"] != catalogue(locale).text(words.TITLE):
            found.append("the title is not neutral")
    said = everything(content, pages)
    found += [f"{who} is in it" for who in OTHERS[recipient] if _in(CANARIES[who], said)]
    found += [word for word in (LABEL, sheet) if _in(word, said)]
    writes = "prompt" in _kinds(definition, recipient)
    if way[3] and writes and not _in(CANARIES[recipient], said):
        found.append("what its reader said is not in it")
    return found


def _kinds(definition: Definition, recipient: Recipient) -> set[str]:
    scopes = ("joint", recipient)
    return {
        one.block.kind for one in definition.placed(about_of(recipient)) if one.scope in scopes and not one.block.short
    }


def everything(content: bytes, pages: list[layout.Side]) -> bytes:
    """The file as it lies, all of its streams unpacked, and the words of its pages."""
    streams = [_unpacked(found[1]) for found in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)]
    shown = "".join(item.text or "\n" for side in pages for item in side.items)
    return b"\n".join([content, *streams, shown.encode()])


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream


def _in(word: str, said: bytes) -> bool:
    return any(word.encode(how) in said for how in ("utf-8", "utf-16-be", "utf-16-le"))


@pytest.fixture(scope="module")
def press() -> Iterator[Press]:
    fonts.install()
    machine = Press(limits=Limits(seconds=60))
    machine.start()
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def machine() -> Iterator[verapdf.Machine]:
    made = verapdf.Machine()
    yield made
    made.stop()


def test_there_are_22_sheets_and_3168_ways_to_print_them() -> None:
    assert len(SHEETS) == 22
    assert len(SHEETS) * len(RECIPIENTS) * len(LOCALES) * len(WAYS) == 3_168
    # 52 of the 66 pairs of a sheet and its reader are what a clinic prints; the press draws the other 14 too
    assert sum(len(planted(sheet, "joint").recipients) for sheet in SHEETS) == 52


@pytest.mark.everything
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("sheet", SHEETS)
def test_every_sheet_in_every_form(
    press: Press, machine: verapdf.Machine, tmp_path: Path, sheet: str, locale: str
) -> None:
    wrong: dict[Any, list[str]] = {}
    seen: set[bytes] = set()  # a blank for A is, byte for byte, a blank for B: it is drawn twice and looked at once
    path = tmp_path / "sheet.pdf"
    for recipient in RECIPIENTS:
        with press.child() as child:
            for way in WAYS:
                content = drawn(press, child, sheet, recipient, locale, way)
                if content not in seen:
                    seen.add(content)
                    path.write_bytes(content)
                    wrong[recipient, way] = [*faults(content, sheet, recipient, locale, way), *machine.check(path)]
    assert len(seen) <= len(RECIPIENTS) * len(WAYS) - len(WAYS) // 2
    assert {which: found for which, found in wrong.items() if found} == {}


AXES: Final = (tuple(SHEETS), RECIPIENTS, LOCALES, PAPERS, (False, True), ("full", "saver"), (False, True))
FEW: Final = list(pairwise(AXES))


@pytest.mark.parametrize("case", FEW, ids=lambda case: "-".join(map(str, case)))
def test_every_two_of_them_meet(press: Press, case: tuple[Any, ...]) -> None:
    sheet, recipient, locale, *way = case
    with press.child() as child:
        content = drawn(press, child, sheet, recipient, locale, tuple(way))  # type: ignore[arg-type]
    assert faults(content, sheet, recipient, locale, tuple(way)) == []  # type: ignore[arg-type]


def test_few_cases_have_every_pair() -> None:
    met = {pair for case in FEW for pair in itertools.combinations(enumerate(case), 2)}
    wanted = {
        ((one, first), (two, second))
        for one, two in itertools.combinations(range(len(AXES)), 2)
        for first in AXES[one]
        for second in AXES[two]
    }
    assert met == wanted
    assert len(FEW) < 75


def test_a_leak_would_be_found(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = frozenset({"joint", "a", "b", "staff_couple", "staff_a", "staff_b"})
    monkeypatch.setattr(sys.modules["clinic.documents.sheet"], "readable", lambda _recipient: everybody)
    way: Way = ("a4", False, "full", True)
    with press.child() as child:
        content = drawn(press, child, "the_wave", "a", "en", way)
    found = faults(content, "the_wave", "a", "en", way)
    assert {"b is in it", "staff is in it", f"{LABEL}"} <= set(found)
