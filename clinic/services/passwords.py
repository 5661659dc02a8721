"""Passwords: which ones are good enough, how they are kept, whether one fits.

Kept is Argon2id over HMAC(pepper, password): a copy of the database alone tries nothing out.
"""

import secrets
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from clinic.persistence.store import Store

ALONE: Final = 15  # characters at least, where the password is all there is
BESIDE: Final = 8  # with a second factor
LONGEST: Final = 1024
DISTINCT: Final = 5  # different characters at least
GROUPS: Final = 5  # of a temporary password, four signs each
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# What somebody thinks of first in a place like this one. A password made of these alone, with any digits, blanks and
# signs between them, is refused; as words of a longer sentence they are welcome.
PLACE: Final = frozenset(
    """
    account admin administrator base beratung berater case cases clinic clinics clinica client clients consejeria
    couple couples counsel counseling counselling counsellor counselor customer demo guest hello letmein login love
    marriage master my office our pareja parejas pass passcode passphrase password passwort paar paare paartherapie
    partner partners practice praxis psychologist psychology qwerty qwertz azerty secret secure securebase session sheet
    sheets spring summer autumn winter staff supervisor team test the therapie therapist therapists therapy terapeuta
    terapia user welcome willkommen contraseña worksheet worksheets
    """.split()
)
LOOKALIKE: Final = str.maketrans("0134578@$!€", "oieastbasie")


def problem(password: str, names: Iterable[str] = (), least: int = ALONE) -> str | None:
    """What is wrong with a new password: an id of `answer.WRONG`, None if it is good. `names`: of its account."""
    if len(password) < least:
        return "password_short"
    if len(password) > LONGEST:
        return "password_long"
    text = unicodedata.normalize("NFKC", password).casefold()
    if len(set(text)) < DISTINCT:
        return "password_plain"
    if any(_guessed(one, names) for one in (text, text.translate(LOOKALIKE))):
        return "password_common"
    return None


def temporary() -> str:
    """A new one, some 98 bits in groups that can be read out. Never one that `problem` would refuse: chance may."""
    while problem(made := "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(GROUPS))):
        pass
    return made


def hashed(store: Store, password: str) -> str:
    """What is kept of a password; two hashes of one password are unlike."""
    return HASHER.hash(_peppered(store, password))


def fits(store: Store, kept: str | None, password: str) -> bool:
    """Whether a password is right. None, no such account, takes as long as a wrong one."""
    nobody = _nobody()
    try:
        found = HASHER.verify(kept or nobody, _peppered(store, password))
    except (VerificationError, InvalidHashError):
        return False
    return found and kept is not None


def stale(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(kept)


def _peppered(store: Store, password: str) -> str:
    # Keyboards write one letter in two ways; both are the same password.
    return store.keyholder.peppered(unicodedata.normalize("NFC", password))


@cache
def _nobody() -> str:
    return HASHER.hash("nobody")


def _guessed(text: str, names: Iterable[str]) -> bool:
    letters = "".join(one for one in text if unicodedata.category(one)[0] not in "NPZ" and one not in "+<=>^`|~$")
    common = _common()
    if not letters or text in common or letters in common or _over_and_over(letters):
        return True
    mine = {"".join(filter(str.isalpha, part)) for name in names for part in (name, *name.split())}
    return _made_of(letters, PLACE | {unicodedata.normalize("NFKC", one).casefold() for one in mine if one})


def _over_and_over(letters: str) -> bool:
    """Whether the text is one piece several times: then it is worth no more than the piece."""
    return letters in (letters + letters)[1:-1]


def _made_of(letters: str, words: Iterable[str]) -> bool:
    """Whether the text is nothing but these words, one after the other."""
    reached = {0}
    for start in range(len(letters)):
        if start in reached:
            reached |= {start + len(word) for word in words if letters.startswith(word, start)}
    return len(letters) in reached


@cache
def _common() -> frozenset[str]:
    """Some 30,000 passwords of leaked lists, as zxcvbn ships them. Read when first needed: they are large."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    found = FREQUENCY_LISTS["passwords"]
    return frozenset(found.split(",") if isinstance(found, str) else found)
