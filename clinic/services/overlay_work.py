"""The writing behind `overlay`: one transaction in one language, with the rows that are there and those that come.

Whoever begins locks the language until the commit. So what is read here holds when it is written, and the count of
edits (`v`) tells every process what is new.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from clinic.domain import errors
from clinic.domain.definition import hidden
from clinic.domain.errors import Denied, Invalid, Refused
from clinic.i18n.catalogue import filed
from clinic.i18n.message import Domain, Entry, Source, State, state_now
from clinic.i18n.plurals import categories
from clinic.persistence.models import Translation, TranslationPast, TranslationVersion
from clinic.services import spoken, translations

LONGEST: Final = 20_000  # characters of one form
Mark = Literal["draft", "reviewed", "approved"]
MARKS: Final[tuple[Mark, ...]] = ("draft", "reviewed", "approved")
WHYS: Final = ("", "import", "restore", "merge")  # why words were written, for the history
Key = tuple[Domain, str]


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


@dataclass
class Work:
    """Edits of one language by one account at one moment; `done` writes them.

    `rows` are the messages that have one, `wrote` the words that this account ever gave a message.
    """

    session: Session
    tag: str
    who: UUID
    at: datetime
    v: int
    rows: Mapping[Key, Translation]
    wrote: Mapping[Key, list[dict[str, str]]]
    edited: dict[Key, Entry] = field(default_factory=dict)
    past: list[dict[str, Any]] = field(default_factory=list)

    def standing(self, source: Source) -> Entry:
        """What a message says in this transaction."""
        key = (source.domain, source.key)
        if key in self.edited:
            return self.edited[key]
        file, row = filed(self.tag, source.domain).get(source.key), self.rows.get(key)
        return spoken.over(file, spoken.Row(_entry(row), row.cleared)) if row else file or Entry()

    def write(self, source: Source, change: Change, why: str) -> int:
        """Words for a message; its new revision. Raises Refused, Conflict, Invalid."""
        if source.guard:
            raise Refused("guarded")
        forms, standing = _forms(source, self.tag, change.forms), self.standing(source)
        if standing.rev != change.rev:
            raise Conflict(standing)
        made_for = replace(source, en=change.source) if change.source else source
        if len(made_for.en) > LONGEST:
            raise Invalid({"source": "too_long"})
        _block(made_for, forms, self.tag)
        state: State = "draft" if forms else "untranslated"
        entry = Entry(made_for.en, forms, state, standing.rev + 1, str(self.who), self.at)
        return self._keep(source, standing, entry, why)

    def mark(self, source: Source, rev: int, state: Mark) -> int:
        """Another state for words that stand; the new revision. Raises Refused, Conflict, Invalid, OwnWords."""
        if source.guard:
            raise Refused("guarded")
        standing = self.standing(source)
        if standing.rev != rev:
            raise Conflict(standing)
        if state not in MARKS or state_now(standing, source.en) in ("untranslated", "changed"):
            raise Invalid({"state": "not_an_option"})
        if state != "draft":
            mine = self.wrote.get((source.domain, source.key), [])
            if standing.by == str(self.who) or dict(standing.forms) in mine:
                raise OwnWords
            _block(source, standing.forms, self.tag)
        return self._keep(source, standing, replace(standing, state=state, rev=rev + 1, at=self.at), state)

    def done(self) -> None:
        """Write everything."""
        fresh = []
        for (domain, key), entry in self.edited.items():
            words = {**_words(entry), "v": self.v, "account_id": self.who, "cleared": False}
            words["author_id"] = UUID(entry.by) if entry.by else None
            row = self.rows.get((domain, key))
            if row is None:
                fresh.append({"locale": self.tag, "domain": domain, "key": key, **words})
                continue
            for name, value in words.items():
                setattr(row, name, value)
        if fresh:
            self.session.execute(insert(Translation), fresh)
        if self.past:
            self.session.execute(insert(TranslationPast), self.past)
        self.session.flush()

    def _keep(self, source: Source, before: Entry, entry: Entry, why: str) -> int:
        """Note an edit with its line of the history; before the first one, what the file said."""
        message = {"locale": self.tag, "domain": source.domain, "key": source.key}
        if (source.domain, source.key) not in self.rows and not before.rev:
            first = _words(replace(before, at=self.at))
            self.past.append({**message, **first, "account_id": None, "why": "file"})
        self.past.append({**message, **_words(entry), "account_id": self.who, "why": why})
        self.edited[source.domain, source.key] = entry
        return entry.rev


def begin(session: Session, tag: str, who: UUID, at: datetime, key: Key | None = None) -> Work:
    """Lock a language and read what is there; `key`: of one message only."""
    v, row, past = next_version(session, tag), Translation, TranslationPast
    rows = select(row).where(row.locale == tag)
    wrote = select(past.domain, past.key, past.forms).where(
        past.locale == tag, past.account_id == who, past.why.in_(WHYS)
    )
    if key:
        rows = rows.where(row.domain == key[0], row.key == key[1])
        wrote = wrote.where(past.domain == key[0], past.key == key[1])
    mine: dict[Any, list[dict[str, str]]] = {}
    for domain, one, forms in session.execute(wrote):
        mine.setdefault((domain, one), []).append(json.loads(forms))
    there: dict[Any, Translation] = {(one.domain, one.key): one for one in session.scalars(rows)}
    return Work(session, tag, who, at, v, there, mine)


def next_version(session: Session, tag: str) -> int:
    """Count one more edit of a language; until the commit nobody else edits it."""
    table, connection = TranslationVersion.__table__, session.connection()
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(table).values(locale=tag, v=1)
    more = first.on_conflict_do_update(index_elements=["locale"], set_={"v": table.c.v + 1})
    connection.execute(more)
    return int(connection.execute(select(table.c.v).where(table.c.locale == tag)).scalar_one())


def _entry(row: Translation) -> Entry:
    state: Any = row.state
    return Entry(row.source, json.loads(row.forms), state, row.rev, str(row.author_id or ""), row.at)


def _words(entry: Entry) -> dict[str, Any]:
    """The columns that row and history share."""
    forms = json.dumps(dict(entry.forms), ensure_ascii=False, sort_keys=True)
    return {"source": entry.source, "forms": forms, "state": entry.state, "rev": entry.rev, "at": entry.at}


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
    for one in translations.checked(source, forms, tag) if forms else ():
        if one.tier == "block":
            raise Invalid({"forms": one.check})
