"""What one answer of a press child may take, and how many children there may be."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`seconds` of work from order to answer, `memory` bytes of address space, `answer` bytes of a PDF or of pictures.

    Work is processor time: on a machine that is busy elsewhere it may take longer, up to `patience` times that.
    `pack`: how many sheets one pack may join, `whole` bytes of them together, `join` the seconds for that.
    `kept`: how many pages a reused child keeps compiled, `kept_bytes` of them together.
    """

    seconds: float = 10
    patience: float = 3
    memory: int = 1 << 30
    answer: int = 20_000_000
    pack: int = 300
    whole: int = 60_000_000
    join: float = 45
    kept: int = 32
    kept_bytes: int = 32_000_000

    def seconds_for(self, what: object) -> float:
        """The processor time for an order."""
        return self.join if what == "join" else self.seconds

    def wait_for(self, what: object) -> float:
        """The time on the clock, after which whoever ordered gives up."""
        return self.seconds_for(what) * self.patience


def cores() -> int:
    """How many processors this process may use; at least one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1
