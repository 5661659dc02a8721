"""Exports: what one person said, what both said together, the whole file.

A person's export is made with that person's key alone, the joint one with the joint key alone: what the other said,
and that there is another, cannot be in them. Ids in a file are fresh and mean nothing outside of it.
"""

import csv
import io
import json
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.config import Settings
from clinic.domain.answer import leaves, row_ids, spread
from clinic.domain.audience import Purpose, Scope
from clinic.domain.definition import Block, Definition, Placed, Text
from clinic.domain.errors import Invalid, NotFound, SecondPerson, Usage
from clinic.domain.release import RELEASED
from clinic.i18n.catalogue import Catalogue
from clinic.i18n.locales import translated
from clinic.persistence import audit, texts
from clinic.persistence.keyview import Head, KeyView
from clinic.persistence.models import Appointment, Case, Part, Print, Request
from clinic.persistence.store import Store
from clinic.services import records_parts as parts
from clinic.services import spoken, terminal, wordings
from clinic.services.unit_of_work import ident, unit_of_work

Person = Literal["a", "b"]
Format = Literal["json", "csv"]
MIMES: Final[dict[Format, str]] = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would work out
BASIS: Final = 10  # characters at least of a legal basis that is named
COLUMNS: Final = ("entry", "day", "form", "question", "item", "answer")
AGREED: Final = ("agreed_a", "agreed_b")  # blocks of an agreement that both sign with


@dataclass(frozen=True)
class Export:
    """A file to hand over. Its name is a random code."""

    name: str
    mime: str
    data: bytes


@dataclass(frozen=True)
class Said:
    """One answered leaf: question, row or ask within it, and the answer in words."""

    question: str
    item: str
    answer: str | int
    scope: Scope


@dataclass(frozen=True)
class Entry:
    """A record as far as a view opens it."""

    head: Head
    title: str
    said: tuple[Said, ...]
    earlier: tuple[str, ...] = ()  # days on which versions were finished that this one corrects


# --------------------------------------------------------------------------- what may be had
def of_person(
    store: Store, token: str, case_id: str, person: Person, format_: Format = "json", locale: str = "en"
) -> Export:
    """What one partner said about themselves, alone. Raises StepUp, NotFound, Invalid (person, format)."""
    _known(person, format_)
    with unit_of_work(store, token) as session:
        view = store.keyholder.open(token, ident(case_id), _purpose(f"export:{person}"))
        audit.note(session, f"export.{person}", case=view.case_id)
        return _file(store, _reached(session, view, spoken.book(store, locale)), format_, locale)


def of_both(
    store: Store, token: str, case_id: str, format_: Format = "json", locale: str = "en", basis: str = ""
) -> Export:
    """What the two said together. Needs an agreement that both signed, or the legal basis in words.

    The words are kept, sealed. Raises StepUp, NotFound, Invalid (format; basis: required).
    """
    _known("a", format_)
    with unit_of_work(store, token, write=True) as session:
        view = store.keyholder.open(token, ident(case_id), "export:joint")
        basis, ids = basis.strip(), {}
        if not _both_signed(session, view):
            if len(basis) < BASIS:
                raise Invalid({"basis": "required"})
            ids = {"request": _keep_basis(store, session, view, basis)}
        audit.note(session, "export.joint", case=view.case_id, **ids)
        return _file(store, _reached(session, view, spoken.book(store, locale)), format_, locale)


def of_staff(
    store: Store,
    token: str,
    case_id: str,
    person: Person,
    request: str,
    format_: Format = "json",
    locale: str = "en",
) -> Export:
    """What staff noted about one partner, once a second person agreed. Raises StepUp, SecondPerson, NotFound."""
    _known(person, format_)
    with unit_of_work(store, token, write=True) as session:
        view = store.keyholder.open(token, ident(case_id), _purpose(f"export:staff_{person}"), request=ident(request))
        done(session, ident(request))
        audit.note(session, f"export.staff_{person}", case=view.case_id, request=ident(request))
        return _file(store, _reached(session, view, spoken.book(store, locale)), format_, locale)


def of_file(store: Store, token: str, case_id: str, request: str, locale: str = "en") -> Export:
    """Everything of a case that its counsellor reads, as JSON, once a second person agreed."""
    words = spoken.book(store, locale)
    with unit_of_work(store, token, write=True) as session:
        view = store.keyholder.open(token, ident(case_id), "export:file", request=ident(request))
        done(session, ident(request))
        audit.note(session, "export.file", case=view.case_id, request=ident(request))
        row = session.get_one(Case, view.case_id)
        entries = _all(session, view, words)
        ids = _fresh(entries)
        content = {
            **_cover(store, locale),
            "case": row.code,
            "card": {name: value for name, value in view.open_card(row).items() if name != "ruling"},
            "entries": [_whole(one, ids) for one in entries],
            "printed": _printed(session, view),
            "appointments": _appointments(session, view),
        }
        return _export(_json(content), "json")


def done(session: Session, request: UUID) -> None:
    """A request of two people serves once. Raises SecondPerson when it was used."""
    row = session.get(Request, request, with_for_update=True)
    if row is None or row.done:
        raise SecondPerson
    row.done = True


def both_signed(store: Store, token: str, case_id: str) -> bool:
    """Whether an agreement is on record that both signed. For the staff layer."""
    with unit_of_work(store, token) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        return any(
            one.definition.kind == "agreement" and _agreed(parts.opened_parts(view, one.head, one.parts.values())[0])
            for one in parts.all_opened(session, view)
            if one.row.signed
        )


# --------------------------------------------------------------------------- entries
def _reached(session: Session, view: KeyView, words: Catalogue) -> list[Entry]:
    """The newest version of every record this view has answers in; one with none is not there at all."""
    heads = list(view.heads.values())
    earlier = _earlier(heads)
    found = []
    for head in heads:
        if str(head.record) in {old for olds in earlier.values() for old in olds}:
            continue
        mine = session.scalars(select(Part).where(Part.record_id == head.record, Part.key_id.in_(view.key_ids)))
        entry = _entry(view, texts.read(session, head.sha), head, list(mine), words)
        if entry.said:
            days = tuple(one.held_on for one in heads if str(one.record) in earlier.get(str(head.record), ()))
            found.append(replace(entry, earlier=days))
    return sorted(found, key=lambda one: (one.head.held_on, one.head.created))


def _all(session: Session, view: KeyView, words: Catalogue) -> list[Entry]:
    """Every record with every version, the oldest meeting first."""
    every = parts.all_opened(session, view)
    return [_entry(view, one.definition, one.head, list(one.parts.values()), words) for one in every]


def _earlier(heads: Sequence[Head]) -> dict[str, list[str]]:
    """For every record that takes the place of others: their ids, its own chain back to the first."""
    before = {str(one.record): one.supersedes for one in heads if one.supersedes and one.signed_at}
    found = {}
    for id_ in before:
        chain, old = [], before[id_]
        while old and old not in chain:
            chain.append(old)
            old = before.get(old, "")
        found[id_] = chain
    return found


def _entry(view: KeyView, definition: Definition, head: Head, mine: Sequence[Part], words: Catalogue) -> Entry:
    """What these parts say, in words; an agreement in those it was signed in."""
    definition = wordings.of_parts(view, head, mine).of(definition)
    scopes = {view.scope_of(part.key_id): view.open(part, head)["answers"] for part in mine}
    said = [
        one
        for placed in definition.placed(head.about)
        if (answer := scopes.get(placed.scope, {}).get(placed.name)) is not None
        for one in _said(placed, answer, words)
    ]
    return Entry(head, words.text(definition.title), tuple(said))


def _said(placed: Placed, answer: Any, words: Catalogue) -> Iterator[Said]:
    block = placed.block
    values, question = spread(block, answer), words.text(_question(placed))
    for leaf in leaves(block, row_ids(block, answer)):
        if leaf.path in values:
            names = [one.label for one in (leaf.row, leaf.label) if one is not None]
            item = " · ".join(dict.fromkeys(filter(None, map(words.text, names))))
            yield Said(question, item, _in_words(values[leaf.path], leaf.options, words), placed.scope)


def _question(placed: Placed) -> Text:
    block: Block = placed.block
    return next((text for text in (block.label, block.stem, placed.section.title) if text.en), block.label)


def _in_words(value: Any, options: Sequence[Any], words: Catalogue) -> str | int:
    """Chosen options by their words, in the order of the form; a tick as “yes”."""
    if value is True:
        return "yes"
    chosen = value if isinstance(value, list) else [value]
    known = {option.id: words.text(option.label) for option in options}
    if known:
        return ", ".join(known.get(one, str(one)) for one in chosen)
    return value if isinstance(value, int) else str(value)


# --------------------------------------------------------------------------- files
def _file(store: Store, entries: list[Entry], format_: Format, locale: str) -> Export:
    ids = _fresh(entries)
    if format_ == "csv":
        return _export(_csv(entries, ids), "csv")
    return _export(_json({**_cover(store, locale), "entries": [_plain(one, ids) for one in entries]}), "json")


def _cover(store: Store, locale: str) -> dict[str, Any]:
    return {"export": 1, "made_on": store.today().isoformat(), "language": locale}


def _fresh(entries: Iterable[Entry]) -> dict[str, str]:
    """A new id for every record, for this file only."""
    return {str(one.head.record): secrets.token_hex(4) for one in entries}


def _plain(one: Entry, ids: Mapping[str, str]) -> dict[str, Any]:
    """An entry as a person reads it; whose it is goes without saying."""
    content: dict[str, Any] = {
        "entry": ids[str(one.head.record)],
        "day": one.head.held_on,
        "form": one.title,
        "finished": bool(one.head.signed_at),
        "answers": [{"question": said.question, "item": said.item, "answer": said.answer} for said in one.said],
    }
    if one.earlier:
        content["corrected"] = {"times": len(one.earlier), "first": min(one.earlier)}
    if one.head.of_record in ids:
        content["added_to"] = ids[one.head.of_record]
    return content


def _whole(one: Entry, ids: Mapping[str, str]) -> dict[str, Any]:
    """An entry of the whole file: about whom, who reads each answer, what it corrects and why."""
    head = one.head
    return _plain(one, ids) | {
        "about": head.about,
        "version": head.version,
        "finished_at": head.signed_at,
        "corrects": ids.get(head.supersedes, ""),
        "reason": head.reason,
        "answers": [
            {"question": said.question, "item": said.item, "answer": _renamed(said, head, ids), "reads": said.scope}
            for said in one.said
        ],
    }


def _renamed(said: Said, head: Head, ids: Mapping[str, str]) -> str | int:
    """An answer; where a release names the records that it was copied from, by their ids in this file."""
    if head.definition != RELEASED or not said.scope.startswith("staff"):
        return said.answer
    return " ".join(ids.get(word, word) for word in str(said.answer).split(" "))


def _printed(session: Session, view: KeyView) -> list[dict[str, Any]]:
    rows = session.scalars(select(Print).where(Print.case_id == view.case_id))
    found = [
        {"day": content["day"], "sheet": content["sheet"], "for": view.scope_of(row.key_id)}
        for row in rows
        if view.scope_of(row.key_id)
        for content in [view.open_print(row)]
    ]
    return sorted(found, key=lambda one: (one["day"], one["sheet"]))


def _appointments(session: Session, view: KeyView) -> list[dict[str, Any]]:
    rows = session.scalars(select(Appointment).where(Appointment.case_id == view.case_id).order_by(Appointment.start))
    return [{"start": row.start.isoformat(), **view.open_appointment(row)} for row in rows]


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"


def _csv(entries: Iterable[Entry], ids: Mapping[str, str]) -> bytes:
    """One line for each answer, in UTF-8 with a mark, so that spreadsheets read the letters rightly."""
    out = io.StringIO()
    write = csv.writer(out, quoting=csv.QUOTE_ALL)
    write.writerow(COLUMNS)
    for one in entries:
        for said in one.said:
            cells = (ids[str(one.head.record)], one.head.held_on, one.title, said.question, said.item, said.answer)
            write.writerow([guarded(str(cell)) for cell in cells])
    return out.getvalue().encode("utf-8-sig", "replace")


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.lstrip(" \n").startswith(FORMULA) or cell.startswith(FORMULA) else cell


def _export(data: bytes, format_: Format) -> Export:
    return Export(f"{secrets.token_hex(4)}.{format_}", MIMES[format_], data)


# --------------------------------------------------------------------------- leave for the joint one
def _both_signed(session: Session, view: KeyView) -> bool:
    """Whether the joint view has an agreement that both signed."""
    for head in view.heads.values():
        if head.signed_at and texts.read(session, head.sha).kind == "agreement":
            mine = session.scalars(select(Part).where(Part.record_id == head.record, Part.key_id.in_(view.key_ids)))
            if _agreed(parts.opened_parts(view, head, mine)[0]):
                return True
    return False


def _agreed(answers: Mapping[str, Any]) -> bool:
    return all(answers.get(name) == "agree" for name in AGREED)


def _keep_basis(store: Store, session: Session, view: KeyView, basis: str) -> UUID:
    """The legal basis that somebody named, sealed beside the requests of two people; the audit line names its id."""
    id_ = uuid4()
    content = {"kind": "export_joint", "case": str(view.case_id), "reason": basis}
    sealed = store.keyholder.office_seal(id_, content)
    session.add(Request(id=id_, asked_by=view.account, done=True, ends_on=store.today(), sealed=sealed))
    return id_


def _purpose(text: str) -> Purpose:
    return text  # type: ignore[return-value]  # "export:" and a scope: mypy cannot read that from the text


def _known(person: str, format_: str) -> None:
    wrong = {} if person in ("a", "b") else {"person": "not_an_option"}
    if format_ not in MIMES:
        wrong["format"] = "not_an_option"
    if wrong:
        raise Invalid(wrong)


# --------------------------------------------------------------------------- from the command line
def from_command_line(
    settings: Settings,
    out: Path,
    account: str | None,
    token_file: Path | None,
    case: str,
    person: str,
    format_: Format,
    locale: str,
    basis: str,
) -> None:
    """`clinic export CASE`: by case code, into a file that only its owner reads. Raises as the functions above do."""
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, token_file) as token:
            made = by_code(store, token, case, person, format_, locale, basis)
    finally:
        store.close()
    out.touch(mode=0o600)
    out.chmod(0o600)
    out.write_bytes(made.data)


def by_code(
    store: Store, token: str, code: str, person: str, format_: Format = "json", locale: str = "en", basis: str = ""
) -> Export:
    """The export of a case by its code; NotFound for an unknown and a foreign one alike."""
    with unit_of_work(store, token) as session:
        found = session.scalar(select(Case.id).where(Case.code == code))
    if found is None:
        raise NotFound
    if locale not in [one.tag for one in translated()]:
        raise Usage(f"There is no language {locale} here.")
    if person == "joint":
        return of_both(store, token, str(found), format_, locale, basis)
    return of_person(store, token, str(found), person, format_, locale)  # type: ignore[arg-type]  # it refuses others
