"""Packs on their way: submitted under readers' views, drawn by whoever claims their sheets, collected once.

At submission each sheet is opened for its reader in a request of its own, laid out, and sealed with a key that nobody
holds but the keyholder. From there on no session is needed until somebody collects: then the gate is asked again, the
rows are written, and only then the file leaves. A sheet that was refused and one that failed read the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.orm import Session

from clinic.domain.audience import SHEETS
from clinic.domain.code import new_code
from clinic.domain.errors import ClinicError, Conflict, NotFound
from clinic.domain.prefill import wants
from clinic.persistence import audit, press_jobs, press_queue, press_sealing
from clinic.persistence.keyview import apart, request
from clinic.persistence.models import PressBatch, PressItem, PressKey
from clinic.persistence.press_sealing import Work
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from clinic.press.press import Press, PressError
from clinic.services import bells, pack_files, pack_items, print_sheet, prints, slips
from clinic.services.pack_items import SHUT, How, Item, NothingPrinted, Pack, PackEmpty
from clinic.services.pack_opening import Laid, Opening
from clinic.services.print_sheet import Opened, Unseen
from clinic.services.slips import Entry, Slip
from clinic.services.unit_of_work import ident, noted_together, unit_of_work

LIFE: Final = timedelta(hours=24)  # of a batch
MOST_OPEN: Final = 20  # batches of one account at a time
KEPT: Final = timedelta(minutes=10)  # after it was collected: a download may break off
KEYS: Final = 50  # made in one call of the keyholder
LOOK: Final = 0.5  # s between two looks at a batch that another process draws
PLUS: Final = "+"  # between the marks of copies
OPEN: Final = "open"
PICKED: Final = "picked"

_Key = tuple[UUID, bytes, PressKey]  # of a new item: its id, its key, the row to store
_batch: Any = PressBatch.__table__
_item: Any = PressItem.__table__
_press_key: Any = PressKey.__table__


class PacksWaiting(ClinicError):
    """This account has as many packs on their way as anybody may; nothing was printed."""

    http = 429

    def __init__(self) -> None:
        super().__init__("packs_waiting", most=MOST_OPEN)


@dataclass(frozen=True)
class Batch:
    """What was submitted. `id`: empty if nothing was; `total` sheets asked for; `failed`: places that were refused."""

    id: str
    total: int
    failed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a batch is: `done` of `total` sheets.

    What failed is named when all is at its end, all at once: when a sheet failed would tell why. `picked`: it was
    collected a short while ago.
    """

    total: int
    done: int
    failed: tuple[int, ...]
    state: Literal["working", "ready"]
    seconds_left: float | None
    id: str = ""
    made: datetime | None = None
    picked: bool = False


@dataclass(frozen=True)
class _Sheet:
    """A sheet that was opened for its reader and laid out, sealed already: nothing of it is in clear here."""

    entry: Entry = field(repr=False)
    item_id: UUID
    pile: bytes  # the same for what one child may draw
    sealed: bytes = field(repr=False)
    key: PressKey = field(repr=False)


# --------------------------------------------------------------------------- submitting
def submit(store: Store, token: str, items: Sequence[Item], how: How, print_when: str, whole: bool = False) -> Batch:
    """Open every item for its reader, lay it out, seal it, and let it be drawn. Nothing is noted as printed yet.

    With `whole` nothing is submitted if anything is refused; also nothing if everything is. Raises PackEmpty,
    PackFull, PacksWaiting, Unseen (an item is not what was shown), NotFound (a case).
    """
    if not items:
        raise PackEmpty
    pack_items.bounded(items)
    batch, refused = uuid4(), dict[int, int]()
    # Each view is noted before anything of it is stored: what waits may be drawn at any moment from then on.
    with request(), noted_together(store):
        sheets = list(_sheets(store, Opening(store, token, how, print_when), items, refused))
    total, failed = len(sheets) + sum(refused.values()), tuple(sorted(refused))
    if not sheets or (whole and failed):
        return Batch("", total, failed)
    names = tuple(pack_items.random_name("pdf") for _ in pack_items.readers([one.entry for one in sheets]))
    slip = Slip(
        batch,
        store.clock(),
        how,
        whole,
        tuple(one.entry for one in sheets),
        tuple(refused.items()),
        pack_items.random_name("zip" if how.zip else "pdf"),
        names if how.zip else (),
    )
    _store(store, token, slip, sheets)
    bells.SUBMITTED.ring()
    return Batch(str(batch), total, failed)


def _sheets(store: Store, opening: Opening, items: Sequence[Item], refused: dict[int, int]) -> Iterator[_Sheet]:
    keys, n = _keys(store), 0
    for item in items:
        try:
            with apart():
                made = _item_sheets(store, opening, item, keys)
        except SHUT:
            refused[item.place] = refused.get(item.place, 0) + item.copies
        else:
            for one in made:
                yield replace(one, entry=replace(one.entry, n=n))
                n += 1


def _item_sheets(store: Store, opening: Opening, item: Item, keys: Iterator[_Key]) -> list[_Sheet]:
    """The copies of an item, within its request. Raises Unseen, and what is in SHUT."""
    laid = [(one, opening.laid(one, new_code())) for one in opening.opened(item)]
    if item.seen is not None:
        now = PLUS.join(_mark(store, item, one, first) for one, first in laid)
        if not print_sheet.same(item.seen, now):
            raise Unseen
    return [sheet for one, first in laid for sheet in _copies(store, item, one, first, keys)]


def _copies(store: Store, item: Item, found: Opened, first: Laid, keys: Iterator[_Key]) -> Iterator[_Sheet]:
    """Each copy with a code and a key of its own; its page was laid out once."""
    mark = _mark(store, item, found, first) if _released(found) else ""
    pile = b"given" + first.alike if first.words else f"{item.case} {item.recipient}".encode()
    for number in range(item.copies):
        laid = first.again(new_code()) if number else first
        item_id, key, row = next(keys)
        work = Work(laid.page, laid.words, "given" if laid.words else "filled")
        try:
            sealed = press_sealing.seal_work(key, item_id, work)
        except ValueError:
            raise print_sheet.Undrawn("size") from None
        entry = Entry(0, item, print_sheet.noting(item.case, laid.code, found), mark)
        yield _Sheet(entry, item_id, pile, sealed, row)


def _mark(store: Store, item: Item, found: Opened, laid: Laid) -> str:
    return print_sheet.marked(store, item.case, found, laid.page, "" if laid.words else laid.code)


def _keys(store: Store) -> Iterator[_Key]:
    """New keys without an end, some at a time; those that nobody takes are of no use to anybody."""
    while True:
        ids = [uuid4() for _ in range(KEYS)]
        yield from ((id_, key, row) for id_, (key, row) in zip(ids, store.keyholder.items_new(ids), strict=True))


def _released(found: Opened) -> bool:
    """Whether what partners let go stands on it: they may take it back while it waits."""
    return "released" in wants(found.definition) and found.job.recipient == "joint"


def _store(store: Store, token: str, slip: Slip, sheets: Sequence[_Sheet]) -> None:
    """All in one transaction, or nothing."""
    account = store.keyholder.who(token).account
    sealed = slips.sealed(store, account, slip)
    piles = {pile: n for n, pile in enumerate(dict.fromkeys(one.pile for one in sheets))}
    items = [
        {"id": one.item_id, "batch_id": slip.batch, "n": n, "pile": piles[one.pile], "sealed": one.sealed}
        | {"state": press_queue.WAITING, "tries": 0}
        for n, one in enumerate(sheets)
    ]
    keys = [{"item_id": one.item_id, "kid": one.key.kid, "wrapped": one.key.wrapped} for one in sheets]
    row = {"id": slip.batch, "account_id": account, "ends": slip.made + LIFE, "state": OPEN, "sealed": sealed}
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "pack.submitted", sheets=slip.total)
        connection = _press(session)
        press_queue.purge(connection, store.clock())
        _bounded(store, connection, account)
        connection.execute(insert(_batch), row)
        connection.execute(insert(_item), items)
        connection.execute(insert(_press_key), keys)
        press_jobs.announce(connection, [one.item_id for one in sheets])


def _bounded(store: Store, connection: Connection, account: UUID) -> None:
    """Raises PacksWaiting: nobody fills the queue of all."""
    there = select(func.count()).where(_batch.c.account_id == account, _batch.c.ends > store.clock())
    if connection.execute(there).scalar_one() >= MOST_OPEN:
        raise PacksWaiting


# --------------------------------------------------------------------------- waiting
def progress(store: Store, token: str, batch_id: str | UUID) -> Progress:
    """How far an own batch is. Raises NotFound: another's, or over."""
    with unit_of_work(store, token) as session:
        row = _mine(store, token, session, ident(batch_id))
        return _progress(store, token, session.connection(), row)


def wait(store: Store, token: str, batch_id: str | UUID, seconds: float) -> Progress:
    """The same once it is ready, at the latest after these seconds."""
    end = monotonic() + seconds
    while True:
        rung = bells.FINISHED.rung
        found = progress(store, token, batch_id)
        left = end - monotonic()
        if found.state == "ready" or left <= 0:
            return found
        bells.FINISHED.wait(rung, min(LOOK, left))


def mine(store: Store, token: str) -> list[Progress]:
    """The own batches that are there, the newest first."""
    with unit_of_work(store, token) as session:
        account = store.keyholder.who(token).account
        asked = select(_batch).where(_batch.c.account_id == account, _batch.c.ends > store.clock())
        rows = session.connection().execute(asked).all()
        found = [_progress(store, token, session.connection(), row) for row in rows]
    return sorted(found, key=lambda one: (one.made is not None, one.made), reverse=True)


def asked(store: Store, token: str, batch_id: str | UUID) -> Slip:
    """What an own batch was asked to hold, and how. Raises NotFound."""
    with unit_of_work(store, token) as session:
        row = _mine(store, token, session, ident(batch_id))
        return slips.opened(store, token, row.id, row.sealed)


def cancel(store: Store, token: str, batch_id: str | UUID) -> None:
    """Delete an own batch; what is being drawn of it is thrown away. Raises NotFound."""
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "pack.cancelled")
        row = _mine(store, token, session, ident(batch_id))
        press_queue.drop(session.connection(), row.id)


def _progress(store: Store, token: str, connection: Connection, row: Any) -> Progress:
    slip = slips.opened(store, token, row.id, row.sealed)
    count = select(_item.c.state, func.count()).where(_item.c.batch_id == row.id).group_by(_item.c.state)
    states = {state: number for state, number in connection.execute(count)}
    ended = states.get(press_queue.DONE, 0) + states.get(press_queue.FAILED, 0)
    ready = ended == len(slip.entries)
    lost = frozenset[int]()
    if ready and ended > states.get(press_queue.DONE, 0):
        lost = frozenset(connection.execute(_which(row.id, press_queue.FAILED)).scalars())
    left = None
    if ended and not ready:
        spent = (store.clock() - slip.made).total_seconds()
        left = spent / ended * (len(slip.entries) - ended)
    return Progress(
        slip.total,
        slip.total * ended // len(slip.entries),  # what was refused does not show in how it goes on
        _places(slip, lost | set(slip.gone)) if ready else (),
        "ready" if ready else "working",
        0.0 if ready else left,
        str(row.id),
        slip.made,
        row.state == PICKED,
    )


def _mine(store: Store, token: str, session: Session, batch: UUID) -> Any:
    """The row of an own batch. Raises NotFound."""
    account = store.keyholder.who(token).account
    asked = select(_batch).where(_batch.c.id == batch, _batch.c.account_id == account, _batch.c.ends > store.clock())
    row = session.connection().execute(asked).one_or_none()
    if row is None:
        raise NotFound
    return row


def _which(batch: UUID, state: str) -> Any:
    return select(_item.c.n).where(_item.c.batch_id == batch, _item.c.state == state)


def _places(slip: Slip, lost: set[int] | frozenset[int]) -> tuple[int, ...]:
    """The places of what was refused, and of the items that are not there."""
    left_out = {place for place, _ in slip.refused} | {one.item.place for one in slip.entries if one.n in lost}
    return tuple(sorted(left_out))


# --------------------------------------------------------------------------- collecting
class Unfinished(Conflict):
    """It is still being drawn."""


def collect(
    store: Store,
    press: Press,
    token: str,
    batch_id: str | UUID,
    print_when: str,
    keep: bool = True,
    rest: bool = False,
) -> Pack:
    """The finished pack of an own batch: gate asked again, rows written, then the bytes.

    What failed, was refused, or may not leave any more is left out and named by its place; with `whole` nothing is
    printed then, unless somebody has read what failed and asks for the `rest`. Whoever collects again within ten
    minutes gets the same bytes and no new row; without `keep` the batch goes at once. Raises NotFound, Unfinished,
    NothingPrinted, PackFull.
    """
    with unit_of_work(store, token) as session:
        row = _mine(store, token, session, ident(batch_id))
        rows = session.connection().execute(select(_item).where(_item.c.batch_id == row.id)).all()
    if any(one.state in (press_queue.WAITING, press_queue.TAKEN) for one in rows):
        raise Unfinished
    slip = slips.opened(store, token, row.id, row.sealed)
    drawn = _drawn(store, press, token, slip, rows)
    slip = replace(slip, whole=slip.whole and not rest)
    if row.state == PICKED:
        return _again(store, press, token, slip, drawn, print_when)
    try:
        return _picked(store, press, token, slip, drawn, print_when, keep)
    except Conflict:  # somebody else collected it a moment ago
        return collect(store, press, token, batch_id, print_when, keep, rest)


def _drawn(store: Store, press: Press, token: str, slip: Slip, rows: Sequence[Any]) -> dict[int, bytes]:
    """The finished sheets by their number. One that does not open, or is none of ours, has failed."""
    keys, found = store.keyholder.item_keys(token, slip.batch), dict[int, bytes]()
    codes = {one.n: one.note.code for one in slip.entries}
    for one in rows:
        if one.state != press_queue.DONE or one.id not in keys:
            continue
        try:
            content = press_sealing.open_result(keys[one.id], one.id, one.result)
            if one.worker_id is not None:
                press.check(content, codes.get(one.n, "?"))  # it comes from another machine
        except (Damaged, PressError):
            continue
        found[one.n] = content
    return found


def _picked(
    store: Store, press: Press, token: str, slip: Slip, drawn: Mapping[int, bytes], print_when: str, keep: bool
) -> Pack:
    """Join, ask again, note, hand over. What may not leave any more is taken out, and the file with it made anew."""
    leaving = [one for one in slip.entries if one.n in drawn]
    gone, files = {one.n for one in slip.entries} - drawn.keys(), list[pack_files.File]()
    while leaving and not (slip.whole and (gone or slip.refused)):
        files = pack_files.files(press, leaving, drawn, slip.how, files)
        refused = {one.n for one in leaving if not _stands(store, token, one, print_when)}
        if not refused:
            picked = replace(slip, gone=tuple(sorted(gone)))
            refused = _noted(store, token, leaving, partial(_pick, store, slip=picked, keep=keep))
        if not refused:
            return _handed(picked, leaving, files)
        gone |= refused
        leaving = [one for one in leaving if one.n not in refused]
    _forget(store, token, slip.batch)
    if slip.whole:
        return Pack(b"", "", _places(slip, gone))
    raise NothingPrinted(_places(slip, gone))


def _again(store: Store, press: Press, token: str, slip: Slip, drawn: Mapping[int, bytes], print_when: str) -> Pack:
    """What was collected already, as it was; unless it may not leave any more, or what was let go was taken back."""
    leaving = [one for one in slip.entries if one.n in drawn and one.n not in slip.gone]
    if not leaving or not all(_may(store, token, one) and _stands(store, token, one, print_when) for one in leaving):
        raise NothingPrinted(_places(slip, {one.n for one in slip.entries}))
    return _handed(slip, leaving, pack_files.files(press, leaving, drawn, slip.how))


def _handed(slip: Slip, leaving: Sequence[Entry], files: Sequence[pack_files.File]) -> Pack:
    data = pack_files.packed(files, slip.names, slip.how)
    return Pack(data, slip.name, _places(slip, set(slip.gone)), len(leaving))


def _noted(store: Store, token: str, leaving: Sequence[Entry], also: Callable[[Session], None]) -> set[int]:
    """Write the rows, or say which may not leave any more; then nothing is written."""
    try:
        refused = prints.note_all(store, token, [one.note for one in leaving], also)
    except NotFound:  # a case that is not this account's any more
        refused = [place for place, one in enumerate(leaving) if not _may(store, token, one)]
        if not refused:
            raise
    return {leaving[place].n for place in refused}


def _stands(store: Store, token: str, one: Entry, print_when: str) -> bool:
    """Whether what was let go for it stands as it did when it was laid out."""
    if not one.mark:
        return True
    try:
        with apart():
            now = print_sheet.opened(store, token, one.item.case, one.note.job, print_when)
            return print_sheet.same(one.mark, print_sheet.mark(store, one.item.case, now))
    except (NotFound, *SHUT):
        return False


def _may(store: Store, token: str, one: Entry) -> bool:
    """Whether this account may still print it: case and gate."""
    job = one.note.job
    if job.recipient is None:
        return False
    try:
        with apart():
            record = ident(job.record) if job.record else None
            store.keyholder.open(token, ident(one.item.case), SHEETS[job.recipient], job.sheet, job.recipient, record)
    except (NotFound, *SHUT):
        return False
    return True


def _pick(store: Store, session: Session, slip: Slip, keep: bool) -> None:
    """In the transaction of the rows: it is collected, once. Raises Conflict."""
    audit.note(session, "pack.collected")
    scope: Any = session.scope  # type: ignore[attr-defined]  # every unit of work is a ScopedSession
    this = (_batch.c.id == slip.batch, _batch.c.account_id == scope.account, _batch.c.state == OPEN)
    if keep:
        values = {"state": PICKED, "ends": store.clock() + KEPT, "sealed": slips.sealed(store, scope.account, slip)}
        changed = session.connection().execute(update(_batch).where(*this).values(**values))
    else:
        changed = session.connection().execute(delete(_batch).where(*this))
    if not changed.rowcount:
        raise Conflict


def _forget(store: Store, token: str, batch: UUID) -> None:
    """Nothing of it prints: it is of no use any more."""
    with unit_of_work(store, token, write=True) as session:
        press_queue.drop(session.connection(), _mine(store, token, session, batch).id)


def _press(session: Session) -> Connection:
    """A connection that may also tell other machines, in SQL of a queue's own; no table of cases is in reach of it."""
    return session.connection().execution_options(unscoped="press")
