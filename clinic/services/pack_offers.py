"""What is due to be printed, and for whom: choices of the counsellor and finished plans. For the staff layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from clinic.domain.audience import Recipient
from clinic.domain.choice import CONFIRMED
from clinic.domain.definition import Definition, Text
from clinic.persistence.keyview import apart
from clinic.persistence.store import Store
from clinic.services import appointments, choices, prints, records
from clinic.services.pack_items import ORDER, Item, packable
from clinic.services.prints import Sent
from clinic.services.records import RecordLine

PLAN: Final = "homework"  # the kind


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
