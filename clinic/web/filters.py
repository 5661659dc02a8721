"""What templates may call: translations of a definition's sentences, leaves and paths of its blocks."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from flask import Flask

from clinic.documents import words
from clinic.domain.answer import WRONG, Leaf, field_path, leaves, row_ids, row_leaves, spread
from clinic.domain.definition import Block, Condition, Placed, Text
from clinic.domain.errors import MESSAGES
from clinic.i18n.locales import NAMES, locale, translated
from clinic.services.definitions import tables
from clinic.web import drawing, language
from clinic.web.forms import empty_rows

DIRECTIONS: Final = {tag: locale(tag).dir for tag in NAMES}


def register(app: Flask) -> None:
    """Add the filters and the names every page has."""
    for function in FILTERS:
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["SCREEN"] = drawing.SCREEN
    app.jinja_env.filters["leaves"] = leaves
    app.jinja_env.globals["row_of"] = empty_rows.row

    @app.context_processor
    def names() -> dict[str, Any]:
        from clinic.web.auth import actor

        shown = {"book": language.book(), "interface_locales": translated(), "weekdays": tuple(words.WEEK.values())}
        return {**shown, "locale_names": NAMES, "locale_dirs": DIRECTIONS, "actor": actor()}


def t(text: Text) -> str:
    """A sentence of a definition in the interface language."""
    return language.book().text(text)


def wrong(id_: str) -> str:
    """What is wrong with a field."""
    return t(Text(f"wrong.{id_}", WRONG[id_])).replace("{limit}", "100,000") if id_ in WRONG else id_


def problem(id_: str) -> str:
    """The sentence of an error."""
    return t(Text(f"error.{id_}", MESSAGES.get(id_, id_)))


def fill(sentence: str, params: dict[str, object]) -> str:
    """Named placeholders by their values; never str.format, which follows attributes."""
    for name, value in params.items():
        sentence = sentence.replace("{" + name + "}", str(value))
    return sentence


def condition(placed: Placed) -> str:
    """`show_if` of a block for the script: field name, how, value. Without the script the block is simply there."""
    return condition_of(placed.block.show_if, placed, ())


def condition_of(rule: Condition | None, placed: Placed, others: Iterable[Placed]) -> str:
    """The same for any condition: the answer stands beside the block, or once for the couple."""
    if rule is None:
        return ""
    beside = placed.prefix + rule.block
    here = {block.id for block in placed.section.blocks}
    known = {one.name for one in others}
    return f"{beside if rule.block in here or beside in known else rule.block} {rule.op} {rule.value}"


def leaves_of(block: Block, row: str) -> tuple[Leaf, ...]:
    """The leaves of one row of a table or grid."""
    return row_leaves(block, row)


def all_scales(block: Block) -> bool:
    """Whether a table only holds numbers of a scale, so that it can be drawn tight."""
    return all(column.type == "scale" for column in block.columns)


def given(block: Block, answer: Any) -> list[tuple[Leaf, Any]]:
    """The answered leaves of a block with their values, in the order of the form."""
    values = spread(block, answer)
    return [(leaf, values[leaf.path]) for leaf in leaves(block, row_ids(block, answer)) if leaf.path in values]


def path(placed: Placed, leaf: Leaf) -> str:
    """The name of the form field."""
    return field_path(placed, leaf)


def filled_rows(block: Block, name: str, form: Any) -> int:
    """How many fixed rows of a table hold something."""
    return sum(form.filled(name, row.id) for row in block.rows)


def faulty(found: Iterable[Leaf], name: str, form: Any) -> bool:
    """Whether one of these leaves has an error."""
    return any(form[f"{name}.{leaf.path}"].errors for leaf in found)


def library_link(signal: str, mechanism: str) -> int:
    """The library's own strength of a link, 0–3."""
    return tables().links.get((signal, mechanism), (0, None))[0]


def day(value: date | datetime | str) -> str:
    """A day as the reader's language writes it."""
    from flask_babel import format_date

    if isinstance(value, str):
        value = date.fromisoformat(value[:10])
    return str(format_date(value, "medium"))


FILTERS: Final = (
    t, wrong, problem, fill, condition, leaves_of, all_scales, given, path, filled_rows, faulty, library_link, day,
    drawing.drawn,
)  # fmt: skip
