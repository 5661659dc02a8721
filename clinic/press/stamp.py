"""Sheets that differ in short words only, a code, a date: drawn once, then stamped. In press children only."""

from collections.abc import Mapping
from dataclasses import dataclass

from clinic.domain.page import Page


@dataclass(frozen=True)
class Compiled:
    """A page that was drawn with its slots open."""

    content: bytes

    def stamp(self, words: Mapping[str, str]) -> bytes | None:
        """The file with words in its slots, as a render of `page.with_words(words)`; None: render that instead.

        Raises ValueError if a slot gets no word.
        """
        return None


def compiled(page: Page) -> Compiled | None:
    """Draw a page with placeholders (`page.SLOTS`); None if its words cannot be stamped. Raises as `render.pdf`."""
    return None
