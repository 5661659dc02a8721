"""The key of a print machine: made there, kept there. What others see is its public half and a fingerprint to compare.

A text file of one line, mode 0600, outside any checkout: whoever has it and the machine's way into the database can
open the sheets that are handed to this machine.
"""

import base64
import hashlib
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from clinic.domain.errors import Usage
from clinic.persistence import files

PRIVATE: Final = "clinic-worker-secret-1"
PUBLIC: Final = "clinic-worker-1"
KEY_BYTES: Final = 32
PRINT_BYTES: Final = 20  # of the fingerprint: 32 letters and digits
GROUP: Final = 4


def make(path: Path) -> bytes:
    """Make a key in a new file; its public half, 32 bytes. Raises Usage: there is one, or the place is wrong."""
    _refuse_checkout(path)
    key = X25519PrivateKey.generate()
    try:
        files.write_new(path, f"{PRIVATE}:{base64.urlsafe_b64encode(key.private_bytes_raw()).decode()}\n")
    except FileExistsError:
        raise Usage(
            f"There is a file {path} already. A machine keeps its key; for a new one name another file."
        ) from None
    except OSError as error:
        raise Usage(f"{path} cannot be written ({error.strerror}).") from None
    return key.public_key().public_bytes_raw()


def read(path: Path) -> X25519PrivateKey:
    """The key of a file. Raises Usage: not there, not a key; VaultLocked: others can read it."""
    _refuse_checkout(path)
    files.refuse_open(path)
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise Usage(f"There is no key in {path}. Make one: clinic worker init --key {path}") from None
    return X25519PrivateKey.from_private_bytes(_decoded(text, PRIVATE, f"{path} holds no key of a print machine."))


def public(key: X25519PrivateKey) -> bytes:
    """The public half of a key: 32 bytes."""
    return key.public_key().public_bytes_raw()


def shown(public_key: bytes) -> str:
    """A public key as text, to be pasted where an admin accepts the machine."""
    return f"{PUBLIC}:{base64.urlsafe_b64encode(public_key).decode()}"


def parsed(text: str) -> bytes:
    """The inverse of `shown`; space around it does not count. Raises Usage."""
    found = _decoded(text, PUBLIC, "This is not the public key of a print machine.")
    X25519PublicKey.from_public_bytes(found)
    return found


def fingerprint(public_key: bytes) -> str:
    """What two people compare: 160 bits of a SHA-256, in groups of four letters and digits."""
    text = base64.b32encode(hashlib.sha256(public_key).digest()[:PRINT_BYTES]).decode()
    return "-".join(text[place : place + GROUP] for place in range(0, len(text), GROUP))


def _decoded(text: str, kind: str, problem: str) -> bytes:
    said, _, value = text.strip().partition(":")
    try:
        found = base64.b64decode(value, altchars=b"-_", validate=True)
    except ValueError:
        found = b""
    if said != kind or len(found) != KEY_BYTES:
        raise Usage(problem)
    return found


def _refuse_checkout(path: Path) -> None:
    """A key in a repository is in its next commit."""
    inside = next((one for one in path.resolve().parents if (one / ".git").exists()), None)
    if inside is not None:
        raise Usage(f"{path} is inside the repository {inside}. Name a place outside: --key FILE")
