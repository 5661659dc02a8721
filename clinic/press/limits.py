"""What one answer of a press child may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`seconds` from order to answer, `memory` bytes of address space, `answer` bytes of PDF or pictures.

    `pack`: how many pages one pack may join, `sides` about how many sides of paper, `join` the seconds for that.
    """

    seconds: float = 10
    memory: int = 1 << 30
    answer: int = 20_000_000
    pack: int = 120
    sides: int = 320
    join: float = 45

    def seconds_for(self, what: object) -> float:
        """The time for an order."""
        return self.join if what == "join" else self.seconds
