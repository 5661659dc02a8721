"""What is sealed of a press item: its page under its own key, its PDF under the same, that key for another machine.

Padded to steps of 16 KiB: the length of a page tells about what somebody wrote. Needs no database and no keyholder:
other machines use it too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clinic.domain.page import Page
from clinic.persistence import sealing
from clinic.persistence.sealing import Damaged

Kind = Literal["given", "filled"]

STEP: Final = 16 * 1024  # bytes
_LENGTH: Final = 4
_PUBLIC: Final = 32


@dataclass(frozen=True)
class Work:
    """What is to be drawn: a page, the words for its slots, and whether an answer stands on it (`filled`)."""

    page: Page = field(repr=False)
    words: Mapping[str, str] = field(repr=False)
    kind: Kind


def seal_work(key: bytes, item_id: UUID, work: Work) -> bytes:
    """A page for the queue. Raises ValueError: it is longer than any page may be."""
    said = {"page": work.page.to_json().decode(), "words": dict(work.words), "kind": work.kind}
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return sealing.seal_bytes(AESGCM(key), _pad(text), _bound("work", item_id))


def open_work(key: bytes, item_id: UUID, sealed: bytes) -> Work:
    """The inverse of `seal_work`. Raises Damaged."""
    data = sealing.unseal_bytes(AESGCM(key), sealed, _bound("work", item_id))
    try:
        said = json.loads(sealing.unpad(data))
        kind, words = said["kind"], said["words"]
        if kind not in get_args(Kind) or not isinstance(words, dict):
            raise Damaged
        return Work(Page.from_json(said["page"].encode()), words, kind)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Damaged from None


def seal_result(key: bytes, item_id: UUID, content: bytes) -> bytes:
    """A finished PDF for the queue."""
    return sealing.seal_bytes(AESGCM(key), _pad(content), _bound("result", item_id))


def open_result(key: bytes, item_id: UUID, sealed: bytes) -> bytes:
    """The inverse of `seal_result`. Raises Damaged."""
    return sealing.unpad(sealing.unseal_bytes(AESGCM(key), sealed, _bound("result", item_id)))


# --------------------------------------------------------------------------- for another machine
def seal_to(public_key: bytes, key: bytes, item_id: UUID, token: UUID, worker_id: UUID) -> bytes:
    """An item's key for the machine with this X25519 key: our one-time public key, then the sealed key.

    Raises ValueError for what is no such key.
    """
    once = X25519PrivateKey.generate()
    shared = once.exchange(X25519PublicKey.from_public_bytes(public_key))
    ours, bound = once.public_key().public_bytes_raw(), _handed(item_id, token, worker_id)
    return ours + sealing.seal_bytes(AESGCM(_derived(shared, ours, public_key)), key, bound)


def open_from(private_key: X25519PrivateKey, handed: bytes, item_id: UUID, token: UUID, worker_id: UUID) -> bytes:
    """The inverse of `seal_to`, on that machine: the item's key. Raises Damaged."""
    ours, mine = handed[:_PUBLIC], private_key.public_key().public_bytes_raw()
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(ours))
    except ValueError:
        raise Damaged from None
    cipher = AESGCM(_derived(shared, ours, mine))
    return sealing.unseal_bytes(cipher, handed[_PUBLIC:], _handed(item_id, token, worker_id))


def _derived(shared: bytes, ours: bytes, theirs: bytes) -> bytes:
    return sealing.derive(shared, ours + theirs, "clinic/press/hand/1")


def _handed(item_id: UUID, token: UUID, worker_id: UUID) -> bytes:
    return sealing.bind("press", 1, "key", item_id, token, worker_id)


def _bound(what: str, item_id: UUID) -> bytes:
    return sealing.bind("press", 1, what, item_id)


def _pad(data: bytes) -> bytes:
    size = -(-(_LENGTH + len(data)) // STEP) * STEP
    return (len(data).to_bytes(_LENGTH, "big") + data).ljust(size, b"\0")
