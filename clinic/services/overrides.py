"""Printing a closed sheet all the same: one sheet, one recipient, today, with a reason that is kept and audited."""

from dataclasses import dataclass
from datetime import date

from clinic.domain import ruling as rulings
from clinic.domain.audience import Recipient
from clinic.domain.errors import Invalid, Refused
from clinic.domain.ruling import Override, Ruling
from clinic.persistence import audit
from clinic.persistence.models import Case
from clinic.persistence.store import Store
from clinic.services import cases
from clinic.services.shelf import active
from clinic.services.unit_of_work import ident, unit_of_work

REASON_LENGTH = 2_000


@dataclass(frozen=True)
class Closed:
    """A sheet that would not print today, and whether a reason may open it."""

    sheet: str
    recipient: Recipient
    may: bool


@dataclass(frozen=True)
class Standing:
    """What is closed today, and every override so far, the newest first. For the staff layer only."""

    level: str
    day: date
    closed: tuple[Closed, ...]
    past: tuple[Override, ...]


def standing(store: Store, token: str, case_id: str) -> Standing:
    """What the ruling closes today. Raises NotFound."""
    with unit_of_work(store, token) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        audit.note(session, "case.staff_view", case=view.case_id)
        card = view.open_card(session.get_one(Case, view.case_id))
    ruling, day = Ruling.from_data(card.get("ruling") or {}), store.today()
    closed = [
        Closed(one.id, recipient, rulings.overridable(ruling, day, one.id, recipient))
        for one in active(store).values()
        for recipient in one.recipients
        if one.kind != "addendum" and not rulings.gate(ruling, day, one.id, recipient)
    ]
    return Standing(rulings.level_on(ruling, day), day, tuple(closed), tuple(reversed(ruling.overrides)))


def allow(store: Store, token: str, case_id: str, sheet: str, recipient: Recipient, reason: str) -> None:
    """Let one closed sheet print for one recipient today.

    Raises Invalid (no reason, or a very long one), Refused (no reason opens this: see `ruling.overridable`), NotFound.
    """
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise Invalid({"reason": "too_long" if reason.strip() else "required"})
    with unit_of_work(store, token, write=True) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        row, day = cases.locked(session, view.case_id), store.today()
        card = view.open_card(row)
        ruling = Ruling.from_data(card.get("ruling") or {})
        if sheet not in active(store) or not rulings.overridable(ruling, day, sheet, recipient):
            raise Refused
        if rulings.gate(ruling, day, sheet, recipient):
            return
        new = rulings.override(ruling, sheet, recipient, reason, day)
        cases.write_card(row, view, card | {"ruling": new.to_data()}, day)
        audit.note(session, "override.made", case=view.case_id, sheet=sheet, recipient=recipient)
