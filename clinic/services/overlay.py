"""Translations that are edited in the browser: propose words, review and approve them, look back, restore.

An edit names the revision it was made from; the first one wins, and the others get what stands (`Conflict`). Whoever
edits locks the language, so that its count of edits tells every process what is new (`spoken`). The database holds
edits beside the files; `overlay_export` writes them back into the files.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from clinic.domain import errors
from clinic.domain.definition import hidden
from clinic.domain.errors import Denied, Invalid, NotFound, Refused
from clinic.i18n.catalogue import filed
from clinic.i18n.message import Domain, Entry, Source, State, neutral, state_now
from clinic.i18n.plurals import categories
from clinic.persistence import audit
from clinic.persistence.models import Account, Translation, TranslationPast, TranslationVersion
from clinic.persistence.scope import ScopedSession
from clinic.persistence.store import Store
from clinic.services import spoken, translations
from clinic.services.definitions import OWN
from clinic.services.shelf import active
from clinic.services.spoken import book, entries, interface
from clinic.services.translators import grant, may, revoke, rights
from clinic.services.unit_of_work import ident, unit_of_work

__all__ = [
    "Change", "Conflict", "OwnWords", "Past", "book", "entries", "grant", "history", "interface", "mark", "mark_all",
    "propose", "propose_all", "restore", "revoke", "rights", "source_of",
]  # fmt: skip

LONGEST: Final = 20_000  # characters of one form
Mark = Literal["draft", "reviewed", "approved"]
MARKS: Final[tuple[Mark, ...]] = ("draft", "reviewed", "approved")
WHYS: Final = ("", "import", "restore", "merge")  # why words were written, for the history


class Conflict(errors.Conflict):
    """The message was edited since: `entry` is what stands now."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry


class OwnWords(Denied):
    """Nobody reviews or approves what they wrote themselves."""

    def __init__(self) -> None:
        errors.ClinicError.__init__(self, "own_words")


@dataclass(frozen=True)
class Change:
    """Words for one message, made from revision `rev`. `source`: the English they are for; None is the present one."""

    domain: Domain
    key: str
    forms: Mapping[str, str]
    rev: int
    source: str | None = None


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
        base = next((one for one in _own(store) if one.key == neutral(key)), None)
    if base is None:
        raise NotFound
    return replace(base, key=key)


def _own(store: Store) -> Iterator[Source]:
    """The English of the clinic's own forms: their translations are nowhere but here."""
    for id_, one in active(store).items():
        if id_.startswith(OWN):
            yield from (Source("handouts", text.key, text.en, note=text.note) for text in one.texts())


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
        who = _who(session, tag)
        found = source_of(store, domain, key)
        audit.note(session, "translation.proposed", locale=tag, message=found.ref)
        made = _write(store, session, who, tag, found, change, next_version(session, tag), _why(why))
    spoken.forget()
    return made


def propose_all(
    store: Store, token: str, tag: str, changes: Sequence[Change], why: str = ""
) -> Mapping[tuple[Domain, str], int | errors.ClinicError]:
    """Many at once, each as `propose`, in one transaction and one line of the audit.

    For each message its new revision, or why it was left as it is. Raises Denied.
    """
    made: dict[tuple[Domain, str], int | errors.ClinicError] = {}
    with unit_of_work(store, token, write=True) as session:
        who = _who(session, tag)
        audit.note(session, "translation.proposed", locale=tag, messages=len(changes))
        v = next_version(session, tag)
        for change in changes:
            try:
                found = source_of(store, change.domain, change.key)
                made[change.domain, change.key] = _write(store, session, who, tag, found, change, v, _why(why))
            except (NotFound, Refused, Conflict, Invalid) as error:
                made[change.domain, change.key] = error
    spoken.forget()
    return made


def mark(store: Store, token: str, tag: str, domain: Domain, key: str, rev: int, state: Mark) -> int:
    """Review or approve words, or send them back as a draft; the new revision. For reviewers.

    Raises Denied, OwnWords (nobody approves what they wrote), NotFound, Refused (edited in its file only), Conflict,
    Invalid (nothing there, or made for other English).
    """
    with unit_of_work(store, token, write=True) as session:
        who = _who(session, tag, reviews=True)
        found = source_of(store, domain, key)
        audit.note(session, "translation.marked", locale=tag, message=found.ref, state=state)
        made = _mark(store, session, who, tag, found, rev, state, next_version(session, tag))
    spoken.forget()
    return made


def mark_all(
    store: Store, token: str, tag: str, messages: Iterable[tuple[Domain, str, int]], state: Mark
) -> Mapping[tuple[Domain, str], int | errors.ClinicError]:
    """Many at once (domain, key, revision), each as `mark`, in one transaction and one line of the audit.

    For each message its new revision, or why it was left as it is. Raises Denied.
    """
    made: dict[tuple[Domain, str], int | errors.ClinicError] = {}
    wanted = list(messages)
    with unit_of_work(store, token, write=True) as session:
        who = _who(session, tag, reviews=True)
        audit.note(session, "translation.marked", locale=tag, messages=len(wanted), state=state)
        v = next_version(session, tag)
        for domain, key, rev in wanted:
            try:
                found = source_of(store, domain, key)
                made[domain, key] = _mark(store, session, who, tag, found, rev, state, v)
            except (OwnWords, NotFound, Refused, Conflict, Invalid) as error:
                made[domain, key] = error
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


def restore(store: Store, token: str, tag: str, domain: Domain, key: str, past_id: str, rev: int) -> int:
    """Old words again, as a draft; the new revision. Raises as `propose`, and NotFound for no such past."""
    old = next((one for one in history(store, token, tag, domain, key) if one.id == str(ident(past_id))), None)
    if old is None:
        raise NotFound
    return propose(store, token, tag, domain, key, old.forms, rev, old.source or None, "restore")


# --------------------------------------------------------------------------- one message
def _who(session: Session, tag: str, reviews: bool = False) -> UUID:
    """The account of this unit, which may work on this language. Raises Denied."""
    scope = session.scope if isinstance(session, ScopedSession) else None
    if scope is None or not may(session, scope.account, scope.role, tag, reviews):
        raise Denied
    return scope.account


def next_version(session: Session, tag: str) -> int:
    """Count one more edit of a language; until the commit nobody else edits it."""
    table, connection = TranslationVersion.__table__, session.connection()
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(table).values(locale=tag, v=1)
    more = first.on_conflict_do_update(index_elements=["locale"], set_={"v": table.c.v + 1})
    connection.execute(more)
    return int(connection.execute(select(table.c.v).where(table.c.locale == tag)).scalar_one())


def _standing(session: Session, tag: str, source: Source) -> tuple[Entry, Translation | None]:
    """What a message says in this transaction, and its row if it has one."""
    row = session.get(Translation, (tag, source.domain, source.key))
    file = filed(tag, source.domain).get(source.key)
    if row is None:
        return file or Entry(), None
    author = str(row.author_id or "")
    mine = Entry(row.source, json.loads(row.forms), row.state, row.rev, author, row.at)  # type: ignore[arg-type]
    return spoken.over(file, spoken.Row(mine, row.cleared)), row


def _write(
    store: Store, session: Session, who: UUID, tag: str, source: Source, change: Change, v: int, why: str
) -> int:
    if source.guard:
        raise Refused("guarded")
    forms = _forms(source, tag, change.forms)
    standing, row = _standing(session, tag, source)
    if standing.rev != change.rev:
        raise Conflict(standing)
    made_for = replace(source, en=change.source) if change.source else source
    if len(made_for.en) > LONGEST:
        raise Invalid({"source": "too_long"})
    _block(made_for, forms, tag)
    state: State = "draft" if forms else "untranslated"
    entry = Entry(made_for.en, forms, state, standing.rev + 1, str(who), store.clock())
    _keep(session, tag, source, entry, v, who, why, standing, row)
    return entry.rev


def _mark(store: Store, session: Session, who: UUID, tag: str, source: Source, rev: int, state: Mark, v: int) -> int:
    if source.guard:
        raise Refused("guarded")
    if state not in MARKS:
        raise Invalid({"state": "not_an_option"})
    standing, row = _standing(session, tag, source)
    if standing.rev != rev:
        raise Conflict(standing)
    now = state_now(standing, source.en)
    if now in ("untranslated", "changed"):
        raise Invalid({"state": "not_an_option"})
    if state != "draft":
        _not_own(session, who, tag, source, standing)
        _block(source, standing.forms, tag)
    entry = replace(standing, state=state, rev=rev + 1, at=store.clock())
    _keep(session, tag, source, entry, v, who, state, standing, row)
    return entry.rev


def _not_own(session: Session, who: UUID, tag: str, source: Source, standing: Entry) -> None:
    """Raises OwnWords: this account wrote these very words, now or before."""
    past = TranslationPast
    mine = (past.locale == tag) & (past.domain == source.domain) & (past.key == source.key)
    wrote = session.scalars(select(past.forms).where(mine, past.account_id == who, past.why.in_(WHYS)))
    if standing.by == str(who) or any(json.loads(one) == dict(standing.forms) for one in wrote):
        raise OwnWords


def _keep(
    session: Session,
    tag: str,
    source: Source,
    entry: Entry,
    v: int,
    who: UUID,
    why: str,
    before: Entry,
    row: Translation | None,
) -> None:
    """Write an edit and its line of the history; before the first one, what the file said."""
    message = {"locale": tag, "domain": source.domain, "key": source.key}
    words = {
        "source": entry.source, "forms": json.dumps(dict(entry.forms), ensure_ascii=False, sort_keys=True),
        "state": entry.state, "rev": entry.rev, "at": entry.at,
    }  # fmt: skip
    past = [{**message, **words, "account_id": who, "why": why}]
    if row is None:
        old = json.dumps(dict(before.forms), ensure_ascii=False, sort_keys=True)
        first = {"source": before.source, "forms": old, "state": before.state, "rev": 0, "at": entry.at}
        past.insert(0, {**message, **first, "account_id": None, "why": "file"})
    session.execute(insert(TranslationPast), past)
    mine = {"v": v, "author_id": UUID(entry.by) if entry.by else None, "account_id": who, "cleared": False}
    if row is None:
        session.execute(insert(Translation), [{**message, **words, **mine}])
    else:
        for name, value in {**words, **mine}.items():
            setattr(row, name, value)
    session.flush()


def _forms(source: Source, tag: str, given: Mapping[str, str]) -> dict[str, str]:
    """The forms that this message has in this language, without empty ones. Raises Invalid."""
    names = categories(tag) if source.plural else ("",)
    found = {name: text.replace("\r\n", "\n") for name, text in given.items() if text.strip()}
    if not set(found) <= set(names) or any(len(text) > LONGEST for text in found.values()):
        raise Invalid({"forms": "not_an_option"})
    if any(hidden(character) for text in found.values() for character in text):
        raise Invalid({"forms": "hidden"})
    return found


def _block(source: Source, forms: Mapping[str, str], tag: str) -> None:
    """Raises Invalid for words that would break a page."""
    if not forms:
        return
    for one in translations.checked(source, forms, tag):
        if one.tier == "block":
            raise Invalid({"forms": one.check})


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
