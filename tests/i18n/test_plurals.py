"""How languages count, and the rules that PO files carry."""

import re
from gettext import c2py

import pytest
from babel import Locale

from clinic.i18n import plurals
from clinic.i18n.locales import NAMES

NUMBERS = [*range(1200), *(k * 10**6 + more for k in (1, 2, 3, 10, 101) for more in (0, 1, 2, 5, 11, 25))]


@pytest.mark.parametrize("tag", NAMES)
def test_the_rule_gives_what_cldr_gives(tag: str) -> None:
    head = plurals.header(tag)
    count, rule = re.fullmatch(r"nplurals=(\d); plural=(.*);", head).groups()  # type: ignore[union-attr]
    names = plurals.categories(tag)
    assert int(count) == len(names)
    place, cldr = c2py(rule), Locale.parse(tag, sep="-").plural_form
    assert [number for number in NUMBERS if names[place(number)] != cldr(number)] == []
    assert not re.search(r"[a-moq-zA-Z]", rule.replace("n", "")), "only n: gettext knows no operand e or i"


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("en", ("one", "other")),
        ("es", ("one", "many", "other")),
        ("fr", ("one", "many", "other")),
        ("ar", ("zero", "one", "two", "few", "many", "other")),
        ("he", ("one", "two", "other")),
        ("ru", ("one", "few", "many")),
        ("zh-Hans", ("other",)),
    ],
)
def test_forms_of_some_languages(tag: str, names: tuple[str, ...]) -> None:
    assert plurals.categories(tag) == names
    assert all(plurals.examples(tag, name) for name in names)


def test_examples_are_numbers_that_take_the_form() -> None:
    assert plurals.examples("ar", "few", 3) == (3, 4, 5)
    assert plurals.examples("es", "many") == (1_000_000, 2_000_000)


def test_forms_of_another_rule_are_renumbered() -> None:
    assert plurals.moved(["1", "more"], "nplurals=2; plural=(n != 1);", "es") == ["1", "more", "more"]
    assert plurals.moved(["one", "few", "many"], plurals.header("ru"), "ru") == ["one", "few", "many"]
    assert plurals.moved(["all"], "nplurals=1; plural=0;", "de") == ["all", "all"]


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "nplurals=100000000; plural=n;",
        "nplurals=2",
        "nplurals=2; plural=" + "n+" * 300 + "n;",
        "nplurals=2; plural=n(;",
    ],
)
def test_what_is_no_rule_is_an_error(rule: str) -> None:
    with pytest.raises(ValueError, match="."):
        plurals.moved(["a", "b"], rule, "es")
