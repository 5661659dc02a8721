"""Made-up answers for any definition: every leaf, or every second one, in one way for each kind."""

from typing import Any

from clinic.domain.answer import DAYS, gather, leaves
from clinic.domain.audience import About
from clinic.domain.definition import SILENT, Definition, Placed

TEXT = "We sat at the table after work and I said what I had been afraid of."
SHORT = "at home, after tea"


def answers(definition: Definition, about: About, *, half: bool = False, text: str = TEXT) -> dict[str, Any]:
    """Answers by placed name, read as `Checked.answers` are; `half` leaves out every second leaf."""
    found: dict[str, Any] = {}
    for placed in definition.placed(about):
        if placed.block.kind not in SILENT:
            answer = gather(placed.block, _values(placed, half, text))
            if answer is not None:
                found[placed.name] = answer
    return found


def _values(placed: Placed, half: bool, text: str) -> dict[str, Any]:
    block = placed.block
    rows = ("r1", "r2") if block.open else ()
    every = leaves(block, rows)
    made: dict[str, Any] = {}
    for place, leaf in enumerate(every):
        if half and place % 2:
            continue
        short = block.kind in ("table", "grid", "diagram", "date") or block.short
        words = "warm" if block.kind == "grid" else SHORT if short and text is TEXT else text
        made[leaf.path] = {
            "text": words,
            "int": min(leaf.max, 3) if place % 3 else max(leaf.min, 1),
            "one": leaf.options[0].id if leaf.options else None,
            "many": [option.id for option in leaf.options[-2:]],
            "date": "2026-03-31",
            "time": "18:30",
            "tick": True,
        }[leaf.type]
    if block.kind == "grid":
        made = {path: value for path, value in made.items() if path.split(".")[1] in DAYS[::2]}
    return made
