"""What the counsellor made of a suggested sheet: confirmed, or declined with a reason. Pure; for the staff layer only.

The newest choice for a sheet and its reader counts, until it is taken back. A declined sheet leaves the suggestions
(`formulation`); a confirmed one is only marked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from clinic.domain.audience import About, Recipient
from clinic.domain.definition import Definition

FEEDS: Final = "choice"  # the blocks that make it up: held, sheet, verdict, reason
CONFIRMED, DECLINED, TAKEN_BACK = "confirmed", "declined", "taken_back"
VERDICTS: Final = (CONFIRMED, DECLINED, TAKEN_BACK)


@dataclass(frozen=True)
class Choice:
    """One choice for one reader of one sheet. `reason` is empty unless declined.

    `at` sorts the choices of a day: the time it was made, which a correction keeps, then the moment of writing.
    """

    recipient: Recipient
    sheet: str
    verdict: str
    reason: str = field(repr=False)
    day: date
    record: str = ""
    at: str = ""

    @property
    def moment(self) -> tuple[date, str]:
        """What the newest is found by."""
        return self.day, self.at


def read(
    definition: Definition, about: About, answers: Mapping[str, Any], day: date, record: str = "", written: str = ""
) -> Choice | None:
    """The choice in a record; None if it holds none, or not a whole one."""
    fed = {block.id: answers.get(block.id) for block in definition.blocks.values() if block.feeds == FEEDS}
    named, verdict, reason = fed.get("sheet"), fed.get("verdict"), fed.get("reason")
    sheet = named.get("code") if isinstance(named, Mapping) else None
    if not isinstance(sheet, str) or verdict not in VERDICTS:
        return None
    words = reason if isinstance(reason, str) and verdict == DECLINED else ""
    held = fed.get("held")
    at = f"{held.get('time', '') if isinstance(held, Mapping) else ''} {written}"
    return Choice("joint" if about == "couple" else about, sheet.strip(), verdict, words, day, record, at)


def newest(choices: Iterable[Choice]) -> list[Choice]:
    """Of each reader and sheet the last choice, the newest first; one that was taken back is there no more."""
    found = {(one.recipient, one.sheet): one for one in sorted(choices, key=lambda one: one.moment)}
    return sorted(
        (one for one in found.values() if one.verdict != TAKEN_BACK), key=lambda one: one.moment, reverse=True
    )
