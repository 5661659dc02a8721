"""The erasure list: which keys were destroyed. It stands outside the database, so that no older copy brings them back.

One line an erasure: a random id and what was erased, sealed with the clinic's office key, which is its MAC too: a line
cannot be made or changed without it, and tells nothing. The list lies in the instance and beside the backups; each
backup holds it as well. Written and on the disk before the database changes.
"""

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from uuid import UUID, uuid4

from clinic.config import Settings
from clinic.domain.errors import ClinicError
from clinic.persistence.files import sync_folder
from clinic.persistence.sealing import Damaged

FILE: Final = "erased"
Whom = Literal["a", "b", "case"]


class Office(Protocol):
    """What seals and opens a line: the keyholder."""

    def office_seal(self, id_: UUID, content: Mapping[str, Any], /) -> bytes: ...
    def office_open(self, id_: UUID, sealed: bytes, /) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Erased:
    """One erasure: whom (a partner, or the case as a whole), the ids of the keys that go, the day."""

    case: str
    whom: Whom
    keys: tuple[str, ...]
    day: str


def places(settings: Settings) -> tuple[Path, Path]:
    """The files of the list: in the instance, and beside the backups."""
    return settings.instance / FILE, settings.backup_folder / FILE


def add(office: Office, settings: Settings, case: UUID, whom: Whom, keys: Iterable[UUID], day: date) -> None:
    """Write an erasure down, on the disk when this returns. Raises OSError: then nothing may be erased.

    The list beside the backups may be out of reach for now: the next backup holds the line all the same.
    """
    id_, one = uuid4(), Erased(str(case), whom, tuple(sorted(map(str, keys))), day.isoformat())
    sealed = office.office_seal(id_, {"kind": "erased", **asdict(one)})
    line, (here, beside) = f"{id_} {base64.b64encode(sealed).decode()}\n", places(settings)
    _append(here, line)
    with suppress(OSError):
        _append(beside, line)


def merge(files: Iterable[Path], *more: bytes) -> bytes:
    """The lines of all lists together, each once."""
    texts = [*more, *(file.read_bytes() for file in files if file.exists())]
    lines = [line for text in texts for line in _lines(text)]
    return b"".join(line + b"\n" for line in dict.fromkeys(lines))


def read(office: Office, text: bytes) -> list[Erased]:
    """The erasures of a list. Raises ClinicError for a line that this instance did not write."""
    found = []
    for line in _lines(text):
        try:
            id_, sealed = line.decode("ascii").split(" ")
            said = office.office_open(UUID(id_), base64.b64decode(sealed, validate=True))
        except (Damaged, ValueError, UnicodeDecodeError, binascii.Error):
            raise ClinicError("The list of erasures was changed, or belongs to another instance.") from None
        if said.get("kind") == "erased":
            found.append(Erased(said["case"], said["whom"], tuple(said["keys"]), said["day"]))
    return found


def _lines(text: bytes) -> list[bytes]:
    """Whole lines: the rest of one that was cut off by a power cut belongs to an erasure that did not happen."""
    return [line for line in text.split(b"\n")[:-1] if line]


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = not file.exists()
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as handle:
        text = handle.read()
        handle.seek(text.rfind(b"\n") + 1)  # over the rest of a line that was cut off
        handle.truncate()
        handle.write(line.encode())
        handle.flush()
        os.fsync(handle.fileno())
    if new:
        sync_folder(file.parent)
