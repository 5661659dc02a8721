"""Translations that are edited in the browser: propose words, review and approve them, look back, restore.

An edit names the revision it was made from; the first one wins, and the others get what stands (`Conflict`). Whoever
edits locks the language, so that its count of edits tells every process what is new (`spoken`). The database holds
edits beside the files; `overlay_export` writes them back into the files.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import ClinicError, Denied, Invalid, NotFound, Refused
from clinic.i18n.message import Domain, Entry, Source, State, neutral
from clinic.persistence import audit
from clinic.persistence.models import Account, TranslationPast
from clinic.persistence.scope import ScopedSession
from clinic.persistence.store import Store
from clinic.services import spoken, translations
from clinic.services.definitions import OWN, definitions
from clinic.services.overlay_work import LONGEST, WHYS, Change, Conflict, Key, Mark, OwnWords, begin
from clinic.services.shelf import active
from clinic.services.spoken import book, entries, interface
from clinic.services.translators import grant, may, revoke, rights
from clinic.services.unit_of_work import ident, unit_of_work

__all__ = [
    "LONGEST", "Change", "Conflict", "Key", "OwnWords", "Past", "book", "entries", "grant", "history", "interface",
    "mark", "mark_all", "own_sources", "propose", "propose_all", "restore", "revoke", "rights", "said", "source_of",
]  # fmt: skip

Made = Mapping[Key, int | ClinicError]


@dataclass(frozen=True)
class Past:
    """What a message said after an edit; revision 0 is what its file said before the first one.

    `by` is the account's id and `name` what colleagues read, both empty for the file. `why`: `file`, a mark
    (`draft`, `reviewed`, `approved`), one of `WHYS`.
    """

    id: str
    rev: int
    source: str
    forms: Mapping[str, str]
    state: State
    by: str
    name: str
    at: datetime
    why: str


def source_of(store: Store, domain: Domain, key: str) -> Source:
    """The English of a message, also of a variant and of the clinic's own forms. NotFound."""
    known = translations.sources(domain)
    base = known.get(key) or (known.get(neutral(key)) if domain == "handouts" else None)
    if base is None and domain == "handouts" and key.startswith(OWN):
        base = next((one for one in own_sources(store) if one.key == neutral(key)), None)
    if base is None:
        raise NotFound
    return replace(base, key=key)


def own_sources(store: Store) -> Iterator[Source]:
    """The English of the clinic's own forms: their translations are nowhere but here."""
    for id_, one in active(store).items():
        if id_ not in definitions():  # not by its name: a shipped sheet is called `own_worth`
            mine = (text for text in one.texts() if text.en and text.key.startswith(f"{id_}."))
            yield from (Source("handouts", text.key, text.en, note=text.note) for text in mine)


# --------------------------------------------------------------------------- writing
def propose(
    store: Store,
    token: str,
    tag: str,
    domain: Domain,
    key: str,
    forms: Mapping[str, str],
    rev: int,
    source: str | None = None,
    why: str = "",
) -> int:
    """Words for a message, as a draft; its new revision. Empty ones take it back to untranslated.

    Raises Denied (no right for this language), NotFound, Refused (a message that is edited in its file only), Conflict
    (somebody was faster), Invalid (`forms`: a blocking check, the id of its sentence).
    """
    change = Change(domain, key, forms, rev, source)
    with unit_of_work(store, token, write=True) as session:
        who, found = _who(session, tag), source_of(store, domain, key)
        audit.note(session, "translation.proposed", locale=tag, message=found.ref)
        work = begin(session, tag, who, store.clock(), (found.domain, key))
        made = work.write(found, change, _why(why))
        work.done()
    spoken.forget()
    return made


def propose_all(store: Store, token: str, tag: str, changes: Sequence[Change], why: str = "") -> Made:
    """Many at once, each as `propose`, in one transaction and one line of the audit.

    For each message its new revision, or why it was left as it is. Raises Denied.
    """
    made: dict[Key, int | ClinicError] = {}
    with unit_of_work(store, token, write=True) as session:
        who = _who(session, tag)
        audit.note(session, "translation.proposed", locale=tag, messages=len(changes))
        work = begin(session, tag, who, store.clock())
        for one in changes:
            try:
                made[one.domain, one.key] = work.write(source_of(store, one.domain, one.key), one, _why(why))
            except (NotFound, Refused, Conflict, Invalid) as error:
                made[one.domain, one.key] = error
        work.done()
    spoken.forget()
    return made


def mark(store: Store, token: str, tag: str, domain: Domain, key: str, rev: int, state: Mark) -> int:
    """Review or approve words, or send them back as a draft; the new revision. For reviewers.

    Raises Denied, OwnWords (nobody approves what they wrote), NotFound, Refused (edited in its file only), Conflict,
    Invalid (nothing there, or made for other English).
    """
    with unit_of_work(store, token, write=True) as session:
        who, found = _who(session, tag, reviews=True), source_of(store, domain, key)
        audit.note(session, "translation.marked", locale=tag, message=found.ref, state=state)
        work = begin(session, tag, who, store.clock(), (found.domain, key))
        made = work.mark(found, rev, state)
        work.done()
    spoken.forget()
    return made


def mark_all(store: Store, token: str, tag: str, messages: Iterable[tuple[Domain, str, int]], state: Mark) -> Made:
    """Many at once (domain, key, revision), each as `mark`, in one transaction and one line of the audit.

    For each message its new revision, or why it was left as it is. Raises Denied.
    """
    made: dict[Key, int | ClinicError] = {}
    wanted = list(messages)
    with unit_of_work(store, token, write=True) as session:
        who = _who(session, tag, reviews=True)
        audit.note(session, "translation.marked", locale=tag, messages=len(wanted), state=state)
        work = begin(session, tag, who, store.clock())
        for domain, key, rev in wanted:
            try:
                made[domain, key] = work.mark(source_of(store, domain, key), rev, state)
            except (OwnWords, NotFound, Refused, Conflict, Invalid) as error:
                made[domain, key] = error
        work.done()
    spoken.forget()
    return made


def history(store: Store, token: str, tag: str, domain: Domain, key: str) -> list[Past]:
    """What a message said, the newest first. Empty if it was never edited here. Raises Denied."""
    past = TranslationPast
    with unit_of_work(store, token) as session:
        _who(session, tag)
        wanted = (past.locale == tag) & (past.domain == domain) & (past.key == key)
        rows = session.scalars(select(past).where(wanted).order_by(past.rev.desc())).all()
        names = dict(session.execute(select(Account.id, Account.display)).all())
        return [_past(row, names) for row in rows]


def said(store: Store, token: str, tag: str) -> Mapping[Key, list[Entry]]:
    """All that each message of a language ever said, the newest first. Raises Denied."""
    past, found = TranslationPast, dict[Any, list[Entry]]()
    with unit_of_work(store, token) as session:
        _who(session, tag)
        wanted = select(past.domain, past.key, past.source, past.forms).where(past.locale == tag)
        for domain, key, source, forms in session.execute(wanted.order_by(past.rev.desc())):
            found.setdefault((domain, key), []).append(Entry(source, json.loads(forms)))
    return found


def restore(store: Store, token: str, tag: str, domain: Domain, key: str, past_id: str, rev: int) -> int:
    """Old words again, as a draft; the new revision. Raises as `propose`, and NotFound for no such past."""
    old = next((one for one in history(store, token, tag, domain, key) if one.id == str(ident(past_id))), None)
    if old is None:
        raise NotFound
    return propose(store, token, tag, domain, key, old.forms, rev, old.source or None, "restore")


# --------------------------------------------------------------------------- inside
def _who(session: Session, tag: str, reviews: bool = False) -> UUID:
    """The account of this unit, which may work on this language. Raises Denied."""
    scope = session.scope if isinstance(session, ScopedSession) else None
    if scope is None or not may(session, scope.account, scope.role, tag, reviews):
        raise Denied
    return scope.account


def _why(why: str) -> str:
    if why not in WHYS:
        raise ValueError("not a reason of a history")
    return why


def _past(row: TranslationPast, names: Mapping[UUID, str]) -> Past:
    by = row.account_id
    name = names.get(by, "") if by else ""
    state: Any = row.state
    return Past(
        str(row.id), row.rev, row.source, json.loads(row.forms), state, str(by or ""), name, row.at, row.why
    )  # fmt: skip
