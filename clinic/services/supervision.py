"""The cases of the counsellors whom somebody supervises. From plain columns: no key is needed for the list."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select

from clinic.domain.errors import Denied
from clinic.persistence import audit
from clinic.persistence.models import Account, Case
from clinic.persistence.store import Store
from clinic.services.paging import SIZE, Page, Place, cut, paged
from clinic.services.records_parts import SUPERVISION_NOTE as NOTE
from clinic.services.unit_of_work import unit_of_work

__all__ = ["NOTE", "SUPERVISOR", "Supervised", "cases"]

SUPERVISOR: Final = "supervisor"


@dataclass(frozen=True)
class Supervised:
    """A case in the supervisor's list."""

    id: str
    code: str
    counsellor: str
    touched_on: date


def cases(store: Store, token: str, place: Place | None = None) -> Page[Supervised]:
    """The open cases of the counsellors this person supervises, the last touched first. Denied for other roles.

    One statement for each counsellor, each along an index: one for all would have to sort every case of theirs.
    """
    who = store.keyholder.who(token)
    if who.role != SUPERVISOR:
        raise Denied
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        mine = select(Account.id, Account.display).where(Account.supervisor_id == who.account)
        names = {id_: name for id_, name in session.execute(mine)}
        how = cut(session, place or Place())
        wanted = select(Case.id, Case.code, Case.counsellor_id, Case.touched_on).where(Case.archived.is_(False))
        rows = [
            row for one in names for row in session.execute(how.of(wanted.where(Case.counsellor_id == one), SIZE)).all()
        ]
    found = paged(rows, how)
    lines = [Supervised(str(one.id), one.code, names[one.counsellor_id], one.touched_on) for one in found.lines]
    return Page(tuple(lines), found.before, found.after)
