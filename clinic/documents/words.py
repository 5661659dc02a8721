"""The words that stand on every sheet whatever its definition says; keys `sheet.*`, gettext domain `handouts`.

Numbers and choices are filled in by `{name}` tokens, replaced as plain text and never formatted.
"""

from collections.abc import Iterator
from typing import Final

from clinic.domain.answer import DAYS
from clinic.domain.definition import Text

TITLE: Final = Text("sheet.title", "Worksheet", "The only thing the file says about itself. Keep it neutral.")
PAGE: Final = Text("sheet.page", "Page {page} of {pages}", "Foot of every page.")
DRAFT: Final = Text("sheet.draft", "Draft", "Mark on a sheet whose translation is not finished.")
INITIALS: Final = Text("sheet.initials", "Initials")
DATE: Final = Text("sheet.date", "Date")
OTHER: Final = Text("sheet.other", "Something else:", "Before a free line, after a list of choices.")
NO_ANSWER: Final = Text("sheet.no_answer", "No answer", "Printed where nothing was written.")
SIGNATURE: Final = Text("sheet.signature", "Signature")
PARTNER_A: Final = Text("sheet.partner_a", "Partner A", "Under a signature line; any gender.")
PARTNER_B: Final = Text("sheet.partner_b", "Partner B", "Under a signature line; any gender.")
IF_YES: Final = Text("sheet.if_yes", "If yes:", "Before a question that follows an answer of yes.")
IF_NO: Final = Text("sheet.if_no", "If no:", "Before a question that follows an answer of no.")
IF_CHOSEN: Final = Text("sheet.if_chosen", "If “{choice}”:", "Before a question that follows this choice.")
IF_OTHER: Final = Text("sheet.if_other", "If anything but “{choice}”:", "Before a question that follows other choices.")
IF_AT_LEAST: Final = Text("sheet.if_at_least", "If {number} or more:", "Before a question that follows a number.")
WEEK: Final[dict[str, Text]] = {
    day: Text(f"sheet.{day}", name, "Short name of the day: head of a narrow column.")
    for day, name in zip(DAYS, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True)
}


def texts() -> Iterator[Text]:
    """All of them, in the order above, for translators and for the check of what is missing."""
    for value in list(globals().values()):
        if isinstance(value, Text):
            yield value
    yield from WEEK.values()
