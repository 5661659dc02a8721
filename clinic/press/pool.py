"""Children that are used again: for blank and given pages, which hold no answer.

At most one for each processor, made when somebody asks, replaced after so many pages, killed at any breach.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from clinic.press.limits import Limits, cores
from clinic.press.processes import Child, Makers, PressError

REUSE = 200  # pages drawn by one child; what is only stamped leaves nothing behind


@dataclass(eq=False)
class Reused:
    """A child that may be used again, how many pages it drew, and the pages that it was sent to keep."""

    child: Child
    drawn: int = 0
    sent: set[str] = field(default_factory=set)

    def close(self) -> None:
        self.child.close()
        self.drawn = 0
        self.sent.clear()


class Pool:
    """The reused children of one press; threads share them."""

    def __init__(self, makers: Makers, limits: Limits, most: int | None = None) -> None:
        self._makers, self._limits, self._most = makers, limits, most
        self._free = threading.Condition()
        self._idle: list[Reused] = []
        self._count = 0

    @contextmanager
    def one(self, wait: float, key: str = "") -> Iterator[Reused]:
        """A child for one page, rather one that knows the page `key`. PressError (lost) after `wait` seconds."""
        reused = self._take(wait, key)
        try:
            yield reused
        except BaseException:  # a limit, or a thread that was ended: nobody knows how it stands with the process
            reused.close()
            raise
        finally:
            if reused.drawn >= REUSE:
                reused.close()
            with self._free:
                self._idle.append(reused)
                self._free.notify()

    def pids(self) -> list[int]:
        with self._free:
            return [one.child.pid for one in self._idle if one.child.pid]

    def close(self) -> None:
        """End the children that nobody uses; those that draw are ended by their makers."""
        with self._free:
            for reused in self._idle:
                reused.close()

    def _take(self, wait: float, key: str) -> Reused:
        until = time.monotonic() + wait
        with self._free:
            while not self._idle:
                if self._count < (self._most or cores()):
                    self._count += 1
                    return Reused(Child(self._makers, self._limits))
                if not self._free.wait(until - time.monotonic()):
                    raise PressError("lost", "no free place")
            knows = next((one for one in reversed(self._idle) if key in one.sent), self._idle[-1])
            self._idle.remove(knows)
            return knows
