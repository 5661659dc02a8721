"""What leaves the room, as plain frozen values: only the blocks and answers that this recipient may read.

Everything that may not be read is absent, not empty: steps are numbered afterwards, so nothing shows a gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from clinic.documents import words
from clinic.domain.answer import Answers, row_ids, shown, spread
from clinic.domain.audience import About, Recipient, readable
from clinic.domain.definition import SILENT, Block, Condition, Definition, Placed, Text

# What is still worked on after printing keeps room to write where nothing was answered; a record says so in words.
WORKED_ON: Final = frozenset({"worksheet", "homework", "review", "handout", "check_in"})
TAILS: Final = frozenset({"date", "signature", "callout"})  # these never start a page alone


class Speaks(Protocol):
    """What a sheet needs of a catalogue: its BCP 47 tag, `ltr` or `rtl`, and every text in its language."""

    @property
    def locale(self) -> str: ...
    @property
    def dir(self) -> str: ...
    def text(self, text: Text, /) -> str: ...


@dataclass(frozen=True)
class When:
    """The lead-in that a blank prints for `show_if`: “If yes:”, “If “often”:”, “If 3 or more:”."""

    word: Text
    choice: Text | None = None
    number: int = 0


@dataclass(frozen=True)
class Part:
    """One block on paper. `values` is by leaf path; `rows` are the ids of the rows of an open table."""

    block: Block
    values: Mapping[str, Any]
    rows: tuple[str, ...] = ()
    when: When | None = None
    room: bool = True  # unanswered leaves get room to write; else they say that there is no answer
    tail: bool = False
    told: bool = False  # the values are the clinic's own words, nobody's answer

    @property
    def kind(self) -> str:
        return self.block.kind

    @property
    def silent(self) -> bool:
        """Nothing was answered and nobody will write: the question and “No answer” are enough."""
        if self.kind == "date" and not self.block.label:  # its fields are its questions
            return False
        return not self.room and not self.values and self.kind not in SILENT


@dataclass(frozen=True)
class Step:
    """A section on paper; `number` is 0 where it carries none."""

    title: Text
    hint: Text
    parts: tuple[Part, ...]
    number: int = 0
    when: When | None = None
    new_page: bool = False
    tail: bool = False


@dataclass(frozen=True)
class Sheet:
    """One sheet for one recipient. `filled` when it holds answers; `joint` when both partners get it."""

    title: Text
    lead: Text
    who: Text
    steps: tuple[Step, ...]
    joint: bool
    filled: bool
    room: bool

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for step in self.steps for part in step.parts)


def sheet(definition: Definition, answers: Answers | None, recipient: Recipient | None, about: About) -> Sheet:
    """The sheet of a record about `about` for `recipient`; `answers` by placed name, None for a blank.

    A blank from the library has no recipient. Raises ValueError for answers without a recipient, and for a
    partner's record that would go to anybody else.
    """
    if recipient is None and answers is not None:
        raise ValueError("answers need a recipient")
    reader = recipient or ("joint" if about == "couple" else about)
    if about != "couple" and reader != about:
        raise ValueError("a partner's record prints for that partner only")
    may = [placed for placed in definition.placed(about) if placed.scope in readable(reader)]
    known = {placed.name for placed in may}
    given = None if answers is None else {name: value for name, value in answers.items() if name in known}
    room = given is None or definition.kind in WORKED_ON
    steps = _numbered(_steps(definition, _applying(definition, about, may, given), given, room))
    return Sheet(
        definition.title,
        definition.lead,
        definition.who,
        steps,
        joint=reader == "joint",
        filled=given is not None,
        room=room,
    )


def _applying(definition: Definition, about: About, may: list[Placed], answers: Answers | None) -> list[Placed]:
    """Blocks that apply: by the answers, or on a blank all whose question stands on it too."""
    if answers is not None:
        names = {placed.name for placed in shown(definition, about, answers)}
        return [placed for placed in may if placed.name in names]
    found: list[Placed] = []
    asked: set[str] = set()
    for placed in may:
        conditions = (placed.section.show_if, placed.block.show_if)
        if all(one is None or one.block in asked for one in conditions):
            found.append(placed)
            asked.add(placed.block.id)
    return found


def _steps(definition: Definition, applying: list[Placed], answers: Answers | None, room: bool) -> Iterator[Step]:
    for section in definition.sections:
        mine = [placed for placed in applying if placed.section is section]
        if mine:
            parts = tuple(_part(placed, definition, answers, room) for placed in mine)
            when = None if answers is not None else _when(section.show_if, definition)
            number = 1 if section.numbered and section.title else 0
            yield Step(section.title, section.hint, parts, number, when, section.new_page)


def _numbered(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Counts the steps that are left and marks the ends that must not start a page alone."""
    found: list[Step] = []
    count = 0
    every = list(steps)
    for place, step in enumerate(every):
        count += step.number
        last = place == len(every) - 1
        parts = tuple(replace(part, tail=_is_tail(part, n, step, last)) for n, part in enumerate(step.parts))
        tail = place > 0 and not step.title and all(part.kind in TAILS for part in parts)
        found.append(replace(step, number=count if step.number else 0, parts=parts, tail=tail))
    return tuple(found)


def _is_tail(part: Part, place: int, step: Step, last: bool) -> bool:
    """A short date or a signature anywhere; at the end of the sheet also what closes it, and its very last block."""
    if not place:
        return False
    rest = step.parts[place + 1 :]
    closes = last and (not rest or (part.kind in TAILS and all(one.kind in TAILS for one in rest)))
    short = part.kind == "date" and len(part.block.fields) <= 2
    return closes or short or part.kind == "signature"


def _part(placed: Placed, definition: Definition, answers: Answers | None, room: bool) -> Part:
    block = placed.block
    answer = None if answers is None else answers.get(placed.name)
    rows = row_ids(block, answer)
    if room:
        rows += tuple("" for _ in range(block.open - len(rows)))
    when = None if answers is not None else _when(block.show_if, definition)
    return Part(block, MappingProxyType(spread(block, answer)), rows, when, room)


def _when(condition: Condition | None, definition: Definition) -> When | None:
    if condition is None:
        return None
    if condition.op == "at_least":
        return When(words.IF_AT_LEAST, None, int(condition.value))
    plain = {("is", "yes"): words.IF_YES, ("is", "no"): words.IF_NO}
    if word := plain.get((condition.op, str(condition.value))):
        return When(word)
    options = definition.blocks[condition.block].options
    choice = next(option.label for option in options if option.id == condition.value)
    return When(words.IF_OTHER if condition.op == "is_not" else words.IF_CHOSEN, choice)


def told(sheet: Sheet, source: str, said: Mapping[str, str]) -> Sheet:
    """The sheet with the clinic's words, by leaf path, in the blocks that ask for `source` and hold no answer."""
    return replace(sheet, steps=tuple(replace(step, parts=_told(step.parts, source, said)) for step in sheet.steps))


def _told(parts: tuple[Part, ...], source: str, said: Mapping[str, str]) -> tuple[Part, ...]:
    values = MappingProxyType(dict(said))
    return tuple(
        replace(part, values=values, told=True) if part.block.prefill == source and not part.values else part
        for part in parts
    )


# --------------------------------------------------------------------------- every text that is printed
def added(sheet: Sheet, later: Sheet, day: str) -> Sheet:
    """A record's sheet followed by what was added to it on a day (ISO); steps without numbers, blanks left out."""
    steps = [
        replace(step, number=0, hint=Text("", day), tail=False, parts=tuple(part for part in step.parts if part.values))
        for step in later.steps
    ]
    return replace(sheet, steps=sheet.steps + tuple(step for step in steps if step.parts))


def strings(sheet: Sheet, catalogue: Speaks) -> Iterator[tuple[str, str]]:
    """Each text on the sheet with the name of its place, a block's label or id: to say where a glyph is missing."""
    name = catalogue.text(words.TITLE)
    for text in (*words.texts(), sheet.title, sheet.lead, sheet.who):
        if text:
            yield name, catalogue.text(text)
    for step in sheet.steps:
        head = catalogue.text(step.title) if step.title else ""
        for text in (step.title, step.hint):
            if text:
                yield head or name, catalogue.text(text)
        for part in step.parts:
            label = part.block.label
            place = catalogue.text(label) if label else head or part.block.id
            yield from ((place, catalogue.text(text)) for text in _texts(part.block) if text)
            yield from ((place, value) for value in part.values.values() if isinstance(value, str))


def _texts(thing: object) -> Iterator[Text]:
    if isinstance(thing, Text):
        yield thing
    elif isinstance(thing, tuple):
        for one in thing:
            yield from _texts(one)
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from _texts(getattr(thing, field.name))
