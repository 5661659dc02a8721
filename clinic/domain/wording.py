"""The wording of a form as somebody saw it: sealed with an agreement, and shown so for ever (DECISIONS D4)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from clinic.domain.audience import About, Scope
from clinic.domain.definition import Block, Definition, Item, Text

# The kinds of records whose wording is sealed with them.
SEALED: Final = frozenset({"agreement"})
_SAID: Final = "said"  # a key that no catalogue has: the sentence stays as it is in every language


def spoken(definition: Definition, about: About, say: Callable[[Text], str]) -> dict[Scope, dict[str, str]]:
    """What a page showed, by the key of the part it belongs to, as `{sentence key: words}`.

    Each part gets the words of its own blocks and their sections only, and the form's title and lead.
    """
    top = [definition.title, definition.lead, definition.who]
    found: dict[Scope, dict[str, str]] = {}
    for placed in definition.placed(about):
        mine = found.setdefault(placed.scope, {one.key: say(one) for one in top if one})
        section = (placed.section.title, placed.section.hint)
        mine |= {one.key: say(one) for one in (*section, *_texts(placed.block)) if one}
    return found


def as_said(definition: Definition, said: Mapping[str, str]) -> Definition:
    """The definition with these words in place of its own; a sentence without any keeps what it has."""
    found: Definition = _said(definition, said)
    return found


def _texts(thing: object) -> Iterator[Text]:
    if isinstance(thing, Text):
        yield thing
    elif isinstance(thing, tuple):
        for part in thing:
            yield from _texts(part)
    elif isinstance(thing, Block | Item):
        for one in fields(thing):
            yield from _texts(getattr(thing, one.name))


def _said(thing: Any, said: Mapping[str, str]) -> Any:
    if isinstance(thing, Text):
        return Text(_SAID, said[thing.key]) if thing.key in said else thing
    if isinstance(thing, tuple):
        return tuple(_said(one, said) for one in thing)
    if is_dataclass(thing) and not isinstance(thing, type):
        return replace(thing, **{one.name: _said(getattr(thing, one.name), said) for one in fields(thing)})
    return thing
