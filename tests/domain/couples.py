"""Couples for tests: a minimal library with the links of CLINICAL_RULES B, the shipped tables, GOLDEN's blocks."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from clinic.domain.library import Library, parse_library
from clinic.domain.suggest import Facts, Suggestions, Tables, parse_tables, suggest

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


def couple(a: Mapping[str, Any] | None = None, b: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A block: full and prepared, nobody afraid; `signals` may be given as id=intensity seen by the partner self."""
    base = {"decision": "full", "asked": {"a_fear": "no", "b_fear": "no"}, "a": dict(a or {}), "b": dict(b or {})}
    return {**base, **more}


def look(data: Mapping[str, Any]) -> Suggestions:
    """The suggestions for a block."""
    return suggest(Facts.from_block(data), tables())


def names(found: Suggestions) -> dict[str, list[str]]:
    """Sheet ids by recipient, in order."""
    return {one: [sheet.sheet for sheet in found.of(one)] for one in ("a", "b", "joint")}


def rules(found: Suggestions) -> set[str]:
    """Ids of the open rules."""
    return {one.rule for one in found.rules}
