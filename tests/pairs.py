"""Few cases that have every pair of values of any two factors: `from tests.pairs import pairwise`."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any


def pairwise(factors: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Cases, one value of each factor, until each pair of values has met; the same ones each time.

    Greedy: each case begins with a pair that has not met, and takes for every other factor the value that meets
    most of the chosen ones for the first time.
    """
    sizes = [range(len(values)) for values in factors]
    todo = {
        ((one, first), (two, second))
        for one, two in itertools.combinations(range(len(factors)), 2)
        for first in sizes[one]
        for second in sizes[two]
    }
    for turn in itertools.count():
        if not todo:
            return
        chosen = dict(min(todo))
        for factor, size in enumerate(sizes):
            if factor not in chosen:
                turned = [*size[turn % len(size) :], *size[: turn % len(size)]]  # of equals another one each time
                chosen[factor] = max(turned, key=lambda value: len(todo & _met(chosen, factor, value)))
        todo -= set(itertools.combinations(sorted(chosen.items()), 2))
        yield tuple(values[chosen[factor]] for factor, values in enumerate(factors))


def _met(chosen: dict[int, int], factor: int, value: int) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    new = (factor, value)
    return {(min(one, new), max(one, new)) for one in chosen.items()}
