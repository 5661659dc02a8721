"""The queue of the press: claim, renew, finish. Local threads, servers and other machines share these statements.

An item is drawn once because only they change its state: whoever claims gets a lease and a token, and only the last
token finishes. Each function is part of its caller's transaction; on SQLite that must have begun with BEGIN IMMEDIATE
(`writing`). What an item is about is sealed: nothing here opens anything.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, and_, bindparam, case, delete, or_, select, update

from clinic.persistence.models import PressBatch, PressItem

LEASE: Final = timedelta(seconds=60)
MOST_TRIES: Final = 3

State = Literal["waiting", "taken", "done", "failed"]
WAITING: Final[State] = "waiting"
TAKEN: Final[State] = "taken"
DONE: Final[State] = "done"
FAILED: Final[State] = "failed"

_item: Any = PressItem.__table__
_batch: Any = PressBatch.__table__
_FREE: Final = {"token": None, "until": None, "handed": None}
_CLAIMED: Final = (_item.c.id, _item.c.n, _item.c.pile, _item.c.sealed)
# For many items at once; `its` is the token that an item gets, or has.
_TAKE: Final = (
    update(_item)
    .where(_item.c.id == bindparam("item"))
    .values(state=TAKEN, tries=_item.c.tries + 1, token=bindparam("its"), until=bindparam("ends"))
    .values(worker_id=bindparam("machine"), handed=None)
)
_FINISH: Final = (
    update(_item)
    .where(_item.c.id == bindparam("item"), _item.c.state == TAKEN, _item.c.token == bindparam("its"))
    .values(state=bindparam("ended"), result=bindparam("drawn"), **_FREE)
)


@dataclass(frozen=True)
class Claimed:
    """An item that is ours until its lease ends. `handed` is for other machines: their way to its key, once given."""

    id: UUID
    token: UUID
    sealed: bytes = field(repr=False)
    handed: bytes | None = field(repr=False)
    n: int
    pile: int


def writing(engine: Engine) -> Engine:
    """The same engine; its transactions lock from their first statement on: `with writing(engine).begin() as one`."""
    return engine.execution_options(write=True)


# --------------------------------------------------------------------------- who draws
def claim(
    connection: Connection,
    now: datetime,
    worker_id: UUID | None = None,
    most: int = 1,
    item_id: UUID | None = None,
    like: UUID | None = None,
) -> list[Claimed]:
    """Take up to `most` items of one pile; none if nothing waits. Each has a token and a lease of its own.

    The first sheets of every batch come first, so that a small pack need not wait for a large one. `item_id`: this
    one or none. `like`: more of the pile that this item is in. An item that was claimed three times and never
    finished has failed.
    """
    _fail_worn(connection, now)
    if item_id is not None:
        found = _locked(connection, now, [_item.c.id == item_id], 1)
    elif like is not None:
        found = _locked(connection, now, _mates(like), most)
    else:
        found = _locked(connection, now, [], 1)
        if found and most > 1:
            found += _locked(connection, now, [*_mates(found[0].id), _item.c.id != found[0].id], most - 1)
    tokens = {row.id: uuid4() for row in found}
    if tokens:
        same = {"ends": now + LEASE, "machine": worker_id}
        connection.execute(_TAKE, [{"item": id_, "its": token, **same} for id_, token in tokens.items()])
    return [Claimed(row.id, tokens[row.id], row.sealed, None, row.n, row.pile) for row in found]


def renew(connection: Connection, id_: UUID, token: UUID, now: datetime) -> bool:
    """A new lease from now on; False: it is not ours any more."""
    mine = and_(_item.c.id == id_, _item.c.state == TAKEN, _item.c.token == token)
    return bool(connection.execute(update(_item).where(mine).values(until=now + LEASE)).rowcount)


def finish(connection: Connection, id_: UUID, token: UUID, result: bytes | None) -> bool:
    """Store the sealed result, or with None that there will be none. False: it is not ours; then it is thrown away."""
    return bool(connection.execute(_FINISH, _ended(id_, token, result)).rowcount)


def finish_all(connection: Connection, results: Iterable[tuple[UUID, UUID, bytes | None]]) -> None:
    """The same for many: id, token, result. What is not ours any more is thrown away."""
    connection.execute(_FINISH, [_ended(*one) for one in results])


def _ended(id_: UUID, token: UUID, result: bytes | None) -> dict[str, Any]:
    return {"item": id_, "its": token, "ended": FAILED if result is None else DONE, "drawn": result}


def give_back(connection: Connection, id_: UUID, token: UUID) -> bool:
    """Let somebody else try; after the third time it has failed."""
    mine = and_(_item.c.id == id_, _item.c.state == TAKEN, _item.c.token == token)
    state = case((_item.c.tries >= MOST_TRIES, FAILED), else_=WAITING)
    return bool(connection.execute(update(_item).where(mine).values(state=state, **_FREE)).rowcount)


def hand(connection: Connection, id_: UUID, token: UUID, handed: bytes) -> bool:
    """Give the machine that claimed an item its sealed key; False: it is not that machine's any more."""
    mine = and_(_item.c.id == id_, _item.c.state == TAKEN, _item.c.token == token, _item.c.worker_id.is_not(None))
    return bool(connection.execute(update(_item).where(mine).values(handed=handed)).rowcount)


def unhanded(connection: Connection, now: datetime, waited: timedelta = timedelta()) -> list[tuple[UUID, UUID]]:
    """Items that another machine claimed, this long ago, and has no key for yet, each with its token."""
    asked = and_(_item.c.state == TAKEN, _item.c.worker_id.is_not(None), _item.c.handed.is_(None), _item.c.until > now)
    if waited:
        asked = and_(asked, _item.c.until <= now + LEASE - waited)
    return [(row.id, row.token) for row in connection.execute(select(_item.c.id, _item.c.token).where(asked))]


def idle(connection: Connection, now: datetime) -> bool:
    """Whether there is nothing to claim. A look that locks nothing."""
    return connection.execute(select(_item.c.id).where(_free(now)).limit(1)).first() is None


def sweep(connection: Connection, now: datetime) -> list[UUID]:
    """Give back what was claimed and not finished in time. The ids of those that wait again."""
    _fail_worn(connection, now)
    over = and_(_item.c.state == TAKEN, _item.c.until <= now)
    found = list(connection.execute(select(_item.c.id).where(over).with_for_update(skip_locked=True)).scalars())
    if found:
        connection.execute(update(_item).where(_item.c.id.in_(found)).values(state=WAITING, **_FREE))
    return found


# --------------------------------------------------------------------------- the end of a batch
def purge(connection: Connection, now: datetime) -> int:
    """Delete the batches that are over, with their items and keys. How many."""
    return connection.execute(delete(_batch).where(_batch.c.ends <= now)).rowcount


def drop(connection: Connection, batch_id: UUID) -> bool:
    """Delete one batch. What is being drawn of it finds its token gone."""
    return bool(connection.execute(delete(_batch).where(_batch.c.id == batch_id)).rowcount)


def drop_all(connection: Connection, accounts: Collection[UUID] | None = None) -> int:
    """Delete all batches, or those of some accounts: when a person is erased, a case closed, a backup restored.

    Which cases a batch is about is sealed in it, so more goes than had to; it is asked for again.
    """
    statement = delete(_batch)
    if accounts is not None:
        statement = statement.where(_batch.c.account_id.in_(list(accounts)))
    return connection.execute(statement).rowcount


# --------------------------------------------------------------------------- inside
def _free(now: datetime) -> Any:
    over = and_(_item.c.state == TAKEN, _item.c.until <= now)
    return and_(or_(_item.c.state == WAITING, over), _item.c.tries < MOST_TRIES)


def _mates(id_: UUID) -> list[Any]:
    one = _item.alias()
    same = select(one.c.id).where(one.c.id == id_, one.c.batch_id == _item.c.batch_id, one.c.pile == _item.c.pile)
    return [same.exists()]


def _locked(connection: Connection, now: datetime, conditions: Iterable[Any], most: int) -> list[Any]:
    """Free items, locked so that nobody else sees them: by SKIP LOCKED; SQLite has one writer anyhow."""
    asked = select(*_CLAIMED).where(_free(now), *conditions).order_by(_item.c.n, _item.c.id).limit(most)
    return list(connection.execute(asked.with_for_update(skip_locked=True, of=_item)))


def _fail_worn(connection: Connection, now: datetime) -> None:
    worn = and_(_item.c.state == TAKEN, _item.c.until <= now, _item.c.tries >= MOST_TRIES)
    connection.execute(update(_item).where(worn).values(state=FAILED, **_FREE))
