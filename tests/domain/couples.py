"""Couples for tests: a minimal library with the links of CLINICAL_RULES B, the shipped tables, GOLDEN's blocks."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from clinic.domain.facts import Asked, Facts, Judged, Observation, Person, Recent, Red, sort_observations
from clinic.domain.library import Library, parse_library
from clinic.domain.suggest import Suggestions, Tables, parse_tables, suggest
from clinic.domain.tables import as_day

HERE = Path(__file__).resolve().parent
FORMS = HERE.parent.parent / "forms"
GOLDEN = sorted((HERE / "golden").glob("*.toml"))  # those of GOLDEN.md (GC), and our own (OC)
OWN = [path for path in GOLDEN if path.stem.startswith("OC")]

MECHANISMS = ("cognitive_dissonance", "emotion_regulation", "attachment_insecurity", "low_self_worth")
# CLINICAL_RULES B, one digit a mechanism, in their order.
LINKS = {
    "anxiety_worry": "1221",
    "validation_seeking": "0213",
    "boundary_testing": "1131",
    "negative_self_talk": "0123",
    "clinginess": "0231",
    "withdrawal": "1231",
    "relationship_doubts": "2131",
    "jealousy": "0222",
    "compliment_rejection": "1013",
    "frequent_apologies": "0122",
    "performance_worry": "1212",
    "praise_seeking_sex": "0213",
    "touch_seeking": "0321",
    "placating_sex": "3121",
    "direct_request": "0000",
}
SEXUAL = ("performance_worry", "praise_seeking_sex", "touch_seeking", "placating_sex")
SOURCES = (
    "past_hurt unresolved_conflict self_worth sexual_differences broken_trust outside_stress health unequal_load"
    " family_culture_faith fear_or_pressure unsure"
).split()
PITFALLS = "dismissing minimising empty_promises defensiveness comparing fixing ignoring_roots sole_source".split()


def entry(id_: str, fields: str, more: str = "") -> str:
    texts = "\n".join(f'{name} = "{id_} {name}"' for name in fields.split())
    return f"[{id_}]\n{texts}\n{more}\n"


def signal(id_: str, digits: str) -> str:
    links = "\n".join(
        f'[{id_}.links.{to}]\nstrength = {strength}\nreason = "{id_} may have {to} under it"'
        for to, strength in zip(MECHANISMS, digits, strict=True)
        if strength != "0"
    )
    sexual = f"sexual = {str(id_ in SEXUAL).lower()}\n"
    return entry(id_, "title people own looks ask rule_outs care", sexual + links)


@cache
def library() -> Library:
    """What the tables need of the library, from the literals above."""
    lists = {
        "signals": "".join(signal(*one) for one in LINKS.items()),
        "mechanisms": "".join(entry(one, "title idea people explore caution") for one in MECHANISMS),
        "sources": "".join(entry(one, "title people ask") for one in SOURCES),
        "pitfalls": "".join(entry(one, "title people own looks instead") for one in PITFALLS),
    }
    return parse_library({name: text.encode() for name, text in lists.items()})


@cache
def tables() -> Tables:
    """The shipped tables over the minimal library."""
    return parse_tables((FORMS / "suggestion.toml").read_bytes(), library())


def block(path: Path) -> dict[str, Any]:
    """One of GOLDEN's blocks, as it stands there."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def golden(code: str) -> dict[str, Any]:
    """A fresh copy of the block with this code."""
    return block(HERE / "golden" / f"{code}.toml")


def facts_of(block: Mapping[str, Any]) -> Facts:
    """What a block says. What is missing or of an unknown shape is left out."""
    worried = block.get("worried", {})
    return Facts(
        _person(_table(block, "a")),
        _person(_table(block, "b")),
        str(block.get("code", "")),
        str(block.get("decision", "not_decided")),
        as_day(block.get("decided")),
        as_day(block.get("raised")),
        as_day(block.get("review")),
        block.get("prepared", True) is not False,
        {key: _asked(value) for key, value in _table(block, "asked").items()},
        dict(_recents(_table(block, "recent"))),
        tuple(Red(str(one[0]), str(one[1]), as_day(one[2]) if len(one) > 2 else None) for one in block.get("red", ())),
        {key: as_day(value) for key, value in worried.items()} if isinstance(worried, dict) else dict.fromkeys(worried),
        tuple(sorted(str(one) for one in block.get("today", ()))),
        as_day(block.get("day")),
    )


def _table(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = block.get(name)
    return found if isinstance(found, Mapping) else {}


def _person(data: Mapping[str, Any]) -> Person:
    excluded = data.get("excluded", {})
    return Person(
        sort_observations(_observations(data.get("signals", ()))),
        sort_observations(_observations(data.get("pitfalls", ()))),
        sort_observations(_observations(data.get("past", ()))),
        {id_: _judged(value) for id_, value in _table(data, "mech").items()},
        {(str(one[0]), str(one[1])): int(one[2]) for one in data.get("links", ())},
        {id_: str(why) for id_, why in excluded.items()}
        if isinstance(excluded, Mapping)
        else dict.fromkeys(excluded, ""),
        {id_: int(mark) for id_, mark in _table(data, "sources").items()},
    )


def _observations(rows: Iterable[Any]) -> list[Observation]:
    return [
        Observation(str(row[0]), int(row[1]), str(row[2]), as_day(row[3]) if len(row) > 3 else None) for row in rows
    ]


def _judged(value: Any) -> Judged:
    if isinstance(value, Mapping):
        return Judged(str(value.get("status", "")), str(value.get("reason", "")))
    return Judged(str(value))


def _asked(value: Any) -> Asked:
    if isinstance(value, Mapping):
        return Asked(str(value.get("answer", "")), as_day(value.get("day")))
    return Asked(str(value))


def _recents(data: Mapping[str, Any]) -> Iterable[tuple[str, Recent]]:
    """Keys are `recipient.sheet`, as one key or as a table in a table."""
    for key, value in data.items():
        if isinstance(value, Mapping) and "." not in key:
            yield from ((f"{key}.{sheet}", _recent(one)) for sheet, one in value.items())
        else:
            yield key, _recent(value)


def _recent(value: Any) -> Recent:
    if isinstance(value, Mapping):
        return Recent(str(value.get("outcome", "")), as_day(value.get("day")))
    return Recent(str(value))


def couple(a: Mapping[str, Any] | None = None, b: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A block: full and prepared, nobody afraid; `signals` may be given as id=intensity seen by the partner self."""
    base = {"decision": "full", "asked": {"a_fear": "no", "b_fear": "no"}, "a": dict(a or {}), "b": dict(b or {})}
    return {**base, **more}


def look(data: Mapping[str, Any]) -> Suggestions:
    """The suggestions for a block."""
    return suggest(facts_of(data), tables())


def names(found: Suggestions) -> dict[str, list[str]]:
    """Sheet ids by recipient, in order."""
    return {one: [sheet.sheet for sheet in found.of(one)] for one in ("a", "b", "joint")}


def rules(found: Suggestions) -> set[str]:
    """Ids of the open rules."""
    return {one.rule for one in found.rules}
