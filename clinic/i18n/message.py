"""One message and what a language has for it: the words shared by files, overlay, workbench and exchange."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

Domain = Literal["handouts", "messages"]
State = Literal["untranslated", "changed", "draft", "reviewed", "approved"]
DOMAINS: Final[tuple[Domain, ...]] = ("handouts", "messages")
STATES: Final[tuple[State, ...]] = ("untranslated", "changed", "draft", "reviewed", "approved")
CONTEXT: Final = "\x04"  # between context and text, as gettext joins them
VARIANT: Final = "@"
# Forms of address a language may need besides the neutral one: a key of its own, `key@f`.
VARIANTS: Final = ("f", "m", "formal")


def ref(domain: str, key: str) -> str:
    """16 hex digits that stand for a message in URLs and forms; they say nothing of its words."""
    return hashlib.sha256(f"{domain}\0{key}".encode()).hexdigest()[:16]


def interface_key(msgid: str, context: str | None = None) -> str:
    """The key of a message of the interface."""
    return f"{context}{CONTEXT}{msgid}" if context else msgid


def neutral(key: str) -> str:
    """The key without its variant; itself for a neutral one. Only keys of handouts have variants."""
    stem, mark, variant = key.rpartition(VARIANT)
    return stem if mark and variant in VARIANTS else key


def variant_of(key: str) -> str:
    """`f`, `m` or `formal`, "" for the neutral key."""
    return key[len(neutral(key)) + 1 :]


@dataclass(frozen=True)
class Source:
    """One English message. `limit` in characters, 0 for none; a `guard` message is edited in its file only."""

    domain: Domain
    key: str
    en: str
    plural: str = ""
    note: str = ""
    limit: int = 0
    guard: bool = False

    @property
    def ref(self) -> str:
        """What stands for it in URLs, forms and element ids."""
        return ref(self.domain, self.key)

    @property
    def variant(self) -> str:
        """`f`, `m` or `formal` for a message that may stay empty; "" for every other."""
        return variant_of(self.key) if self.domain == "handouts" else ""


@dataclass(frozen=True)
class Entry:
    """What a language has for a message.

    `source` is the English it was made for; `forms` is `{"": text}`, or a text for each CLDR category of a plural.
    `rev` is 0 where only the file has it, and counts the edits made in the browser. `by` is an account's id.
    """

    source: str = ""
    forms: Mapping[str, str] = field(default_factory=dict)
    state: State = "untranslated"
    rev: int = 0
    by: str = ""
    at: datetime | None = None

    @property
    def text(self) -> str:
        """The words without a plural, or the `other` form of one."""
        return self.forms.get("") or self.forms.get("other", "")


def state_now(entry: Entry, en: str) -> State:
    """The state beside the present English: words made for other English are `changed`, whatever was said of them."""
    if not any(entry.forms.values()):
        return "untranslated"
    return entry.state if entry.source == en and entry.state != "untranslated" else "changed"


def variants(source: Source) -> tuple[Source, ...]:
    """The other forms of address that a sentence of a handout may have; none for the interface."""
    if source.domain != "handouts" or source.plural or source.guard:
        return ()
    key = neutral(source.key)
    return tuple(
        Source(source.domain, f"{key}{VARIANT}{one}", source.en, "", source.note, source.limit) for one in VARIANTS
    )
