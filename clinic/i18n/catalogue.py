"""What a sentence of a definition says in a language, looked up by its key; and how far a translation has come.

`filed` is what the files say. What is edited in the browser comes over it in `services.overlay`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from clinic import resources
from clinic.domain.definition import Text
from clinic.i18n.compiling import compile_po
from clinic.i18n.locales import SOURCE, Direction, locale
from clinic.i18n.message import STATES, VARIANT, Domain, Entry, State, state_now, variant_of
from clinic.i18n.plurals import categories

NOTHING: Final = Entry()
Signature = tuple[int, int]  # of a file: when it was written, ns; how many bytes it has


class Catalogue:
    """The handout sentences of one language. Read-only.

    `variant` is the form of address (`f`, `m`, `formal`) of the one reader it speaks to, empty for both; a sentence in
    it is used from the state `least` on.
    """

    def __init__(self, tag: str, entries: Mapping[str, Entry], variant: str = "", least: State = "draft") -> None:
        self.locale = tag
        self.dir: Direction = locale(tag).dir
        self.variant, self._least = variant, STATES.index(least)
        self._entries = entries

    def text(self, text: Text, variant: str = "") -> str:
        """The sentence in this language; the English source where there is none (or it was made for other English).

        Where there is no sentence in the variant, the neutral one.
        """
        said = variant or self.variant
        if said:
            found = self._entries.get(f"{text.key}{VARIANT}{said}")
            if found and found.source == text.en and found.text and STATES.index(found.state) >= self._least:
                return found.text
        found = self._entries.get(text.key)
        return found.text if found and found.source == text.en and found.text else text.en

    def speaking_to(self, variant: str, least: State = "draft") -> "Catalogue":
        """The same for one reader, who is addressed in this variant where it has come far enough."""
        return Catalogue(self.locale, self._entries, variant, least) if variant else self

    def state(self, text: Text) -> State:
        """How far the neutral sentence has come. English is its own approved source."""
        if self.locale == SOURCE or not text.en:
            return "approved"
        return state_now(self._entries.get(text.key, NOTHING), text.en)

    @cached_property
    def mark(self) -> bytes:
        """What changes with any word, state or variant of it, and with nothing else."""
        said = [(key, one.source, sorted(one.forms.items()), one.state) for key, one in sorted(self._entries.items())]
        whole = json.dumps([self.locale, self.variant, self._least, said], ensure_ascii=False)
        return hashlib.sha256(whole.encode()).digest()

    def variants(self) -> frozenset[str]:
        """The forms of address in which this language has any sentence."""
        found = {variant_of(key) for key, entry in self._entries.items() if VARIANT in key and entry.text}
        return frozenset(found - {""})

    def missing(self, texts: Iterable[Text]) -> list[Text]:
        """The sentences this language does not have, or has only for an older English."""
        return [text for text in texts if STATES.index(self.state(text)) < STATES.index("draft")]

    def lowest(self, texts: Iterable[Text]) -> State:
        """The least state among the sentences: what decides whether a sheet may print."""
        return min((self.state(text) for text in texts), key=STATES.index, default="approved")


def catalogue(tag: str) -> Catalogue:
    """The catalogue of a language as its file has it now. KeyError for an unknown tag."""
    path = _compiled(tag, "handouts")
    return _book(tag, str(path), path.stat().st_mtime_ns) if path else _empty(tag)


@lru_cache(maxsize=128)
def _empty(tag: str) -> Catalogue:
    """One for each language: what is found out about a catalogue is kept as long as it is."""
    return Catalogue(tag, {})


@lru_cache(maxsize=128)
def _book(tag: str, path: str, changed: int) -> Catalogue:
    return Catalogue(tag, _read(tag, path, changed))


Books = Callable[[str], Catalogue]  # the handout sentences of a language, by its tag


def filed(tag: str, domain: Domain) -> Mapping[str, Entry]:
    """What the file of a language says, by key; read again when it changed. KeyError for an unknown tag."""
    path = _compiled(tag, domain)
    return _read(tag, str(path), path.stat().st_mtime_ns) if path else {}


def signature(tag: str, domain: Domain) -> Signature:
    """What changes with the file of a language."""
    for end in (".po", ".json"):
        try:
            found = _file(tag, domain, end).stat()
        except FileNotFoundError:
            continue
        return found.st_mtime_ns, found.st_size
    return 0, 0


def _file(tag: str, domain: Domain, end: str) -> Path:
    return resources.translations() / locale(tag).folder / "LC_MESSAGES" / f"{domain}{end}"


def _compiled(tag: str, domain: Domain) -> Path | None:
    if tag == SOURCE:
        return None
    po, compiled = _file(tag, domain, ".po"), _file(tag, domain, ".json")
    if po.exists():
        return compile_po(po)
    return compiled if compiled.exists() else None


@lru_cache(maxsize=128)
def _read(tag: str, path: str, _changed: int) -> Mapping[str, Entry]:
    with open(path, encoding="utf-8") as file:
        return {key: _entry(tag, *found) for key, found in json.load(file).items()}


def _entry(tag: str, source: str, target: str | list[str], state: State) -> Entry:
    if isinstance(target, str):
        return Entry(source, {"": target} if target else {}, state)
    names = categories(tag)
    if len(target) != len(names):  # numbered by another rule than ours
        names = ("one", "other")
    return Entry(source, {name: form for name, form in zip(names, target, strict=False) if form}, state)
