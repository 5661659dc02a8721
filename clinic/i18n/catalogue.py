"""What a sentence of a definition says in a language, looked up by its key; and how far a translation has come."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from clinic import resources
from clinic.domain.definition import Text
from clinic.i18n.compiling import STATES, compile_po
from clinic.i18n.locales import SOURCE, Direction, locale


class Catalogue:
    """The handout sentences of one language. Read-only."""

    def __init__(self, tag: str, entries: Mapping[str, list[str]]) -> None:
        self.locale = tag
        self.dir: Direction = locale(tag).dir
        self._entries = entries

    def text(self, text: Text) -> str:
        """The sentence in this language; the English source where there is none (or it was made for other English)."""
        source, target, _ = self._entries.get(text.key, ("", "", ""))
        return target if target and source == text.en else text.en

    def state(self, text: Text) -> str:
        """One of `compiling.STATES`. English is its own approved source."""
        if self.locale == SOURCE or not text.en:
            return "approved"
        source, _, state = self._entries.get(text.key, ("", "", "untranslated"))
        return state if source == text.en or state == "untranslated" else "changed"

    def missing(self, texts: Iterable[Text]) -> list[Text]:
        """The sentences this language does not have, or has only for an older English."""
        return [text for text in texts if STATES.index(self.state(text)) < STATES.index("draft")]

    def lowest(self, texts: Iterable[Text]) -> str:
        """The least state among the sentences: what decides whether a sheet may print."""
        return min((self.state(text) for text in texts), key=STATES.index, default="approved")


def catalogue(tag: str) -> Catalogue:
    """The catalogue of a language, read again when its file changed. KeyError for an unknown tag."""
    if tag == SOURCE:
        return Catalogue(tag, {})
    folder = resources.translations() / locale(tag).folder / "LC_MESSAGES"
    po, compiled = folder / "handouts.po", folder / "handouts.json"
    if po.exists():
        compiled = compile_po(po)
    if not compiled.exists():
        return Catalogue(tag, {})
    return _read(tag, str(compiled), compiled.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(tag: str, path: str, _changed: int) -> Catalogue:
    with open(path, encoding="utf-8") as file:
        return Catalogue(tag, json.load(file))
