"""Codes on paper: eight random signs and a check sign. A slip of the pen is found without looking anything up."""

import secrets
import unicodedata
from collections.abc import Sequence
from typing import Final

ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # 32 signs, none that is read as another
LENGTH: Final = 8  # without the check sign
# Signs that no code has, and the one that was meant; the check sign finds out when it was not.
MEANT: Final = {"I": "L", "1": "L", "O": "Q", "0": "Q"}


def new_code() -> str:
    """Eight random signs and a check sign; says nothing about case, sheet or order."""
    signs = [secrets.randbelow(32) for _ in range(LENGTH)]
    return "".join(ALPHABET[sign] for sign in (*signs, checksum(signs)))


def checksum(signs: Sequence[int]) -> int:
    """The check sign of a code: a weighted sum that finds any one wrong sign and nearly every swap of neighbours."""
    return sum((2 * place + 1) * sign for place, sign in enumerate(signs)) % 32


def normalised(typed: str) -> str:
    """What was typed as it would stand on paper: capitals, no spaces or dashes, digits of any script, look-alikes."""
    return "".join(_meant(sign) for sign in unicodedata.normalize("NFKC", typed[:100]).upper())


def _meant(sign: str) -> str:
    digit = unicodedata.digit(sign, None)
    if digit is not None:
        sign = str(digit)
    return "" if _between(sign) else MEANT.get(sign, sign)


def _between(sign: str) -> bool:
    """What people put between signs, and what a browser or a PDF puts there unseen."""
    return unicodedata.category(sign) in ("Zs", "Pd", "Cf", "Cc", "Pc") or sign in ".·"


def fits(code: str) -> bool:
    """Whether a normalised code can be one at all: its length, its signs, its check sign."""
    if len(code) != LENGTH + 1 or any(sign not in ALPHABET for sign in code):
        return False
    *signs, last = [ALPHABET.index(sign) for sign in code]
    return checksum(signs) == last
