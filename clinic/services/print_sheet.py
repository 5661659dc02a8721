"""One sheet for one recipient: check, open with the recipient's keys only, lay out, draw, note, hand over.

Refusals live here; `documents` and `press` draw whatever they are given.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from clinic import documents
from clinic.domain.audience import about_of
from clinic.domain.code import new_code
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, Refused
from clinic.domain.page import SLOTS, Page
from clinic.domain.prefill import cycle, prefilled, wants
from clinic.i18n.catalogue import Catalogue
from clinic.persistence.store import Store
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services import laying_out, prints, records, release, spoken
from clinic.services.laying_out import Printed, Undrawn, blank, filled_page, warm_page
from clinic.services.prints import PrintJob
from clinic.services.readiness import least

__all__ = [
    "Opened", "Printed", "Undrawn", "Unseen", "blank", "coded", "drawn", "filled", "filled_page", "given", "laid_out",
    "looks", "mark", "marked", "note", "noting", "opened", "same", "stands", "text_of", "to_draw", "warm_page",
]  # fmt: skip

PICTURE_DPI: Final = 80


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
    page, words = to_draw(found, code)
    if seen is not None and not same(seen, marked(store, case_id, found, page, code)):
        raise Unseen
    pdf = _made(press, page, words)
    if not stands(store, token, case_id, found, print_when):
        raise Unseen
    note(store, token, case_id, code, job, found)
    return Printed(pdf, f"{code}.pdf", code)


def to_draw(found: Opened, code: str) -> tuple[Page, dict[str, str]]:
    """What the press gets: a page and the words to stamp on it, `{}` for a page that is drawn as it is.

    Raises as `laid_out`.
    """
    return (laid_out(found, SLOTS["code"]), {"code": code}) if given(found) else (laid_out(found, code), {})


def given(found: Opened) -> bool:
    """Whether the sheet holds nobody's answer: its page may wait in a child that serves other cases too.

    Such a page has the definition's sentences, the clinic's letterhead and help lines, and nothing of a case. A page
    in the form of address that one partner chose is not given: that choice is private, and two partners' sheets that
    are drawn from different pages would tell of it.
    """
    if found.record or found.answers is not None or found.sheet.filled or any(book.variant for book in found.books):
        return False
    return not any(part.values and not part.told for part in found.sheet.parts)


def _made(press: Press, page: Page, words: Mapping[str, str]) -> bytes:
    if words:
        return laying_out.drawn(lambda: press.given(page, words))
    with press.child() as child:
        return laying_out.drawn(lambda: press.pdf(page, child))


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
        return laying_out.drawn(lambda: press.images(page, child, PICTURE_DPI))


def opened(store: Store, token: str, case_id: str, job: PrintJob, print_when: str) -> Opened:
    """What stands on a case's sheet, opened with its recipient's view only.

    A signed agreement prints in the words and the language it was signed in, whatever language is asked for.
    """
    laying_out.known_languages(job)  # before the gate: refused alike for an open and a closed sheet
    try:
        paper = records.for_recipient(store, token, case_id, job.recipient, job.sheet, job.record)
        definition, answers = paper.definition, paper.answers
        if job.recipient not in definition.recipients:
            raise Refused
        plan = ""
        if definition.kind == "review":
            plan = records.plan_for_recipient(store, token, case_id, job.recipient, job.sheet)
        if answers is None:
            answers = _known(store, token, case_id, definition, job)
        answers = _with_released(store, token, case_id, definition, job, answers)
        if paper.locale:
            job = replace(job, locale=paper.locale, beside="", draft=False)
        else:
            job = laying_out.language(definition, job, print_when, spoken.books(store))
    except Refused:
        raise Refused from None
    sheet = laying_out.sheet(definition, answers, job, paper.later, store.settings)
    letterhead = store.settings.letterhead if job.letterhead else ()
    enough = least(definition, print_when, job.draft)
    books = tuple(spoken.book(store, tag).speaking_to(paper.variant, enough) for tag in job.tags)
    return Opened(job, definition, answers, sheet, paper.record, paper.day, plan, paper.locale, letterhead, books)


def laid_out(found: Opened, code: str) -> Page:
    """Its page; raises Unprintable for a character that no font has."""
    try:
        return laying_out.laid_out(found.sheet, found.job, found.books, code, found.letterhead)
    except fonts.FontsMissing:  # an agreement in a language that this machine cannot draw
        raise Refused from None


def mark(store: Store, case_id: str, found: Opened) -> str:
    """What a page is known by, without saying anything of it: changes with every word and every choice of paper.

    Raises as `laid_out`, and Undrawn: it is longer than any page may be.
    """
    return marked(store, case_id, found, laid_out(found, SLOTS["code"]))


def marked(store: Store, case_id: str, found: Opened, page: Page, code: str = "") -> str:
    """`mark` of a sheet whose page is there already, with this code on it or with none. Raises Undrawn."""
    job = found.job
    choice = json.dumps([str(case_id), job.recipient, job.sheet, found.record])
    text = text_of(coded(page, code, SLOTS["code"]) if code else page)
    return hmac.new(store.keyholder.web_secret(), choice.encode() + b"\0" + text, hashlib.sha256).hexdigest()


def coded(page: Page, code: str, other: str) -> Page:
    """The same page with another code in place of its own, which is nine random signs and so nothing else on it."""
    return replace(page, html=page.html.replace(code, other))


def looks(job: PrintJob) -> PrintJob:
    """What of a job is on paper: neither which record was asked for, nor whether the reader takes it along."""
    return replace(job, record="", home=False)


def text_of(page: Page) -> bytes:
    """A page as it is sent. Raises Undrawn: it is longer than any page may be."""
    try:
        return page.to_json()
    except ValueError:
        raise Undrawn("size") from None


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
