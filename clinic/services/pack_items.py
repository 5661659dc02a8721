"""What a pack is made of: its items, how it prints, the order of its piles; and an item opened for its reader."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from clinic.domain.audience import Recipient
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, Refused, Unprintable
from clinic.persistence.store import Store
from clinic.services import print_sheet
from clinic.services.print_sheet import Opened, Undrawn
from clinic.services.prints import PrintJob
from clinic.services.shelf import active

NEVER: Final = frozenset({"screening", "addendum"})  # kinds: never in a pack; an addendum prints with its record
ORDER: Final[tuple[Recipient, ...]] = ("a", "b", "joint")
MOST: Final = 300  # sheets in one pack
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


class NothingPrinted(PackEmpty):
    """Of all the items none did print. `places` in the list."""

    http = 409

    def __init__(self, places: tuple[int, ...]) -> None:
        super().__init__()
        self.message_id, self.params, self.places = "refused", {}, places


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


def packable(store: Store) -> dict[str, Definition]:
    """Every sheet that may be put into a pack, by id; the same for every case."""
    return {id_: one for id_, one in active(store).items() if one.recipients and one.kind not in NEVER}


def bounded(items: Iterable[Item]) -> None:
    """Raises PackFull."""
    if sum(one.copies * (2 if one.each else 1) for one in items) > MOST:
        raise PackFull


def random_name(ending: str) -> str:
    """A name for a file; it says nothing."""
    return f"{secrets.token_hex(4)}.{ending}"


def opened(
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
    job = job_of(item, usual, how)
    jobs = [replace(job, locale=tag, beside="") for tag in job.tags] if item.each else [job]
    found = [print_sheet.opened(store, token, item.case, one, print_when) for one in jobs]
    return found[:1] if found[0].sealed_in else found  # an agreement has the one language it was signed in


def job_of(item: Item, usual: Mapping[str, str], how: How) -> PrintJob:
    """What an item prints as; `usual` is its reader's usual paper."""
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


def readers(sheets: Iterable[Any]) -> list[list[Any]]:
    """What each reader gets of the whole pack."""
    found: dict[tuple[str, Recipient], list[Any]] = {}
    for one in sheets:
        found.setdefault((one.item.case, one.item.recipient), []).append(one)
    return list(found.values())


def uneven(items: Iterable[Item]) -> dict[str, dict[str, int]]:
    """The mirror rule (CLINICAL_RULES D): by case code how many each would leave with, where the numbers differ."""
    counts: dict[str, dict[str, int]] = {}
    for one in items:
        if not one.alone:
            mine = counts.setdefault(one.code, {"a": 0, "b": 0})
            if one.recipient in mine:
                mine[one.recipient] += one.copies
    return {code: mine for code, mine in counts.items() if mine["a"] != mine["b"]}
