"""The layout engine, tuned for our pages: the same files, byte for byte, in less time.

Everything here is a short cut inside WeasyPrint, each worth more than 3 % of a sheet, and none changes what is drawn:
tests/press/test_engine.py draws all sheets with and without them, and says when the pin moves.
"""

import re
from functools import cache
from typing import Any
from xml.etree import ElementTree  # nosec B405 # for pages of ours, see _tree

import cssselect2
from weasyprint import CSS, HTML, css, html
from weasyprint.css.counters import CounterStyle
from weasyprint.css.properties import INHERITED, INITIAL_VALUES
from weasyprint.layout import percent
from weasyprint.urls import URLFetcher

WRITTEN_FOR = "70.0"

VOID = re.compile(r"<(meta|col|br)((?:\s[^<>]*)?)(?<!/)>")
# What HTML reads otherwise than XML does, or is no part of our templates: then the engine reads it itself.
HTML_ONLY = re.compile(
    r"<[A-Z]|<!(?!DOCTYPE html>)|<\?|<(?:base|pre|textarea|script|style|noscript|template)\b"
    r"|<(?:table|/thead)[^<>]*>\s*<tr|<(?!(?:meta|col|br|path|circle|ellipse|line|rect|poly\w+)\b)\w+[^<>]*/>"
)
LISTS = ":is(dir, menu, ol, ul)"
DEEP_LISTS = ":is(dir, dl, menu, ol, ul)"
NEVER = (
    "::footnote",
    "::note",
)  # in the engine's own sheet they match, and cost, each element; no page of ours has any


class Source(HTML):  # type: ignore[misc]  # the engine has no type hints
    """A page's HTML, ready to lay out."""

    def __init__(self, text: str, fetcher: URLFetcher) -> None:
        tree = _tree(text)
        if tree is None:
            super().__init__(string=text, url_fetcher=fetcher)
            return
        self.base_url, self.url_fetcher, self.media_type = None, fetcher, "print"
        self.wrapper_element = cssselect2.ElementWrapper.from_html_root(tree, content_language=None)
        self.etree_element = self.wrapper_element.etree_element

    def _ua_stylesheets(self, forms: bool = False) -> list[Any]:
        return [_defaults(), *super()._ua_stylesheets(forms)[1:]]


def _tree(text: str) -> Any:
    """The tree of a page that is well-formed XML but for its void elements, as our templates write them; else None.

    The engine's own parser is Python, this one is C. HTML_ONLY passes one document type, and no entity of its own:
    there is nothing that defusedxml would refuse.
    """
    if HTML_ONLY.search(text):
        return None
    try:
        return ElementTree.fromstring(VOID.sub(r"<\1\2/>", text))  # noqa: S314  # nosec B314
    except ElementTree.ParseError:
        return None


@cache
def _defaults() -> Any:
    """The engine's own style sheet, with selectors that can be looked up by name instead of tried on each element."""
    return CSS(string="\n".join(map(_by_name, html.UA.splitlines())), counter_style=CounterStyle())


def _by_name(rule: str) -> str:
    if rule.startswith(NEVER):
        return ""
    if rule.startswith("::marker"):
        return "li" + rule
    selector, brace, rest = rule.partition(" {")
    for group in (LISTS, DEEP_LISTS):
        start, found, end = selector.rpartition(group)
        if brace and found and " " not in end and "," not in start.replace(LISTS, "").replace(DEEP_LISTS, ""):
            names = ("ol", "ul", "dir", "menu") + ("dl",) * (group == DEEP_LISTS)
            return " ".join(f"{start}{name}{end}{brace}{rest}" for name in names)
    return rule


# --------------------------------------------------------------------------- styles
# Most properties of most boxes are what CSS says they are at first, or what they are on the parent. `FIRST`: value, and
# the logical properties that may say otherwise (all other physical ones need none); `INHERITS`: taken from the parent.
BY_RULES = {"page", "position", "float", "display"}
LOGICAL = {
    key: {find(block="ttb", inline=inline) for inline in ("ltr", "rtl")} for key, find in css.PHYSICAL_FUNCTIONS.items()
}
PLAIN = {
    key
    for key, value in INITIAL_VALUES.items()
    if key[:16] != "text_decoration_" and key not in BY_RULES and not css.check_math(value)
}
INHERITS = {key for key in PLAIN if key in INHERITED and key not in LOGICAL}
FIRST = {
    key: (INITIAL_VALUES[key], tuple(LOGICAL.get(key, ())))
    for key in PLAIN - INHERITS
    if key not in INHERITED and key not in css.INITIAL_NOT_COMPUTED
}
THIN = {key for key in PLAIN if re.fullmatch(r"border_(top|right|bottom|left)_width", key)}

_missing = css.ComputedStyle.__missing__
_one_percentage = percent.resolve_one_percentage


def _style(self: Any, key: str) -> Any:
    """`ComputedStyle.__missing__`."""
    cascaded = self.cascaded
    if key not in cascaded:
        if first := FIRST.get(key):
            value, logical = first
            if not logical or cascaded.keys().isdisjoint(logical):
                self[key] = value
                return value
        elif key in INHERITS and self.parent_style is not None:
            value = self[key] = self.parent_style[key]
            return value
        elif key in THIN and self[key[:-5] + "style"] == "none" and cascaded.keys().isdisjoint(LOGICAL[key]):
            self[key] = 0
            return 0
    return _missing(self, key)


def _percentage(box: Any, name: str, refer_to: Any) -> None:
    """`resolve_one_percentage`, for lengths that are none."""
    value = box.style[name]
    if getattr(value, "unit", None) == "px":
        setattr(box, name, value.value)
    else:
        _one_percentage(box, name, refer_to)


def use(on: bool = True) -> None:
    """Put the short cuts into the engine, for the process; or take them out."""
    css.ComputedStyle.__missing__ = _style if on else _missing
    percent.resolve_one_percentage = _percentage if on else _one_percentage
