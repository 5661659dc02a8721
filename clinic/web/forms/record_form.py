"""The form of a record, built from its definition: one field for every leaf, named by its path.

A session has some 240 of them, so a field is a plain value and no WTForms field: those cost more than the page. The
macros in `templates/macros/blocks.html` write the HTML. What a text means is decided by `domain.answer.read`, the same
for browser, command line and tests.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from clinic.domain.answer import Leaf, field_path, leaves, read, row_ids, spread
from clinic.domain.audience import About
from clinic.domain.definition import Definition, Placed

SPARE_ROWS: Final = 1  # empty rows an open table shows beside the filled ones


@dataclass(slots=True)
class Field:
    """One leaf in the form: what it shows, what was sent, and ids of `answer.WRONG` for what is wrong with that."""

    leaf: Leaf
    data: Any
    sent: Sequence[str] = ()
    errors: list[str] = field(default_factory=list)


class RecordForm:
    """The fields of one record by path; `rows` are the row ids of its open tables by placed name.

    `sha` is that of the definition's text.
    """

    def __init__(self, fields: Mapping[str, Field], rows: Mapping[str, tuple[str, ...]], sha: str = "") -> None:
        self.fields, self.rows, self.sha = fields, dict(rows), sha
        self._full = _above(path for path, one in fields.items() if one.data)
        self._wrong: frozenset[str] = frozenset()

    def __getitem__(self, path: str) -> Field:
        return self.fields[path]

    def __contains__(self, path: str) -> bool:
        return path in self.fields

    def validate(self) -> None:
        """Whether each text that was sent means something for its leaf."""
        for one in self.fields.values():
            one.errors = []
            try:
                read(one.leaf, one.sent)
            except ValueError as error:
                one.errors = [str(error)]
        self._mark()

    def explain(self, wrong: Mapping[str, str]) -> None:
        """Attach faults found elsewhere (a missing answer on finish) to their fields; message ids."""
        for path, message in wrong.items():
            if path in self:
                self[path].errors = [*self[path].errors, message]
        self._mark()

    def answered(self, placed: Placed) -> bool:
        """Whether a block has anything in it."""
        return placed.name in self._full

    def filled(self, name: str, row: str) -> bool:
        """Whether a row of a table has anything in it."""
        path = f"{name}.{row}"
        return path in self._full or path in self._wrong

    def _mark(self) -> None:
        self._wrong = _above(path for path, one in self.fields.items() if one.errors)


def _above(paths: Iterable[str]) -> frozenset[str]:
    """These paths, and each path above one of them."""
    found = set()
    for path in paths:
        words = path.split(".")
        found |= {".".join(words[:length]) for length in range(1, len(words) + 1)}
    return frozenset(found)


def record_form(
    definition: Definition,
    about: About,
    answers: Mapping[str, Any],
    raw: Mapping[str, str | list[str]],
    posted: MultiDict[str, str] | None = None,
) -> RecordForm:
    """The form of a record, filled with its answers and the texts that did not parse, or with what was posted."""
    fields: dict[str, Field] = {}
    rows: dict[str, tuple[str, ...]] = {}
    for placed in definition.placed(about):
        answer = answers.get(placed.name)
        if placed.block.open:
            rows[placed.name] = _rows(placed, answer, posted)
        values = spread(placed.block, answer)
        for leaf in leaves(placed.block, rows.get(placed.name, ())):
            path = field_path(placed, leaf)
            kept = raw.get(path, _shown(values.get(leaf.path), leaf))
            fields[path] = Field(leaf, kept) if posted is None else _sent(leaf, kept, posted.getlist(path))
    return RecordForm(fields, rows, definition.sha)


def _sent(leaf: Leaf, kept: Any, sent: list[str]) -> Field:
    """A field of a form that was posted. A tick or a list of ticks that is not there was taken away."""
    if leaf.type == "tick":
        return Field(leaf, bool(sent) and sent[0] not in ("", "false"), sent)
    if leaf.type == "many":
        return Field(leaf, sent, sent)
    return Field(leaf, sent[0] if sent else kept, sent)


def _rows(placed: Placed, answer: Any, posted: MultiDict[str, str] | None) -> tuple[str, ...]:
    """Ids of the rows an open table shows: those answered or posted, and spare ones up to what it allows."""
    known: Sequence[str] = row_ids(placed.block, answer)
    if posted is not None:
        start = placed.name + "."
        known = list(dict.fromkeys(path[len(start) :].split(".")[0] for path in posted if path.startswith(start)))
        return tuple(known[: placed.block.open]) or (secrets.token_hex(4),)
    spare = min(SPARE_ROWS, placed.block.open - len(known))
    return (*known, *(secrets.token_hex(4) for _ in range(max(spare, 0))))


def _shown(value: Any, leaf: Leaf) -> Any:
    if leaf.type in ("many", "tick"):
        return value or ([] if leaf.type == "many" else False)
    return "" if value is None else str(value)
