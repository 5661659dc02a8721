"""One sheet for one recipient: check, open with the recipient's keys only, lay out, draw, note, hand over.

Refusals live here; `documents` and `press` draw whatever they are given.
"""

import hashlib
import hmac
import json
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
from clinic.domain.prefill import cycle, prefilled, wants
from clinic.i18n.catalogue import Books, Catalogue, catalogue
from clinic.i18n.locales import NAMES
from clinic.persistence.store import Store
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import prints, records, release, spoken
from clinic.services.definitions import definition as shipped
from clinic.services.prints import PrintJob
from clinic.services.readiness import least, readiness

PICTURE_DPI: Final = 80
HELP_LINES: Final = "help_lines"  # what a block's `prefill` calls the clinic's own words

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Printed:
    """A finished file. `name` is neutral: the code, or `worksheet.pdf` for a blank."""

    pdf: bytes
    name: str
    code: str = ""


def blank(
    press: Press,
    job: PrintJob,
    print_when: str = "reviewed",
    own: Definition | None = None,
    settings: Settings | None = None,
    books: Books = catalogue,
) -> Printed:
    """A blank sheet, shipped or the clinic's own: no case, no code. Says why it refuses.

    `settings`: the clinic's, for its letterhead and help lines. `books`: what each language says.
    """
    definition = own or shipped(job.sheet)
    if not definition.blank:
        raise Refused("refused_blank", sheet=definition.id)
    _known_languages(job)
    job = _language(definition, job, print_when, books)
    lines = settings.letterhead if settings and job.letterhead else ()
    sheet = _sheet(definition, None, job, settings=settings)
    page = _laid_out(sheet, job, [books(tag) for tag in job.tags], "", lines)
    return Printed(_drawn(lambda: press.blank(page)), "worksheet.pdf")


@dataclass(frozen=True)
class Opened:
    """A case's sheet as its reader gets it: what the preflight lists and what the page is made of, one and the same.

    `job` has the languages it prints in. `record` and `day` are those of the record whose answers stand on it, both
    empty for a sheet to fill in; `plan` is what a review is of, if it is known. `books` say its sentences: those of
    its languages, as they stood when it was opened, and to one partner in the form of address that they chose.
    """

    job: PrintJob
    definition: Definition
    answers: Mapping[str, Any] | None = field(repr=False)
    sheet: documents.Sheet = field(repr=False)
    record: str = ""
    day: date | None = None
    plan: str = ""
    sealed_in: str = ""  # the language that an agreement was signed in
    letterhead: tuple[str, ...] = ()
    books: tuple[Catalogue, ...] = field(default=(), repr=False)


class Unseen(ClinicError):
    """What would leave the room is not what was shown last; nothing was printed."""

    http = 409

    def __init__(self) -> None:
        super().__init__("unseen")


def filled(
    store: Store, press: Press, token: str, case_id: str, job: PrintJob, print_when: str, seen: str | None = None
) -> Printed:
    """A sheet of a case for its recipient: the signed record if there is one, else given with what is known.

    `seen`: the mark of what was shown before (`mark`); raises Unseen if it would print anything else. Every refusal
    is the same line, whatever the cause (CONFIDENTIALITY, The gate).
    """
    found, code = opened(store, token, case_id, job, print_when), new_code()
    if seen is not None and not same(seen, mark(store, case_id, found)):
        raise Unseen
    page = laid_out(found, code)
    with press.child() as child:
        pdf = _drawn(lambda: press.pdf(page, child))
    if not stands(store, token, case_id, found, print_when):
        raise Unseen
    note(store, token, case_id, code, job, found)
    return Printed(pdf, f"{code}.pdf", code)


def note(store: Store, token: str, case_id: str, code: str, job: PrintJob, found: Opened) -> None:
    """Write the row of a sheet that was drawn, before its bytes are handed over. Raises as `prints.note`."""
    one = noting(case_id, code, found)
    prints.note(store, token, case_id, code, job, one.sha, one.record, one.plan, one.known)


def noting(case_id: str, code: str, found: Opened) -> prints.Note:
    """What is kept of a sheet that was drawn.

    What was released stands in its own record only: a copy in the row would outlive a “no”.
    """
    job = found.job
    about = about_of(job.recipient) if job.recipient else "couple"
    shared = {one.name for one in found.definition.placed(about) if one.block.prefill == "released"}
    began = {name: answer for name, answer in (found.answers or {}).items() if name not in shared}
    known = None if found.record else began
    return prints.Note(case_id, code, job, found.definition.sha, found.record, found.plan, known)


def drawn(press: Press, found: Opened) -> list[bytes]:
    """The pages as PNG, drawn in the child, for a look before printing. Nothing is noted and no code is given."""
    page = laid_out(found, "")
    with press.child() as child:
        return _drawn(lambda: press.images(page, child, PICTURE_DPI))


def opened(store: Store, token: str, case_id: str, job: PrintJob, print_when: str) -> Opened:
    """What stands on a case's sheet, opened with its recipient's view only.

    A signed agreement prints in the words and the language it was signed in, whatever language is asked for.
    """
    _known_languages(job)  # before the gate: an unknown language is refused alike for an open and a closed sheet
    try:
        paper = records.for_recipient(store, token, case_id, job.recipient, job.sheet, job.record)
        definition, answers = paper.definition, paper.answers
        if job.recipient not in definition.recipients:
            raise Refused
        later = (
            records.added_for_recipient(store, token, case_id, job.recipient, job.sheet, job.record) if answers else []
        )
        plan = ""
        if definition.kind == "review":
            plan = records.plan_for_recipient(store, token, case_id, job.recipient, job.sheet)
        if answers is None:
            answers = _known(store, token, case_id, definition, job)
        answers = _with_released(store, token, case_id, definition, job, answers)
        if paper.locale:
            job = replace(job, locale=paper.locale, beside="", draft=False)
        else:
            job = _language(definition, job, print_when, spoken.books(store))
    except Refused:
        raise Refused from None
    sheet = _sheet(definition, answers, job, later, store.settings)
    letterhead = store.settings.letterhead if job.letterhead else ()
    enough = least(definition, print_when, job.draft)
    books = tuple(spoken.book(store, tag).speaking_to(paper.variant, enough) for tag in job.tags)
    return Opened(job, definition, answers, sheet, paper.record, paper.day, plan, paper.locale, letterhead, books)


def laid_out(found: Opened, code: str) -> Page:
    """Its page; raises Unprintable for a character that no font has."""
    try:
        return _laid_out(found.sheet, found.job, found.books, code, found.letterhead)
    except fonts.FontsMissing:  # an agreement in a language that this machine cannot draw
        raise Refused from None


def mark(store: Store, case_id: str, found: Opened) -> str:
    """What a page is known by, without saying anything of it: changes with every word and every choice of paper.

    Raises as `laid_out`, and Undrawn: it is longer than any page may be.
    """
    job = found.job
    choice = json.dumps([str(case_id), job.recipient, job.sheet, found.record])
    try:
        page = laid_out(found, "").to_json()
    except ValueError:
        raise Undrawn("size") from None
    return hmac.new(store.keyholder.web_secret(), choice.encode() + b"\0" + page, hashlib.sha256).hexdigest()


def stands(store: Store, token: str, case_id: str, found: Opened, print_when: str) -> bool:
    """Whether what was let go for it stands as it did: it may be taken back while a page is drawn. Raises Refused."""
    if "released" not in wants(found.definition) or found.job.recipient != "joint":
        return True
    now = opened(store, token, case_id, found.job, print_when)
    return same(mark(store, case_id, found), mark(store, case_id, now))


def same(seen: str, mark_: str) -> bool:
    """Whether a mark that came with a request is that of what would be printed now."""
    return hmac.compare_digest(seen.encode(), mark_.encode())


def _known(store: Store, token: str, case_id: str, definition: Definition, job: PrintJob) -> dict[str, Any] | None:
    """Answers a fresh sheet begins with: the couple's own cycle, from the joint part of the latest map."""
    if "map.cycle" not in wants(definition) or job.recipient != "joint":
        return None
    source = records.for_recipient(store, token, case_id, "joint", "map", "", beside=definition.id)
    found = prefilled(definition, "couple", {"map.cycle": cycle(source.definition, "couple", source.answers or {})})
    return found or None


def _with_released(
    store: Store, token: str, case_id: str, definition: Definition, job: PrintJob, answers: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The same with what stands released to both, as it is today: never a copy that outlives a “no”."""
    if "released" not in wants(definition) or job.recipient != "joint":
        return answers
    leaves = release.for_both(store, token, case_id, definition.id)
    blocks = [placed.name for placed in definition.placed("couple") if placed.block.prefill == "released"]
    return {**(answers or {}), **dict.fromkeys(blocks, leaves)} if leaves else answers


def _known_languages(job: PrintJob) -> None:
    for tag in job.tags:
        if tag not in NAMES:
            raise Usage(f"{tag} is not a language this program knows")


def _language(definition: Definition, job: PrintJob, print_when: str, books: Books) -> PrintJob:
    for tag in job.tags:
        ready = readiness(definition, tag, print_when, books(tag))
        if not (ready.printable or (job.draft and ready.draftable)):
            raise Refused("refused_locale", sheet=definition.id, locale=tag, reason=ready.reason)
    drafts = any(not readiness(definition, tag, print_when, books(tag)).printable for tag in job.tags)
    return replace(job, draft=job.draft and drafts)


def _page(
    definition: Definition, answers: Mapping[str, Any] | None, job: PrintJob, code: str, books: Books = catalogue
) -> Page:
    return _laid_out(_sheet(definition, answers, job), job, [books(tag) for tag in job.tags], code)


def _sheet(
    definition: Definition,
    answers: Mapping[str, Any] | None,
    job: PrintJob,
    later: Sequence[tuple[Definition, date, Mapping[str, Any]]] = (),
    settings: Settings | None = None,
) -> documents.Sheet:
    about = about_of(job.recipient) if job.recipient else definition.abouts[0]
    sheet = documents.sheet(definition, answers, job.recipient, about)
    if settings and settings.help_lines:
        sheet = documents.told(sheet, HELP_LINES, _numbers(settings))
    for addendum, day, words in later:
        sheet = documents.added(sheet, documents.sheet(addendum, words, job.recipient, about), day.isoformat())
    return sheet


def _numbers(settings: Settings) -> dict[str, str]:
    """Whom to call here, by leaf path."""
    named = {f"{row}.name": name for row, name, _ in settings.help_lines}
    return named | {f"{row}.number": number for row, _, number in settings.help_lines}


def _laid_out(
    sheet: documents.Sheet, job: PrintJob, books: Sequence[Catalogue], code: str, letterhead: tuple[str, ...] = ()
) -> Page:
    _printable(sheet, books, letterhead)
    options = Options(job.paper, job.large, job.ink, job.draft, letterhead)
    return documents.page(sheet, books, options, code=code, fonts=_fonts(job.tags))


def warm_page(job: PrintJob) -> Page:
    """A blank page for the press to warm up with; never refused."""
    return _page(shipped(job.sheet), None, job, "")


def filled_page(definition: Definition, answers: Mapping[str, Any], job: PrintJob, books: Books = catalogue) -> Page:
    """A page of made-up answers, for a look or a benchmark; never refused."""
    return _page(definition, answers, job, new_code(), books)


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
