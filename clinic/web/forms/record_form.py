"""A WTForms form built from a definition: one field for every leaf, named by its path.

WTForms binds and holds the errors; the macros in `templates/macros/blocks.html` write the HTML. What a text means
is decided by `domain.answer.read`, the same for browser, command line and tests.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, RadioField, SelectMultipleField, StringField, TextAreaField, ValidationError
from wtforms.fields import Field
from wtforms.fields.choices import SelectChoice
from wtforms.form import BaseForm

from clinic.domain.answer import Leaf, field_path, leaves, read, row_ids, spread
from clinic.domain.audience import About
from clinic.domain.definition import Definition, Placed

SPARE_ROWS: Final = 1  # empty rows an open table shows beside the filled ones


class RecordForm(BaseForm):
    """The fields of one record by path; `rows` are the row ids of its open tables by placed name."""

    def __init__(self, fields: Mapping[str, Any], rows: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(fields)
        self.rows = dict(rows)

    def explain(self, wrong: Mapping[str, str]) -> None:
        """Attach faults found elsewhere (a missing answer on finish) to their fields; message ids."""
        for path, message in wrong.items():
            if path in self:
                self[path].errors = [*self[path].errors, message]

    def answered(self, placed: Placed) -> bool:
        """Whether a block has anything in it."""
        start = placed.name + "."
        return any(self[path].data for path in self._fields if path == placed.name or path.startswith(start))

    def filled(self, name: str, row: str) -> bool:
        """Whether a row of a table has anything in it."""
        start = f"{name}.{row}."
        return any(self[path].data or self[path].errors for path in self._fields if path.startswith(start))


def _readable(leaf: Leaf) -> Any:
    """A validator: the text must mean something for this leaf. Its message is an id of `answer.WRONG`."""

    def check(_: BaseForm, field: Field) -> None:
        try:
            read(leaf, field.raw_data or ())
        except ValueError as error:
            raise ValidationError(str(error)) from None

    return check


def _field(leaf: Leaf) -> Any:
    """The WTForms field of a leaf. Choices carry ids only: labels are written by the macros in their language."""
    checks = [_readable(leaf)]
    if leaf.type == "text":
        return (TextAreaField if leaf.long else StringField)(validators=checks)
    if leaf.type == "tick":
        return BooleanField(validators=checks)
    if leaf.type == "many":
        choices = [SelectChoice(value=option.id, label=option.id) for option in leaf.options]
        return SelectMultipleField(choices=choices, validate_choice=False, validators=checks)
    if leaf.type == "one":
        choices = [SelectChoice(value=option.id, label=option.id) for option in leaf.options]
        return RadioField(choices=choices, validate_choice=False, validators=checks)
    return StringField(validators=checks)


def record_form(
    definition: Definition,
    about: About,
    answers: Mapping[str, Any],
    raw: Mapping[str, str | list[str]],
    posted: MultiDict[str, str] | None = None,
) -> RecordForm:
    """The form of a record, filled with its answers and the texts that did not parse, or with what was posted."""
    fields: dict[str, Any] = {}
    data: dict[str, Any] = {}
    rows: dict[str, tuple[str, ...]] = {}
    for placed in definition.placed(about):
        answer = answers.get(placed.name)
        if placed.block.open:
            rows[placed.name] = _rows(placed, answer, posted)
        values = spread(placed.block, answer)
        for leaf in leaves(placed.block, rows.get(placed.name, ())):
            path = field_path(placed, leaf)
            fields[path] = _field(leaf)
            data[path] = raw.get(path, _shown(values.get(leaf.path), leaf))
    form = RecordForm(fields, rows)
    form.process(formdata=posted, data=data)
    return form


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
