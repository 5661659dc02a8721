"""Two versions of a sentence, word by word: what stayed, what went, what came."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

# Scripts that write no spaces between words are compared sign by sign; a placeholder is one word.
UNSPACED: Final = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD: Final = f"[^\\W{UNSPACED}]"
TOKEN: Final = re.compile(
    f"[{UNSPACED}]|\\{{[^{{}}]*\\}}|%\\([A-Za-z_]+\\)[sd]|\\s+|{WORD}+(?:[’']{WORD}+)*|.", re.DOTALL
)
MOST: Final = 4_000  # characters compared; longer texts are shown as one change
Kind = Literal["same", "gone", "new"]


@dataclass(frozen=True)
class Piece:
    """A run of words that is in both texts, in the old one only, or in the new one only."""

    kind: Kind
    text: str


def diff(old: str, new: str) -> tuple[Piece, ...]:
    """The pieces of both texts in reading order; without `new` they give the old text, without `gone` the new one."""
    if max(len(old), len(new)) > MOST and old != new:
        return _grouped([("gone", old), ("new", new)])
    was, now = TOKEN.findall(old), TOKEN.findall(new)
    found: list[tuple[Kind, str]] = []
    for what, low, high, start, end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if what == "equal":
            found.append(("same", "".join(was[low:high])))
        else:
            found += [("gone", "".join(was[low:high])), ("new", "".join(now[start:end]))]
    return _grouped(list(_joined(found)))


def _joined(pieces: list[tuple[Kind, str]]) -> Iterator[tuple[Kind, str]]:
    """A space alone between two changes is part of both: one change reads better than two."""
    for place, (kind, text) in enumerate(pieces):
        if kind == "same" and not text.strip() and 0 < place < len(pieces) - 1:
            yield from (("gone", text), ("new", text))
        else:
            yield kind, text


def _grouped(pieces: list[tuple[Kind, str]]) -> tuple[Piece, ...]:
    """Between two pieces that stayed, first all that went, then all that came."""
    found: list[Piece] = []
    gone, new = "", ""
    for kind, text in [*pieces, ("same", "")]:
        if kind == "gone":
            gone += text
        elif kind == "new":
            new += text
        else:
            changed = Piece("gone", gone), Piece("new", new), Piece("same", text)
            found += [piece for piece in changed if piece.text]
            gone, new = "", ""
    return tuple(found)
