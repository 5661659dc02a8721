"""Packs: many sheets in one file, by meeting and within it by reader, each reader's on paper of their own.

What is offered is read from the staff layer. What is printed is only named: each item opens its reader's view in a
request of its own, passes the gate there and gets its own code and its own row. Nothing on paper says what is left out.
"""

import io
import secrets
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import select

from clinic.config import Settings
from clinic.documents import Fonts, cover
from clinic.domain.audience import Recipient
from clinic.domain.choice import CONFIRMED
from clinic.domain.code import new_code
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import ClinicError, NotFound, Refused, Unprintable, Usage
from clinic.domain.page import Page
from clinic.persistence import audit
from clinic.persistence.keyview import apart
from clinic.persistence.models import Case
from clinic.persistence.store import Store
from clinic.press import fonts
from clinic.press.press import Pack as Packing
from clinic.press.press import Press, PressError
from clinic.services import (
    appointments,
    cases,
    choices,
    pack_list,
    preflight,
    print_sheet,
    prints,
    records,
    spoken,
    terminal,
)
from clinic.services.preflight import Preflight
from clinic.services.print_sheet import Opened, Undrawn, Unseen
from clinic.services.prints import PrintJob, Sent
from clinic.services.readiness import Readiness, readiness
from clinic.services.records import RecordLine
from clinic.services.shelf import active
from clinic.services.unit_of_work import unit_of_work
from clinic.services.warm import warm_pages

NEVER: Final = frozenset({"screening", "addendum"})  # kinds: never in a pack; an addendum prints with its record
PLAN: Final = "homework"  # the kind
ORDER: Final[tuple[Recipient, ...]] = ("a", "b", "joint")
MOST: Final = 100  # sheets in one pack
PLUS: Final = "+"  # between the marks of copies
ZIP_DAY: Final = (1980, 1, 1, 0, 0, 0)  # no entry says when it was made
SHUT: Final = (Refused, Unprintable, Undrawn)  # closed, or broken: in a pack the same
MIMES: Final = {"pdf": "application/pdf", "zip": "application/zip"}


class PackFull(ClinicError):
    """More than one pack may hold, in sheets or in sides; nothing was printed."""

    http = 413

    def __init__(self) -> None:
        super().__init__("pack_full", most=MOST)


class PackEmpty(ClinicError):
    """Nothing to print."""

    http = 422

    def __init__(self) -> None:
        super().__init__("pack_empty")


@dataclass(frozen=True)
class Item:
    """One sheet of a pack. `place` in the list that somebody looks at; `at`: the start of the meeting, if there is one.

    Without a `locale` it prints on the reader's usual paper; with `each`, what prints in two languages there is one
    copy in each. `alone`: the meeting is with this reader only. `seen`: the mark of what was shown of it before, to be
    held against what would print; None where nothing was shown.
    """

    place: int
    case: str
    code: str
    recipient: Recipient
    sheet: str
    record: str = ""
    locale: str = ""
    beside: str = ""
    at: datetime | None = None
    alone: bool = False
    copies: int = 1
    each: bool = False
    seen: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class How:
    """What holds for all sheets of a pack: one file or a ZIP with one for each reader, the list on top, and paper."""

    zip: bool = False
    cover: bool = False
    draft: bool = False
    ink: Literal["full", "saver"] = "full"
    home: bool = False
    letterhead: bool = False


@dataclass(frozen=True)
class Pack:
    """A finished pack. `failed`: the places of what did not print, whatever the cause; `sheets`: how many did."""

    data: bytes = field(repr=False)
    name: str
    failed: tuple[int, ...] = ()
    sheets: int = 0

    @property
    def mime(self) -> str:
        """What kind of file it is."""
        return MIMES[self.name.rpartition(".")[2]]


@dataclass(frozen=True)
class Offer:
    """A sheet that is due to be printed, with the reason: a choice of the counsellor, or a finished plan."""

    recipient: Recipient
    sheet: str
    title: Text
    day: date
    record: str = ""


@dataclass(frozen=True)
class Session:
    """One meeting of a day: its case, who comes, and what is due for those who come, and for those who do not."""

    at: datetime
    case: str
    code: str
    who: appointments.Who
    due: tuple[Offer, ...]
    rest: tuple[Offer, ...]


# --------------------------------------------------------------------------- what is offered: staff layer
def due(store: Store, token: str, case_id: str) -> list[Offer]:
    """Sheets that were chosen, and plans that were finished, and were not printed since. For the staff layer."""
    known = packable(store)
    sent, listed = prints.sent(store, token, case_id), records.listing(store, token, case_id)
    found = [
        Offer(one.recipient, one.sheet, known[one.sheet].title, one.day)
        for one in choices.standing(store, token, case_id)
        if one.verdict == CONFIRMED and one.sheet in known and one.recipient in known[one.sheet].recipients
        if not any(_is(done, one.recipient, one.sheet) and done.day >= one.day for done in sent)
    ]
    found += [one for one in _plans(finished(listed, known), known) if one.record not in {done.record for done in sent}]
    unique = {(one.recipient, one.sheet): one for one in found}  # a plan also as a chosen sheet: the finished one
    return sorted(unique.values(), key=lambda one: (ORDER.index(one.recipient), list(known).index(one.sheet)))


def finished(listed: Iterable[RecordLine], known: Mapping[str, Definition]) -> list[Offer]:
    """Finished records that have paper, the newest first; none that was corrected since. For the staff layer."""
    rows = list(listed)
    corrected = {one.supersedes for one in rows if one.signed}
    found = []
    for one in rows:
        to: Recipient = "joint" if one.about == "couple" else one.about
        there = one.definition_id in known and to in known[one.definition_id].recipients
        if one.signed and there and one.id not in corrected:
            found.append(Offer(to, one.definition_id, one.title, one.held_on, one.id))
    return sorted(reversed(found), key=lambda one: one.day, reverse=True)  # of one day the last comes first


def packable(store: Store) -> dict[str, Definition]:
    """Every sheet that may be put into a pack, by id; the same for every case."""
    return {id_: one for id_, one in active(store).items() if one.recipients and one.kind not in NEVER}


def sessions_of(store: Store, token: str, day: date) -> list[Session]:
    """The own meetings of a day with what is due for each; a case that comes twice gets its sheets the first time.

    For the staff layer: each case in a request of its own, one after another.
    """
    found, given = [], set()
    for slot in appointments.of_day(store, token, day):
        if not slot.case or (slot.case, slot.start) in given:
            continue
        with apart():
            mine = appointments.of_case(store, token, slot.case, day)
            who: appointments.Who = next((one.who for one in mine if one.start == slot.start), "both")
            offers = due(store, token, slot.case)
        present = [one for one in appointments.PRESENT[who] if (slot.case, one) not in given]
        given |= {(slot.case, slot.start), *((slot.case, one) for one in present)}
        here = tuple(one for one in offers if one.recipient in present)
        rest = tuple(one for one in offers if one.recipient not in present)
        found.append(Session(slot.start, slot.case, slot.code, who, here, rest))
    return found


def _plans(found: Iterable[Offer], known: Mapping[str, Definition]) -> list[Offer]:
    """The newest finished plan of each reader."""
    newest: dict[Recipient, Offer] = {}
    for one in found:
        if known[one.sheet].kind == PLAN:
            newest.setdefault(one.recipient, one)
    return list(newest.values())


def _is(done: Sent, recipient: Recipient, sheet: str) -> bool:
    return (done.recipient, done.sheet) == (recipient, sheet)


# --------------------------------------------------------------------------- printing: readers' views only
@dataclass
class _Sheet:
    """A sheet on its way: opened for its reader, laid out; `place` among the pages of its press child."""

    item: Item
    found: Opened
    page: Page
    code: str
    child: int = 0
    sides: int = 0


@dataclass(frozen=True)
class Looked:
    """An item as it would print now: a preflight for each language of its own; none if it cannot print.

    `waiting`: then the languages that nobody has reviewed or that are not ready, the same whatever the gate says.
    `two`: it could be one copy in each of its languages, or is.
    """

    item: Item
    jobs: tuple[PrintJob, ...] = ()
    copies: tuple[Preflight, ...] = field(default=(), repr=False)
    waiting: tuple[Readiness, ...] = ()
    two: bool = False

    @property
    def seen(self) -> str:
        """The mark of all its copies."""
        return PLUS.join(one.seen for one in self.copies)


def look(
    store: Store, token: str, items: Sequence[Item], how: How, print_when: str, failed: Sequence[int] = ()
) -> list[Looked]:
    """What would leave the room if these were printed now, each by its reader's view. Nothing is drawn or noted.

    `failed`: places of what did not print just now. Raises PackFull, NotFound (a case).
    """
    _bounded(items)
    known, found = packable(store), []
    for item in items:
        usual: Mapping[str, str] = {}
        try:
            with apart():
                usual = cases.usual_paper(store, token, item.case, item.recipient)
                if item.place in failed:
                    raise Refused
                opened = _copies(store, token, item, usual, how, print_when, known)
                copies = tuple(preflight.of(store, item.case, one, print_when) for one in opened)
                two = item.recipient == "joint" and (item.each or len(copies[0].languages) > 1)
                found.append(Looked(item, tuple(one.job for one in opened), copies, two=two))
        except SHUT:
            found.append(Looked(item, waiting=_waiting(store, item, usual, how, print_when, known)))
    return found


def _waiting(
    store: Store, item: Item, usual: Mapping[str, str], how: How, print_when: str, known: Mapping[str, Definition]
) -> tuple[Readiness, ...]:
    """Languages that a sheet may not print in: the same for every case, so it may be said of a closed one too."""
    sheet = known.get(item.sheet)
    tags = _job(item, usual, how).tags if sheet else ()
    states = [readiness(sheet, tag, print_when, spoken.book(store, tag)) for tag in tags] if sheet else []
    return tuple(one for one in states if not (one.printable or (how.draft and one.draftable)))


def make(
    store: Store, press: Press, token: str, items: Sequence[Item], how: How, print_when: str, whole: bool = False
) -> Pack:
    """The pack of these items, in their order: each reader's sheets of a meeting together, on paper of their own.

    What is refused or fails is left out and named by its place; with `whole` nothing is printed then. A row is noted
    for what is handed over, and for nothing else. Raises PackEmpty (no item, or none that prints), PackFull, Unseen
    (an item is not what was shown), NotFound (a case).
    """
    if not items:
        raise PackEmpty
    _bounded(items)
    failed: set[int] = set()
    sheets = list(_opened(store, token, items, how, print_when, failed))
    if whole and failed:
        return Pack(b"", "", tuple(sorted(failed)))
    files = _files(store, press, token, sheets, how, print_when, failed, whole)
    places = tuple(sorted(failed))
    if whole and failed:
        return Pack(b"", "", places)
    if not files:
        raise NothingPrinted(places)
    name = f"{secrets.token_hex(4)}.{'zip' if how.zip else 'pdf'}"
    return Pack(_zipped(files) if how.zip else files[0].data, name, places, sum(len(one.sheets) for one in files))


def _bounded(items: Iterable[Item]) -> None:
    if sum(one.copies * (2 if one.each else 1) for one in items) > MOST:
        raise PackFull


class NothingPrinted(PackEmpty):
    """Of all the items none did print. `places` in the list."""

    http = 409

    def __init__(self, places: tuple[int, ...]) -> None:
        super().__init__()
        self.message_id, self.params, self.places = "refused", {}, places


def _opened(
    store: Store, token: str, items: Sequence[Item], how: How, print_when: str, failed: set[int]
) -> Iterator[_Sheet]:
    known = packable(store)
    for item in items:
        try:
            with apart():
                usual = cases.usual_paper(store, token, item.case, item.recipient)
                found = _copies(store, token, item, usual, how, print_when, known)
                if item.seen is not None:
                    now = PLUS.join(print_sheet.mark(store, item.case, one) for one in found)
                    if not print_sheet.same(item.seen, now):
                        raise Unseen
                codes = [(one, new_code()) for one in found for _ in range(item.copies)]
                made = [_Sheet(item, one, print_sheet.laid_out(one, code), code) for one, code in codes]
        except SHUT:
            failed.add(item.place)
        else:
            yield from made


def _copies(
    store: Store,
    token: str,
    item: Item,
    usual: Mapping[str, str],
    how: How,
    print_when: str,
    known: Mapping[str, Definition],
) -> list[Opened]:
    """An item opened for its reader: once, or once for each language. Raises Refused."""
    if item.sheet not in known:
        raise Refused
    job = _job(item, usual, how)
    jobs = [replace(job, locale=tag, beside="") for tag in job.tags] if item.each else [job]
    found = [print_sheet.opened(store, token, item.case, one, print_when) for one in jobs]
    return found[:1] if found[0].sealed_in else found  # an agreement has the one language it was signed in


def _job(item: Item, usual: Mapping[str, str], how: How) -> PrintJob:
    languages = (item.locale, item.beside) if item.locale else (usual["locale"] or "en", usual["beside"])
    return PrintJob(
        item.sheet,
        item.recipient,
        *languages,
        paper="letter" if usual["paper"] == "letter" else "a4",
        large=usual["size"] == "large",
        ink=how.ink,
        draft=how.draft,
        record=item.record,
        home=how.home,
        letterhead=how.letterhead,
    )


def piles(sheets: Iterable[Any]) -> list[list[Any]]:
    """By meeting in the order of the list, within it A's, B's, the joint ones."""
    found: dict[tuple[datetime | None, str], list[Any]] = {}
    for one in sheets:
        found.setdefault((one.item.at, one.item.case), []).append(one)
    split = (
        [one for one in meeting if one.item.recipient == recipient] for meeting in found.values() for recipient in ORDER
    )
    return [pile for pile in split if pile]


@dataclass(frozen=True)
class _File:
    """A file that is drawn, and the sheets in it."""

    sheets: tuple[_Sheet, ...]
    data: bytes = field(repr=False)


def _files(
    store: Store,
    press: Press,
    token: str,
    sheets: list[_Sheet],
    how: How,
    print_when: str,
    failed: set[int],
    whole: bool,
) -> list[_File]:
    """The one file, or one for each reader, drawn alone in a child of its own. Then all rows are written at once.

    If a gate has closed since, or somebody took back what stands there, its sheet is taken out, the file that had it is
    drawn anew, and the rows are tried again: so none is ever written for what nobody gets.
    """
    wanted = _readers(sheets) if how.zip else [sheets]
    files = [_file(press, mine, how, failed) for mine in wanted]
    while files := [one for one in files if one.sheets]:
        if whole and failed:
            return []
        leaving = [one for file in files for one in file.sheets]
        refused = {one.code for one in leaving if not _stands(store, token, one, print_when)}
        if not refused:
            notes = [print_sheet.noting(one.item.case, one.code, one.found) for one in leaving]
            refused = {leaving[place].code for place in prints.note_all(store, token, notes)}
        if not refused:
            return files
        failed |= {one.item.place for one in leaving if one.code in refused}
        if not whole:
            files = [_without(press, one, refused, how, failed) for one in files]
    return []


def _stands(store: Store, token: str, one: _Sheet, print_when: str) -> bool:
    try:
        with apart():
            return print_sheet.stands(store, token, one.item.case, one.found, print_when)
    except SHUT:
        return False


def _without(press: Press, file: _File, codes: set[str], how: How, failed: set[int]) -> _File:
    """The same file without some of its sheets; untouched if it has none of them."""
    left = [one for one in file.sheets if one.code not in codes]
    return file if len(left) == len(file.sheets) else _file(press, left, how, failed)


def _file(press: Press, sheets: Sequence[_Sheet], how: How, failed: set[int]) -> _File:
    """Lay out and join; what cannot be drawn is left out. Without any sheet there is no file."""
    with press.packing() as packing:
        good = _drawn(packing, sheets, failed)
        if not good:
            return _File((), b"")
        order = [[one.child for one in pile] for pile in piles(good)]
        if how.cover and not how.zip:
            order.insert(0, [_cover(packing, good)])
        try:
            return _File(tuple(good), packing.join(order))
        except PressError as error:
            if error.kind in ("size", "memory", "timeout"):
                raise PackFull from None
            raise print_sheet.Undrawn(error.kind) from None


def _zipped(files: Iterable[_File]) -> bytes:
    """One archive; names and order say nothing."""
    named = sorted((f"{secrets.token_hex(4)}.pdf", one.data) for one in files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in named:
            entry = zipfile.ZipInfo(name, ZIP_DAY)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def _readers(sheets: Iterable[_Sheet]) -> list[list[_Sheet]]:
    """What each reader gets of the whole pack."""
    found: dict[tuple[str, Recipient], list[_Sheet]] = {}
    for one in sheets:
        found.setdefault((one.item.case, one.item.recipient), []).append(one)
    return list(found.values())


def _drawn(packing: Packing, sheets: Iterable[_Sheet], failed: set[int]) -> list[_Sheet]:
    """Lay each out; what fails is left out."""
    good: list[_Sheet] = []
    for one in sheets:
        try:
            one.sides = packing.add(one.page)
        except PressError as error:
            if error.where == "pack":
                raise PackFull from None
            failed.add(one.item.place)
            continue
        one.child = packing.pages - 1
        good.append(one)
    return good


def _cover(packing: Packing, good: list[_Sheet]) -> int:
    lines = [[(one.code, one.sides) for one in pile] for pile in piles(good)]
    paper = good[0].found.job.paper
    tag = cover.LOCALE
    looks = Fonts(text={tag: fonts.font_stack(tag)}, title={tag: fonts.title_stack(tag)})
    packing.add(cover.page(lines, paper, looks))
    return packing.pages - 1


def uneven(items: Iterable[Item]) -> dict[str, dict[str, int]]:
    """The mirror rule (CLINICAL_RULES D): by case code how many each would leave with, where the numbers differ."""
    counts: dict[str, dict[str, int]] = {}
    for one in items:
        if not one.alone:
            mine = counts.setdefault(one.code, {"a": 0, "b": 0})
            if one.recipient in mine:
                mine[one.recipient] += one.copies
    return {code: mine for code, mine in counts.items() if mine["a"] != mine["b"]}


def codes(store: Store, token: str) -> dict[str, str]:
    """The ids of the own open cases by code, from plain columns."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        return {code: str(id_) for code, id_ in session.execute(select(Case.code, Case.id).where(~Case.archived))}


# --------------------------------------------------------------------------- from the command line
@dataclass(frozen=True)
class Said:
    """A pack, empty if it was only to be listed, and the `failures` to say after it, each one place of the list."""

    data: bytes = field(repr=False)
    failures: tuple[str, ...] = ()


def from_command_line(
    settings: Settings,
    case: str | None,
    day: str | None,
    file: Path | None,
    how: How,
    account: str | None,
    token_file: Path | None,
    show: bool,
    say: Callable[[str], None],
) -> Said:
    """`clinic pack`: what is due for a case, for the meetings of a day, or what a list names.

    What each sheet is goes to `say` before anything is printed; with `show` that is all.
    """
    press = Press(warm_pages())
    press.start()
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, token_file) as token:
            items = _wanted(store, token, case, day, file, how)
            return _said(store, press, token, items, how, bool(file), show, say)
    finally:
        store.close()
        press.stop()


def _wanted(store: Store, token: str, case: str | None, day: str | None, file: Path | None, how: How) -> list[Item]:
    if case is not None:
        found = codes(store, token).get(case)
        if found is None:
            raise NotFound
        return of_offers(found, case, due(store, token, found))
    if day is not None:
        return of_sessions(sessions_of(store, token, _day(store, day)))
    rows = pack_list.read(
        pack_list.text_of(file or Path()),
        codes(store, token),
        packable(store),
        store.settings.print_when,
        how.draft,
        most=MOST,
        books=spoken.books(store),
    )
    return [Item(one.line, one.case, one.code, one.to, one.sheet, "", one.locale, one.beside) for one in rows]


def of_offers(case: str, code: str, offers: Iterable[Offer]) -> list[Item]:
    """The items of what is due for one case."""
    return [Item(place, case, code, one.recipient, one.sheet, one.record) for place, one in enumerate(offers, start=1)]


def of_sessions(found: Iterable[Session]) -> list[Item]:
    """The items of what is due for those who come."""
    wanted = [(one, offer) for one in found for offer in one.due]
    return [
        Item(place, one.case, one.code, offer.recipient, offer.sheet, offer.record, at=one.at, alone=one.who != "both")
        for place, (one, offer) in enumerate(wanted, start=1)
    ]


def _day(store: Store, text: str) -> date:
    near = {"today": 0, "tomorrow": 1}
    if text in near:
        return appointments.today(store) + timedelta(days=near[text])
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Usage(f"{text} is not a day. Write 2026-03-31, today or tomorrow.") from None


def _said(
    store: Store,
    press: Press,
    token: str,
    items: list[Item],
    how: How,
    listed: bool,
    show: bool,
    say: Callable[[str], None],
) -> Said:
    if not items:
        raise ClinicError("usage", problem="Nothing is due: nothing was chosen or finished that was not printed since.")
    for code, mine in uneven(items).items():
        say(f"{code}: A gets {mine['a']} and B gets {mine['b']}. Both leave with the same number of sheets.")
    word, constant, seen = "line" if listed else "sheet", str(Refused()), []
    looked = look(store, token, items, how, store.settings.print_when)
    for one in looked:
        if one.copies:
            say(preflight.line(one.item.code, list(zip(one.jobs, one.copies, strict=True))))
        seen.append(replace(one.item, seen=one.seen))  # what was not listed is not printed either, whatever opens
    if show:
        places = {one.item.place for one in looked if not one.copies}
        return Said(b"", tuple(f"{word} {place}: {constant}" for place in sorted(places)))
    try:
        made = make(store, press, token, seen, how, store.settings.print_when)
    except NothingPrinted as error:
        return Said(b"", tuple(f"{word} {place}: {constant}" for place in error.places))
    return Said(made.data, tuple(f"{word} {place}: {constant}" for place in made.failed))
