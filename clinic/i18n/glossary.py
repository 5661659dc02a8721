"""The words a language has settled on: `translations/<folder>/glossary.toml`, one `[[term]]` each.

`en` is the English term, `is` its words in the language (beginnings of words count, as words bend), `note` says more.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

BYTES, TERMS, LENGTH = 256_000, 2_000, 200


class BrokenGlossary(ValueError):
    """A glossary that cannot be read; its text says why."""


@dataclass(frozen=True)
class Term:
    """One term: its English, its words in the language (at least one), a note for translators."""

    en: str
    words: tuple[str, ...]
    note: str = ""

    def within(self, english: str) -> bool:
        """Whether an English sentence uses the term, in any of its simple endings."""
        return _ending(self.en).search(english) is not None

    def kept(self, target: str) -> bool:
        """Whether a translation uses one of its words."""
        folded = plain(target)
        return any(plain(word) in folded for word in self.words)


@lru_cache(maxsize=4096)
def _ending(en: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(en)}(s|es|ed|d|ing)?\b", re.IGNORECASE)


def plain(text: str) -> str:
    """Small letters without Arabic and Hebrew vowel signs and without joiners, to compare words."""
    return re.sub("[\u0591-\u05c7\u064b-\u0652\u0640\u200c\u200d\u00ad]", "", text).casefold()


def parse(data: bytes) -> tuple[Term, ...]:
    """Read a glossary. Raises BrokenGlossary."""
    if len(data) > BYTES:
        raise BrokenGlossary("it is larger than 256 kB")
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BrokenGlossary(f"it is not valid TOML: {error}") from None
    terms = tables.pop("term", [])
    if tables or not isinstance(terms, list) or len(terms) > TERMS:
        raise BrokenGlossary(f"it holds [[term]] tables only, {TERMS} at most")
    return tuple(_term(term, number) for number, term in enumerate(terms, 1))


def _term(term: object, number: int) -> Term:
    if not isinstance(term, dict) or not term.keys() <= {"en", "is", "note"}:
        raise BrokenGlossary(f"term {number} has en, is and note only")
    en, words, note = term.get("en"), term.get("is"), term.get("note", "")
    if not _text(en) or not isinstance(words, list) or not words or not all(map(_text, words)):
        raise BrokenGlossary(f"term {number} needs en and a list of words")
    if not isinstance(note, str) or len(note) > 5 * LENGTH:
        raise BrokenGlossary(f"term {number} has a note that is no text, or too long")
    return Term(str(en).strip(), tuple(word.strip() for word in words), note.strip())


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= LENGTH


def glossary(path: Path) -> tuple[Term, ...]:
    """The glossary at a path, empty if there is none; read again when the file changes. Raises BrokenGlossary."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return ()
    return _read(path, changed)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> tuple[Term, ...]:
    return parse(path.read_bytes())


def hits(terms: tuple[Term, ...], english: str) -> tuple[Term, ...]:
    """The terms that an English sentence uses."""
    return tuple(term for term in terms if term.within(english))
