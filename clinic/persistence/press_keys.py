"""The keyholder's part in the queue of the press: a key for each item, and who gets it.

`item_key` and `claimed_keys` need no session: a pack is drawn at night too. They look themselves, through their own
connection, that an item is claimed by whoever asks; another machine gets the key sealed to the key that an admin
accepted of it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, Row, bindparam, select
from sqlalchemy.orm import Session

from clinic.domain.errors import NotFound
from clinic.persistence import press_sealing, sealing
from clinic.persistence.models import PressBatch, PressItem, PressKey, PressWorker
from clinic.persistence.press_queue import DONE, MOST_TRIES, TAKEN
from clinic.persistence.vault import Vault, Wrapped

ITEM: Final = "item"  # the scope of an item's key
MACHINE: Final = "print_machine"  # the kind of what an admin accepted, in its sealed words
REMEMBERED: Final = 8192  # items whose claims are counted

_CLAIMED: Final = (
    select(PressItem.id, PressItem.token, PressItem.worker_id, PressKey.kid, PressKey.wrapped)
    .join(PressKey, PressKey.item_id == PressItem.id)
    .join(PressBatch, PressBatch.id == PressItem.batch_id)
    .where(
        PressItem.id.in_(bindparam("ids", expanding=True, type_=PressItem.id.type)),
        PressItem.state == TAKEN,
        PressItem.until > bindparam("now", type_=PressItem.until.type),
        PressItem.tries <= MOST_TRIES,
        PressBatch.ends > bindparam("now", type_=PressBatch.ends.type),
    )
)


class PressKeys:
    """Makes and hands out keys of items. `office_open` is the keyholder's; `clock` tells what time it is."""

    def __init__(
        self,
        vault: Vault,
        engine: Engine,
        office_open: Callable[[UUID, bytes], dict[str, object]],
        clock: Callable[[], datetime],
    ) -> None:
        self._vault, self._engine, self._office_open, self._clock = vault, engine, office_open, clock
        self._asked: OrderedDict[UUID, set[UUID]] = OrderedDict()
        self._lock = Lock()

    def new(self, item_id: UUID) -> tuple[bytes, PressKey]:
        """A key for an item, and the row to store with it."""
        key = AESGCM.generate_key(256)
        wrapped = self._vault.wrap(key, ITEM, item_id, item_id)
        return key, PressKey(item_id=item_id, kid=wrapped.kid, wrapped=wrapped.sealed)

    def claimed(self, item_id: UUID, token: UUID) -> bytes:
        """The key of an item for whoever has claimed it: raw for this machine, sealed for another.

        Raises NotFound, whatever the cause: not claimed by this token, lease or batch over, claimed too often, a
        machine that nobody accepted or that was revoked.
        """
        with Session(self._engine) as session:
            row = self._claims(session, [item_id]).get((item_id, token))
            if row is None:
                raise NotFound
            public = None if row.worker_id is None else self._accepted(session, row.worker_id)
        key = self._counted(row)
        if public is None:
            return key
        try:
            return press_sealing.seal_to(public, key, item_id, token, row.worker_id)
        except ValueError:
            raise NotFound from None

    def claimed_here(self, claims: Sequence[tuple[UUID, UUID]]) -> list[bytes | None]:
        """The keys of many items that this machine claimed, by id and token.

        None where `claimed` raises NotFound, and for an item that another machine claimed.
        """
        with Session(self._engine) as session:
            rows = self._claims(session, [item_id for item_id, _ in claims])
        found: list[bytes | None] = []
        for item_id, token in claims:
            row = rows.get((item_id, token))
            try:
                found.append(None if row is None or row.worker_id is not None else self._counted(row))
            except NotFound:
                found.append(None)
        return found

    def of_batch(self, account: UUID, batch_id: UUID) -> dict[UUID, bytes]:
        """The keys of the finished items of a batch of this account. Raises NotFound."""
        with Session(self._engine) as session:
            batch = session.get(PressBatch, batch_id)
            if batch is None or batch.account_id != account or batch.ends <= self._clock():
                raise NotFound
            asked = (
                select(PressKey)
                .join(PressItem, PressItem.id == PressKey.item_id)
                .where(PressItem.batch_id == batch_id, PressItem.state == DONE)
            )
            return {row.item_id: self._unwrapped(row.item_id, row.kid, row.wrapped) for row in session.scalars(asked)}

    def _claims(self, session: Session, ids: Sequence[UUID]) -> dict[tuple[UUID, UUID | None], Row[Any]]:
        """Which of these items are claimed now, by id and the token of the claim."""
        rows = session.execute(_CLAIMED, {"ids": ids, "now": self._clock()})
        return {(row.id, row.token): row for row in rows}

    def _accepted(self, session: Session, worker_id: UUID) -> bytes:
        """The public key of a machine, as it was accepted: its columns anybody may have written."""
        row = session.get(PressWorker, worker_id)
        if row is None or row.revoked:
            raise NotFound
        try:
            said = self._office_open(row.id, row.sealed)
        except sealing.Damaged:
            raise NotFound from None
        fits = (said.get("kind"), said.get("role"), said.get("public_key")) == (MACHINE, row.role, row.public_key.hex())
        if not fits or "revoked_on" in said:
            raise NotFound
        return row.public_key

    def _counted(self, row: Row[Any]) -> bytes:
        self._count(row.id, row.token)
        return self._unwrapped(row.id, row.kid, row.wrapped)

    def _count(self, item_id: UUID, token: UUID) -> None:
        """Three claims of an item get its key, whatever stands in the row: a machine may have written there."""
        with self._lock:
            tokens = self._asked.setdefault(item_id, set())
            if token not in tokens and len(tokens) >= MOST_TRIES:
                raise NotFound
            tokens.add(token)
            self._asked.move_to_end(item_id)
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)

    def _unwrapped(self, item_id: UUID, kid: int, wrapped: bytes) -> bytes:
        try:
            return self._vault.unwrap_bytes(Wrapped(item_id, kid, wrapped), ITEM, item_id)
        except sealing.Damaged:
            raise NotFound from None

    def __repr__(self) -> str:
        return "<PressKeys>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("keys do not leave their process")
