"""Whether a definition may print in a language: complete, reviewed, fonts there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from clinic.documents import words
from clinic.domain.definition import Definition
from clinic.i18n.catalogue import Books, Catalogue, catalogue
from clinic.i18n.locales import translated
from clinic.i18n.message import STATES, State
from clinic.press import fonts

# `print_when` of the settings -> the least state that prints without a DRAFT mark.
LEAST: Final[Mapping[str, State]] = {"complete": "draft", "reviewed": "reviewed", "approved": "approved"}
WHY_NOT: Final = {
    "untranslated": "sentences are missing",
    "changed": "the English has changed since",
    "draft": "nobody reviewed it yet",
}


@dataclass(frozen=True)
class Readiness:
    """`state` is the least state among the sentences; `printable` without, `draftable` with a DRAFT mark."""

    locale: str
    state: str
    printable: bool
    draftable: bool
    reason: str = ""


def readiness(definition: Definition, tag: str, print_when: str, book: Catalogue | None = None) -> Readiness:
    """How far all that can print on a sheet has come in a language: the definition with what it takes from the
    library, and the words of every sheet. `book`: what the language says; without it, what its file says.

    A draft of a sheet about sex or safety does not print at all before somebody reviewed it.
    """
    state = _least(book or catalogue(tag), definition)
    try:
        fonts.families(tag)
    except fonts.FontsMissing:
        return Readiness(tag, state, False, False, "its fonts are not installed (python3 -m clinic fonts)")
    held = definition.careful and STATES.index(state) < STATES.index("reviewed")
    if STATES.index(state) >= STATES.index(LEAST[print_when]) and not held:
        return Readiness(tag, state, True, True)
    return Readiness(tag, state, False, not held, WHY_NOT.get(state, "it is not approved yet"))


def languages(
    definition: Definition, print_when: str, books: Books = catalogue, among: Collection[str] | None = None
) -> tuple[Readiness, ...]:
    """Every language the product has, or those of them that are named, for one definition."""
    tags = (one.tag for one in translated() if among is None or one.tag in among)
    return tuple(readiness(definition, tag, print_when, books(tag)) for tag in tags)


def least(definition: Definition, print_when: str, draft: bool = False) -> State:
    """The state from which a single sentence may stand on a sheet; `draft`: the sheet is marked so."""
    enough: State = "draft" if draft else LEAST[print_when]
    return "reviewed" if definition.careful and enough == "draft" else enough


# A catalogue never changes, so what was found of it holds as long as it is in use.
_FOUND: "WeakKeyDictionary[Catalogue, dict[str, State]]" = WeakKeyDictionary()


def _least(book: Catalogue, definition: Definition) -> State:
    found = _FOUND.setdefault(book, {})
    if definition.sha not in found:
        found[definition.sha] = book.lowest([*definition.texts(), *words.texts()])
    return found[definition.sha]
