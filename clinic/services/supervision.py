"""The cases of the counsellors whom somebody supervises. From plain columns: no key is needed for the list."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select

from clinic.domain.errors import Denied
from clinic.persistence import audit
from clinic.persistence.models import Account, Case
from clinic.persistence.store import Store
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


def cases(store: Store, token: str) -> list[Supervised]:
    """The open cases of the counsellors this person supervises, the last touched first. Denied for other roles."""
    who = store.keyholder.who(token)
    if who.role != SUPERVISOR:
        raise Denied
    wanted = (
        select(Case, Account.display)
        .join(Account, Account.id == Case.counsellor_id)
        .where(Account.supervisor_id == who.account, Case.archived.is_(False))
        .order_by(Case.touched_on.desc(), Case.code)
    )
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        return [Supervised(str(case.id), case.code, name, case.touched_on) for case, name in session.execute(wanted)]
