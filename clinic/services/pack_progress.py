"""How far a pack is, on the command line: a bar on a terminal, else a plain line every few seconds."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from threading import Event
from time import monotonic
from typing import Final, Literal, TextIO

from clinic.services.batches import Progress

EVERY: Final = 5.0  # s between two plain lines
STEP: Final = 5  # s: what is said of the time left goes in such steps, so that it does not jump
MINUTE: Final = 55  # s from which minutes are said

Told = Callable[[Progress], None]


def rounded(seconds: float) -> tuple[int, Literal["second", "minute"]]:
    """A time as people say it: 15 seconds, 2 minutes."""
    if seconds > MINUTE:
        return max(round(seconds / 60), 1), "minute"
    return max(STEP, ceil(seconds / STEP) * STEP), "second"


def left(found: Progress) -> str:
    """About how long it will take, in English; empty if nobody can tell."""
    if found.seconds_left is None:
        return ""
    number, unit = rounded(found.seconds_left)
    return f"about {number} {unit}{'s' * (number != 1)} left"


@contextmanager
def telling(stream: TextIO | None = None, clock: Callable[[], float] = monotonic) -> Iterator[Told]:
    """What is to be told of a pack from time to time; it goes to `stream`, by default beside the output."""
    out = sys.stderr if stream is None else stream
    if not out.isatty():
        yield _Lines(out, clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    shown = TextColumn("clinic: sheets"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
    with Bar(*shown, console=Console(file=out), transient=True) as bar:
        task = bar.add_task("", total=None, left="")
        yield lambda found: bar.update(task, total=found.total, completed=found.done, left=left(found))


@contextmanager
def unless_stopped(told: Told) -> Iterator[Told]:
    """The same, but for Ctrl-C: it stops a pack between two looks, and never in the middle of a statement."""
    asked = Event()

    def heard(found: Progress) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        told(found)

    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


class _Lines:
    """Plain lines, none for a pack that is soon done."""

    def __init__(self, out: TextIO, clock: Callable[[], float]) -> None:
        self._out, self._clock, self._said = out, clock, clock()

    def __call__(self, found: Progress) -> None:
        if self._clock() - self._said < EVERY:
            return
        self._said = self._clock()
        words = ", ".join(filter(None, (f"{found.done} of {found.total} sheets", left(found))))
        print(f"clinic: {words}", file=self._out, flush=True)
