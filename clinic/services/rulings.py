"""The ruling of a case, made from its records. Nothing else derived is stored."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clinic.domain.definition import Definition
from clinic.persistence.keyholder import Head
from clinic.persistence.store import Store

RULED_BY: Final = frozenset({"session", "screening", "check_in", "map", "review", "agreement"})  # kinds


def first(store: Store) -> dict[str, Any]:
    """The ruling of a case without records: nothing is prepared, only what is always open is open."""
    return made(store, (), {})


def made(store: Store, opened: Sequence[Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The ruling that these records give. Signed ones may raise it; drafts among them may only lower it."""
    if store.rule is not None:
        return store.rule(opened, before, store.today())
    from clinic.domain import formulation

    return formulation.ruled(opened, before, store.today())


def opened(definition: Definition, head: Head, signed: bool, answers: Mapping[str, Any]) -> Any:
    """A record as the formulation reads it."""
    from clinic.domain import formulation

    return formulation.Opened(definition, head.about, head.held_on, signed, answers)
