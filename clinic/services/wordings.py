"""The wording that an agreement was signed in: sealed with each part, and read back in place of the form's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clinic.domain.audience import About, Scope
from clinic.domain.definition import Definition
from clinic.domain.wording import SEALED, as_said, spoken
from clinic.i18n.catalogue import Books
from clinic.persistence.keyholder import Head, KeyView
from clinic.persistence.models import Part


@dataclass(frozen=True)
class Wording:
    """Words by sentence key, and the language they are in. Without a language: the form's own wording."""

    locale: str
    words: Mapping[str, str]

    def of(self, definition: Definition) -> Definition:
        """The definition as it was shown."""
        return as_said(definition, self.words) if self.locale else definition


def to_seal(definition: Definition, about: About, locale: str, books: Books) -> dict[Scope, dict[str, Any]]:
    """What goes into each part of a record that is finished in this language; empty for most kinds."""
    if definition.kind not in SEALED:
        return {}
    words = spoken(definition, about, books(locale).text)
    return {scope: {"locale": locale, "words": mine} for scope, mine in words.items()}


def of_parts(view: KeyView, head: Head, parts: Iterable[Part]) -> Wording:
    """The wording in these parts, as far as this view opens them."""
    locale, words = "", dict[str, str]()
    for part in parts:
        found = view.open(part, head).get("said") or {}
        locale, words = found.get("locale", locale), words | found.get("words", {})
    return Wording(locale, words)
