"""Messages that are worked on together: a handout or form, the library by list, words on paper, pages by area."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal

from clinic.domain.definition import Definition, Text
from clinic.domain.errors import NotFound
from clinic.i18n import extracting
from clinic.i18n.message import Domain, Source, variants
from clinic.persistence.store import Store
from clinic.services import translations
from clinic.services.definitions import definitions
from clinic.services.shelf import active

Kind = Literal["sheet", "form", "library", "words", "pages"]
LISTS: Final = frozenset("signals mechanisms sources aims steps practices pitfalls strategies suggestion".split())
# Words of the interface by where they are met: folders of templates and modules of clinic/web.
AREAS: Final[Mapping[str, frozenset[str]]] = {
    "pages-every": frozenset("base macros problem closed help pages problems filters doors".split()),
    "pages-sign-in": frozenset("auth account lock session passkeys again".split()),
    "pages-cases": frozenset("cases course formulation appointments why diagram drawing".split()),
    "pages-records": frozenset("records entry forms".split()),
    "pages-print": frozenset("sheets packs homework".split()),
    "pages-desk": frozenset("desk team audit rights".split()),
    "pages-translate": frozenset("workbench workbench_files workbench_words".split()),
}
ELSEWHERE: Final = "pages-other"


@dataclass(frozen=True)
class Group:
    """Messages that are worked on together. `id` stands in addresses; a sheet's or form's is its definition's."""

    id: str
    kind: Kind
    domain: Domain
    sources: tuple[Source, ...] = field(repr=False)
    title: Text | None = None
    own: Definition | None = field(default=None, repr=False)  # of the clinic's own

    @property
    def definition(self) -> Definition | None:
        """The definition of a sheet or a form."""
        return self.own or (definitions().get(self.id) if self.kind in ("sheet", "form") else None)


@cache
def groups() -> Mapping[str, Group]:
    """All groups by id, in the order of the page: sheets, forms, the library, words on paper, the interface."""
    known = translations.sources("handouts")
    made = [_of_definition(one, known) for one in definitions().values()]
    made += _by_list(known, {source.key for group in made for source in group.sources})
    made += _by_area(translations.sources("messages"))
    return {group.id: group for group in made if group.sources}


def _of_definition(one: Definition, known: Mapping[str, Source]) -> Group:
    kind: Kind = "sheet" if one.recipients else "form"
    found = tuple(known[text.key] for text in one.texts() if text.key in known)
    return Group(one.id, kind, "handouts", found, one.title)


def _by_list(known: Mapping[str, Source], placed: set[str]) -> list[Group]:
    """The library by list, and what stands on every sheet and in every error."""
    found: dict[str, list[Source]] = {}
    for key, source in known.items():
        head = key.split(".")[0]
        if head in LISTS:
            found.setdefault(f"library-{head}", []).append(source)
        elif key not in placed and not source.variant:
            found.setdefault("words-sheet" if head in ("sheet", "calendar") else "words-errors", []).append(source)
    kinds: Mapping[str, Kind] = {"library": "library", "words": "words"}
    return [Group(id_, kinds[id_.split("-")[0]], "handouts", tuple(them)) for id_, them in sorted(found.items())]


def _by_area(known: Mapping[str, Source]) -> list[Group]:
    areas = {stem: area for area, stems in AREAS.items() for stem in stems}
    found: dict[str, list[Source]] = {area: [] for area in (*AREAS, ELSEWHERE)}
    places = translations.areas()
    for key, source in known.items():
        found[areas.get(places.get(key, ""), ELSEWHERE)].append(source)
    return [Group(area, "pages", "messages", tuple(them)) for area, them in found.items()]


def own_groups(store: Store) -> Mapping[str, Group]:
    """The handouts and forms that this clinic brought itself, by id."""
    return {id_: _own_group(one) for id_, one in active(store).items() if id_ not in definitions()}


_OWN: Final[MutableMapping[str, Group]] = {}  # by the hash of the definition's text


def _own_group(one: Definition) -> Group:
    if one.sha not in _OWN:
        known, room = translations.sources("handouts"), extracting.limits([one])
        found = [
            known.get(text.key) or Source("handouts", text.key, text.en, "", text.note, room.get(text.key, 0))
            for text in one.texts()
            if text.en
        ]
        _OWN[one.sha] = Group(one.id, "sheet" if one.recipients else "form", "handouts", tuple(found), one.title, one)
    return _OWN[one.sha]


def on_desk(store: Store) -> Mapping[str, Group]:
    """All groups by id, with the clinic's own."""
    return {**groups(), **own_groups(store)}


def group(store: Store, id_: str) -> Group:
    """One group. NotFound."""
    found = groups().get(id_) or own_groups(store).get(id_)
    if found is None:
        raise NotFound
    return found


def source_of(within: Group, ref_: str) -> Source:
    """A message of a group by what stands for it in addresses, its variants too. NotFound."""
    found = _by_ref(within).get(ref_)
    if found is None:
        raise NotFound
    return found


def _by_ref(within: Group) -> Mapping[str, Source]:
    return _refs_of(within) if within.own else _refs(within.id)


@cache
def _refs(id_: str) -> Mapping[str, Source]:
    return _refs_of(groups()[id_])


def _refs_of(within: Group) -> Mapping[str, Source]:
    found = {one.ref: one for one in within.sources}
    for one in within.sources if within.domain == "handouts" else ():
        found |= {other.ref: other for other in variants(one)}
    return found
