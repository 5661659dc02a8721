"""A sheet as a page: its languages, its letterhead, its fonts. No store, no keys, no rows: a blank needs no more.

Kept apart from `print_sheet`, which opens records, so that a blank on the command line starts without the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, TypeVar

from clinic import documents
from clinic.config import Settings
from clinic.documents import Fonts, Options
from clinic.domain.audience import about_of
from clinic.domain.code import new_code
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, Refused, Unprintable, Usage
from clinic.domain.page import Page
from clinic.domain.print_job import PrintJob
from clinic.i18n.catalogue import Books, Catalogue, catalogue
from clinic.i18n.locales import NAMES
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import blank_cache, definitions
from clinic.services.blank_cache import Blank, Blanks
from clinic.services.readiness import readiness

HELP_LINES: Final = "help_lines"  # what a block's `prefill` calls the clinic's own words

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Printed:
    """A finished file. `name` is neutral: the code, or `worksheet.pdf` for a blank."""

    pdf: bytes = field(repr=False)
    name: str = "worksheet.pdf"
    code: str = ""


class Undrawn(ClinicError):
    """The press gave up: kind is timeout, memory, size, log or lost; never any of the page."""

    http = 422

    def __init__(self, kind: str) -> None:
        super().__init__("press", kind=kind)


def blank(
    press: Press,
    job: PrintJob,
    print_when: str = "reviewed",
    own: Definition | None = None,
    settings: Settings | None = None,
    books: Books = catalogue,
    blanks: Blanks | None = None,
) -> Printed:
    """A blank sheet, shipped or the clinic's own: no case, no code. Says why it refuses.

    `settings`: the clinic's, for its letterhead and help lines. `books`: what each language says. `blanks`: where those
    are kept that printed before.
    """
    definition = own or definitions.definition(job.sheet)
    if not definition.blank:
        raise Refused("refused_blank", sheet=definition.id)
    known_languages(job)
    key = ""
    if blanks is not None:
        wanted = blank_cache.choice(job, print_when, settings)
        key = blanks.key(wanted, definition.sha.encode(), [books(tag).mark for tag in job.tags])
        if found := blanks.get(key):
            return Printed(found.pdf)
    page = _blank_page(definition, job, print_when, settings, books)
    made = Printed(drawn(lambda: press.blank(page)))
    if blanks is not None:
        blanks.keep(key, Blank(made.pdf))
    return made


def _blank_page(
    definition: Definition, job: PrintJob, print_when: str, settings: Settings | None, books: Books
) -> Page:
    job = language(definition, job, print_when, books)
    lines = settings.letterhead if settings and job.letterhead else ()
    return laid_out(sheet(definition, None, job, settings=settings), job, [books(tag) for tag in job.tags], "", lines)


def known_languages(job: PrintJob) -> None:
    """Raises Usage for a language that nobody knows."""
    for tag in job.tags:
        if tag not in NAMES:
            raise Usage(f"{tag} is not a language this program knows")


def language(definition: Definition, job: PrintJob, print_when: str, books: Books) -> PrintJob:
    """The job, marked as a draft only if one of its languages is one. Raises Refused: a language is not ready."""
    states = {tag: readiness(definition, tag, print_when, books(tag)) for tag in job.tags}
    for tag, ready in states.items():
        if not (ready.printable or (job.draft and ready.draftable)):
            raise Refused("refused_locale", sheet=definition.id, locale=tag, reason=ready.reason)
    return replace(job, draft=job.draft and not all(ready.printable for ready in states.values()))


def sheet(
    definition: Definition,
    answers: Mapping[str, Any] | None,
    job: PrintJob,
    later: Sequence[tuple[Definition, date, Mapping[str, Any]]] = (),
    settings: Settings | None = None,
) -> documents.Sheet:
    """What stands on the sheet, for its reader."""
    about = about_of(job.recipient) if job.recipient else definition.abouts[0]
    found = documents.sheet(definition, answers, job.recipient, about)
    if settings and settings.help_lines:
        found = documents.told(found, HELP_LINES, _numbers(settings))
    for addendum, day, words in later:
        found = documents.added(found, documents.sheet(addendum, words, job.recipient, about), day.isoformat())
    return found


def laid_out(
    sheet: documents.Sheet, job: PrintJob, books: Sequence[Catalogue], code: str, letterhead: tuple[str, ...] = ()
) -> Page:
    """Its page. Raises Unprintable for a character that no font has."""
    _printable(sheet, books, letterhead)
    options = Options(job.paper, job.large, job.ink, job.draft, letterhead)
    return documents.page(sheet, books, options, code=code, fonts=_fonts(job.tags))


def warm_page(job: PrintJob) -> Page:
    """A blank page for the press to warm up with; never refused."""
    return _page(definitions.definition(job.sheet), None, job, "")


def filled_page(definition: Definition, answers: Mapping[str, Any], job: PrintJob, books: Books = catalogue) -> Page:
    """A page of made-up answers, for a look or a benchmark; never refused."""
    return _page(definition, answers, job, new_code(), books)


def drawn(draw: Callable[[], Drawn]) -> Drawn:
    """What the press makes. Raises Undrawn."""
    try:
        return draw()
    except PressError as error:
        raise Undrawn(error.kind) from None


def _page(
    definition: Definition, answers: Mapping[str, Any] | None, job: PrintJob, code: str, books: Books = catalogue
) -> Page:
    return laid_out(sheet(definition, answers, job), job, [books(tag) for tag in job.tags], code)


def _numbers(settings: Settings) -> dict[str, str]:
    """Whom to call here, by leaf path."""
    named = {f"{row}.name": name for row, name, _ in settings.help_lines}
    return named | {f"{row}.number": number for row, _, number in settings.help_lines}


def _printable(sheet: documents.Sheet, books: Sequence[Catalogue], letterhead: Sequence[str]) -> None:
    """A character that no font has is an error with its place, never a box on paper."""
    for book in books:
        strings = [*documents.strings(sheet, book), *(("letterhead", line) for line in letterhead)]
        missing = fonts.uncovered("".join(text for _, text in strings), book.locale)
        if missing:  # rare, so only now the place is looked for
            place = next(place for place, text in strings if missing[0] in text)
            raise Unprintable(missing[0], place)


def _fonts(tags: Sequence[str]) -> Fonts:
    return Fonts(text={tag: fonts.font_stack(tag) for tag in tags}, title={tag: fonts.title_stack(tag) for tag in tags})
