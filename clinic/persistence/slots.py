"""What opens the root key: a key file, a passphrase or the recovery key, each with a slot of its own.

A slot holds the root key, sealed under a key that only its secret gives. The associated data names the instance,
the kind and the id of the slot, and the number of the root key.
"""

import base64
import binascii
import hashlib
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import bech32
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from clinic.domain.errors import Invalid, VaultLocked
from clinic.persistence import sealing
from clinic.persistence.files import refuse_open, write_new

KINDS: Final = ("key_file", "passphrase", "recovery")
CREDENTIAL: Final = "clinic-key"  # the name of a systemd credential that stands for the key file
_MARK: Final = "clinic-key-1 "
_SALT_BYTES: Final = 16
_MOST_MEMORY: Final = 1 << 20  # KiB; more than this no slot of ours ever asked for
# Crockford's letters: none that a hand mistakes for another.
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("OIL", "011")
_SECRET_BYTES, _CHECK_LETTERS, _GROUP = 20, 4, 4


@dataclass(frozen=True)
class Cost:
    """What a passphrase costs by Argon2id: passes, KiB, lanes. Stands in the slot, so that it may grow."""

    t: int
    m: int
    p: int


COST: Final = Cost(3, 256 * 1024, 1)


@dataclass(frozen=True)
class Opener:
    """The secret of a slot of this kind. `refusal` is what a person reads when it opens nothing."""

    kind: str
    secret: bytes = field(repr=False)
    refusal: str = "this key does not open these records."

    @property
    def unattended(self) -> bool:
        """Whether nobody types anything, so that the vault may stay open without end."""
        return self.kind == "key_file"


def by_key_file(path: Path) -> Opener:
    """Raises VaultLocked: not there, not a key file, readable by others."""
    return Opener("key_file", read_key_file(path), f"{path} is not the key of this instance.")


def by_passphrase(text: str) -> Opener:
    """The same words typed on another keyboard are the same passphrase."""
    return Opener(
        "passphrase",
        unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass"),
        "this passphrase does not open these records.",
    )


def by_recovery_key(text: str) -> Opener:
    """Raises Invalid on a typing error."""
    return Opener("recovery", recovery_secret(text), "this recovery key does not open these records.")


def make(opener: Opener, root: bytes, instance: UUID, kid: int, cost: Cost | None = None) -> dict[str, Any]:
    """A new slot for a root key."""
    slot: dict[str, Any] = {"kind": opener.kind, "id": str(uuid4()), "kid": kid}
    if opener.kind == "passphrase":
        cost = cost or COST
        slot |= {"salt": base64.b64encode(os.urandom(_SALT_BYTES)).decode(), "t": cost.t, "m": cost.m, "p": cost.p}
    sealed = sealing.seal_bytes(_cipher(opener, slot, instance), root, _bound(instance, slot))
    return slot | {"sealed": base64.b64encode(sealed).decode()}


def open_slot(opener: Opener, slot: Mapping[str, Any], instance: UUID) -> bytes:
    """The root key of a slot of the opener's kind. Raises sealing.Damaged."""
    try:
        sealed = base64.b64decode(slot["sealed"], validate=True)
        return sealing.unseal_bytes(_cipher(opener, slot, instance), sealed, _bound(instance, slot))
    except (KeyError, TypeError, ValueError):
        raise sealing.Damaged from None


def new_key_file(path: Path) -> None:
    """Make a key file, mode 0600. FileExistsError when there is one."""
    write_new(path, _MARK + base64.b64encode(os.urandom(sealing.KEY_BYTES)).decode() + "\n")


def read_key_file(path: Path) -> bytes:
    """The secret of a key file that only its owner can read. Raises VaultLocked."""
    try:
        refuse_open(path)
        with path.open("rb") as file:
            text = file.read(200)
    except FileNotFoundError:
        raise VaultLocked(f"the key file {path} is not there.") from None
    except OSError as error:
        raise VaultLocked(f"the key file {path} cannot be read ({error.strerror}).") from None
    try:
        secret = base64.b64decode(text.decode("ascii").removeprefix(_MARK).strip(), validate=True)
    except (UnicodeDecodeError, binascii.Error):
        secret = b""
    if not text.startswith(_MARK.encode()) or len(secret) != sealing.KEY_BYTES:
        raise VaultLocked(f"{path} is not a key file.")
    return secret


def new_recovery_key() -> str:
    """160 random bits and a check, to be copied by hand: nine groups of four letters and digits."""
    secret = os.urandom(_SECRET_BYTES)
    text = _letters(secret) + _check(secret)
    return " ".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def recovery_secret(text: str) -> bytes:
    """The 20 bytes of a recovery key; case, spaces and hyphens do not matter. Raises Invalid on a typing error."""
    typed = "".join(text.upper().split()).replace("-", "").translate(_MISREAD)
    if len(typed) != _SECRET_BYTES * 8 // 5 + _CHECK_LETTERS or not set(typed) <= set(_LETTERS):
        raise Invalid({"recovery": "recovery_key"})
    value = 0
    for letter in typed[:-_CHECK_LETTERS]:
        value = value << 5 | _LETTERS.index(letter)
    secret = value.to_bytes(_SECRET_BYTES, "big")
    if _check(secret) != typed[-_CHECK_LETTERS:]:
        raise Invalid({"recovery": "recovery_key"})
    return secret


def backup_identity(secret: bytes) -> str:
    """The age identity (AGE-SECRET-KEY-1…) that a recovery key's 20 bytes stand for, on whatever machine."""
    key = sealing.derive(secret, b"", "clinic/backup/1")
    return str(bech32.bech32_encode("age-secret-key-", bech32.convertbits(key, 8, 5))).upper()


def backup_recipient(secret: bytes) -> str:
    """The age recipient (age1…) of `backup_identity`: all that the machine keeps of it."""
    import pyrage

    return str(pyrage.x25519.Identity.from_str(backup_identity(secret)).to_public())


def _cipher(opener: Opener, slot: Mapping[str, Any], instance: UUID) -> AESGCM:
    if opener.kind != "passphrase":
        return AESGCM(sealing.derive(opener.secret, instance.bytes, f"clinic/slot/{opener.kind}/1"))
    t, m, p = int(slot["t"]), int(slot["m"]), int(slot["p"])
    if m > _MOST_MEMORY:
        raise sealing.Damaged
    salt = base64.b64decode(slot["salt"], validate=True)
    try:
        kdf = Argon2id(salt=salt, length=sealing.KEY_BYTES, iterations=t, lanes=p, memory_cost=m)
        return AESGCM(kdf.derive(opener.secret))
    except MemoryError:
        raise VaultLocked(f"this machine has not {m // 1024} MiB free, which the passphrase takes.") from None
    except UnsupportedAlgorithm:
        raise VaultLocked("the library for passphrases lacks Argon2id.") from None


def _bound(instance: UUID, slot: Mapping[str, Any]) -> bytes:
    return sealing.bind(instance, slot["kind"], slot["id"], slot["kid"])


def _letters(data: bytes) -> str:
    value = int.from_bytes(data, "big")
    return "".join(_LETTERS[value >> 5 * place & 31] for place in reversed(range(len(data) * 8 // 5)))


def _check(secret: bytes) -> str:
    return _letters(hashlib.sha256(b"clinic/recovery/check/1" + secret).digest()[:5])[:_CHECK_LETTERS]
