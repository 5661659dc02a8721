"""A sheet as a client would get it, filled with made-up answers: for translators, who see no client data."""

from datetime import date
from typing import Any, Final

from clinic.domain.answer import Leaf, gather, leaves
from clinic.domain.audience import Recipient, about_of, readable
from clinic.domain.definition import Definition
from clinic.domain.errors import Refused
from clinic.i18n.catalogue import Books, catalogue
from clinic.press.press import Press, PressError
from clinic.services import print_sheet
from clinic.services.print_sheet import Printed, Undrawn
from clinic.services.prints import PrintJob

ROWS: Final = ("one", "two")  # of open tables
MADE_UP: Final = {"date": date(2030, 1, 31).isoformat(), "time": "18:30", "tick": True}


def preview(press: Press, definition: Definition, job: PrintJob, words: str, books: Books = catalogue) -> Printed:
    """One sheet for one recipient with `words` in every line; always marked as a draft. Refused: not on paper."""
    if job.recipient not in definition.recipients:
        raise Refused("refused_recipient", sheet=definition.id)
    page = print_sheet.filled_page(definition, answers(definition, job.recipient, words), job, books)
    try:
        with press.child() as child:
            pdf = press.pdf(page, child)
    except PressError as error:
        raise Undrawn(error.kind) from None
    return Printed(pdf, "worksheet.pdf")


def answers(definition: Definition, recipient: Recipient, words: str) -> dict[str, Any]:
    """Made-up answers for every block that stands on this recipient's paper."""
    about, mine = about_of(recipient), readable(recipient)
    found = {}
    for placed in definition.placed(about):
        if placed.scope in mine:
            rows = ROWS[: placed.block.open]
            values = {leaf.path: _value(leaf, words) for leaf in leaves(placed.block, rows)}
            answer = gather(placed.block, values)
            if answer is not None:
                found[placed.name] = answer
    return found


def _value(leaf: Leaf, words: str) -> Any:
    if leaf.type == "text":
        return words[: leaf.max] if leaf.max else words
    if leaf.type == "int":
        return (leaf.min + leaf.max) // 2
    if leaf.type in ("one", "many"):
        first = next((option.id for option in leaf.options if not option.red), leaf.options[0].id)
        return [first] if leaf.type == "many" else first
    return MADE_UP[leaf.type]
