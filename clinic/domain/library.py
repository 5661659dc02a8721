"""What the product knows about couples: signals, mechanisms, sources, aims, practices, pitfalls and strategies.

Read from `forms/library/<list>.toml`: one table an entry, its name is the id, its order the order. All wording is
data; the facts each entry carries are those of CLINICAL §§1–7 with CLINICAL_RULES A and B.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clinic.domain.definition import ID, TEXT_LENGTH, ListItem, Lists, Text
from clinic.domain.errors import DefinitionError


@dataclass(frozen=True)
class Link:
    """A weighted reason to ask: this signal may have `to` (a mechanism) under it; strength 0–3."""

    to: str
    strength: int
    reason: Text


@dataclass(frozen=True)
class Entry:
    """One entry. `texts` by field; `tags` are plain words: rules (R1 …), step, swap targets, referral, flags."""

    id: str
    texts: Mapping[str, Text]
    tags: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    parts: tuple["Entry", ...] = ()  # the activities of a strategy

    @property
    def title(self) -> Text:
        """The short name that staff see."""
        return self.texts["title"]


@dataclass(frozen=True)
class Shape:
    """The fields an entry of one list must and may have."""

    texts: tuple[str, ...]
    optional: tuple[str, ...] = ()
    tags: Mapping[str, type] = field(default_factory=dict)
    linked: bool = False
    part: "Shape | None" = None


# `rules` of a practice, strategy or activity: what speaks against it as homework (`hold`, R1 …) while it is open.
ACTIVITY: Final = Shape(
    ("title", "why", "step", "how_long", "minimum", "harder", "stop", "not_for"), tags={"rules": list}
)
SHAPES: Final[dict[str, Shape]] = {
    # people: the label a client reads; own: the first-person line of the check-in; care: the line every signal carries
    "signals": Shape(
        ("title", "people", "own", "looks", "ask", "rule_outs", "care"),
        ("flag",),
        {"rules": list, "sexual": bool, "strength": bool},
        linked=True,
    ),
    "mechanisms": Shape(("title", "idea", "people", "explore", "caution")),
    "sources": Shape(("title", "people", "ask"), ("refer",), {"staff_only": bool}),
    "aims": Shape(("title", "people", "means")),
    "steps": Shape(("title", "people", "why")),
    "practices": Shape(("title", "what", "say", "slip"), ("limit",), {"step": str, "rules": list}),
    "pitfalls": Shape(("title", "people", "own", "looks", "instead"), ("limit",), {"swaps": list}),
    "strategies": Shape(("title", "people", "what", "not_when"), tags={"rules": list}, part=ACTIVITY),
}


@dataclass(frozen=True)
class Library:
    """All lists by name, in file order."""

    entries: Mapping[str, tuple[Entry, ...]]

    def get(self, name: str, id_: str) -> Entry:
        """One entry; KeyError if there is none."""
        return next((entry for entry in self.entries[name] if entry.id == id_), None) or self._none(name, id_)

    def _none(self, name: str, id_: str) -> Entry:
        raise KeyError(f"{name}.{id_}")

    def lists(self) -> Lists:
        """The lists as definitions use them in `from`; `activities` are those of all strategies."""
        lists = {name: tuple(_list_item(entry) for entry in entries) for name, entries in self.entries.items()}
        parts = (part for strategy in self.entries.get("strategies", ()) for part in strategy.parts)
        return {**lists, "activities": tuple(_list_item(part) for part in parts)}

    def texts(self) -> list[Text]:
        """Every sentence, in order."""
        everything = [entry for entries in self.entries.values() for entry in entries]
        return [text for entry in everything for text in _entry_texts(entry)]


def _list_item(entry: Entry) -> ListItem:
    return ListItem(entry.id, entry.texts, bool(entry.tags.get("staff_only")))


def _entry_texts(entry: Entry) -> list[Text]:
    own = [*entry.texts.values(), *(link.reason for link in entry.links)]
    return own + [text for part in entry.parts for text in _entry_texts(part)]


def parse_library(files: Mapping[str, bytes]) -> Library:
    """Read the lists: `{list name: TOML bytes}`. Raises DefinitionError naming file and entry."""
    entries: dict[str, tuple[Entry, ...]] = {}
    for name, source in files.items():
        file = f"library/{name}.toml"
        if name not in SHAPES:
            raise DefinitionError(f"there is no list of this name; known: {', '.join(SHAPES)}", file)
        try:
            data = tomllib.loads(source.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DefinitionError(f"is not valid TOML: {error}", file) from None
        entries[name] = tuple(_entry(id_, one, SHAPES[name], f"{name}.{id_}", file) for id_, one in data.items())
    library = Library(entries)
    _linked(library)
    return library


def _entry(id_: str, data: Any, shape: Shape, key: str, file: str) -> Entry:
    if not ID.match(id_) or not isinstance(data, dict):
        raise DefinitionError(f'"{id_}" must be a table named in small letters', file)
    known = {*shape.texts, *shape.optional, *shape.tags, "note", "links", "activities"}
    for name in set(data) - known:
        raise DefinitionError(f'does not know the field "{name}"', file, "", id_)
    texts = {}
    for name in (*shape.texts, *shape.optional):
        value = data.get(name, "")
        if not isinstance(value, str) or len(value) > TEXT_LENGTH or (name in shape.texts and not value.strip()):
            raise DefinitionError(f"{name} is missing or no text", file, "", id_)
        if value:
            texts[name] = Text(f"{key}.{name}", value.strip(), data.get("note", ""))
    for name, kind in shape.tags.items():
        if not isinstance(data.get(name, kind()), kind):
            raise DefinitionError(f"{name} must be a {kind.__name__}", file, "", id_)
    tags = {name: data[name] for name in shape.tags if name in data}
    links = tuple(_link(to, one, key, file, id_) for to, one in data.get("links", {}).items() if shape.linked)
    parts = data.get("activities", {}).items() if shape.part else ()
    made = tuple(_entry(part, one, shape.part, f"{key}.{part}", file) for part, one in parts if shape.part)
    return Entry(id_, texts, tags, links, made)


def _link(to: str, data: Any, key: str, file: str, id_: str) -> Link:
    if not isinstance(data, dict) or set(data) != {"strength", "reason"} or data["strength"] not in range(4):
        raise DefinitionError(f'link "{to}" needs strength 0 to 3 and a reason', file, "", id_)
    return Link(to, data["strength"], Text(f"{key}.links.{to}", data["reason"]))


def _linked(library: Library) -> None:
    """Every id that an entry names must exist."""
    ids = {name: {entry.id for entry in entries} for name, entries in library.entries.items()}
    for signal in library.entries.get("signals", ()):
        for link in signal.links:
            if link.to not in ids.get("mechanisms", ()):
                raise DefinitionError(f'no mechanism "{link.to}"', "library/signals.toml", "", signal.id)
    for practice in library.entries.get("practices", ()):
        if practice.tags.get("step") not in ids.get("steps", ()):
            raise DefinitionError(f'no step "{practice.tags.get("step")}"', "library/practices.toml", "", practice.id)
