"""Records: start, read, save, finish, keep typing, add to, correct, discard; and what a recipient's sheet gets.

A record is written in one transaction with its parts, its case's day and the ruling, or not at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from clinic.domain import formulation, release
from clinic.domain.answer import Answers, Checked, kept, missing, shown
from clinic.domain.audience import ABOUTS, RECIPIENTS, SHEETS, About, Recipient, Scope, about_of
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, Refused
from clinic.domain.facts import PARTNERS
from clinic.domain.homework import PLAN
from clinic.i18n.locales import SOURCE
from clinic.i18n.message import VARIANTS
from clinic.persistence import audit, texts
from clinic.persistence.keyholder import Head, KeyView
from clinic.persistence.models import Autosave, Case, DefinitionText, Part, Record
from clinic.persistence.store import Store
from clinic.services import records_parts as parts
from clinic.services import spoken, wordings
from clinic.services.records_parts import Form, Opened, RecordView
from clinic.services.unit_of_work import current, ident, unit_of_work
from clinic.services.wordings import Wording

ADDENDUM: Final = "addendum"  # the shipped definition of an addendum
_TAB: Final = re.compile(r"[A-Za-z0-9_-]{0,40}\Z")

__all__ = ["RecordLine", "RecordView", "start", "read", "save_draft", "finish", "autosave", "for_recipient"]


@dataclass(frozen=True)
class RecordLine:
    """A record in a list of the staff layer; nothing of its answers."""

    id: str
    definition_id: str
    title: Text
    kind: str
    about: About
    held_on: date
    signed: bool
    of_record: str = ""
    supersedes: str = ""


class ForPaper(NamedTuple):
    """What a recipient's sheet is made of. `locale`: the language its wording was sealed in, empty for most.

    `record` and `day` are those of the signed record, if there is one. `variant`: the form of address that one partner
    chose, always empty for both. `later`: what was added to the record, as far as its reader may see it, the oldest
    first.
    """

    definition: Definition
    answers: dict[str, Any] | None
    locale: str = ""
    record: str = ""
    day: date | None = None
    variant: str = ""
    later: tuple[tuple[Definition, date, dict[str, Any]], ...] = ()


# --------------------------------------------------------------------------- begin
def start(
    store: Store,
    token: str,
    case_id: str,
    definition_id: str,
    about: About,
    held_on: date | None = None,
    of_record: str = "",
    answers: Answers | None = None,
) -> str:
    """Begin a record; its id. `of_record`: the plan that a review is about. `answers`: what it begins with.

    Raises NotFound (case or definition; an addendum begins at its record), Invalid (about, day, answers).
    """
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "record.started", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        definition = current(store, definition_id)
        day = held_on or store.today()
        return begin(store, session, view, definition, about, day, of_record, answers)


def begin(
    store: Store,
    session: Session,
    view: KeyView,
    definition: Definition,
    about: About,
    day: date,
    of_record: str = "",
    answers: Answers | None = None,
) -> str:
    """`start` inside a unit of work, of any text of a definition."""
    if definition.kind in ("addendum", release.KIND):  # these have a beginning of their own
        raise NotFound
    parts.must_write(view, definition.id)
    if about not in ABOUTS or about not in definition.abouts:
        raise Invalid({"about": "not_an_option"})
    if of_record:
        _in_case(session, view, of_record)
    head = _new_head(store, view, definition, about, day, of_record=of_record)
    _insert(store, session, view, definition, head, parts.answers_only(answers or {}))
    return str(head.record)


def at_once(
    store: Store,
    session: Session,
    view: KeyView,
    definition: Definition,
    about: About,
    answers: Answers,
    supersedes: str = "",
) -> str:
    """Begin and finish a record of today in one act, inside a unit of work; its id. Raises Invalid, Denied.

    `supersedes`: the record that it takes the place of.
    """
    parts.must_write(view, definition.id)
    head = replace(_new_head(store, view, definition, about, store.today()), supersedes=supersedes)
    _insert(store, session, view, definition, head, parts.answers_only({}))
    begun = parts.opened(session, view, session.get_one(Record, head.record))
    checked = parts.answers_only(answers)
    _must_fit(begun, checked)
    _write(store, session, view, begun, _finished(begun, checked), True, SOURCE)
    return str(head.record)


def addendum(
    store: Store, token: str, record_id: str, definition_id: str = ADDENDUM, answers: Answers | None = None
) -> str:
    """Begin an addition to a signed record, with no audience that its parent has not. Raises Conflict, Refused.

    `answers`: what it begins with, such as what this account typed into the record too late; that typing then goes.
    """
    with unit_of_work(store, token, write=True) as session:
        parent, view = parts.find(store, session, token, record_id, lock=True, verb="record.added_to")
        _must_be_signed(parent)
        definition = current(store, definition_id)
        about = parent.head.about
        scopes = tuple(scope for scope in definition.scopes(about) if scope in parent.parts)
        if about not in definition.abouts or not scopes:
            raise Refused
        head = _new_head(store, view, definition, about, store.today(), of_record=str(parent.row.id))
        _insert(store, session, view, definition, head, parts.answers_only(answers or {}), scopes)
        if answers:
            parts.drop_typing(session, parent, view.account)
        return str(head.record)


def correction(store: Store, token: str, record_id: str, reason: str) -> str:
    """Begin a record that takes the place of a signed one once it is finished; it begins as a copy."""
    if not reason.strip():
        raise Invalid({"reason": "required"})
    with unit_of_work(store, token, write=True) as session:
        parent, view = parts.find(store, session, token, record_id, lock=True, verb="record.corrected")
        _must_be_signed(parent)
        old = parent.head
        parts.must_write(view, old.definition)
        head = replace(
            _new_head(store, view, parent.definition, old.about, date.fromisoformat(old.held_on)),
            of_record=old.of_record,
            supersedes=str(old.record),
            reason=reason.strip(),
        )
        answers, _ = parts.opened_parts(view, old, parent.parts.values())
        scopes = tuple(parent.parts)
        _insert(store, session, view, parent.definition, head, parts.answers_only(answers), scopes)
        return str(head.record)


# --------------------------------------------------------------------------- read
def read(store: Store, token: str, record_id: str) -> RecordView:
    """A record as the staff layer shows it, from the definition text it was sealed under."""
    with unit_of_work(store, token) as session:
        found, view = parts.find(store, session, token, record_id)
        return _with_code(session, found.view(view))


def listing(store: Store, token: str, case_id: str) -> list[RecordLine]:
    """Every record of a case, the oldest meeting first. For the staff layer."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        return [_line(one) for one in parts.all_opened(session, view)]


def later(store: Store, token: str, record_id: str) -> tuple[list[RecordView], str]:
    """What came after a record: its addenda, the oldest first, and the id of the signed correction or nothing."""
    with unit_of_work(store, token) as session:
        found, view = parts.find(store, session, token, record_id)
        mine, all_ = str(found.row.id), parts.all_opened(session, view)
        added = [one for one in all_ if one.head.of_record == mine and one.definition.kind == "addendum"]
        correction = next((str(one.row.id) for one in all_ if one.head.supersedes == mine and one.row.signed), "")
        return [one.view(view) for one in added], correction


def opened(store: Store, token: str, case_id: str) -> list[formulation.Opened]:
    """Every record of a case as the map reads it (`formulation.Opened`). For the staff layer."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        return parts.for_map(session, view)


def latest(store: Store, token: str, case_id: str, definition_id: str, about: About) -> RecordView | None:
    """The newest signed record of a definition about somebody, found by tag. For the staff layer."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        tag = store.keyholder.record_tag(view, definition_id)
        rows = session.scalars(select(Record).where(Record.case_id == view.case_id, Record.tag == tag, Record.signed))
        found = {row.id: parts.opened(session, view, row) for row in rows}
        last = newest({id_: one.head for id_, one in found.items()}, definition_id, about)
        return found[last.record].view(view) if last else None


def for_recipient(
    store: Store,
    token: str,
    case_id: str,
    recipient: Recipient | None,
    definition_id: str,
    record_id: str = "",
    beside: str = "",
) -> "ForPaper":
    """What a sheet may say, opened with its recipient's view only: the definition, and answers or None.

    The signed record `record_id`, or the newest of `definition_id`; None when there is none. `beside` names the sheet
    that is printed when it borrows from another record: the gate is asked for that one. Raises NotFound (the case),
    Refused for everything else, always the same.
    """
    with unit_of_work(store, token) as session:
        audit.note(session, "print.view", case=case_id, record=record_id, recipient=_recipient(recipient))
        view, head = _for_paper(store, token, case_id, recipient, definition_id, record_id, beside)
        if head is None:
            return ForPaper(current(store, definition_id), None, variant=_variant(view, recipient))
        answers, wording = _readable(session, view, head)
        definition, day = wording.of(texts.read(session, head.sha)), date.fromisoformat(head.held_on)
        later = _later(session, view, head) if answers and not beside else ()
        return ForPaper(definition, answers, wording.locale, str(head.record), day, _variant(view, recipient), later)


def plan_for_recipient(store: Store, token: str, case_id: str, recipient: Recipient | None, definition_id: str) -> str:
    """The plan that a review for this reader is of: the newest that they know, if there is just one of that day."""
    with unit_of_work(store, token) as session:
        audit.note(session, "print.view", case=case_id, recipient=_recipient(recipient))
        view, _ = _for_paper(store, token, case_id, recipient, definition_id, "")
        mine = ("couple", recipient)
        plans = [one for one in standing(view.heads) if one.definition == PLAN and one.about in mine]
        newest = max((one.held_on for one in plans), default="")
        found = [one for one in plans if one.held_on == newest]
        return str(found[0].record) if len(found) == 1 else ""


def _for_paper(
    store: Store,
    token: str,
    case_id: str,
    recipient: Recipient | None,
    definition_id: str,
    record_id: str,
    beside: str = "",
) -> tuple[KeyView, Head | None]:
    """A recipient's view and the head of the record to print: the one named, or the newest signed one.

    Never one that was corrected since, and never an addendum by itself: that would pass by its sheet's gate.
    """
    if recipient not in RECIPIENTS:
        raise Refused
    case, sheet = ident(case_id), beside or definition_id
    record = _ident_or_refused(record_id) if record_id else None
    view = store.keyholder.open(token, case, SHEETS[recipient], sheet, recipient, record)
    head = view.heads.get(record) if record else newest(view.heads, definition_id, about_of(recipient))
    wanted = (definition_id, about_of(recipient))
    if definition_id == ADDENDUM:
        raise Refused
    if head is not None and (head not in standing(view.heads) or (head.definition, head.about) != wanted):
        raise Refused
    return view, head


def _variant(view: KeyView, recipient: Recipient | None) -> str:
    """How this reader is addressed in a language that has forms for it. The two together: always neutrally."""
    found = view.card.get(recipient, {}).get("variant", "") if recipient in PARTNERS else ""
    return found if found in VARIANTS else ""


def _later(session: Session, view: KeyView, parent: Head) -> tuple[tuple[Definition, date, dict[str, Any]], ...]:
    mine = [one for one in standing(view.heads) if one.of_record == str(parent.record)]
    added = sorted((one for one in mine if one.definition == ADDENDUM), key=lambda one: one.signed_at)
    return tuple(
        (texts.read(session, one.sha), date.fromisoformat(one.held_on), _readable(session, view, one)[0])
        for one in added
    )


def _readable(session: Session, view: KeyView, head: Head) -> tuple[dict[str, Any], Wording]:
    # Columns and no objects: each object of a case is looked up anew in the scope.
    columns = select(Part.record_id, Part.key_id, Part.sealed)
    mine: Any = session.execute(columns.where(Part.record_id == head.record, Part.key_id.in_(view.key_ids))).all()
    answers, _ = parts.opened_parts(view, head, mine)
    return answers, wordings.of_parts(view, head, mine)


# --------------------------------------------------------------------------- save
def save_draft(store: Store, token: str, record_id: str, rev: int, checked: Checked, tab: str = "") -> int:
    """Save a draft; the new revision. Never refused for what is missing; what did not parse is kept as `raw`.

    Raises Conflict when the record moved on; what was typed is then kept as this tab's typing.
    """
    return _save(store, token, record_id, rev, checked, tab, sign=False)


def finish(
    store: Store, token: str, record_id: str, rev: int, checked: Checked, tab: str = "", locale: str = SOURCE
) -> int:
    """Sign a record: hidden answers go, the parts freeze. Raises Invalid with the fields to mend, and Conflict.

    An agreement keeps its wording in `locale`, the language of the page that it was signed on.
    """
    return _save(store, token, record_id, rev, checked, tab, sign=True, locale=locale)


def autosave(store: Store, token: str, record_id: str, tab: str, base_rev: int, form: Form) -> None:
    """Keep what one tab has typed, apart from the record. Raises Conflict once it is signed."""
    with unit_of_work(store, token, write=True) as session:
        found, view = parts.find(store, session, token, record_id, lock=True, verb="record.autosave")
        parts.must_write(view, found.head.definition)
        if found.row.signed:
            raise Conflict
        if not parts.keep_typing(session, view, found, _tab(tab), max(base_rev, 0), form, store.clock()):
            audit.unsay(session)  # this tab's typing is noted already


def resumed(store: Store, token: str, record_id: str) -> tuple[RecordView, dict[str, list[str]]]:
    """A record to go on with, and the form fields that this account typed last and did not save.

    The record has the revision that the typing began from: if somebody saved since, saving leads to the merge.
    """
    with unit_of_work(store, token) as session:
        found, view = parts.find(store, session, token, record_id)
        mine = select(Autosave).where(Autosave.record_id == found.row.id, Autosave.account_id == view.account)
        tabs: dict[str, tuple[str, int, dict[str, list[str]]]] = {}
        for row in session.scalars(mine):
            content = view.open_autosave(row, found.head)
            tabs.setdefault(row.tab, (content["at"], row.base_rev, {}))[2].update(content["form"])
        _, base, form = max(tabs.values(), key=lambda one: one[0], default=("", found.head.rev, {}))
        return replace(_with_code(session, found.view(view)), rev=base), form


def _with_code(session: Session, record: RecordView) -> RecordView:
    """What its page calls the case: read here, it needs no unit and no line of the audit of its own."""
    code = session.scalar(select(Case.code).where(Case.id == UUID(record.case_id)))
    return replace(record, code=code or "")


def settle(store: Store, token: str, record_id: str) -> None:
    """Throw away what this account typed into a record after somebody had finished it. Raises Conflict (a draft)."""
    with unit_of_work(store, token, write=True) as session:
        found, view = parts.find(store, session, token, record_id, lock=True)
        _must_be_signed(found)
        parts.drop_typing(session, found, view.account)


def discard(store: Store, token: str, record_id: str) -> None:
    """Delete an own draft with everything typed into it. Raises Conflict (signed), Denied (another's)."""
    with unit_of_work(store, token, write=True) as session:
        found, view = parts.find(store, session, token, record_id, lock=True, verb="record.discarded")
        if found.row.signed:
            raise Conflict
        if found.head.author != str(view.account):
            raise Denied
        for table in (Autosave, Part):
            session.execute(delete(table).where(table.record_id == found.row.id))
        session.execute(delete(Record).where(Record.id == found.row.id))
        session.expunge(found.row)
        parts.touch(store, session, view, found.definition)


def move_to_new_version(store: Store, token: str, record_id: str, rev: int) -> int:
    """Put a draft on the newest text of its definition: answers of equal ids and kinds go along.

    Raises Conflict. A correction stays on the text of what it corrects.
    """
    with unit_of_work(store, token, write=True) as session:
        found, view = parts.find(store, session, token, record_id, lock=True, verb="record.moved")
        parts.must_write(view, found.head.definition)
        new = current(store, found.head.definition)
        if found.row.signed or found.row.rev != rev or found.head.supersedes:
            raise Conflict
        if new.sha == found.definition.sha:
            return rev
        answers, raw = parts.opened_parts(view, found.head, found.parts.values())
        same = same_blocks(found.definition, new, found.head.about)
        known = {name: answer for name, answer in answers.items() if name in same}
        left = {path: text for path, text in raw.items() if parts.block_of(path, same)}
        head = parts.next_head(store, found.head, sha=new.sha, version=new.version)
        extra = {scope for scope in found.parts if scope not in new.scopes(head.about)}
        for scope in extra:
            session.delete(found.parts[scope])
        stay = {scope: part for scope, part in found.parts.items() if scope not in extra}
        moved = Opened(found.row, head, stay, new)
        checked = Checked(known, left, {})
        _advance(store, session, view, moved, signed=False)
        parts.write_parts(session, view, moved, checked, new.scopes(head.about))
        parts.drop_typing(session, moved, view.account)
        parts.touch(store, session, view, new)
        return head.rev


def _save(
    store: Store, token: str, record_id: str, rev: int, checked: Checked, tab: str, sign: bool, locale: str = ""
) -> int:
    with unit_of_work(store, token, write=True) as session:
        verb = "record.signed" if sign else "record.saved"
        found, view = parts.find(store, session, token, record_id, lock=True, verb=verb)
        parts.must_write(view, found.head.definition)
        _must_fit(found, checked)
        stale = found.row.signed or found.row.rev != rev
        if stale:
            mine = parts.typed(found.definition, found.head.about, checked)
            parts.keep_typing(session, view, found, _tab(tab), max(rev, 0), mine, store.clock())
        else:
            checked = _finished(found, checked) if sign else checked
            _write(store, session, view, found, checked, sign, locale)
    if stale:  # Only now: what was typed is committed.
        raise Conflict
    return rev + 1


def _write(
    store: Store, session: Session, view: KeyView, found: Opened, checked: Checked, sign: bool, locale: str
) -> None:
    changes = {"signed_at": store.clock().isoformat()} if sign else {}
    changes |= _typed_day(store, found, checked)
    one = replace(found, head=parts.next_head(store, found.head, **changes))
    # The parts first: once the row says signed, the trigger lets none of them change.
    said = wordings.to_seal(one.definition, one.head.about, locale, spoken.books(store)) if sign else None
    parts.write_parts(session, view, one, checked, said=said)
    session.flush()
    _advance(store, session, view, one, signed=sign)
    parts.drop_typing(session, one, view.account)
    parts.touch(store, session, view, one.definition)


def _typed_day(store: Store, found: Opened, checked: Checked) -> dict[str, str]:
    """The day of the meeting as somebody typed it (block `held` or `filled`): the map goes by it. Never one to come."""
    typed: Mapping[str, str] = next(
        (checked.answers[name] for name in ("held", "filled") if name in checked.answers), {}
    )
    day = typed.get("day", "")
    return {"held_on": day} if day and day <= store.today().isoformat() else {}


def _advance(store: Store, session: Session, view: KeyView, one: Opened, signed: bool) -> None:
    """The row, which `find` locked and whose revision was compared, takes the next one. Raises Conflict if not so."""
    row = one.row
    if row.signed or row.rev + 1 != one.head.rev:
        raise Conflict
    row.rev, row.head, row.signed, row.touched_on = one.head.rev, view.seal_head(one.head), signed, store.today()
    session.flush()


def _finished(found: Opened, checked: Checked) -> Checked:
    """What is signed: the answers of blocks that apply. Raises Invalid for what is missing or did not parse."""
    about, names = found.head.about, {placed.name for placed in found.definition.placed(found.head.about)}
    visible = {placed.name for placed in shown(found.definition, about, checked.answers)}
    faults = dict.fromkeys(checked.raw, "required") | checked.wrong
    wrong = {path: why for path, why in faults.items() if parts.block_of(path, names) in visible}
    own = {placed.name for placed in found.definition.placed(about) if placed.scope in found.parts}
    lacking = {
        path: why
        for path, why in missing(found.definition, about, checked.answers).items()
        if parts.block_of(path, names) in own
    }
    if wrong or lacking:
        raise Invalid(lacking | wrong)
    return parts.answers_only(kept(found.definition, about, checked.answers))


def _must_fit(found: Opened, checked: Checked) -> None:
    """No answer may vanish: one without a block, or of an audience this record has not, is refused."""
    own = {placed.name for placed in found.definition.placed(found.head.about) if placed.scope in found.parts}
    stray = [name for name in checked.answers if name not in own]
    stray += [path for path in checked.raw if parts.block_of(path, own) is None]
    if stray:
        raise Invalid(dict.fromkeys(stray, "not_an_option"))


# --------------------------------------------------------------------------- inside
def _new_head(
    store: Store, view: KeyView, definition: Definition, about: About, held_on: date, of_record: str = ""
) -> Head:
    now = store.clock().isoformat()
    return Head(
        record=uuid4(),
        case=view.case_id,
        rev=1,
        about=about,
        definition=definition.id,
        version=definition.version,
        sha=definition.sha,
        author=str(view.account),
        held_on=held_on.isoformat(),
        created=now,
        changed=now,
        of_record=of_record,
    )


def _insert(
    store: Store,
    session: Session,
    view: KeyView,
    definition: Definition,
    head: Head,
    checked: Checked,
    scopes: tuple[Scope, ...] | None = None,
) -> None:
    """Store a new record with every part it has, answered or not."""
    row = Record(
        id=head.record,
        case_id=head.case,
        rev=head.rev,
        touched_on=store.today(),
        tag=store.keyholder.record_tag(view, definition.id),
        head=view.seal_head(head),
    )
    wanted = scopes or definition.scopes(head.about)
    one = Opened(row, head, {}, definition)
    own = {placed.name for placed in definition.placed(head.about) if placed.scope in wanted}
    if stray := checked.answers.keys() - own:
        raise Invalid(dict.fromkeys(stray, "not_an_option"))
    if session.get(DefinitionText, definition.sha) is None:
        raise NotFound  # its text was never stored: run `clinic upgrade`
    session.add(row)
    session.flush()
    parts.write_parts(session, view, one, checked, wanted)
    parts.touch(store, session, view, definition)


def _must_be_signed(parent: Opened) -> None:
    """Also that it may be added to at all: what was released stays word for word, or is taken back."""
    if not parent.row.signed or parent.definition.kind == release.KIND:
        raise Conflict


def _in_case(session: Session, view: KeyView, record_id: str) -> None:
    """A record of another case is one that is not there."""
    row = session.get(Record, ident(record_id))
    if row is None or row.case_id != view.case_id:
        raise NotFound


def _line(one: Opened) -> RecordLine:
    head = one.head
    return RecordLine(
        str(head.record),
        head.definition,
        one.definition.title,
        one.definition.kind,
        head.about,
        date.fromisoformat(head.held_on),
        one.row.signed,
        head.of_record,
        head.supersedes,
    )


def newest(heads: Mapping[UUID, Head], definition_id: str, about: About) -> Head | None:
    """The newest signed record of a definition about somebody; a corrected one counts no more."""
    fits = [head for head in standing(heads) if (head.definition, head.about) == (definition_id, about)]
    return max(fits, key=lambda head: (head.held_on, head.signed_at), default=None)


def standing(heads: Mapping[UUID, Head]) -> list[Head]:
    """Heads of signed records that no signed correction has taken the place of."""
    signed = [head for head in heads.values() if head.signed_at]
    old = {head.supersedes for head in signed}
    return [head for head in signed if str(head.record) not in old]


def day_of(head: Head) -> date:
    """The day a record is of."""
    return date.fromisoformat(head.held_on)


def same_blocks(old: Definition, new: Definition, about: About) -> set[str]:
    """Names of blocks that stand in both with the same kind and the same key."""
    before = {placed.name: (placed.block.kind, placed.scope) for placed in old.placed(about)}
    after = {placed.name: (placed.block.kind, placed.scope) for placed in new.placed(about)}
    return {name for name, what in after.items() if before.get(name) == what}


def _recipient(recipient: str | None) -> str | None:
    """A recipient as the audit may hold it: never a word from outside."""
    return recipient if recipient in RECIPIENTS else None


def _ident_or_refused(record_id: str) -> UUID:
    try:
        return ident(record_id)
    except NotFound:
        raise Refused from None


def _tab(tab: str) -> str:
    if not _TAB.match(tab):
        raise Invalid({"tab": "not_an_option"})
    return tab
