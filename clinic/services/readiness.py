"""Whether a definition may print in a language: complete, reviewed, fonts there."""

from dataclasses import dataclass
from typing import Final

from clinic.documents import words
from clinic.domain.definition import Definition
from clinic.i18n.catalogue import catalogue
from clinic.i18n.compiling import STATES
from clinic.i18n.locales import translated
from clinic.press import fonts

# `print_when` of the settings -> the least state that prints without a DRAFT mark.
LEAST: Final = {"complete": "draft", "reviewed": "reviewed", "approved": "approved"}
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


def readiness(definition: Definition, tag: str, print_when: str) -> Readiness:
    """How far a definition and the words of every sheet have come in a language."""
    book = catalogue(tag)
    state = book.lowest([*definition.texts(), *words.texts()])
    try:
        fonts.families(tag)
    except fonts.FontsMissing:
        return Readiness(tag, state, False, False, "its fonts are not installed (python3 -m clinic fonts)")
    enough = STATES.index(state) >= STATES.index(LEAST[print_when])
    if enough:
        return Readiness(tag, state, True, True)
    careful = definition.careful and STATES.index(state) < STATES.index("reviewed")
    return Readiness(tag, state, False, not careful, WHY_NOT.get(state, "it is not approved yet"))


def languages(definition: Definition, print_when: str) -> tuple[Readiness, ...]:
    """Every language the product has, for one definition."""
    return tuple(readiness(definition, one.tag, print_when) for one in translated())
