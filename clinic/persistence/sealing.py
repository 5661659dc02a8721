"""Sealing: AES-256-GCM over padded JSON, bound to where it stands. Pure functions; no key is kept here.

Blob: one version byte, 12 random bytes of nonce, ciphertext with tag. The associated data names the row, so that
a ciphertext which is swapped, relabelled or older than its row does not open.
"""

import json
import os
import struct
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_VERSION, _NONCE = b"\x01", 12
_LENGTH = struct.Struct(">I")
_STEP, _EVEN = 256, 4096  # bytes; above _EVEN the step is a sixteenth of the power of two below


class Damaged(Exception):
    """A sealed value does not open: another key, another row, another revision, or changed bytes."""


def bind(*fields: str | int | UUID) -> bytes:
    """Associated data: the fields, each behind its length, so that two lists never give the same bytes."""
    found = [str(field).encode() for field in fields]
    return b"".join(_LENGTH.pack(len(one)) + one for one in found)


def seal(cipher: AESGCM, value: Any, bound: bytes) -> bytes:
    """A JSON value, padded and sealed."""
    return seal_bytes(cipher, pad(_dump(value)), bound)


def unseal(cipher: AESGCM, blob: bytes, bound: bytes) -> Any:
    """The inverse of `seal`. Raises Damaged."""
    return json.loads(unpad(unseal_bytes(cipher, blob, bound)).decode("utf-8", "surrogatepass"))


def seal_bytes(cipher: AESGCM, data: bytes, bound: bytes) -> bytes:
    """Bytes sealed as they are: for keys, which all have one length."""
    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + cipher.encrypt(nonce, data, bound)


def unseal_bytes(cipher: AESGCM, blob: bytes, bound: bytes) -> bytes:
    """The inverse of `seal_bytes`. Raises Damaged."""
    if blob[:1] != _VERSION:
        raise Damaged
    try:
        return cipher.decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], bound)
    except (InvalidTag, ValueError):
        raise Damaged from None


def pad(data: bytes) -> bytes:
    """Length, data, zeros, up to `padded_size`: a short note and a screening then look alike."""
    size = padded_size(_LENGTH.size + len(data))
    return (_LENGTH.pack(len(data)) + data).ljust(size, b"\0")


def unpad(data: bytes) -> bytes:
    """The inverse of `pad`."""
    (length,) = _LENGTH.unpack_from(data)
    return data[_LENGTH.size : _LENGTH.size + length]


def padded_size(size: int) -> int:
    """The next multiple of 256 bytes up to 4 KiB, then of a sixteenth: at most 6 % more."""
    step = _STEP if size <= _EVEN else 1 << ((size - 1).bit_length() - 5)
    return -(-size // step) * step


def derive(secret: bytes, salt: bytes, info: str) -> bytes:
    """A key of 32 bytes by HKDF-SHA256."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, info.encode()).derive(secret)


def _dump(value: Any) -> bytes:
    # surrogatepass: text that did not parse is kept as it came.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass")
