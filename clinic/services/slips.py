"""The slip of a batch: which sheets of which cases it is, sealed for the account that asked for it.

The tables of the press name no case. Without the slip nobody can tell whose sheet an item is.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from clinic.domain.errors import NotFound
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from clinic.services.pack_items import How, Item, PackFull
from clinic.services.prints import Note, PrintJob

LONGEST: Final = 4_000_000  # bytes: with what is round it, it must fit into one frame of the keyholder's


@dataclass(frozen=True)
class Entry:
    """One accepted sheet: item `n` of the batch, and what its print row will hold.

    `mark`: of what both had let go for it, to be held against what stands when it is collected; else empty.
    """

    n: int
    item: Item
    note: Note = field(repr=False)
    mark: str = ""


@dataclass(frozen=True)
class Slip:
    """What an account asked for. `refused`: places, and how many sheets they stand for, of what was not accepted.

    `names` of the file and of the files in it; `gone`: the items that were taken out when it was collected.
    """

    batch: UUID
    made: datetime
    how: How
    whole: bool
    entries: tuple[Entry, ...] = field(repr=False)
    refused: tuple[tuple[int, int], ...] = ()
    name: str = ""
    names: tuple[str, ...] = ()
    gone: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Sheets that were asked for."""
        return len(self.entries) + sum(count for _, count in self.refused)


def sealed(store: Store, account: UUID, slip: Slip) -> bytes:
    """A slip to be stored. Raises PackFull: what it says of its sheets is too long."""
    data = asdict(replace(slip, entries=())) | {"batch": str(slip.batch), "made": slip.made.isoformat()}
    data["entries"] = [_out(one) for one in slip.entries]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(text) > LONGEST:
        raise PackFull
    return store.keyholder.seal_kept(account, text)


def opened(store: Store, token: str, batch: UUID, data: bytes) -> Slip:
    """The slip of this very batch. Raises SignIn, Locked, Denied, NotFound (another's, or another batch's)."""
    try:
        found = json.loads(store.keyholder.open_kept(token, data).decode("utf-8", "surrogatepass"))
    except Damaged:
        raise NotFound from None
    if found["batch"] != str(batch):  # the seal binds it to the account only
        raise NotFound
    return Slip(
        batch,
        datetime.fromisoformat(found["made"]),
        How(**found["how"]),
        found["whole"],
        tuple(_in(one) for one in found["entries"]),
        tuple((place, count) for place, count in found["refused"]),
        found["name"],
        tuple(found["names"]),
        tuple(found["gone"]),
    )


def _out(one: Entry) -> dict[str, Any]:
    item = asdict(one.item) | {"at": one.item.at.isoformat() if one.item.at else None, "seen": None}
    return {"n": one.n, "item": item, "note": asdict(one.note), "mark": one.mark}


def _in(found: Mapping[str, Any]) -> Entry:
    item, note = found["item"], found["note"]
    at = datetime.fromisoformat(item["at"]) if item["at"] else None
    return Entry(
        found["n"],
        Item(**(item | {"at": at})),
        Note(**(note | {"job": PrintJob(**note["job"])})),
        found["mark"],
    )
