"""What each language says at this moment: its files, and over them what was edited in the browser.

Every process keeps what it has read. Once a request it asks how often each language was edited (one small query), and
reads the rows that are newer than what it knows. A snapshot is never changed: a new one takes its place, whole.
"""

import json
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from babel.support import Translations
from sqlalchemy import Connection, Engine, select

from clinic.i18n.catalogue import NOTHING, Books, Catalogue, Signature, catalogue, filed, signature
from clinic.i18n.locales import SOURCE, locale
from clinic.i18n.message import CONTEXT, DOMAINS, Domain, Entry, neutral
from clinic.i18n.plurals import categories, category
from clinic.persistence.keyview import whole_id
from clinic.persistence.models import Translation, TranslationVersion
from clinic.persistence.store import Store
from clinic.services import translations

Key = tuple[Domain, str]


@dataclass(frozen=True)
class Row:
    """An edit, as the database has it."""

    entry: Entry
    cleared: bool


@dataclass(frozen=True)
class Snapshot:
    """All of a language. `rows` are the edits up to `seen`, `entries` and `words` what they and the files make."""

    seen: int
    files: Mapping[Domain, Signature]
    rows: Mapping[Key, Row] = field(repr=False)
    entries: Mapping[Domain, Mapping[str, Entry]] = field(repr=False)
    book: Catalogue = field(repr=False)
    words: Translations = field(repr=False)


# One for each language of each instance that this process has open; gone with its engine.
_SNAPSHOTS: "WeakKeyDictionary[Engine, dict[str, Snapshot]]" = WeakKeyDictionary()
_LOCK: Final = Lock()


@dataclass(frozen=True)
class _Asked:
    """What one request was told of one instance: edits by language, and the snapshots that it goes on with."""

    request: str
    engine: int
    versions: Mapping[str, int]
    held: dict[str, Snapshot] = field(default_factory=dict)


_ASKED: ContextVar[_Asked | None] = ContextVar("asked", default=None)


def book(store: Store, tag: str) -> Catalogue:
    """The handout sentences of a language, current at each request. KeyError for an unknown tag."""
    return catalogue(tag) if tag == SOURCE else snapshot(store, tag).book


def books(store: Store) -> Books:
    """The same for any language."""
    return partial(book, store)


def interface(store: Store, tag: str) -> Translations:
    """The words of the pages in a language, current at each request. KeyError for an unknown tag."""
    return Translations() if tag == SOURCE else snapshot(store, tag).words


def of_files(tag: str) -> Translations:
    """The words of the pages as the files have them, for a moment without a database."""
    words = Translations()
    _set(words, tag, filed(tag, "messages").items())
    return words


def entries(store: Store, tag: str, domain: Domain) -> Mapping[str, Entry]:
    """What a language has for every message, by key. KeyError for an unknown tag."""
    return snapshot(store, tag).entries[domain]


def snapshot(store: Store, tag: str) -> Snapshot:
    """The newest state of a language; the same from the beginning of a request to its end. KeyError: unknown tag."""
    locale(tag)
    asked = _asked(store)
    if tag not in asked.held:
        asked.held[tag] = _newest(store, tag, asked.versions.get(tag, 0))
    return asked.held[tag]


def forget() -> None:
    """Ask again how often each language was edited: this request edited one itself."""
    _ASKED.set(None)


def _asked(store: Store) -> _Asked:
    """What this request was told; outside of a request it asks every time."""
    id_, known = whole_id(), _ASKED.get()
    if id_ and known is not None and (known.request, known.engine) == (id_, id(store.engine)):
        return known
    with store.engine.connect() as connection:
        rows = connection.execute(select(TranslationVersion.locale, TranslationVersion.v)).all()
    found = _Asked(id_, id(store.engine), {tag: v for tag, v in rows})
    _ASKED.set(found if id_ else None)
    return found


def _newest(store: Store, tag: str, v: int) -> Snapshot:
    files = {domain: signature(tag, domain) for domain in DOMAINS}
    found = _SNAPSHOTS.get(store.engine, {}).get(tag)
    if found is not None and found.seen >= v and found.files == files:
        return found
    with _LOCK:
        mine = _SNAPSHOTS.setdefault(store.engine, {})
        found = mine.get(tag)
        if found is None or found.files != files:
            found = _anew(tag, files, found)
        if found.seen < v:
            found = _with(found, tag, *_newer(store, tag, found.seen))
        mine[tag] = found
        return found


def _newer(store: Store, tag: str, seen: int) -> tuple[int, dict[Key, Row]]:
    """The edits after `seen`, and how many there are of all. The count is read first: no edit falls between."""
    with store.engine.connect() as connection:
        version = select(TranslationVersion.v).where(TranslationVersion.locale == tag)
        return connection.scalar(version) or 0, read_rows(connection, tag, seen)


def read_rows(connection: Connection, tag: str, seen: int = 0) -> dict[Key, Row]:
    """The edits of a language after `seen`."""
    one = Translation
    columns = (one.domain, one.key, one.source, one.forms, one.state, one.rev, one.author_id, one.at, one.cleared)
    found = connection.execute(select(*columns).where(one.locale == tag, one.v > seen))
    return {(row.domain, row.key): _row(*row[2:]) for row in found}


def _row(source: str, forms: str, state: Any, rev: int, author: UUID | None, at: Any, cleared: bool) -> Row:
    return Row(Entry(source, json.loads(forms), state, rev, str(author or ""), at), cleared)


def _anew(tag: str, files: Mapping[Domain, Signature], old: Snapshot | None) -> Snapshot:
    """From the files, with the edits that are known already."""
    read: dict[Domain, Mapping[str, Entry]] = {domain: filed(tag, domain) for domain in DOMAINS}
    words = Translations()
    _set(words, tag, read["messages"].items())
    fresh = Snapshot(0, files, {}, read, Catalogue(tag, read["handouts"]), words)
    return _with(fresh, tag, old.seen, old.rows) if old is not None else fresh


def _with(found: Snapshot, tag: str, seen: int, rows: Mapping[Key, Row]) -> Snapshot:
    """The same with these edits."""
    made: dict[Domain, Mapping[str, Entry]] = dict(found.entries)
    for domain in DOMAINS:
        mine = {key: row for (of, key), row in rows.items() if of == domain and not _guarded(domain, key)}
        if mine:
            file = filed(tag, domain)
            made[domain] = {**made[domain], **{key: over(file.get(key), row) for key, row in mine.items()}}
    book, words = found.book, found.words
    if made["handouts"] is not found.entries["handouts"]:
        book = Catalogue(tag, made["handouts"])
    if changed := [key for domain, key in rows if domain == "messages"]:
        words = Translations()
        _catalog(words).update(_catalog(found.words))
        _set(words, tag, ((key, made["messages"][key]) for key in changed if key in made["messages"]))
    return Snapshot(seen, found.files, {**found.rows, **rows}, made, book, words)


def over(file: Entry | None, row: Row) -> Entry:
    """What holds of a message that a file has and that was edited.

    The file speaks where the edit was given back to it, and where it has words for newer English than the edit.
    """
    file = file or NOTHING
    if row.cleared:
        same = dict(file.forms) == dict(row.entry.forms)
        return replace(file, rev=row.entry.rev, by=row.entry.by if same else "", at=row.entry.at if same else None)
    if file.source != row.entry.source and file.state not in ("untranslated", "changed"):
        return replace(file, rev=row.entry.rev)
    return row.entry


def _guarded(domain: Domain, key: str) -> bool:
    """Whether a message is edited in its file only: a row that names it anyway counts for nothing."""
    found = translations.sources(domain).get(neutral(key) if domain == "handouts" else key)
    return found is not None and found.guard


# --------------------------------------------------------------------------- the words of the pages
def _catalog(words: Translations) -> dict[Any, str]:
    found: dict[Any, str] = words._catalog
    return found


def _set(words: Translations, tag: str, changed: Iterable[tuple[str, Entry]]) -> None:
    """Put words into a catalogue as gettext looks them up; what is not for this English is left out."""
    names, catalog = categories(tag), _catalog(words)
    words.plural = lambda number: names.index(category(tag, int(number)))
    for key, entry in changed:
        for old in (key, *((key, place) for place in range(len(names)))):
            catalog.pop(old, None)
        if entry.state == "changed" or entry.source != key.rpartition(CONTEXT)[2]:
            continue
        if "" in entry.forms:
            catalog[key] = entry.forms[""]
        elif entry.text:
            catalog |= {(key, place): entry.forms.get(name) or entry.text for place, name in enumerate(names)}
