"""Fill any definition: every text leaf with a word of its scope, every choice with its first option."""

from collections.abc import Callable
from typing import Any

from clinic.domain.answer import Leaf, gather, leaves
from clinic.domain.audience import About, Scope
from clinic.domain.definition import Definition

ADDED = ("r1", "r2")  # rows of open tables


def filled(definition: Definition, about: About, word: Callable[[Scope], str]) -> dict[str, Any]:
    """Answers for every block of a record about `about`; `word` gives the text of a scope."""
    answers = {}
    for placed in definition.placed(about):
        rows = ADDED[: placed.block.open]
        values = {leaf.path: _value(leaf, word(placed.scope)) for leaf in leaves(placed.block, rows)}
        answer = gather(placed.block, values)
        if answer is not None:
            answers[placed.name] = answer
    return answers


def _value(leaf: Leaf, word: str) -> Any:
    if leaf.type == "text":
        return word
    if leaf.type == "int":
        return min(leaf.max, 7)
    if leaf.type in ("one", "many"):
        first = next((option.id for option in leaf.options if not option.red), leaf.options[0].id)
        return [first] if leaf.type == "many" else first
    return {"date": "2026-01-31", "time": "18:30", "tick": True}[leaf.type]
