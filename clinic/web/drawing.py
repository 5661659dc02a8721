"""What `macros/drawing.html` asks of the page it draws on, answered for a browser; `documents.page.View` is paper's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from clinic.domain.answer import spread
from clinic.domain.definition import Block, Text
from clinic.web import language


class Screen:
    """One language, normal size; boxes grow with their words; the style sheet colours and mirrors the shapes."""

    screen: Final = True
    two: Final = False
    rtl: Final = False  # app.css turns the shapes, so that a text in another direction turns its own
    ink: Final = False
    large: Final = False
    a4: Final = True
    width: Final = 165.0  # as on A4; app.css lets it shrink

    @property
    def first(self) -> "Screen":
        return self

    def text(self, text: Text) -> str:
        return str(language.book().text(text))

    def spills(self, _: Any) -> bool:
        return False

    def free(self, _: Any) -> Markup:
        return Markup(' dir="auto"')


@dataclass(frozen=True)
class Drawn:
    """A diagram block with its answers by node, as a part of a sheet has them."""

    block: Block
    values: Mapping[str, Any]


def drawn(block: Block, answer: Any) -> Drawn:
    """A filter: what is drawn of an answered diagram block."""
    return Drawn(block, spread(block, answer))


SCREEN: Final = Screen()
