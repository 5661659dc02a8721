"""The root key: how it is made, where it lies, what opens it.

The root key is 32 random bytes and never derived from anything. It lies in `keys.json` of the instance, once for
each thing that opens it (slots.py). From the root key only the key-encryption key (KEK) is derived; it wraps random
data keys. The root key itself is not kept. While a root key is changed (rotation.py), the earlier one lies in
`keys.json` too, sealed under the new KEK, until no row is wrapped by it any more.
"""

import base64
import getpass
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clinic.domain.errors import VaultLocked
from clinic.persistence import files, sealing, slots
from clinic.persistence.files import Hold
from clinic.persistence.slots import Opener

KEYS_FILE: Final = "keys.json"
FORMAT: Final = 2
TRIES: Final = 3  # to type a passphrase


@dataclass(frozen=True)
class Wrapped:
    """A random key as it is stored: sealed by the KEK with the number `kid`."""

    id: UUID
    kid: int
    sealed: bytes


@dataclass(frozen=True)
class KeysFile:
    """What `keys.json` holds: no key that is not sealed. `db`: the database's key, two while it is changed."""

    instance: UUID
    slots: Sequence[Mapping[str, Any]]
    earlier: Sequence[Mapping[str, Any]] = ()
    db: Sequence[Wrapped] = ()
    backup_recipient: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """What opens it."""
        return frozenset(str(slot["kind"]) for slot in self.slots)

    def write(self, folder: Path) -> None:
        """In the place of the file that is there, whole or not at all."""
        db = [{"id": str(one.id), "kid": one.kid, "wrapped": _text(one.sealed)} for one in self.db]
        kept: dict[str, Any] = {"format": FORMAT, "instance": str(self.instance), "slots": list(self.slots), "db": db}
        if self.earlier:
            kept["earlier"] = list(self.earlier)
        if self.backup_recipient:
            kept["backup_recipient"] = self.backup_recipient
        files.replace(folder / KEYS_FILE, json.dumps(kept, indent=1) + "\n")


@dataclass(frozen=True)
class Vault:
    """An open vault: the KEKs by number. It wraps and unwraps; it never writes a key anywhere."""

    instance: UUID
    keks: Mapping[int, AESGCM] = field(repr=False)
    db: tuple[Wrapped, ...] = field(default=(), repr=False)
    unattended: bool = True  # nobody typed anything to open it
    hold: Hold | None = field(default=None, repr=False)

    @property
    def kid(self) -> int:
        """The number of the newest KEK."""
        return max(self.keks)

    def wrap(self, key: bytes, scope: str, owner: UUID, id_: UUID | None = None) -> Wrapped:
        """Wrap a key of `scope` that belongs to a case, an account or the instance."""
        id_, kid = id_ or uuid4(), self.kid
        return Wrapped(id_, kid, sealing.seal_bytes(self.keks[kid], key, sealing.bind(id_, scope, owner, kid)))

    def rewrap(self, wrapped: Wrapped, scope: str, owner: UUID) -> Wrapped:
        """The same key under the newest KEK. Raises Damaged."""
        return self.wrap(self.unwrap_bytes(wrapped, scope, owner), scope, owner, wrapped.id)

    def unwrap(self, wrapped: Wrapped, scope: str, owner: UUID) -> AESGCM:
        """The cipher of a wrapped key. Raises Damaged when it is not the key of this scope and owner."""
        return AESGCM(self.unwrap_bytes(wrapped, scope, owner))

    def unwrap_bytes(self, wrapped: Wrapped, scope: str, owner: UUID) -> bytes:
        """The same as bytes, for keys of an HMAC."""
        kek = self.keks.get(wrapped.kid)
        if kek is None:
            raise sealing.Damaged
        return sealing.unseal_bytes(kek, wrapped.sealed, sealing.bind(wrapped.id, scope, owner, wrapped.kid))

    def db_keys(self) -> tuple[bytes, ...]:
        """The raw keys that the database's file may have, the newest last. Raises VaultLocked."""
        try:
            return tuple(self.unwrap_bytes(one, "db", self.instance) for one in self.db)
        except sealing.Damaged:
            raise VaultLocked(f"the key of the database in {KEYS_FILE} was changed.") from None

    def db_key(self) -> bytes:
        """The raw key of the database's file; while it is changed `store.unlock` says which. Raises VaultLocked."""
        keys = self.db_keys()
        if not keys:
            raise VaultLocked(f"{KEYS_FILE} has no key of the database.")
        return keys[0]

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a vault does not leave its process")


def create(
    folder: Path,
    key_file: Path | None = None,
    passphrase: str | None = None,
    recovery: str | None = None,
) -> Vault:
    """Make a root key, its slots, and the database's key: `keys.json` in `folder`.

    With a passphrase there is no key file; else `key_file` opens it (made if it is not there). `recovery` is a
    recovery key, for a slot of its own and for backups. Raises Invalid, VaultLocked.
    """
    openers = [_first(folder, key_file, passphrase)]
    if recovery is not None:
        openers.append(slots.by_recovery_key(recovery))
    instance, root = uuid4(), os.urandom(sealing.KEY_BYTES)
    vault = Vault(instance, {1: _kek(root, instance)}, unattended=openers[0].unattended)
    vault = replace(vault, db=(vault.wrap(os.urandom(sealing.KEY_BYTES), "db", instance),))
    KeysFile(
        instance,
        [slots.make(one, root, instance, 1) for one in openers],
        db=vault.db,
        backup_recipient=slots.backup_recipient(openers[1].secret) if recovery is not None else "",
    ).write(folder)
    return vault


def _first(folder: Path, key_file: Path | None, passphrase: str | None) -> Opener:
    if passphrase is not None:
        return slots.by_passphrase(passphrase)
    if key_file is None:
        raise VaultLocked("an instance needs a passphrase or a key file.")
    refuse_inside(folder, key_file)
    if not key_file.exists():
        slots.new_key_file(key_file)
    return slots.by_key_file(key_file)


def read(folder: Path) -> KeysFile:
    """What `keys.json` holds. Raises VaultLocked: not there, readable by others, broken, of another version."""
    path = folder / KEYS_FILE
    files.refuse_open(path)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != FORMAT:
            raise VaultLocked(f"{path} was made by another version of this program. Make the instance anew.")
        return KeysFile(
            UUID(kept["instance"]),
            list(kept["slots"]),
            list(kept.get("earlier", [])),
            [Wrapped(UUID(one["id"]), int(one["kid"]), _bytes(one["wrapped"])) for one in kept["db"]],
            str(kept.get("backup_recipient", "")),
        )
    except FileNotFoundError:
        raise VaultLocked(f"{path} is not there.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise VaultLocked(f"{path} cannot be read.") from None


def unlock(folder: Path, opener: Opener | Path) -> Vault:
    """Open the vault of an instance; a path is a key file. Raises VaultLocked with one plain reason."""
    if isinstance(opener, Path):
        opener = key_file_opener(folder, opener)
    kept = read(folder)
    return replace(opened(kept, roots(kept, opener)), unattended=opener.unattended)


def roots(kept: KeysFile, opener: Opener) -> dict[int, bytes]:
    """The root keys by number: the one in the slot, then the earlier ones, each sealed under a later one's KEK.

    Whoever calls this writes slots anew and forgets them; nothing else may hold a root key. Raises VaultLocked.
    """
    found: dict[int, bytes] = {}
    try:
        mine = [slot for slot in kept.slots if slot["kind"] == opener.kind]
        if not mine:
            raise VaultLocked(f"{KEYS_FILE} has no slot for that: {opener.kind.replace('_', ' ')}.")
        for slot in mine:
            found[int(slot["kid"])] = slots.open_slot(opener, slot, kept.instance)
    except (sealing.Damaged, KeyError, TypeError, ValueError):
        raise VaultLocked(opener.refusal) from None
    try:
        for one in kept.earlier:
            kek = _kek(found[int(one["under"])], kept.instance)
            bound = _earlier_bound(kept.instance, int(one["kid"]), int(one["under"]))
            found[int(one["kid"])] = sealing.unseal_bytes(kek, _bytes(one["sealed"]), bound)
    except (sealing.Damaged, KeyError, TypeError, ValueError):
        raise VaultLocked(f"{KEYS_FILE} was changed.") from None
    return found


def earlier(root: bytes, kid: int, newer: bytes, under: int, instance: UUID) -> dict[str, Any]:
    """How an earlier root key lies in `keys.json` while its rows are wrapped anew."""
    sealed = sealing.seal_bytes(_kek(newer, instance), root, _earlier_bound(instance, kid, under))
    return {"kid": kid, "under": under, "sealed": _text(sealed)}


def opened(kept: KeysFile, found: Mapping[int, bytes]) -> Vault:
    """The vault of these root keys."""
    return Vault(kept.instance, {kid: _kek(root, kept.instance) for kid, root in found.items()}, tuple(kept.db))


def find(folder: Path, key_file: Path, environment: Mapping[str, str] = os.environ) -> Opener:
    """What opens an instance here: key file, systemd credential, the person at the terminal (asked). VaultLocked."""
    kinds = read(folder).kinds
    if "key_file" in kinds:
        credential = Path(environment.get("CREDENTIALS_DIRECTORY", "/nowhere")) / slots.CREDENTIAL
        if key_file.exists() or waiting(key_file).exists() or not credential.exists():
            return key_file_opener(folder, key_file)
        return slots.by_key_file(credential)
    if not sys.stdin.isatty():
        raise VaultLocked("nobody has typed the passphrase yet. Run: clinic unlock")
    return slots.by_passphrase(getpass.getpass("Passphrase of the records: "))


def key_file_opener(folder: Path, key_file: Path) -> Opener:
    """The opener of a key file: the new one, where a change of keys ended before it stood in its place. VaultLocked."""
    refuse_inside(folder, key_file)
    if waiting(key_file).exists():
        try:
            opener = slots.by_key_file(waiting(key_file))
            roots(read(folder), opener)
        except VaultLocked:
            pass  # it opens nothing: the change did not come so far
        else:
            take_waiting(key_file)
            return opener
    return slots.by_key_file(key_file)


def waiting(key_file: Path) -> Path:
    """Where a new key file lies before it takes the old one's place."""
    return key_file.with_name(key_file.name + ".new")


def take_waiting(key_file: Path) -> None:
    """The new key file takes the old one's place; where nobody may write it stays beside it, and opens as well."""
    with suppress(OSError):
        files.put(waiting(key_file), key_file)


def unlock_here(folder: Path, key_file: Path) -> Vault:
    """Open an instance by what `find` finds; a passphrase may be typed three times. Raises VaultLocked."""
    for tries_left in reversed(range(TRIES)):
        opener = find(folder, key_file)
        try:
            return unlock(folder, opener)
        except VaultLocked as refused:
            if opener.kind != "passphrase" or not tries_left:
                raise
            print(refused, file=sys.stderr)
    raise AssertionError("the last try returns or raises")


def change_slot(folder: Path, opener: Opener, new: Opener) -> None:
    """Give an instance a new passphrase or recovery key, in the place of the old one of that kind.

    A new passphrase takes the place of a key file too, and the other way round: one of them opens the records, beside
    the recovery key. Raises VaultLocked.
    """
    kept = read(folder)
    if kept.earlier:
        raise VaultLocked("their root key is being changed. Run: clinic rotate root")
    found = roots(kept, opener)
    kid = max(found)
    made = slots.make(new, found[kid], kept.instance, kid)
    everyday = {"key_file", "passphrase"}
    gone = {"recovery"} if new.kind == "recovery" else everyday
    recipient = slots.backup_recipient(new.secret) if new.kind == "recovery" else kept.backup_recipient
    left = [slot for slot in kept.slots if slot["kind"] not in gone]
    replace(kept, slots=[made, *left], backup_recipient=recipient).write(folder)


def refuse_inside(folder: Path, key_file: Path) -> None:
    """Raises VaultLocked for a key file in the folder that it opens: one copy would take both."""
    if key_file.resolve().is_relative_to(folder.resolve()):
        raise VaultLocked(f"the key file {key_file} lies in the folder that it opens. Move it, and set key_file.")


def _kek(root: bytes, instance: UUID) -> AESGCM:
    return AESGCM(sealing.derive(root, instance.bytes, "clinic/kek/1"))


def _earlier_bound(instance: UUID, kid: int, under: int) -> bytes:
    return sealing.bind("earlier", 1, instance, kid, under)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
