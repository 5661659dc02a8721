"""Choices of the map: a suggested sheet confirmed, declined with a reason, or taken back; for the staff layer only.

Each is a record of its own (`forms/sheet_choice.toml`), written and finished in one act: a choice about A is sealed as
a staff note about A, one about a sheet for both as a staff note about the couple. Nothing signed is ever deleted.
"""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain import choice
from clinic.domain.audience import RECIPIENTS, Recipient, about_of
from clinic.domain.choice import CONFIRMED, DECLINED, TAKEN_BACK, Choice
from clinic.domain.errors import Invalid, NotFound
from clinic.persistence import audit
from clinic.persistence.keyholder import KeyView
from clinic.persistence.models import Record
from clinic.persistence.store import Store
from clinic.services import records
from clinic.services import records_parts as parts
from clinic.services.unit_of_work import current, ident, unit_of_work

CHOICE: Final = "sheet_choice"  # the shipped definition
VERBS: Final = {CONFIRMED: "choice.confirmed", DECLINED: "choice.declined", TAKEN_BACK: "choice.taken_back"}

__all__ = ["CHOICE", "Choice", "choose", "history", "standing", "take_back"]


def choose(
    store: Store,
    token: str,
    case_id: str,
    recipient: Recipient,
    sheet: str,
    verdict: str,
    reason: str = "",
    title: str = "",
    because: str = "",
) -> str:
    """Confirm or decline a sheet for one reader; the id of the record. `because`: the trace in short, as shown.

    Raises Invalid (verdict, reason missing), NotFound (case, sheet, not for this reader), Denied (who only reads).
    """
    if verdict not in (CONFIRMED, DECLINED):
        raise Invalid({"verdict": "not_an_option"})
    if len(reason) > current(store, CHOICE).blocks["reason"].max:
        raise Invalid({"reason": "too_long"})
    return _write(store, token, case_id, recipient, sheet, verdict, reason.strip(), title, because)


def take_back(
    store: Store, token: str, case_id: str, recipient: Recipient, sheet: str, title: str = "", because: str = ""
) -> str:
    """Take back what stands for a sheet; the id of the record that says so. NotFound when nothing stands."""
    return _write(store, token, case_id, recipient, sheet, TAKEN_BACK, "", title, because)


def standing(store: Store, token: str, case_id: str) -> list[Choice]:
    """What stands, the newest first: of each reader and sheet the last choice, if it was not taken back."""
    return choice.newest(history(store, token, case_id))


def history(store: Store, token: str, case_id: str) -> list[Choice]:
    """Every choice there was, the oldest first; of a corrected record only the newest."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        return list(view.once("choices", lambda: _all(store, session, view)))


def _write(
    store: Store,
    token: str,
    case_id: str,
    recipient: Recipient,
    sheet: str,
    verdict: str,
    reason: str,
    title: str,
    because: str,
) -> str:
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, VERBS[verdict], case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        if verdict == TAKEN_BACK:
            stands = choice.newest(_all(store, session, view))
            if (recipient, sheet) not in {(one.recipient, one.sheet) for one in stands}:
                raise NotFound
        elif recipient not in RECIPIENTS or recipient not in current(store, sheet).recipients:
            raise NotFound
        now = store.clock().astimezone()
        held = {"day": store.today().isoformat(), "time": now.strftime("%H:%M")}
        named = {"title": title or sheet, "code": sheet}
        answers = {"held": held, "sheet": named, "verdict": verdict, "reason": reason, "because": because}
        given = {name: value for name, value in answers.items() if value}
        return records.at_once(store, session, view, current(store, CHOICE), about_of(recipient), given)


def _all(store: Store, session: Session, view: KeyView) -> list[Choice]:
    """By tag, so that no other record is opened."""
    tag = store.keyholder.record_tag(view, CHOICE)
    wanted = select(Record).where(Record.case_id == view.case_id, Record.tag == tag, Record.signed)
    opened = [one for row in session.scalars(wanted) if (one := _opened(session, view, row)) is not None]
    heads = {one.head.record: one.head for one in opened}
    live = {one.record for one in records.standing(heads)}
    found = [
        choice.read(
            one.definition,
            one.head.about,
            parts.opened_parts(view, one.head, one.parts.values())[0],
            records.day_of(one.head),
            str(one.head.record),
            one.head.signed_at,
        )
        for one in opened
        if one.head.record in live
    ]
    return sorted((one for one in found if one), key=lambda one: one.moment)


def _opened(session: Session, view: KeyView, row: Record) -> parts.Opened | None:
    """A record that this view opens; None if it does not, or if its part was erased."""
    try:
        return parts.opened(session, view, row)
    except NotFound:
        return None
