"""What one answer of a press child may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`seconds` from order to answer, `memory` bytes of address space, `answer` bytes of PDF or pictures."""

    seconds: float = 10
    memory: int = 1 << 30
    answer: int = 20_000_000
