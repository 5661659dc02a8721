"""The fairness check of a case, read with the staff view: plans, prints, choices, the map. Staff layer only."""

from collections.abc import Sequence

from clinic.domain import choice, fairness
from clinic.domain.choice import CONFIRMED
from clinic.domain.fairness import Finding, Load
from clinic.domain.formulation import Opened, facts, the_map
from clinic.domain.suggest import suggest
from clinic.persistence.store import Store
from clinic.services import choices, homework, prints, records
from clinic.services.shelf import tables_of

__all__ = ["Finding", "findings"]


def findings(store: Store, token: str, case_id: str, opened: Sequence[Opened] | None = None) -> tuple[Finding, ...]:
    """What falls on one partner today. `opened`: the records, if the caller has them already. Raises NotFound."""
    tables, today = tables_of(store), store.today()
    seen = records.opened(store, token, case_id) if opened is None else opened
    given = prints.given(store, token, case_id)
    known = facts(seen, tables, today, given=given)
    stands = choice.newest(choices.history(store, token, case_id))
    sheets = [*given, *((one.recipient, one.sheet, one.day) for one in stands if one.verdict == CONFIRMED)]
    plans = homework.loop(store, token, case_id).running()
    load = Load(
        tuple(task for plan in plans for task in plan.tasks),
        tuple(sheets),
        known,
        the_map(seen, tables, today).cycle,
        suggest(known, tables),
    )
    return fairness.fairness(load, tables, today)
