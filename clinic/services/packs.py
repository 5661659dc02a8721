"""Packs: many sheets in one file, by meeting and within it by reader, each reader's on paper of their own.

What is offered (`pack_offers`) is read from the staff layer. What is printed is only named: each item opens its
reader's view in a request of its own, passes the gate there and gets its own code and its own row (`batches`).
Nothing on paper says what is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from clinic.domain.definition import Definition
from clinic.domain.errors import NotFound, Refused
from clinic.persistence import audit
from clinic.persistence.keyview import apart, request
from clinic.persistence.models import Case
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import batches, preflight, press_room, spoken
from clinic.services.pack_items import (
    MOST,
    NEVER,
    ORDER,
    SHUT,
    How,
    Item,
    NothingPrinted,
    Pack,
    PackEmpty,
    PackFull,
    bounded,
    job_of,
    packable,
    piles,
    uneven,
)
from clinic.services.pack_offers import Offer, Session, due, finished, of_offers, of_sessions, sessions_of
from clinic.services.pack_opening import Opening
from clinic.services.preflight import Preflight
from clinic.services.prints import PrintJob
from clinic.services.readiness import Readiness, readiness
from clinic.services.unit_of_work import noted_together, unit_of_work

__all__ = [
    "MOST", "NEVER", "ORDER", "How", "Item", "Looked", "NothingPrinted", "Offer", "Pack", "PackEmpty", "PackFull",
    "Session", "codes", "due", "finished", "look", "make", "of_offers", "of_sessions", "packable", "piles",
    "sessions_of", "uneven",
]  # fmt: skip

PATIENCE: Final = 5.0  # s between two looks whether it is still there
TELL: Final = 0.25  # s between two looks when somebody wants to know how far it is


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
        return batches.PLUS.join(one.seen for one in self.copies)


def look(
    store: Store, token: str, items: Sequence[Item], how: How, print_when: str, failed: Sequence[int] = ()
) -> list[Looked]:
    """What would leave the room if these were printed now, each by its reader's view. Nothing is drawn or noted.

    `failed`: places of what did not print just now. Raises PackFull, NotFound (a case).
    """
    bounded(items)
    opening, found = Opening(store, token, how, print_when), []
    with request(), noted_together(store):
        for item in items:
            usual: Mapping[str, str] = {}
            try:
                with apart():
                    usual = opening.usual(item)
                    if item.place in failed:
                        raise Refused
                    found.append(_looked(store, opening, item, print_when))
            except SHUT:
                found.append(Looked(item, waiting=_waiting(store, item, usual, how, print_when, opening.known)))
    return found


def _looked(store: Store, opening: Opening, item: Item, print_when: str) -> Looked:
    opened = opening.opened(item)
    copies = tuple(preflight.of(store, item.case, one, print_when, page=opening.slotted(one)) for one in opened)
    two = item.recipient == "joint" and (item.each or len(copies[0].languages) > 1)
    return Looked(item, tuple(one.job for one in opened), copies, two=two)


def _waiting(
    store: Store, item: Item, usual: Mapping[str, str], how: How, print_when: str, known: Mapping[str, Definition]
) -> tuple[Readiness, ...]:
    """Languages that a sheet may not print in: the same for every case, so it may be said of a closed one too."""
    sheet = known.get(item.sheet)
    tags = job_of(item, usual, how).tags if sheet else ()
    states = [readiness(sheet, tag, print_when, spoken.book(store, tag)) for tag in tags] if sheet else []
    return tuple(one for one in states if not (one.printable or (how.draft and one.draftable)))


def make(
    store: Store,
    press: Press,
    token: str,
    items: Sequence[Item],
    how: How,
    print_when: str,
    whole: bool = False,
    told: Callable[[batches.Progress], None] | None = None,
) -> Pack:
    """The pack of these items, in their order: each reader's sheets of a meeting together, on paper of their own.

    Submits, waits, collects. What is refused or fails is left out and named by its place; with `whole` nothing is
    printed then. A row is noted for what is handed over, and for nothing else. `told` hears how far it is. Raises
    PackEmpty (no item, or none that prints), PackFull, Unseen (an item is not what was shown), NotFound (a case).
    """
    batch = batches.submit(store, token, items, how, print_when, whole)
    if not batch.id:
        if whole:
            return Pack(b"", "", batch.failed)
        raise NothingPrinted(batch.failed)
    try:
        with press_room.drawing(store, press):
            while (found := batches.wait(store, token, batch.id, TELL if told else PATIENCE)).state != "ready":
                if told:
                    told(found)
        return batches.collect(store, press, token, batch.id, print_when, keep=False)
    except BaseException:  # whoever gave up, also by the keyboard: nothing of it is kept
        with suppress(NotFound):
            batches.cancel(store, token, batch.id)
        raise


def codes(store: Store, token: str) -> dict[str, str]:
    """The ids of the own open cases by code, from plain columns."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        return {code: str(id_) for code, id_ in session.execute(select(Case.code, Case.id).where(~Case.archived))}
