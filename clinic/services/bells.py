"""Two bells of this process: somebody submitted a pack, a sheet was finished. What waits need not look all the time."""

import threading
from typing import Final


class Bell:
    """Counts how often it rang, so that no ring is missed between a look and the wait after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = 0

    @property
    def rung(self) -> int:
        """How often it rang so far: to be read before one looks."""
        return self._rung

    def ring(self) -> None:
        """Wake everybody who waits."""
        with self._changed:
            self._rung += 1
            self._changed.notify_all()

    def wait(self, since: int, seconds: float | None = None) -> None:
        """Until it rings again after `since`, at most these seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung != since, seconds)


SUBMITTED: Final = Bell()
FINISHED: Final = Bell()
