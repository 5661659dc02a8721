"""A finished page on its way to the press: strings only, so that it can be sealed, sent and drawn keyless."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

LIMIT = 2_000_000  # bytes of the JSON form


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

    def to_json(self) -> bytes:
        """UTF-8 JSON, equal for equal pages. Raises ValueError above 2 MB."""
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
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
