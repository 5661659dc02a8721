"""The ruling of a case, made from its records. Nothing else derived is stored."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from clinic.domain import ruling
from clinic.domain.definition import Definition
from clinic.domain.formulation import Opened, to_rule
from clinic.domain.ruling import Override, Ruling
from clinic.domain.suggest import Tables
from clinic.persistence.keyholder import Head
from clinic.persistence.store import Store
from clinic.services.shelf import tables_of

# Kinds of records that decide it (DECISIONS D1), and what decides it in any other record.
RULED_BY: Final = frozenset({"session", "screening", "check_in", "map", "review", "agreement"})
DECIDING: Final = frozenset("observations pitfalls sources asked worried today level screen policy".split())


def decides(definition: Definition) -> bool:
    """Whether a record of this definition can change the ruling: by its kind, what it feeds, or a red option."""
    return definition.kind in RULED_BY or any(
        block.feeds in DECIDING or any(option.red for option in block.options) for block in definition.blocks.values()
    )


def first(store: Store) -> dict[str, Any]:
    """The ruling of a case without records: nothing is prepared, only what is always open is open."""
    return made(store, (), {})


def made(store: Store, records: Sequence[Opened], before: Mapping[str, Any]) -> dict[str, Any]:
    """The ruling that these records give, as plain JSON. Signed ones may raise it, drafts only lower it.

    Overrides of the ruling before stay; they name their day and end with it.
    """
    if store.rule is not None:
        found = store.rule(records, before, store.today())
    else:
        found = _ruled(records, before, store.today(), tables_of(store))
    data: dict[str, Any] = json.loads(json.dumps(found))
    return data


def opened(definition: Definition, head: Head, signed: bool, answers: Mapping[str, Any]) -> Opened:
    """A record as the formulation reads it."""
    day = date.fromisoformat(head.held_on)
    return Opened(definition, head.about, answers, day, signed, head.changed, head.of_record)


def _ruled(records: Sequence[Opened], before: Mapping[str, Any], today: date, tables: Tables) -> dict[str, Any]:
    overrides = Ruling.from_data(before).overrides
    drafts = [one for one in records if not one.signed]
    found = _of(records, today, overrides, tables, with_drafts=False)
    # All together, for a rule may need two; and each alone, so that no draft takes back what another one lowers.
    for some in [drafts, *([one] for one in drafts)] if drafts else []:
        counted = [one for one in records if one.signed or any(one is draft for draft in some)]
        found = ruling.lower(found, _of(counted, today, overrides, tables, with_drafts=True))
    return found.to_data()


def _of(
    records: Sequence[Opened], today: date, overrides: tuple[Override, ...], tables: Tables, with_drafts: bool
) -> Ruling:
    known, ready = to_rule(records, tables, today, with_drafts)
    screens = {str(one): day for one, day in ready.screens.items()}
    yeses = {str(one): day for one, day in ready.yeses.items()}
    return ruling.rule(known, screens, ready.policy, yeses, today, tables, overrides)
