"""What a server keeps for as long as it runs, the collector need not look through again and again.

Caches fill with the first pages: templates, catalogues, compiled statements. A full collection then takes 0.13 s, stops
every page meanwhile, and comes every ten seconds while fifty people work.
"""

import gc
import threading
from typing import Final

AFTER: Final = (20.0, 120.0, 900.0)  # s of waiting, one after the other


class Settling:
    """Sets aside what is there, some time after the start."""

    def __init__(self, after: tuple[float, ...] = AFTER) -> None:
        self._after, self._over = after, threading.Event()
        self._thread = threading.Thread(target=self._settle, name="settling", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, wherever it waits."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _settle(self) -> None:
        for number, seconds in enumerate(self._after, start=1):
            if self._over.wait(seconds):
                return
            if number == len(self._after):  # what happened to be in use the times before may be of no use by now
                gc.unfreeze()
            gc.collect()
            gc.freeze()
