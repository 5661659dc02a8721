"""A finished page on its way to the press: strings only, so that it can be sealed, sent and drawn keyless."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import Final

LIMIT = 2_000_000  # bytes of the JSON form

# Short words that may be put into a page later, and what stands for each until then: signs that no code has, drawn
# like any other, so that a page with them is laid out like a page with words.
SLOTS: Final[dict[str, str]] = {"code": "0O0O0O0O0", "date": "1I1I1I1I1I"}


@dataclass(frozen=True)
class Page:
    """One sheet ready to draw.

    `html` is a whole document; `styles` are CSS texts in cascade order (texts, not names: the press knows no
    templates); `lang` is a BCP 47 tag; `title` is all that the file's metadata will say about the sheet.
    """

    html: str = field(repr=False)
    styles: tuple[str, ...]
    lang: str
    title: str

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots it has."""
        return tuple(name for name, placeholder in SLOTS.items() if placeholder in self.html)

    def with_words(self, words: Mapping[str, str]) -> "Page":
        """The page with words in its slots. Raises ValueError if a slot gets none; words without a slot are left."""
        html = self.html
        for name in self.slots:
            if not words.get(name):
                raise ValueError(f"no word for the {name}")
            html = html.replace(SLOTS[name], escape(words[name]))
        return replace(self, html=html)

    def to_json(self) -> bytes:
        """UTF-8 JSON, equal for equal pages. Raises ValueError above 2 MB."""
        whole = {one.name: getattr(self, one.name) for one in fields(self)}
        text = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        return _within_limit(text)

    @classmethod
    def from_json(cls, text: bytes) -> "Page":
        """The page that `to_json` wrote. Raises ValueError for anything else, or above 2 MB."""
        fields = json.loads(_within_limit(text))
        if not isinstance(fields, dict) or set(fields) != {"html", "styles", "lang", "title"}:
            raise ValueError("not a page")
        styles = fields.pop("styles")
        if not isinstance(styles, list) or not _all_text(styles) or not _all_text(fields.values()):
            raise ValueError("not a page")
        return cls(styles=tuple(styles), **fields)


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _within_limit(text: bytes) -> bytes:
    if len(text) > LIMIT:
        raise ValueError(f"a page may have {LIMIT} bytes, not {len(text)}")
    return text
