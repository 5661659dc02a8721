"""A list of sheets to print, as CSV: `case,sheet,to[,locale,with,copies]`. Every fault names its line and column."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, Usage
from clinic.i18n.catalogue import Books, catalogue
from clinic.i18n.locales import NAMES
from clinic.services.readiness import readiness

NEEDED: Final = ("case", "sheet", "to")
COLUMNS: Final = (*NEEDED, "locale", "with", "copies")
THESE: Final = f"the columns are {', '.join(COLUMNS)}; the first three must be there."
SIZE: Final = 256_000  # bytes
COPIES: Final = 9  # of one line
SHOWN: Final = 10  # faults


class BadList(ClinicError):
    """A list that is not as it must be; nothing was printed. `faults`: one line each."""

    http = 422

    def __init__(self, faults: list[str]) -> None:
        more = f" And {len(faults) - SHOWN} more." if len(faults) > SHOWN else ""
        super().__init__("usage", problem=" ".join(faults[:SHOWN]) + more)
        self.faults = faults


@dataclass(frozen=True)
class Row:
    """One sheet of the list; `line` is that of the file. `locale` and `beside` are empty for the usual paper."""

    line: int
    case: str
    code: str
    sheet: str
    to: Recipient
    locale: str = ""
    beside: str = ""


def text_of(path: Path) -> str:
    """The text of a list. Raises Usage, BadList (too large, not UTF-8)."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE + 1)
    except OSError as problem:
        raise Usage(f"{path}: {problem.strerror}") from None
    return text_in(data)


def text_in(data: bytes) -> str:
    """The same of bytes that came by a browser."""
    if len(data) > SIZE:
        raise BadList([f"The list is longer than {SIZE // 1000} kB."])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadList(["The list is not UTF-8 text."]) from None


def read(
    text: str,
    cases: Mapping[str, str],
    sheets: Mapping[str, Definition],
    print_when: str,
    draft: bool,
    most: int,
    books: Books = catalogue,
) -> list[Row]:
    """The sheets that a list names, a copy each. `cases`: ids by code, `most`: sheets at most, `books`: languages.

    Raises BadList with every fault, before anything is printed. An unknown and a foreign case are the same fault.
    """
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except csv.Error:
        raise BadList(["The list is no CSV: a cell is too long, or a quotation mark is not closed."]) from None
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if wrong := [place for place, name in enumerate(head, start=1) if name not in COLUMNS]:
        raise BadList([f"line 1, column {wrong[0]}: {THESE}"])  # never what stands there: it may be the wrong file
    if lacking := [name for name in NEEDED if name not in head]:
        raise BadList([f"line 1, {lacking[0]}: {THESE}"])
    if len(set(head)) < len(head):
        raise BadList(["line 1: a column is there twice."])
    faults: list[str] = []
    found: list[Row] = []
    books = cache(books)  # a long list asks for each language once
    for line, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(head):
            faults.append(f"line {line}: more cells than columns.")
            continue
        values = dict.fromkeys(COLUMNS, "") | {name: cell.strip() for name, cell in zip(head, cells, strict=False)}
        mine = _faults(values, cases, sheets, print_when, draft, books)
        faults += [f"line {line}, {column}: {fault}" for column, fault in mine.items()]
        if not mine:
            found += [_row(line, values, cases)] * int(values["copies"] or 1)
    if len(found) > most:
        faults.append(f"The list has {len(found)} sheets with all copies; a pack holds {most}.")
    if not (found or faults):
        faults.append("The list has no line.")
    if faults:
        raise BadList(faults)
    return found


def _delimiter(text: str) -> str:
    """Spreadsheets of some countries write semicolons."""
    first = text.partition("\n")[0]
    return ";" if ";" in first and "," not in first else ","


def _faults(
    values: Mapping[str, str],
    cases: Mapping[str, str],
    sheets: Mapping[str, Definition],
    print_when: str,
    draft: bool,
    books: Books,
) -> dict[str, str]:
    """What is wrong with a line, by column."""
    found: dict[str, str] = {}
    if values["case"] not in cases:
        found["case"] = "there is no such case."
    sheet = sheets.get(values["sheet"])
    if sheet is None:
        found["sheet"] = "there is no such sheet for a pack."
    if values["to"] not in RECIPIENTS:
        found["to"] = f"it is {', '.join(RECIPIENTS)}."
    elif sheet is not None and values["to"] not in sheet.recipients:
        found["to"] = f"this sheet prints for {', '.join(sheet.recipients)}."
    for column in ("locale", "with"):
        if fault := _language(values[column], sheet, print_when, draft, books):
            found[column] = fault
    if values["with"] and not values["locale"]:
        found["with"] = "name the first language too."
    if values["copies"] and values["copies"] not in {str(number) for number in range(1, COPIES + 1)}:
        found["copies"] = f"a number from 1 to {COPIES}."
    return found


def _language(tag: str, sheet: Definition | None, print_when: str, draft: bool, books: Books) -> str:
    if not tag:
        return ""
    if tag not in NAMES:
        return "this program does not know this language."
    if sheet is None:
        return ""
    ready = readiness(sheet, tag, print_when, books(tag))
    return "" if ready.printable or (draft and ready.draftable) else f"not ready: {ready.reason}."


def _row(line: int, values: Mapping[str, str], cases: Mapping[str, str]) -> Row:
    to = next(one for one in RECIPIENTS if one == values["to"])
    return Row(line, cases[values["case"]], values["case"], values["sheet"], to, values["locale"], values["with"])
