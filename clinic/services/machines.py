"""Print machines: computers that draw sheets for this clinic and hold none of its records.

An admin accepts the public key of one after a look at its fingerprint. Only a row that the keyholder sealed is handed
keys: one that was written into the database by hand is not, nor one whose columns say something else than its seal.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from clinic.domain.errors import Conflict, Invalid, NotFound, Usage
from clinic.persistence import audit
from clinic.persistence.models import PressHanded, PressWorker
from clinic.persistence.press_keys import MACHINE
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from clinic.services import second_person, team, worker_key
from clinic.services.unit_of_work import ident, unit_of_work

ADMIN: Final = "admin"
REVOKED: Final = "revoked_on"  # in the sealed words: the keyholder looks for it too
GROUP: Final = "clinic_worker"  # of the database roles of all machines
KEPT: Final = 90  # days that it is known what a machine was handed
NAMED: Final = 1000  # of them by their ids
NAME_LENGTH: Final = 60


@dataclass(frozen=True)
class Machine:
    """A machine as an admin sees it. `genuine`: the keyholder sealed its row, so it may be handed keys.

    `role` is its role in the database; `claimed` counts the sheets it was handed, by day, the newest first, and
    `items` are the ids of the newest of them.
    """

    id: str
    name: str
    role: str
    fingerprint: str
    accepted_on: date | None
    revoked: bool
    genuine: bool
    seen: datetime | None
    claimed: tuple[tuple[date, int], ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offered:
    """A key that somebody pasted, before it is accepted: its fingerprint is compared with what the machine shows."""

    public_key: str
    fingerprint: str
    role: str


def offered(text: str) -> Offered:
    """What a pasted public key is. Raises Invalid."""
    try:
        key = worker_key.parsed(text)
    except Usage:
        raise Invalid({"public_key": "no_machine_key"}) from None
    found = worker_key.fingerprint(key)
    return Offered(worker_key.shown(key), found, f"{GROUP}_{found.replace('-', '').lower()[:12]}")


def accept(store: Store, token: str, name: str, public_key: str) -> Machine:
    """From now on this machine may be handed sheets. Raises StepUp, Denied, Invalid, Conflict (it is here already)."""
    who, one, name = team.admin_now(store, token), offered(public_key), " ".join(name.split())
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise Invalid({"name": "too_long" if len(name) > NAME_LENGTH else "required"})
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        if session.scalar(select(PressWorker.id).where(PressWorker.role == one.role)):
            raise Conflict
        if session.scalar(select(PressWorker.id).where(PressWorker.name == name)):
            raise Invalid({"name": "name_taken"})
        id_, key = uuid4(), worker_key.parsed(public_key)
        said = {"kind": MACHINE, "role": one.role, "public_key": key.hex()}
        said |= {"by": str(who.account), "on": store.today().isoformat()}
        sealed = store.keyholder.office_seal(id_, said)
        row = PressWorker(id=id_, name=name, role=one.role, public_key=key, sealed=sealed, revoked=False)
        session.add(row)
        audit.note(session, "machine.accepted", machine=id_)
        return _shown(store, row)


def revoke(store: Store, token: str, machine_id: str) -> Machine:
    """From now on this machine is handed nothing. Raises StepUp, Denied, NotFound.

    The seal is replaced as well: to write the column back makes the row genuine no more.
    """
    who = team.admin_now(store, token)
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        row = session.get(PressWorker, ident(machine_id))
        if row is None:
            raise NotFound
        said = _said(store, row) | {REVOKED: store.today().isoformat()}
        row.revoked, row.sealed = True, store.keyholder.office_seal(row.id, said)
        audit.note(session, "machine.revoked", machine=row.id)
        return _shown(store, row)


def listing(store: Store, token: str) -> list[Machine]:
    """Every machine there ever was, those in use first. Denied for all but admins."""
    team.admin(store, token)
    with unit_of_work(store, token) as session:
        found = [_shown(store, row, session) for row in session.scalars(select(PressWorker))]
    return sorted(found, key=lambda one: (one.revoked, one.name.casefold(), one.id))


# --------------------------------------------------------------------------- inside
def _said(store: Store, row: PressWorker) -> dict[str, Any]:
    try:
        found = store.keyholder.office_open(row.id, row.sealed)
    except Damaged:
        return {}
    return found if found.get("kind") == MACHINE else {}


def _shown(store: Store, row: PressWorker, session: Session | None = None) -> Machine:
    said = _said(store, row)
    genuine = (said.get("role"), said.get("public_key")) == (row.role, row.public_key.hex())
    on = date.fromisoformat(said["on"]) if "on" in said else None
    days, items = _handed(session, row.id) if session is not None else ((), ())
    return Machine(
        str(row.id),
        row.name,
        row.role,
        worker_key.fingerprint(row.public_key),
        on,
        row.revoked or REVOKED in said,
        genuine,
        row.seen,
        days,
        items,
    )


def _handed(session: Session, machine: UUID) -> tuple[tuple[tuple[date, int], ...], tuple[str, ...]]:
    mine, day = PressHanded.worker_id == machine, PressHanded.day
    days = session.execute(select(day, func.count()).where(mine).group_by(day).order_by(day.desc()))
    newest = select(PressHanded.item_id).where(mine).order_by(day.desc(), PressHanded.item_id).limit(NAMED)
    return tuple((row[0], row[1]) for row in days), tuple(map(str, session.scalars(newest)))
