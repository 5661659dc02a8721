"""The root key: how it is made, where it lies, what opens it.

The root key is 32 random bytes and never derived from anything. It lies in `keys.json` of the instance, once for
each thing that opens it (a *slot*); here that is the key file, mode 0600, in or outside the instance. From the root
key only the key-encryption key (KEK) is derived; it wraps random data keys. The root key itself is not kept.
"""

import base64
import binascii
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clinic.domain.errors import VaultLocked
from clinic.persistence import sealing

KEYS_FILE: Final = "keys.json"
_FORMAT: Final = 1
_MARK: Final = "clinic-key-1 "


@dataclass(frozen=True)
class Wrapped:
    """A random key as it is stored: sealed by the KEK with the number `kid`."""

    id: UUID
    kid: int
    sealed: bytes


@dataclass(frozen=True)
class Vault:
    """An open vault: the KEKs by number. It wraps and unwraps; it never writes a key anywhere."""

    instance: UUID
    keks: Mapping[int, AESGCM] = field(repr=False)

    def wrap(self, key: bytes, scope: str, owner: UUID) -> Wrapped:
        """Wrap a key of `scope` that belongs to a case, an account or the instance."""
        id_, kid = uuid4(), max(self.keks)
        return Wrapped(id_, kid, sealing.seal_bytes(self.keks[kid], key, sealing.bind(id_, scope, owner, kid)))

    def unwrap(self, wrapped: Wrapped, scope: str, owner: UUID) -> AESGCM:
        """The cipher of a wrapped key. Raises Damaged when it is not the key of this scope and owner."""
        return AESGCM(self.unwrap_bytes(wrapped, scope, owner))

    def unwrap_bytes(self, wrapped: Wrapped, scope: str, owner: UUID) -> bytes:
        """The same as bytes, for keys of an HMAC."""
        kek = self.keks.get(wrapped.kid)
        if kek is None:
            raise sealing.Damaged
        return sealing.unseal_bytes(kek, wrapped.sealed, sealing.bind(wrapped.id, scope, owner, wrapped.kid))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a vault does not leave its process")


def create(folder: Path, key_file: Path) -> Vault:
    """Make a root key and its first slot: `keys.json` in `folder`, opened by `key_file` (made if it is not there)."""
    if not key_file.exists():
        _write_new(key_file, _MARK + base64.b64encode(os.urandom(sealing.KEY_BYTES)).decode() + "\n")
    secret, instance, root = _read_key(key_file), uuid4(), os.urandom(sealing.KEY_BYTES)
    slot = {"kind": "key_file", "id": str(uuid4()), "kid": 1}
    sealed = sealing.seal_bytes(_slot_cipher(secret, instance), root, _slot_bound(instance, slot))
    slots = [slot | {"sealed": base64.b64encode(sealed).decode()}]
    _replace(folder / KEYS_FILE, json.dumps({"format": _FORMAT, "instance": str(instance), "slots": slots}))
    return _open(instance, {1: root})


def unlock(folder: Path, key_file: Path) -> Vault:
    """Open the vault of an instance by its key file. Raises VaultLocked with one plain reason."""
    try:
        kept = json.loads((folder / KEYS_FILE).read_text(encoding="utf-8"))
        instance, slots = UUID(kept["instance"]), list(kept["slots"])
    except FileNotFoundError:
        raise VaultLocked(f"{folder / KEYS_FILE} is not there.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise VaultLocked(f"{folder / KEYS_FILE} cannot be read.") from None
    cipher = _slot_cipher(_read_key(key_file), instance)
    try:
        roots = {
            slot["kid"]: sealing.unseal_bytes(cipher, base64.b64decode(slot["sealed"]), _slot_bound(instance, slot))
            for slot in slots
            if slot["kind"] == "key_file"
        }
    except (sealing.Damaged, ValueError, KeyError, TypeError):
        raise VaultLocked(f"{key_file} is not the key of this instance.") from None
    if not roots:
        raise VaultLocked("no key file was ever set up.")
    return _open(instance, roots)


def _open(instance: UUID, roots: Mapping[int, bytes]) -> Vault:
    keks = {kid: AESGCM(sealing.derive(root, instance.bytes, "clinic/kek/1")) for kid, root in roots.items()}
    return Vault(instance, keks)


def _slot_cipher(secret: bytes, instance: UUID) -> AESGCM:
    return AESGCM(sealing.derive(secret, instance.bytes, "clinic/slot/key_file/1"))


def _slot_bound(instance: UUID, slot: Mapping[str, Any]) -> bytes:
    return sealing.bind(instance, slot["kind"], slot["id"], slot["kid"])


def _read_key(path: Path) -> bytes:
    """The secret of a key file that only its owner can read."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            text = file.read(200)
    except FileNotFoundError:
        raise VaultLocked(f"the key file {path} is not there.") from None
    except OSError as error:
        raise VaultLocked(f"the key file {path} cannot be read ({error.strerror}).") from None
    if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
        raise VaultLocked(f"other people can read the key file. Run: chmod 600 {path}")
    try:
        secret = base64.b64decode(text.decode("ascii").removeprefix(_MARK).strip(), validate=True)
    except (UnicodeDecodeError, binascii.Error):
        secret = b""
    if not text.startswith(_MARK.encode()) or len(secret) != sealing.KEY_BYTES:
        raise VaultLocked(f"{path} is not a key file.")
    return secret


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    _write_new(new, text)
    new.replace(path)
