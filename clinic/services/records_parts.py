"""Records between row and view: which parts there are, opening and sealing them. The verbs are in `records`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from clinic.domain import formulation
from clinic.domain.answer import Answers, Checked, by_scope, field_path, leaves, row_ids, spread
from clinic.domain.audience import About, Scope
from clinic.domain.definition import Definition
from clinic.domain.errors import Denied, NotFound
from clinic.persistence import audit, texts
from clinic.persistence.keyholder import Head, KeyView
from clinic.persistence.models import Autosave, Part, Record
from clinic.persistence.store import Store
from clinic.services import cases, rulings, wordings
from clinic.services.unit_of_work import changed, ident, writes

Raw = Mapping[str, str | list[str]]
Form = Mapping[str, Sequence[str]]
EVERY: Final = "every record"  # what a view keeps of a case until it closes
SUPERVISION_NOTE: Final = "supervision_note"  # the shipped form of a supervisor


@dataclass(frozen=True)
class RecordView:
    """A record opened in the staff layer.

    `answers` by placed name, `raw` what did not parse by field path. `scopes` are those it has a part for; a block
    of another scope cannot be answered here (an addendum has only the audiences of its parent).
    """

    id: str
    case_id: str
    definition: Definition
    about: About
    rev: int
    signed: bool
    held_on: date
    author: str
    answers: dict[str, Any] = field(repr=False)
    raw: dict[str, str | list[str]] = field(repr=False)
    scopes: frozenset[Scope]
    created: datetime
    changed: datetime
    of_record: str = ""
    supersedes: str = ""
    reason: str = field(default="", repr=False)
    locale: str = ""  # the language its wording was sealed in (an agreement); empty: the reader's
    writable: bool = True  # whether its reader may write records of this form
    code: str = ""  # of its case, where a whole page of it is shown

    @property
    def state(self) -> str:
        """draft or signed."""
        return "signed" if self.signed else "draft"


@dataclass(frozen=True)
class Opened:
    """A record with its parts, as the verbs work on it inside one unit."""

    row: Record
    head: Head
    parts: Mapping[Scope, Part]
    definition: Definition

    def view(self, view: KeyView) -> RecordView:
        """What the caller gets: plain values, no row and no key."""
        head = self.head
        answers, raw = opened_parts(view, head, self.parts.values())
        wording = wordings.of_parts(view, head, self.parts.values())
        return RecordView(
            str(head.record),
            str(head.case),
            wording.of(self.definition),
            head.about,
            head.rev,
            self.row.signed,
            date.fromisoformat(head.held_on),
            head.author,
            answers,
            raw,
            frozenset(self.parts),
            datetime.fromisoformat(head.created),
            datetime.fromisoformat(head.changed),
            head.of_record,
            head.supersedes,
            head.reason,
            wording.locale,
            may_write(view, head.definition),
        )


def may_write(view: KeyView, definition_id: str) -> bool:
    """Whether this view's account may write records of a definition. A supervision note is its supervisor's alone."""
    return view.may_write(definition_id) and not (definition_id == SUPERVISION_NOTE and view.may_write())


def must_write(view: KeyView, definition_id: str) -> None:
    """Raises Denied."""
    if not may_write(view, definition_id):
        raise Denied


def find(
    store: Store, session: Session, token: str, record_id: str, lock: bool = False, verb: str = "record.view"
) -> tuple[Opened, KeyView]:
    """A record and the staff view of its case. NotFound: unknown, foreign, or a note of another author.

    `verb`: what the audit says of it, a refusal included.
    """
    id_ = ident(record_id)
    row = session.get(Record, id_, with_for_update=lock)  # nothing changes between reading and writing
    if row is None and lock:  # PostgreSQL locks for nobody who only reads: they are refused as such, further on
        row = session.get(Record, id_)
    audit.note(session, verb, case=row.case_id if row else None, record=id_)
    if row is None:
        raise NotFound
    view = store.keyholder.open(token, row.case_id, "staff")
    return opened(session, view, row), view


def opened(session: Session, view: KeyView, row: Record) -> Opened:
    """One record with all its parts. NotFound when the view lacks a key for one of them.

    A part whose key was destroyed is gone for everybody: the record opens without it, and not at all without any.
    """
    every = session.scalars(select(Part).where(Part.record_id == row.id)).all()
    rows = _left(view, every)
    parts = {scope: part for part in rows if (scope := view.scope_of(part.key_id)) is not None}
    if len(parts) != len(rows) or (every and not parts):
        raise NotFound
    head = view.open_head(row)
    return Opened(row, head, parts, texts.read(session, head.sha))


def all_opened(session: Session, view: KeyView, only: frozenset[str] = frozenset()) -> list[Opened]:
    """Every record of the view's case that it can open completely, the oldest meeting first.

    `only`: those of these definitions; of the others nothing but the head is looked at.
    """
    if writes(session):
        return _all_opened(session, view, only)
    if only and not view.has_read(EVERY):
        return list(view.once(f"{EVERY} {sorted(only)}", lambda: _all_opened(session, view, only)))
    every = view.once(EVERY, lambda: _all_opened(session, view))
    return [one for one in every if not only or one.head.definition in only]


def _all_opened(session: Session, view: KeyView, only: frozenset[str] = frozenset()) -> list[Opened]:
    rows = session.scalars(select(Record).where(Record.case_id == view.case_id)).all()
    wanted = select(Part).join(Record).where(Record.case_id == view.case_id)
    if only:
        rows = [row for row in rows if view.open_head(row).definition in only]
        wanted = select(Part).where(Part.record_id.in_([row.id for row in rows]))
    by_record: dict[UUID, list[Part]] = {row.id: [] for row in rows}
    for part in session.scalars(wanted) if rows else ():
        by_record[part.record_id].append(part)
    found = []
    for row in rows:
        left = _left(view, by_record[row.id])
        parts = {scope: one for one in left if (scope := view.scope_of(one.key_id)) is not None}
        if len(parts) == len(left) and (parts or not by_record[row.id]):
            found.append((row, view.open_head(row), parts))
    known = texts.read_all(session, {head.sha for _, head, _ in found})
    every = [Opened(row, head, parts, known[head.sha]) for row, head, parts in found]
    return sorted(every, key=lambda one: (one.head.held_on, one.head.created))


def _left(view: KeyView, rows: Iterable[Part]) -> list[Part]:
    """Parts whose keys still exist."""
    return [one for one in rows if one.key_id not in view.erased]


def opened_parts(view: KeyView, head: Head, parts: Iterable[Part]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Answers and raw texts of the given parts, together."""
    answers: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    for part in parts:
        content = view.open(part, head)
        answers |= content["answers"]
        raw |= content["raw"]
    return answers, raw


def write_parts(
    session: Session,
    view: KeyView,
    one: Opened,
    checked: Checked,
    scopes: Iterable[Scope] | None = None,
    said: Mapping[Scope, Any] | None = None,
) -> None:
    """Seal every part anew for the revision in `one.head`, answered or not; one that is not there yet is added.

    `said`: the wording to seal with each part (`wordings.to_seal`).
    """
    answers = by_scope(one.definition, one.head.about, checked.answers)
    raw = raw_by_scope(one.definition, one.head.about, checked.raw)
    fresh = []
    for scope in tuple(one.parts) if scopes is None else scopes:
        content = {"answers": answers.get(scope, {}), "raw": raw.get(scope, {})}
        content |= {"said": said[scope]} if said and scope in said else {}
        sealed = view.seal(scope, one.head, content)
        if scope in one.parts:
            one.parts[scope].sealed = sealed.sealed
        else:
            fresh.append(sealed)
    # In the order of random ids: the order in the file would tell the scopes.
    session.add_all(sorted(fresh, key=attrgetter("key_id")))


def raw_by_scope(definition: Definition, about: About, raw: Raw) -> dict[Scope, dict[str, Any]]:
    """Texts by field path, sorted into the parts of their blocks."""
    scopes = {placed.name: placed.scope for placed in definition.placed(about)}
    found: dict[Scope, dict[str, Any]] = {}
    for path, text in raw.items():
        name = block_of(path, scopes)
        if name is not None:
            found.setdefault(scopes[name], {})[path] = text
    return found


def block_of(path: str, names: Iterable[str]) -> str | None:
    """The placed name a field path belongs to."""
    words = path.split(".")
    known = set(names)
    return next((name for name in (words[0], ".".join(words[:2])) if name in known), None)


def typed(definition: Definition, about: About, checked: Checked) -> dict[str, list[str]]:
    """Answers and raw texts as the form fields that would give them again."""
    form: dict[str, list[str]] = {}
    for placed in definition.placed(about):
        answer = checked.answers.get(placed.name)
        values = spread(placed.block, answer)
        for leaf in leaves(placed.block, row_ids(placed.block, answer)):
            value = values.get(leaf.path)
            if value is not None:
                form[field_path(placed, leaf)] = [str(one) for one in (value if isinstance(value, list) else [value])]
    return form | {path: list(text) if isinstance(text, list) else [text] for path, text in checked.raw.items()}


def keep_typing(
    session: Session, view: KeyView, one: Opened, tab: str, base_rev: int, form: Form, at: datetime
) -> bool:
    """Store what a tab has typed, one sealed row a scope; fields that are none of the definition's are left out.

    Whether it is the first that this tab keeps.
    """
    first = not drop_typing(session, one, view.account, tab)
    lists = {path: list(texts_) for path, texts_ in form.items()}
    fields = raw_by_scope(one.definition, one.head.about, lists)
    rows = [
        view.seal_autosave(scope, one.head, tab, base_rev, {"at": at.isoformat(), "form": fields.get(scope, {})})
        for scope in one.parts
    ]
    session.add_all(sorted(rows, key=attrgetter("key_id")))
    return first


def drop_typing(session: Session, one: Opened, account: UUID, tab: str | None = None) -> bool:
    """Delete what this account has typed, in one tab or in all; whether there was anything."""
    mine = delete(Autosave).where(Autosave.record_id == one.row.id, Autosave.account_id == account)
    return changed(session, mine if tab is None else mine.where(Autosave.tab == tab))


def touch(store: Store, session: Session, view: KeyView, definition: Definition) -> None:
    """After a record was written: the case's day, and the ruling if records of this definition decide it."""
    case = cases.locked(session, view.case_id)
    case.touched_on = store.today()
    if rulings.decides(definition):
        session.flush()
        card = view.open_card(case)
        before = card.get("ruling") or {}
        ruling = rulings.made(store, for_map(session, view), before)
        if before.get("level") == "hold" and ruling.get("level") in ("light", "full"):
            audit.note(session, "hold.lifted", case=case.id)
        if ruling != before:
            cases.write_card(case, view, card | {"ruling": ruling}, store.today())


def for_map(session: Session, view: KeyView) -> list[formulation.Opened]:
    """The records of a case as the formulation reads them: no addenda, of a corrected record only the newest."""
    if writes(session):
        return _for_map(session, view)
    return list(view.once("for_map", lambda: _for_map(session, view)))


def _for_map(session: Session, view: KeyView) -> list[formulation.Opened]:
    found = all_opened(session, view)
    old = {one.head.supersedes for one in found if one.row.signed}
    return [
        rulings.opened(one.definition, one.head, one.row.signed, opened_parts(view, one.head, one.parts.values())[0])
        for one in found
        if str(one.row.id) not in old and one.definition.kind != "addendum"
    ]


def next_head(store: Store, head: Head, **changes: Any) -> Head:
    """The head of the next revision."""
    return replace(head, rev=head.rev + 1, changed=store.clock().isoformat(), **changes)


def answers_only(answers: Answers) -> Checked:
    """Answers that did not come from a form."""
    return Checked(dict(answers), {}, {})
