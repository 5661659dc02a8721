"""What an uploaded file says, between the page of its differences and the decision to write it.

It waits sealed in a folder of the instance, for an hour. The key is in the page of whoever brought it and nowhere else:
the server cannot open what it keeps, and nobody else's page can.
"""

import os
import re
import secrets
import time
import zlib
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clinic.i18n.units import Unit, packed, unpacked
from clinic.persistence.sealing import KEY_BYTES, Damaged, bind, seal_bytes, unseal_bytes
from clinic.persistence.store import Store
from clinic.services.exchange import BadUpload

FOLDER: Final = "uploads"
HOUR: Final = 3600  # seconds
EACH: Final = 4  # files of one account at a time; the oldest goes
NAME: Final = 16  # bytes
TICKET: Final = re.compile(rf"([0-9a-f]{{{2 * NAME}}})([0-9a-f]{{{2 * KEY_BYTES}}})\Z")


def keep(store: Store, account: UUID, tag: str, units: list[Unit]) -> str:
    """Seal what a file says for one account and language; what opens it again (name and key, in hex)."""
    folder = store.settings.instance / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    _sweep(folder, account)
    name, key = secrets.token_hex(NAME), secrets.token_bytes(KEY_BYTES)
    sealed = seal_bytes(AESGCM(key), zlib.compress(packed(units), 1), bind(name, account, tag))
    made = os.open(folder / f"{account.hex}.{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(made, "wb") as file:
        file.write(sealed)
    return name + key.hex()


def again(store: Store, account: UUID, tag: str, ticket: str) -> list[Unit]:
    """What was kept. Raises BadUpload: it is gone, or was another's."""
    found = TICKET.match(ticket)
    if found is None:
        raise BadUpload("gone")
    name, key = found[1], bytes.fromhex(found[2])
    path = store.settings.instance / FOLDER / f"{account.hex}.{name}"
    try:
        if time.time() - path.stat().st_mtime > HOUR:
            raise BadUpload("gone")
        return unpacked(zlib.decompress(unseal_bytes(AESGCM(key), path.read_bytes(), bind(name, account, tag))))
    except (OSError, Damaged):
        raise BadUpload("gone") from None


def drop(store: Store, account: UUID, ticket: str) -> None:
    """It was written, or is not wanted any more."""
    if found := TICKET.match(ticket):
        (store.settings.instance / FOLDER / f"{account.hex}.{found[1]}").unlink(missing_ok=True)


def _sweep(folder: Path, account: UUID) -> None:
    """Remove what is older than an hour, and of this account all but the newest."""
    ages = sorted(((_age(path), path) for path in folder.iterdir()), key=lambda one: one[0])
    mine = [path for _, path in ages if path.name.startswith(f"{account.hex}.")]
    for path in {*(path for age, path in ages if age > HOUR), *mine[EACH - 1 :]}:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # another process was quicker
        return 0.0
