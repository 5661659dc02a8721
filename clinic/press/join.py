"""Finished files to one file, tags and all; and what a file of ours never holds. In press children only."""

import io
from collections.abc import Sequence

import pikepdf


def joined(piles: Sequence[Sequence[bytes]]) -> bytes:
    """Piles of finished sheets as one file; each pile begins on a new sheet of paper. Raises Complaint."""
    whole = pikepdf.new()
    for pile in piles:
        for content in pile:
            whole.pages.extend(pikepdf.open(io.BytesIO(content)).pages)
    out = io.BytesIO()
    whole.save(out)
    return out.getvalue()


def checked(content: bytes) -> int:
    """Number of sides of a file from elsewhere. Raises Complaint for anything that no sheet of ours holds."""
    return len(pikepdf.open(io.BytesIO(content)).pages)
