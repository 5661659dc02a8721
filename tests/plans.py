"""Answers of a homework plan, for tests: `from tests.plans import planned`."""

from collections.abc import Iterable
from datetime import date
from typing import Any


def planned(
    step: str, days: Iterable[str] = (), time: str = "", start: date | None = None, weeks: int = 1, who: str = ""
) -> dict[str, Any]:
    """A plan of one step. `who`: both, partner_a or partner_b, in a joint plan only."""
    times = {"first_time": time, "day": start.isoformat() if start else ""}
    found: dict[str, Any] = {
        "plan": [{"id": "task", "first": step}],
        "days": {"first": dict.fromkeys(days, True)},
        "times": {name: value for name, value in times.items() if value},
        "weeks": weeks,
        "who": [{"id": "who", "first": who}] if who else None,
    }
    return {name: value for name, value in found.items() if value and value != {"first": {}}}
