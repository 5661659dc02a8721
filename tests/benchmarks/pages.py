"""The pages that benchmarks print: shipped worksheets, blank, given, or with made-up answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pypdfium2

from clinic import documents
from clinic.documents import Fonts, Options
from clinic.domain.audience import Recipient, about_of
from clinic.domain.code import new_code
from clinic.domain.page import Page
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services.definitions import definition, definitions
from clinic.services.warm import warm_pages
from tests.benchmarks.harness import Missing
from tests.documents import samples

SHEET = "our_cycle"
DAY = "2026-03-31"
SIDES = 2  # of a usual sheet


def page(
    sheet: str = SHEET, locale: str = "en", code: str = "", date: str = "", filled: bool = False, short: bool = False
) -> Page:
    """One sheet in one language, on A4; `filled`: every answer made up, `short`: in a few words. Raises Missing."""
    form = definition(sheet)
    to: Recipient | None = form.recipients[0] if form.recipients else None
    about = about_of(to) if to else form.abouts[0]
    text = samples.SHORT if short else samples.TEXT
    made = documents.sheet(form, samples.answers(form, about, text=text) if filled else None, to, about)
    try:
        looks = Fonts({locale: fonts.font_stack(locale)}, {locale: fonts.title_stack(locale)})
    except fonts.FontsMissing as missing:
        raise Missing(f"not installed: {missing.command}") from None
    return documents.page(made, [catalogue(locale)], Options("a4"), code=code, date=date, fonts=looks)


def given(sheet: str = SHEET) -> Page:
    """A sheet as a couple gets it to fill in: a code of its own, no answer."""
    return page(sheet, code=new_code(), date=DAY)


@contextmanager
def press() -> Iterator[Press]:
    """A press as the clinic starts it, warm."""
    machine = Press(warm_pages())
    machine.start()
    try:
        machine.blank(page())
        yield machine
    finally:
        machine.stop()


def fresh(machine: Press, *sheets: Page) -> list[bytes]:
    """The sheets of one recipient, in a child that then ends."""
    with machine.child() as child:
        return [machine.pdf(one, child) for one in sheets]


def sides(content: bytes) -> int:
    """How many pages a file has."""
    with pypdfium2.PdfDocument(content) as opened:
        return len(opened)


@cache
def mix(filled: bool = False) -> tuple[str, ...]:
    """Names of the shipped worksheets that take two sides in English: what a usual pack is made of."""
    with press() as machine:
        names = [one.id for one in definitions().values() if one.kind == "worksheet" and one.blank]
        return tuple(name for name in names if sides(machine.blank(page(name, filled=filled, short=True))) == SIDES)
