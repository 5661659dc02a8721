"""What to print and how: one sheet for one reader, or a blank."""

from dataclasses import dataclass
from typing import Literal

from clinic.domain.audience import Recipient


@dataclass(frozen=True)
class PrintJob:
    """What to print and how. `recipient` None is a blank; `record` a signed record to print filled.

    `home`: the reader was asked and takes it along; else it stays here. It is kept with the print, not on the paper.
    `letterhead`: the clinic's own lines stand on it.
    """

    sheet: str
    recipient: Recipient | None = None
    locale: str = "en"
    beside: str = ""
    paper: Literal["a4", "letter"] = "a4"
    large: bool = False
    ink: Literal["full", "saver"] = "full"
    draft: bool = False
    record: str = ""
    home: bool = False
    letterhead: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """One language, or two side by side."""
        return (self.locale, self.beside) if self.beside and self.beside != self.locale else (self.locale,)
