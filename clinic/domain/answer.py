"""Answers of one record: the leaves of a block, how text becomes a value, and what is missing or wrong.

A *leaf* is one value a person can give: a matrix has one for each row, a table one for each cell. Leaves
have paths (`observed.clinginess.intensity`, `a.observed.…` where a section stands for each partner); the browser
form, the checks, the paper and the exports all walk the same leaves.

Answers of a record are `{name: answer}` by placed name; their JSON shapes are those of DECISIONS D2.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, Final

from clinic.domain.audience import About, Scope
from clinic.domain.definition import ANSWER_LENGTH, SILENT, Block, Definition, Item, Placed, hidden

Answers = Mapping[str, Any]
Values = dict[str, Any]

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIRST_YEAR, LAST_YEAR = 1900, 2200
ROW_ID = re.compile(r"[a-z0-9_]{1,48}\Z")

# Message ids of what can be wrong with one field; the web and the command line have the sentences.
WRONG: Final = {
    "required": "This needs an answer.",
    "too_long": "This is longer than {limit} characters.",
    "not_a_number": "This must be a whole number.",
    "out_of_range": "This number is outside the scale.",
    "not_a_date": "This must be a real date, such as 2026-03-31.",
    "not_a_time": "This must be a time, such as 18:30.",
    "not_an_option": "Choose one of the options.",
    "too_many": "Choose fewer.",
    "bad_character": "This has a hidden control character. Delete it and type the text again.",
    # Accounts.
    "name_taken": "Somebody has this name already.",
    "password_short": "Too short. It takes 15 characters, or 8 beside a second factor. Four words are easy to keep.",
    "password_long": "Too long. Use at most 1024 characters.",
    "password_plain": "Too plain. Use at least five different characters.",
    "password_common": (
        "Easy to guess: a common password, or only a name, digits and words of a clinic. Add other words."
    ),
    "password_same": "This is the one you have. Choose another.",
    "password_wrong": "This is not your passphrase.",
    "code_wrong": "This code does not fit. Each code works once: wait for the next one.",
    "page_old": "This page is too old. Begin again with a new picture.",
    "passkey_wrong": "The passkey gave no answer that fits. Try again.",
    "last_factor": "This is your only second factor. Add another one first.",
}


@dataclass(frozen=True)
class Leaf:
    """One value: `path` below its block (empty for a single value), `type` text, int, one, many, date, time or tick."""

    path: str
    type: str
    label: Item | None = None  # the row, ask, field, node or column it belongs to
    row: Item | None = None
    options: tuple[Item, ...] = ()
    min: int = 0
    max: int = 0
    long: bool = False
    required: bool = False


def leaves(block: Block, rows: Sequence[str] = ()) -> tuple[Leaf, ...]:
    """All leaves of a block; `rows` are the ids of the rows a person added to an open table."""
    return tuple(_LEAVES[block.kind](block, rows))


def row_leaves(block: Block, row: str) -> tuple[Leaf, ...]:
    """The leaves of one row of a table or grid: those of `leaves` below this row."""
    there = next((one for one in block.rows if one.id == row), None)
    if there is None and block.rows:
        return ()
    if block.kind == "table":
        return tuple(_cell(f"{row}.{column.id}", column, there) for column in block.columns)
    return tuple(_days(there)) if block.kind == "grid" and there else ()


def _one(block: Block, type_: str, **more: Any) -> Iterator[Leaf]:
    yield Leaf("", type_, required=block.required, **more)


def _prompt(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    if not block.asks:
        yield from _one(block, "text", max=block.max, long=not block.short)
    for ask in block.asks:
        yield Leaf(ask.id, "text", ask, max=block.max, long=not block.short, required=block.required or ask.required)


def _options(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    many = block.kind != "choice" and not (block.kind == "pick" and block.max == 1)
    yield from _one(block, "many" if many else "one", options=block.options, max=block.max)
    if block.other:
        yield Leaf("other", "text", max=ANSWER_LENGTH)


def _scale(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    yield from _one(block, "int", min=block.min, max=block.max)


def _matrix(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    for row in block.rows:
        yield Leaf(row.id, "int", row, row, min=0, max=len(block.points) - 1, required=block.required)


def _date(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    for one in block.fields:
        yield Leaf(one.id, one.type, one, max=500, required=block.required or one.required)


def _table(block: Block, added: Sequence[str]) -> Iterator[Leaf]:
    rows: list[tuple[str, Item | None]] = [(row.id, row) for row in block.rows] or [(id_, None) for id_ in added]
    for id_, row in rows:
        for column in block.columns:
            yield _cell(f"{id_}.{column.id}", column, row)


_TYPES: Final = {"text": "text", "scale": "int", "number": "int", "choice": "one", "pick": "one"}


def _cell(path: str, column: Item, row: Item | None) -> Leaf:
    type_ = _TYPES.get(column.type, column.type)
    most = column.max if type_ == "int" else ANSWER_LENGTH
    most = 100_000 if column.type == "number" and column.max == 4 else most
    return Leaf(path, type_, column, row, column.options, column.min, most, column.lines > 1, column.required)


def _grid(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    for row in block.rows:
        yield from _days(row)


def _days(row: Item) -> Iterator[Leaf]:
    type_ = "int" if row.type == "number" else row.type
    for day in DAYS:
        yield Leaf(f"{row.id}.{day}", type_, row, row, max=500 if type_ == "text" else 10)


def _diagram(block: Block, _: Sequence[str]) -> Iterator[Leaf]:
    for node in block.nodes:
        yield Leaf(node.id, "text", node, max=2_000, long=True, required=node.required)


def _none(_: Block, __: Sequence[str]) -> Iterator[Leaf]:
    return iter(())


_LEAVES: Final = {
    "prompt": _prompt,
    "choice": _options,
    "checklist": _options,
    "pick": _options,
    "scale": _scale,
    "matrix": _matrix,
    "date": _date,
    "table": _table,
    "grid": _grid,
    "diagram": _diagram,
    **dict.fromkeys(SILENT, _none),
}


# --------------------------------------------------------------------------- one value
def read(leaf: Leaf, text: str | Sequence[str]) -> Any:
    """Text from a form as a value, None if empty. Raises ValueError with a key of `WRONG`."""
    if leaf.type == "many":
        return _read_many(leaf, [text] if isinstance(text, str) else list(text))
    word = text if isinstance(text, str) else (text[0] if text else "")
    if leaf.type == "text":
        return clean(word, leaf.max) or None
    word = word.strip()
    if not word:
        return None
    if leaf.type == "int":
        return _read_int(leaf, word)
    if leaf.type == "one":
        return _known(leaf, word)
    if leaf.type == "tick":
        return True
    return read_date(word) if leaf.type == "date" else read_time(word)


def clean(text: str, most: int = ANSWER_LENGTH) -> str:
    """Free text with plain line ends, trimmed. Control characters and bidi overrides are refused, not dropped.

    An override can make paper say another thing than the screen (U+202E); direction marks are harmless.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if len(text) > (most or ANSWER_LENGTH):
        raise ValueError("too_long")
    if any(hidden(character) for character in text):
        raise ValueError("bad_character")
    return text


def _read_int(leaf: Leaf, word: str) -> int:
    if len(word) > 9 or not re.fullmatch(r"[+-]?\d+", word):
        raise ValueError("not_a_number")
    if not leaf.min <= int(word) <= leaf.max:
        raise ValueError("out_of_range")
    return int(word)


def _known(leaf: Leaf, word: str) -> str:
    if word not in [option.id for option in leaf.options]:
        raise ValueError("not_an_option")
    return word


def _read_many(leaf: Leaf, words: Sequence[str]) -> list[str] | None:
    chosen = {_known(leaf, word) for word in words if word}
    if leaf.max and len(chosen) > leaf.max:
        raise ValueError("too_many")
    return [option.id for option in leaf.options if option.id in chosen] or None


def read_date(word: str) -> str:
    """An ISO date between 1900 and 2200, as text."""
    try:
        day = date.fromisoformat(word)
    except ValueError:
        raise ValueError("not_a_date") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError("not_a_date")
    return day.isoformat()


def read_time(word: str) -> str:
    """A clock time as HH:MM."""
    try:
        return time.fromisoformat(word).strftime("%H:%M")
    except ValueError:
        raise ValueError("not_a_time") from None


# --------------------------------------------------------------------------- a block's answer
def spread(block: Block, answer: Any) -> Values:
    """A block's answer as `{leaf path: value}`, only what is there."""
    if answer is None:
        return {}
    if block.kind == "table":
        rows = {row["id"]: row for row in answer}
        return {f"{id_}.{name}": value for id_, row in rows.items() for name, value in row.items() if name != "id"}
    if block.kind == "grid":
        return {f"{row}.{day}": value for row, days in answer.items() for day, value in days.items()}
    if isinstance(answer, dict) and "answer" in answer and block.other:
        return {"": answer["answer"], "other": answer["other"]}
    if isinstance(answer, dict):
        return dict(answer)
    return {"": answer}


def gather(block: Block, values: Mapping[str, Any]) -> Any:
    """The inverse of `spread`: None when nothing was answered."""
    given = {path: value for path, value in values.items() if value is not False and value not in (None, "", [])}
    if not given:
        return None
    if block.kind == "table":
        return _table_rows(given)
    if block.kind == "grid":
        days: dict[str, dict[str, Any]] = {}
        for path, value in given.items():
            row, day = path.split(".")
            days.setdefault(row, {})[day] = value
        return days
    if "other" in given and block.other:
        return {"answer": given.get(""), "other": given["other"]}
    return given[""] if set(given) == {""} else given


def _table_rows(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for path, value in given.items():
        row, column = path.split(".")
        rows.setdefault(row, {"id": row})[column] = value
    return list(rows.values())


def row_ids(block: Block, answer: Any) -> tuple[str, ...]:
    """The rows of an open table's answer."""
    return tuple(row["id"] for row in answer or ()) if block.kind == "table" and block.open else ()


# --------------------------------------------------------------------------- a whole record
@dataclass(frozen=True)
class Checked:
    """Answers after reading: values by placed name, texts that did not parse by field path, and why."""

    answers: dict[str, Any] = field(repr=False)
    raw: dict[str, str | list[str]] = field(repr=False)
    wrong: dict[str, str]


def read_form(definition: Definition, about: About, form: Mapping[str, Sequence[str]]) -> Checked:
    """Form fields `{path: [text, …]}` as answers. Never refuses: what does not parse is kept in `raw`."""
    answers: dict[str, Any] = {}
    raw: dict[str, str | list[str]] = {}
    wrong: dict[str, str] = {}
    for placed in definition.placed(about):
        values: Values = {}
        for leaf in leaves(placed.block, _form_rows(placed, form)):
            path = field_path(placed, leaf)
            try:
                values[leaf.path] = read(leaf, form.get(path, ()))
            except ValueError as error:
                wrong[path] = str(error)
                kept = form.get(path, ())
                raw[path] = list(kept) if leaf.type == "many" else str(next(iter(kept), ""))
        answer = gather(placed.block, values)
        if answer is not None:
            answers[placed.name] = answer
    return Checked(answers, raw, wrong)


def field_path(placed: Placed, leaf: Leaf) -> str:
    """The name of the form field of a leaf: unique and stable in its record."""
    return f"{placed.name}.{leaf.path}" if leaf.path else placed.name


def _form_rows(placed: Placed, form: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Ids of added rows, in the order in which the form sent them; at most as many as the table allows."""
    if not placed.block.open:
        return ()
    start = placed.name + "."
    found = dict.fromkeys(path[len(start) :].split(".")[0] for path in form if path.startswith(start))
    return tuple(id_ for id_ in found if ROW_ID.match(id_))[: placed.block.open]


def shown(definition: Definition, about: About, answers: Answers) -> tuple[Placed, ...]:
    """The blocks that apply, given the answers: `show_if` of section and block, looked up beside or in the couple's."""
    visible: list[Placed] = []
    seen: set[str] = set()
    for placed in definition.placed(about):
        conditions = (placed.section.show_if, placed.block.show_if)
        if all(one is None or _holds(one.block, one.holds, placed, answers, seen) for one in conditions):
            visible.append(placed)
            seen.add(placed.name)
    return tuple(visible)


def _holds(block: str, holds: Any, placed: Placed, answers: Answers, seen: set[str]) -> bool:
    name = placed.prefix + block if placed.prefix + block in seen else block
    return name in seen and bool(holds(plain(answers.get(name))))


def plain(answer: Any) -> Any:
    """An answer without its free “other” text."""
    return answer["answer"] if isinstance(answer, dict) and set(answer) == {"answer", "other"} else answer


def missing(definition: Definition, about: About, answers: Answers) -> dict[str, str]:
    """What a finished record still needs: `{field path: "required"}`. Hidden blocks need nothing."""
    found: dict[str, str] = {}
    for placed in shown(definition, about, answers):
        answer = answers.get(placed.name)
        values = spread(placed.block, answer)
        for leaf in leaves(placed.block, row_ids(placed.block, answer)):
            if leaf.required and values.get(leaf.path) is None and not ("other" in values and leaf.path == ""):
                found[field_path(placed, leaf)] = "required"
        if placed.block.required and placed.block.open and not answer:
            found[placed.name] = "required"
    return found


def kept(definition: Definition, about: About, answers: Answers) -> dict[str, Any]:
    """The answers of blocks that apply: what a finished record stores."""
    names = {placed.name for placed in shown(definition, about, answers)}
    return {name: answer for name, answer in answers.items() if name in names}


def by_scope(definition: Definition, about: About, answers: Answers) -> dict[Scope, dict[str, Any]]:
    """Answers sorted into the parts they are sealed in: one entry for every scope the definition has."""
    parts: dict[Scope, dict[str, Any]] = {scope: {} for scope in definition.scopes(about)}
    for placed in definition.placed(about):
        if placed.name in answers:
            parts[placed.scope][placed.name] = answers[placed.name]
    return parts
