"""Cases: open one, the caseload, one case's page and card."""

import secrets
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from clinic.domain.audience import Recipient
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound
from clinic.persistence import audit, press_queue
from clinic.persistence.keyholder import LIST_LIMIT, KeyView, request
from clinic.persistence.models import Case, Record
from clinic.persistence.store import Store
from clinic.services import rulings
from clinic.services.paging import SIZE, Page, Place, cut, paged
from clinic.services.unit_of_work import ident, unit_of_work

PARTNERS: Final = ("a", "b")
CODE_DIGITS: Final = 8  # at most
Layer = Literal["case", "staff"]


@dataclass(frozen=True)
class PartnerCard:
    """What paper needs of one partner. No name: the case code is all there is.

    `variant` is the gender or formality their own sheets use; `safe_paper` and `needs` are for the counsellor.
    """

    language: str = "en"
    beside: str = ""
    paper: str = "a4"
    size: str = "normal"
    variant: str = ""
    safe_paper: str = ""
    needs: str = ""


@dataclass(frozen=True)
class CasePage:
    """A case as a page shows it. `ruling` is empty outside the staff layer; `rev` is for saving the card."""

    id: str
    code: str
    partners: Mapping[str, PartnerCard]
    touched_on: date
    archived: bool = False
    unfinished: int = 0
    rev: int = 0
    ruling: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def paper_of(self, recipient: Recipient) -> dict[str, str]:
        """The usual paper of a recipient: locale, beside, paper, size. Joint: A's language, with B's beside it."""
        return _usual(self.partners, recipient)


@dataclass(frozen=True)
class CaseName:
    """What a case is called, from plain columns: no view is needed, so a print request can say it."""

    id: str
    code: str


def name(store: Store, token: str, case_id: str) -> CaseName:
    """The code of an own case. NotFound for an unknown and a foreign case alike."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.view", case=case_id)
        row = session.execute(select(Case.id, Case.code).where(Case.id == ident(case_id))).one_or_none()
        if row is None:
            raise NotFound
        return CaseName(str(row.id), row.code)


def open_case(store: Store, token: str, partners: Mapping[str, PartnerCard], code: str = "") -> str:
    """Open a case for the counsellor who asks; its id. Only a demo may name the code."""
    if set(partners) != set(PARTNERS):
        raise Invalid({one: "required" for one in PARTNERS if one not in partners})
    if code and not store.demo:
        raise Denied
    with unit_of_work(store, token, write=True) as session:
        case_id = uuid4()
        audit.note(session, "case.opened", case=case_id)
        keys, view = store.keyholder.create(token, case_id)
        card = {
            "partners": {one: asdict(partners[one]) for one in PARTNERS},
            "opened_on": store.today().isoformat(),
            "ruling": rulings.first(store),
        }
        row = {"id": case_id, "counsellor_id": view.account, "touched_on": store.today()}
        _insert(session, row | {"card": view.seal_card(1, card)}, [code] if code else _new_codes())
        session.add_all(keys)
        return str(case_id)


def caseload(store: Store, token: str, archived: bool = False) -> list[CasePage]:
    """The cases of this account, own or supervised, the last touched first."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        wanted = select(Case).where(Case.archived == archived)
        rows = session.scalars(wanted.order_by(Case.touched_on.desc(), Case.code)).all()
        unfinished = _unfinished(session)
    pages = []
    for start in range(0, len(rows), LIST_LIMIT):
        with request():
            pages += _lines(store, token, rows[start : start + LIST_LIMIT], unfinished)
    return pages


def caseload_page(store: Store, token: str, place: Place | None = None, archived: bool = False) -> Page[CasePage]:
    """The same, a page at a time. Without `unfinished`: no page shows it."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        how = cut(session, place or Place())
        # Columns and no objects: each object of a case is looked up anew in the scope.
        wanted = select(Case.id, Case.code, Case.touched_on, Case.archived, Case.rev, Case.card)
        found = paged(session.execute(how.of(wanted.where(Case.archived.is_(archived)), SIZE)).all(), how)
        return Page(tuple(_lines(store, token, found.lines, {})), found.before, found.after)


def find(store: Store, token: str, code: str) -> CaseName:
    """The case with this code, also one that was put away. NotFound for an unknown and a foreign code alike."""
    with unit_of_work(store, token) as session:
        audit.note(session, "caseload.view")
        row = session.execute(select(Case.id, Case.code).where(Case.code == _typed(code))).one_or_none()
        if row is None:
            raise NotFound
        return CaseName(str(row.id), row.code)


def case_page(store: Store, token: str, case_id: str, layer: Layer = "case") -> CasePage:
    """One case. Only the staff layer has the ruling. NotFound for an unknown and a foreign case alike."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view" if layer == "staff" else "case.view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), layer)
        row = session.get_one(Case, view.case_id)
        return _page(row, view, staff=layer == "staff")


def usual_paper(store: Store, token: str, case_id: str, recipient: Recipient) -> dict[str, str]:
    """`CasePage.paper_of` for a request that prints: the keyholder says it, no view is opened. Raises NotFound."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.view", case=case_id)
        cards = store.keyholder.paper(token, ident(case_id), recipient)
        return _usual({one: _partner(card, staff=False) for one, card in cards.items()}, recipient)


def update_card(store: Store, token: str, case_id: str, rev: int, partners: Mapping[str, PartnerCard]) -> int:
    """Save the partners' cards; the new revision. Raises Conflict if the card moved on."""
    if set(partners) != set(PARTNERS):
        raise Invalid({one: "required" for one in PARTNERS if one not in partners})
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "case.card", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        row = locked(session, view.case_id)
        if row.rev != rev:
            raise Conflict
        new = {one: asdict(partners[one]) for one in PARTNERS}
        write_card(row, view, view.open_card(row) | {"partners": new}, store.today())
        return row.rev


def archive(store: Store, token: str, case_id: str, archived: bool = True) -> None:
    """Put a case away, or take it back. Nothing is deleted."""
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "case.archived" if archived else "case.taken_back", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "case")
        row = locked(session, view.case_id)
        row.archived, row.touched_on = archived, store.today()
        if archived:  # whose sheets wait is sealed: all that this counsellor, or who does it, let wait goes
            press_queue.drop_all(session.connection(), {row.counsellor_id, view.account})


def locked(session: Session, case_id: UUID) -> Case:
    """The case, and no other writer in it until the commit."""
    row = session.get(Case, case_id, with_for_update={"key_share": True})
    if row is None:
        raise NotFound
    return row


def write_card(row: Case, view: KeyView, card: Mapping[str, Any], today: date) -> None:
    """Seal a card into its row at the next revision."""
    row.card, row.rev, row.touched_on = view.seal_card(row.rev + 1, card), row.rev + 1, today


def _typed(code: str) -> str:
    """A code as it stands in the table, however it was typed; the letter may be left out."""
    letters = "".join(unicodedata.normalize("NFKC", code).upper().split())
    digits = letters.removeprefix("K").lstrip("-\u2010\u2011\u2013")
    if not digits.isdecimal() or len(digits) > CODE_DIGITS:
        return ""
    return "K-" + "".join(str(unicodedata.decimal(one)) for one in digits)


def _lines(store: Store, token: str, rows: Sequence[Any], unfinished: Mapping[UUID, int]) -> list[CasePage]:
    views = store.keyholder.open_list(token, [row.id for row in rows])
    return [_page(row, views[row.id], staff=False, unfinished=unfinished.get(row.id, 0)) for row in rows]


def _unfinished(session: Session) -> dict[UUID, int]:
    """Drafts by case: `signed` is plain, so no key is needed."""
    counted = select(Record.case_id, func.count()).where(Record.signed.is_(False)).group_by(Record.case_id)
    return {case_id: number for case_id, number in session.execute(counted)}


def _page(row: Any, view: KeyView, staff: bool, unfinished: int = 0) -> CasePage:
    card = view.open_card(row)
    partners = {one: _partner(card["partners"][one], staff) for one in PARTNERS}
    ruling = card.get("ruling") or {} if staff else {}
    return CasePage(str(row.id), row.code, partners, row.touched_on, row.archived, unfinished, row.rev, ruling)


def _usual(partners: Mapping[str, PartnerCard], recipient: Recipient) -> dict[str, str]:
    first = partners["b" if recipient == "b" else "a"]
    beside = first.beside
    if recipient == "joint" and partners["b"].language != first.language:
        beside = partners["b"].language
    large = recipient == "joint" and partners["b"].size == "large"
    return {
        "locale": first.language,
        "beside": beside,
        "paper": first.paper,
        "size": "large" if large else first.size,
    }


def _partner(data: Mapping[str, Any], staff: bool) -> PartnerCard:
    """First layer: what may be seen by both. Variant, safe contact and needs are that partner's own."""
    known = {one.name for one in fields(PartnerCard)}
    shown = known if staff else known - {"variant", "safe_paper", "needs"}
    return PartnerCard(**{name: value for name, value in data.items() if name in shown})


def _insert(session: Session, row: Mapping[str, Any], codes: Iterable[str]) -> None:
    """Store a case under the first code that is free: codes of other people's cases are not there to be looked at."""
    for code in codes:
        try:
            with session.begin_nested():
                session.add(Case(code=code, **row))
        except IntegrityError:
            continue
        return
    raise Conflict


def _new_codes() -> Iterator[str]:
    """Random codes; they say nothing about order. Longer ones once the short ones are used up."""
    for digits in (4, 4, 4, 4, 4, 4, 4, 4, 6, 8):
        low = 10 ** (digits - 1)
        yield f"K-{low + secrets.randbelow(9 * low)}"
