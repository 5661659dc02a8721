"""Packs: many sheets in one file, by meeting and within it by reader, each reader's on paper of their own.

What is offered is read from the staff layer. What is printed is only named: each item opens its reader's view in a
request of its own, passes the gate there and gets its own code and its own row. Nothing on paper says what is left out.
"""

import io
import secrets
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from clinic.services import appointments, cases, choices, pack_list, print_sheet, prints, records, terminal
from clinic.services.print_sheet import Opened
from clinic.services.prints import PrintJob, Sent
from clinic.services.records import RecordLine
from clinic.services.shelf import active
from clinic.services.unit_of_work import unit_of_work
from clinic.services.warm import warm_pages

NEVER: Final = frozenset({"screening", "addendum"})  # kinds: never in a pack; an addendum prints with its record
PLAN: Final = "homework"  # the kind
ORDER: Final[tuple[Recipient, ...]] = ("a", "b", "joint")
MOST: Final = 100  # sheets in one pack
ZIP_DAY: Final = (1980, 1, 1, 0, 0, 0)  # no entry says when it was made
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

    Without a `locale` it prints on the reader's usual paper. `alone`: the meeting is with this reader only.
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
    noted: bool = False


def make(
    store: Store, press: Press, token: str, items: Sequence[Item], how: How, print_when: str, whole: bool = False
) -> Pack:
    """The pack of these items, in their order: each reader's sheets of a meeting together, on paper of their own.

    What is refused or fails is left out and named by its place; with `whole` nothing is printed then. Raises PackEmpty
    (no item, or none that prints), PackFull, NotFound (a case).
    """
    if not items:
        raise PackEmpty
    if len(items) > MOST:
        raise PackFull
    failed: set[int] = set()
    sheets = list(_opened(store, token, items, how, print_when, failed))
    if whole and failed:
        return Pack(b"", "", tuple(sorted(failed)))
    name = f"{secrets.token_hex(4)}.{'zip' if how.zip else 'pdf'}"
    packed = (_zip if how.zip else _file)(store, press, token, sheets, how, failed, whole)
    places = tuple(sorted(failed))
    if not packed and not whole:
        raise NothingPrinted(places)
    return Pack(packed, name, places, sum(one.noted for one in sheets))


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
                if item.sheet not in known:
                    raise Refused
                found = print_sheet.opened(store, token, item.case, _job(item, usual, how), print_when)
                code = new_code()
                made = _Sheet(item, found, print_sheet.laid_out(found, code), code)
        except (Refused, Unprintable):
            failed.add(item.place)
        else:
            yield made


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


def _file(
    store: Store, press: Press, token: str, sheets: list[_Sheet], how: How, failed: set[int], whole: bool
) -> bytes:
    """One file; empty if nothing printed."""
    with press.packing() as packing:
        good = _drawn(packing, sheets, failed)
        if whole and failed:
            return b""
        return _joined(store, token, packing, good, how, failed)


def _zip(
    store: Store, press: Press, token: str, sheets: list[_Sheet], how: How, failed: set[int], whole: bool
) -> bytes:
    """One file for each reader, each drawn alone, in a child of its own; names and order say nothing."""
    if whole and not _all_draw(press, sheets, failed):
        return b""
    files: dict[str, bytes] = {}
    for mine in _readers(sheets):
        with press.packing() as packing:
            good = _drawn(packing, mine, failed)
            made = _joined(store, token, packing, good, replace(how, cover=False), failed)
        if made:
            files[f"{secrets.token_hex(4)}.pdf"] = made
    if not files:
        return b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, ZIP_DAY)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            archive.writestr(entry, files[name])
    return out.getvalue()


def _all_draw(press: Press, sheets: Iterable[_Sheet], failed: set[int]) -> bool:
    """Whether all can be drawn, before the first of them is noted."""
    for mine in _readers(sheets):
        with press.packing() as packing:
            _drawn(packing, mine, failed)
    return not failed


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


def _joined(store: Store, token: str, packing: Packing, good: list[_Sheet], how: How, failed: set[int]) -> bytes:
    """Join, then note each sheet; one that may not be noted any more is taken out again before anything leaves."""
    while good:
        order = [[one.child for one in pile] for pile in piles(good)]
        if how.cover:
            order.insert(0, [_cover(packing, good)])
        try:
            data = packing.join(order)
        except PressError as error:
            if error.kind in ("size", "memory", "timeout"):
                raise PackFull from None
            raise print_sheet.Undrawn(error.kind) from None
        refused = [one for one in good if not _noted(store, token, one)]
        if not refused:
            return data
        failed |= {one.item.place for one in refused}
        good = [one for one in good if one not in refused]
    return b""


def _noted(store: Store, token: str, one: _Sheet) -> bool:
    """Write the row of a sheet; False if its gate has closed since it was drawn."""
    if not one.noted:
        try:
            with apart():
                print_sheet.note(store, token, one.item.case, one.code, one.found.job, one.found)
        except Refused:
            return False
        one.noted = True
    return True


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
                mine[one.recipient] += 1
    return {code: mine for code, mine in counts.items() if mine["a"] != mine["b"]}


def codes(store: Store, token: str) -> dict[str, str]:
    """The ids of the own open cases by code, from plain columns."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        return {code: str(id_) for code, id_ in session.execute(select(Case.code, Case.id).where(~Case.archived))}


# --------------------------------------------------------------------------- from the command line
@dataclass(frozen=True)
class Said:
    """A pack and the lines to say beside it: `warnings`, and `failures`, each one place of the list."""

    data: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def from_command_line(
    settings: Settings,
    case: str | None,
    day: str | None,
    file: Path | None,
    how: How,
    account: str | None,
    token_file: Path | None,
) -> Said:
    """`clinic pack`: what is due for a case, for the meetings of a day, or what a list names."""
    press = Press(warm_pages())
    press.start()
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, token_file) as token:
            return _said(store, press, token, _wanted(store, token, case, day, file, how), how, bool(file))
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


def _said(store: Store, press: Press, token: str, items: list[Item], how: How, listed: bool) -> Said:
    warnings = tuple(
        f"{code}: A gets {mine['a']} and B gets {mine['b']}. Both leave with the same number of sheets."
        for code, mine in uneven(items).items()
    )
    if not items:
        raise ClinicError("usage", problem="Nothing is due: nothing was chosen or finished that was not printed since.")
    word, line = "line" if listed else "sheet", str(Refused())
    try:
        made = make(store, press, token, items, how, store.settings.print_when)
    except NothingPrinted as error:
        return Said(b"", warnings, tuple(f"{word} {place}: {line}" for place in error.places))
    return Said(made.data, warnings, tuple(f"{word} {place}: {line}" for place in made.failed))
