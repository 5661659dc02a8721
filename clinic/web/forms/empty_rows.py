"""Rows of a form in which nothing stands yet, kept as HTML: most of a session's 48 rows are, whoever opens it.

Such a row is made of the definition and the words of the interface and of nothing else; one that holds an answer, or
a fault, is written anew each time and never kept. A translation that is edited makes a new catalogue, and with that
all its rows are forgotten.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any, Final
from weakref import WeakKeyDictionary

from markupsafe import Markup

from clinic.domain.definition import Item
from clinic.i18n.locales import SOURCE
from clinic.web import language
from clinic.web.forms.record_form import RecordForm

MOST: Final = 2048  # rows of a language; about 1.5 kB each

_Row = tuple[str, str, str, str]  # macro, definition, table, row
# By catalogue, then by the words of the pages: either may be edited without the other.
_KEPT: "WeakKeyDictionary[Any, WeakKeyDictionary[Any, OrderedDict[_Row, Markup]]]" = WeakKeyDictionary()
_OF_SOURCE: Final = OrderedDict[_Row, Markup]()  # English is of this program and changes with it
_LOCK: Final = Lock()


def row(macro: Any, block: Any, name: str, form: RecordForm, item: Item) -> Markup:
    """A row of a table as the macro writes it; the macro gets block, name of the table, form and item."""
    if form.filled(name, item.id):
        return _made(macro, block, name, form, item)
    key = (macro.name, form.sha, name, item.id)
    with _LOCK:
        rows = _rows()
        if key in rows:
            return rows[key]
    html = _made(macro, block, name, form, item)
    with _LOCK:
        rows[key] = html
        if len(rows) > MOST:
            rows.popitem(last=False)
    return html


def _made(macro: Any, block: Any, name: str, form: RecordForm, item: Item) -> Markup:
    found: Markup = macro(block, name, form, item)
    return found


def _rows() -> OrderedDict[_Row, Markup]:
    if language.tag() == SOURCE:
        return _OF_SOURCE
    return _KEPT.setdefault(language.book(), WeakKeyDictionary()).setdefault(language.words(), OrderedDict())
