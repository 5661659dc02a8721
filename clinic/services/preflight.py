"""What leaves the room: the answers on a sheet, one by one, before it is printed.

The list is read from the very sheet that the page is laid out from (`print_sheet.opened`), which was made with its
reader's view only. So it says all that is on paper and knows of nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from clinic.documents import Part, Sheet
from clinic.domain.answer import Leaf, leaves
from clinic.domain.audience import Scope, about_of, readable
from clinic.domain.definition import SILENT, Text
from clinic.domain.page import SLOTS, Page
from clinic.domain.release import shared
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import print_sheet, spoken
from clinic.services.print_sheet import Opened
from clinic.services.prints import PrintJob
from clinic.services.readiness import Readiness, readiness


@dataclass(frozen=True)
class Said:
    """One question on the sheet, and its answer as leaves with their values; none: it was not answered."""

    question: Text
    given: tuple[tuple[Leaf, Any], ...] = field(repr=False)


@dataclass(frozen=True)
class Group:
    """The questions of one step of the sheet. `day`: when it was added to the record (ISO), empty for the rest."""

    title: Text
    said: tuple[Said, ...]
    day: str = ""


@dataclass(frozen=True)
class Preflight:
    """All of it. `whose`: scopes of the answers, none for a sheet to fill in; `day` of their record, if there is one.

    `languages` are those it prints in, with their state; `locale` is set when the words were signed in one language.
    `seen` goes back with the print, which happens only if nothing has changed since.
    """

    groups: tuple[Group, ...] = field(repr=False)
    whose: tuple[Scope, ...]
    day: date | None
    languages: tuple[Readiness, ...]
    locale: str
    letterhead: bool
    draft: bool
    pictures: tuple[bytes, ...] = field(repr=False)
    seen: str = field(repr=False)

    @property
    def answers(self) -> int:
        """How many questions on it are answered."""
        return sum(bool(one.given) for group in self.groups for one in group.said)


def look(store: Store, press: Press | None, token: str, case_id: str, job: PrintJob, print_when: str) -> Preflight:
    """What would leave the room if this were printed now. Raises what printing raises.

    With a press there is a picture of each page too; all the rest is there long before a page is drawn.
    """
    found = print_sheet.opened(store, token, case_id, job, print_when)
    return of(store, case_id, found, print_when, tuple(print_sheet.drawn(press, found)) if press else ())


def of(
    store: Store,
    case_id: str,
    found: Opened,
    print_when: str,
    pictures: tuple[bytes, ...] = (),
    page: Page | None = None,
) -> Preflight:
    """The same of a sheet that was opened already. `page`: its own with a placeholder for the code, if it is there.

    Raises Unprintable, Undrawn.
    """
    return Preflight(
        groups(found.sheet) if whose(found) else (),
        whose(found),
        found.day,
        tuple(readiness(found.definition, tag, print_when, spoken.book(store, tag)) for tag in found.job.tags),
        found.sealed_in,
        bool(found.letterhead),
        found.job.draft,
        pictures,
        print_sheet.marked(store, case_id, found, page or print_sheet.laid_out(found, SLOTS["code"])),
    )


def line(code: str, copies: Sequence[tuple[PrintJob, Preflight]]) -> str:
    """One plain line about a sheet: case, sheet, reader, languages and their state, how many answers; never an answer.

    `copies`: of one sheet in one language each, or one copy.
    """
    job, first = copies[0]
    tongues = [f"{one.locale} {one.state}" for _, found in copies for one in found.languages]
    answers = f"{first.answers} answer{'' if first.answers == 1 else 's'}"
    return ", ".join([f"{code}: {job.sheet} for {job.recipient}", *tongues, answers])


def groups(sheet: Sheet) -> tuple[Group, ...]:
    """Every question on the sheet in its order, answered or not."""
    made = (Group(step.title, tuple(_said(step.title, step.parts)), _added(step.hint)) for step in sheet.steps)
    return tuple(one for one in made if one.said)


def _said(title: Text, parts: tuple[Part, ...]) -> Iterator[Said]:
    for part in parts:
        if part.kind == "shared":
            yield Said(part.block.label, tuple(_shared(part)))
        if part.kind in SILENT or part.told:
            continue
        every = leaves(part.block, tuple(row for row in part.rows if row))
        given = tuple((leaf, part.values[leaf.path]) for leaf in every if leaf.path in part.values)
        yield Said(part.block.label or part.block.stem or part.block.center or title, given)


def _shared(part: Part) -> Iterator[tuple[Leaf, str]]:
    """What each of the two released: words under who shared them, an aim with its days and numbers."""
    found, aims = shared(part.values), {row.id: row for row in part.block.rows}
    for ask in part.block.asks:
        yield from ((Leaf("", "text", ask), text) for text in found.of(ask.id))
        for aim, lines in found.aims.items():
            points = "; ".join(f"{day.isoformat()}: {rating}" for day, rating in lines.get(ask.id, ()))
            if points and aim in aims:
                yield Leaf("", "text", ask, aims[aim]), points


def _added(hint: Text) -> str:
    """The day of a step that was added to a record: `documents.added` puts it where a hint stands otherwise."""
    return "" if hint.key else hint.en


def whose(found: Opened) -> tuple[Scope, ...]:
    """Whose answers stand on it, the reader's own first; none when nothing is filled in."""
    reader = found.job.recipient
    if reader is None or not any(part.values for part in found.sheet.parts if not part.told):
        return ()
    answers, mine = found.answers or {}, readable(reader)
    placed = found.definition.placed(about_of(reader))
    scopes = {one.scope for one in placed if one.name in answers and one.scope in mine}
    return tuple(sorted(scopes, key=lambda one: one != reader)) or (reader,)
