"""Worksheets that begin with what is known: a block's `prefill` names a source, ids of its leaves pick from it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from clinic.domain.answer import gather, leaves, spread
from clinic.domain.audience import About
from clinic.domain.definition import Definition

Sources = Mapping[str, Mapping[str, str]]
CYCLE: Final = ("a_does", "b_reads", "b_does", "a_reads", "relief", "cost", "untouched", "exit")


def cycle(definition: Definition, about: About, answers: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a record's `feeds = "cycle"` blocks by leaf id; only answers of audience joint are looked at.

    The paper of a couple is filled from these and never from the fold over a, b and staff (CONFIDENTIALITY).
    """
    found: dict[str, str] = {}
    for placed in definition.placed(about):
        if placed.block.feeds == "cycle" and placed.scope == "joint":
            values = spread(placed.block, answers.get(placed.name))
            found |= {path: str(value) for path, value in values.items() if path in CYCLE}
    return found


def prefilled(definition: Definition, about: About, sources: Sources) -> dict[str, Any]:
    """Answers for the blocks that ask to be filled; empty when there is nothing to fill them with."""
    made = {}
    for placed in definition.placed(about):
        source = sources.get(placed.block.prefill, {})
        values = {leaf.path: source[leaf.path] for leaf in leaves(placed.block) if leaf.path in source}
        answer = gather(placed.block, values)
        if answer is not None:
            made[placed.name] = answer
    return made


def wants(definition: Definition) -> frozenset[str]:
    """The sources a definition asks for."""
    return frozenset(_named(definition.blocks.values()))


def _named(blocks: Iterable[Any]) -> Iterable[str]:
    return (block.prefill for block in blocks if block.prefill)
