"""A form that was sent after the session had ended: sealed into the sign-in page, and offered again after it.

Nothing of it can be read on that page or in its source, and only the account that typed it gets it back.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from os import urandom
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Request

LARGEST: Final = 2 * 1024 * 1024  # bytes of fields; sealed as text it must pass the 4 MB limit again
NONCE: Final = 12
SERVICE: Final = "csrf_token"


@dataclass(frozen=True)
class KeptPost:
    """Where a form was sent to, and its fields in order."""

    path: str
    fields: tuple[tuple[str, str], ...]


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"kept post").derive(secret))


def keep(secret: bytes, request: Request, account: str) -> str:
    """The posted fields, sealed to an account; empty when there is nothing to keep or too much."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != SERVICE]
    content = json.dumps([request.path, fields]).encode()
    elsewhere = request.path.startswith(("//", "/\\"))  # a browser reads these as the address of another host
    if not account or not fields or elsewhere or len(content) > LARGEST:
        return ""
    nonce = urandom(NONCE)
    return urlsafe_b64encode(nonce + _cipher(secret).encrypt(nonce, content, account.encode())).decode()


def again(secret: bytes, sealed: str, account: str) -> KeptPost | None:
    """What `keep` sealed, for the account that typed it; None for anybody else and for anything broken."""
    try:
        raw = urlsafe_b64decode(sealed.encode("ascii"))
        path, fields = json.loads(_cipher(secret).decrypt(raw[:NONCE], raw[NONCE:], account.encode()))
    except (Error, ValueError, InvalidTag):
        return None
    return KeptPost(path, tuple((name, value) for name, value in fields))
