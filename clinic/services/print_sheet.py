"""One sheet for one recipient: check, open with the recipient's keys only, lay out, draw, note, hand over.

Refusals live here; `documents` and `press` draw whatever they are given.
"""

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from clinic import documents
from clinic.config import Settings
from clinic.documents import Fonts, Options
from clinic.domain.audience import Recipient, about_of
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, NotFound, Refused, Unprintable, Usage
from clinic.domain.page import Page
from clinic.domain.prefill import cycle, prefilled, wants
from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.locales import NAMES
from clinic.persistence.store import Store
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import cases, prints, records, terminal
from clinic.services.definitions import definition as shipped
from clinic.services.prints import PrintJob
from clinic.services.readiness import readiness

ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # 32 signs, none that is read as another
CODE_LENGTH: Final = 8
PICTURE_DPI: Final = 80

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Printed:
    """A finished file. `name` is neutral: the code, or `worksheet.pdf` for a blank."""

    pdf: bytes
    name: str
    code: str = ""


def new_code() -> str:
    """Eight random signs and a check sign; says nothing about case, sheet or order."""
    signs = [secrets.randbelow(32) for _ in range(CODE_LENGTH)]
    return "".join(ALPHABET[sign] for sign in (*signs, checksum(signs)))


def checksum(signs: Sequence[int]) -> int:
    """The check sign of a code: a weighted sum that finds any one wrong sign and nearly every swap of neighbours."""
    return sum((2 * place + 1) * sign for place, sign in enumerate(signs)) % 32


def blank(press: Press, job: PrintJob, print_when: str = "reviewed", own: Definition | None = None) -> Printed:
    """A blank sheet, shipped or the clinic's own: no case, no code. Says why it refuses."""
    definition = own or shipped(job.sheet)
    if not definition.blank:
        raise Refused("refused_blank", sheet=definition.id)
    _known_languages(job)
    job = _language(definition, job, print_when)
    page = _page(definition, None, job, code="")
    return Printed(_drawn(lambda: press.blank(page)), "worksheet.pdf")


def filled(store: Store, press: Press, token: str, case_id: str, job: PrintJob, print_when: str) -> Printed:
    """A sheet of a case for its recipient: the signed record if there is one, else given with what is known.

    Every refusal is the same line, whatever the cause (CONFIDENTIALITY, The gate).
    """
    page, code = prepare(store, token, case_id, job, print_when, new_code())
    with press.child() as child:
        pdf = _drawn(lambda: press.pdf(page, child))
    prints.note(store, token, case_id, code, job)
    return Printed(pdf, f"{code}.pdf", code)


def pictures(store: Store, press: Press, token: str, case_id: str, job: PrintJob, print_when: str) -> list[bytes]:
    """The pages as PNG, drawn in the child, for a look before printing. Nothing is noted and no code is given."""
    page, _ = prepare(store, token, case_id, job, print_when, "")
    with press.child() as child:
        return _drawn(lambda: press.images(page, child, PICTURE_DPI))


def prepare(store: Store, token: str, case_id: str, job: PrintJob, print_when: str, code: str) -> tuple[Page, str]:
    """The finished page of a case's sheet, made from what its recipient may open.

    A signed agreement prints in the words and the language it was signed in, whatever language is asked for.
    """
    _known_languages(job)  # before the gate: an unknown language is refused alike for an open and a closed sheet
    try:
        definition, answers, signed_in = records.for_recipient(
            store, token, case_id, job.recipient, job.sheet, job.record
        )
        if job.recipient not in definition.recipients:
            raise Refused
        later = (
            records.added_for_recipient(store, token, case_id, job.recipient, job.sheet, job.record) if answers else []
        )
        if answers is None:
            answers = _known(store, token, case_id, definition, job)
        if signed_in:
            job = replace(job, locale=signed_in, beside="", draft=False)
        else:
            job = _language(definition, job, print_when)
    except Refused:
        raise Refused from None
    return _page(definition, answers, job, code, later), code


def _known(store: Store, token: str, case_id: str, definition: Definition, job: PrintJob) -> dict[str, Any] | None:
    """Answers a fresh sheet begins with: the couple's own cycle, from the joint part of the latest map."""
    if "map.cycle" not in wants(definition) or job.recipient != "joint":
        return None
    source, answers, _ = records.for_recipient(store, token, case_id, "joint", "map", "", beside=definition.id)
    found = prefilled(definition, "couple", {"map.cycle": cycle(source, "couple", answers or {})})
    return found or None


def _known_languages(job: PrintJob) -> None:
    for tag in job.tags:
        if tag not in NAMES:
            raise Usage(f"{tag} is not a language this program knows")


def _language(definition: Definition, job: PrintJob, print_when: str) -> PrintJob:
    for tag in job.tags:
        ready = readiness(definition, tag, print_when)
        if not (ready.printable or (job.draft and ready.draftable)):
            raise Refused("refused_locale", sheet=definition.id, locale=tag, reason=ready.reason)
    drafts = any(not readiness(definition, tag, print_when).printable for tag in job.tags)
    return replace(job, draft=job.draft and drafts)


def _page(
    definition: Definition,
    answers: Mapping[str, Any] | None,
    job: PrintJob,
    code: str,
    later: Sequence[tuple[Definition, date, Mapping[str, Any]]] = (),
) -> Page:
    about = about_of(job.recipient) if job.recipient else definition.abouts[0]
    sheet = documents.sheet(definition, answers, job.recipient, about)
    for addendum, day, words in later:
        sheet = documents.added(sheet, documents.sheet(addendum, words, job.recipient, about), day.isoformat())
    books = [catalogue(tag) for tag in job.tags]
    _printable(sheet, books)
    options = Options(paper=job.paper, large=job.large, ink=job.ink, draft=job.draft)
    return documents.page(sheet, books, options, code=code, fonts=_fonts(job.tags))


def warm_page(job: PrintJob) -> Page:
    """A blank page for the press to warm up with; never refused."""
    return _page(shipped(job.sheet), None, job, "")


def filled_page(definition: Definition, answers: Mapping[str, Any], job: PrintJob) -> Page:
    """A page of made-up answers for the benchmark; never refused."""
    return _page(definition, answers, job, new_code())


def _printable(sheet: documents.Sheet, books: Sequence[Catalogue]) -> None:
    """A character that no font has is an error with its place, never a box on paper."""
    for book in books:
        strings = list(documents.strings(sheet, book))
        missing = fonts.uncovered("".join(text for _, text in strings), book.locale)
        if missing:  # rare, so only now the place is looked for
            place = next(place for place, text in strings if missing[0] in text)
            raise Unprintable(missing[0], place)


def _fonts(tags: Sequence[str]) -> Fonts:
    return Fonts(text={tag: fonts.font_stack(tag) for tag in tags}, title={tag: fonts.title_stack(tag) for tag in tags})


def _drawn(draw: Callable[[], Drawn]) -> Drawn:
    try:
        return draw()
    except PressError as error:
        raise Undrawn(error.kind) from None


class Undrawn(ClinicError):
    """The press gave up: kind is timeout, memory, size, log or lost; never any of the page."""

    http = 422

    def __init__(self, kind: str) -> None:
        super().__init__("press", kind=kind)


def from_command_line(
    settings: Settings | None,
    sheet: str,
    case: str | None,
    to: Recipient | None,
    locale: str,
    beside: str | None,
    paper: Literal["a4", "letter"] | None,
    size: str,
    ink: Literal["full", "saver"],
    draft: bool,
    account: str | None,
    token: Path | None = None,
) -> bytes:
    """`clinic print`: a blank without a case; else the case's sheet, as an account that may open it."""
    usual, print_when = (settings.paper, settings.print_when) if settings else ("a4", "reviewed")
    job = PrintJob(sheet, to, locale, beside or "", paper or usual, size == "large", ink, draft)  # type: ignore[arg-type]
    press = Press()
    press.start()
    try:
        if case is None:
            return blank(press, job, print_when).pdf
        if settings is None:
            raise Usage("name the instance that has the case")
        return _of_case(settings, press, account, token, case, job)
    finally:
        press.stop()


def _of_case(
    settings: Settings, press: Press, account: str | None, file: Path | None, code: str, job: PrintJob
) -> bytes:
    """A sheet of the case with this code, in a session that ends with it, or in that of a token file."""
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, file) as token:
            case_id = next((one.id for one in cases.caseload(store, token) if one.code == code), None)
            if case_id is None:
                raise NotFound
            return filled(store, press, token, case_id, job, settings.print_when).pdf
    finally:
        store.close()
