"""What a file from another machine may hold: what the press writes, and nothing else. In press children only."""

import io

import pikepdf


def checked(content: bytes) -> int:
    """Number of sides of a file from elsewhere. Raises Complaint for anything that no sheet of ours holds."""
    return len(pikepdf.open(io.BytesIO(content)).pages)
