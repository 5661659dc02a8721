"""How each language counts: which plural forms whole numbers need, and the rule that a PO file carries.

Source: the plural rules of CLDR, by way of Babel. Only whole numbers are counted in this product, so a form that
CLDR keeps for fractions or for compact numbers (operands v w f t c e) is left out.
"""

import re
from functools import cache
from gettext import c2py
from typing import Final

from babel import Locale
from babel.plural import PluralRule

CATEGORIES: Final = ("zero", "one", "two", "few", "many", "other")
FRACTIONS: Final = frozenset("vwftce")  # operands that are 0 for every whole number
NUMBERS: Final = (*range(205), 999, 1000, 1001, 1_000_000, 2_000_000, 1_000_001)  # reach every form of every language
RELATION: Final = re.compile(r"([nivwftce])(?: mod (\d+))? (not in|in) ([\d.,]+)\Z")
HEADER: Final = re.compile(r"\s*nplurals\s*=\s*([1-6])\s*;\s*plural\s*=\s*([^;]{1,300}?)\s*;?\s*\Z")


def category(tag: str, number: int) -> str:
    """The form that a whole number takes in a language."""
    return str(_rule(tag)(number))


@cache
def categories(tag: str) -> tuple[str, ...]:
    """The forms of a language, in CLDR's order; their places are the numbers of `msgstr[n]`."""
    reached = {category(tag, number) for number in NUMBERS}
    return tuple(name for name in CATEGORIES if name in reached)


def examples(tag: str, name: str, most: int = 5) -> tuple[int, ...]:
    """Some whole numbers that take a form, to show to translators."""
    return tuple(number for number in NUMBERS if category(tag, number) == name)[:most]


@cache
def header(tag: str) -> str:
    """The value of `Plural-Forms` for a language."""
    names = categories(tag)
    *first, last = range(len(names))
    rules = _rule(tag).rules
    choices = "".join(f"{_condition(rules[names[place]])} ? {place} : " for place in first)
    if len(names) == 2 and choices.endswith(" ? 0 : "):  # gettext reads a comparison as 0 or 1
        return f"nplurals=2; plural=({_negated(choices.removesuffix(' ? 0 : '))});"
    return f"nplurals={len(names)}; plural=({choices}{last});"


def moved(forms: list[str], old: str, tag: str) -> list[str]:
    """Forms that were numbered by another `Plural-Forms`, renumbered for `header(tag)`.

    ValueError if `old` is no rule of gettext. Each new form takes what the old rule gave its first example.
    """
    parts = HEADER.match(old)
    if parts is None:
        raise ValueError("not a plural rule")
    place = c2py(parts[2])
    found = []
    for name in categories(tag):
        index = place(examples(tag, name, 1)[0])
        found.append(forms[index] if index < len(forms) else "")
    return found


def by_category(forms: list[str], tag: str) -> dict[str, str]:
    """`msgstr[n]` as forms by name. ValueError if there are not as many as the language has."""
    return dict(zip(categories(tag), forms, strict=True))


@cache
def _rule(tag: str) -> PluralRule:
    return Locale.parse(tag, sep="-").plural_form


def _condition(rule: str) -> str:
    """A CLDR rule for whole numbers, as an expression of gettext in `n`."""
    either = [_all(part.split(" and ")) for part in rule.split(" or ")]
    return _joined([part for part in either if part != "0"], " || ") or "0"


def _all(relations: list[str]) -> str:
    parts = [_relation(one) for one in relations]
    return "0" if "0" in parts else _joined([part for part in parts if part != "1"], " && ") or "1"


def _relation(text: str) -> str:
    match = RELATION.match(text)
    if match is None:
        raise ValueError(f"a plural rule that nobody knows here: {text}")
    operand, divisor, how, listed = match.groups()
    ranges = [tuple(map(int, part.split(".."))) for part in listed.split(",")]
    if operand in FRACTIONS:
        return str(int(any(low[0] <= 0 <= low[-1] for low in ranges) is (how == "in")))
    left = f"n%{divisor}" if divisor else "n"
    if how == "in":
        return _joined([_within(left, low) for low in ranges], " || ")
    return _joined([_outside(left, low) for low in ranges], " && ")


def _within(left: str, bounds: tuple[int, ...]) -> str:
    low, high = bounds[0], bounds[-1]
    if low == high:
        return f"{left}=={low}"
    return f"({left}>={low} && {left}<={high})" if low else f"{left}<={high}"


def _outside(left: str, bounds: tuple[int, ...]) -> str:
    low, high = bounds[0], bounds[-1]
    if low == high:
        return f"{left}!={low}"
    return f"({left}<{low} || {left}>{high})" if low else f"{left}>{high}"


def _negated(condition: str) -> str:
    simple = re.fullmatch(r"n(==|<=)(\d+)", condition)
    if simple is None:
        return f"!{condition}"
    return f"n != {simple[2]}" if simple[1] == "==" else f"n > {simple[2]}"


def _joined(parts: list[str], by: str) -> str:
    unique = list(dict.fromkeys(parts))
    return unique[0] if len(unique) == 1 else f"({by.join(unique)})" if unique else ""
