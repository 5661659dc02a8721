"""What a print machine says of itself, so that an admin can accept it: its public key, and a fingerprint to compare."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clinic.services import worker_key

KEY_FILE: Final = Path("/etc/secure-base/worker.key")
NAMED: Final = "CLINIC_WORKER_KEY_FILE"


def init(key_file: Path | None, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Make the key; the lines to show. Raises Usage."""
    path = place(key_file, environment)
    public = worker_key.make(path)
    return [
        f"Made {path}. It stays on this machine.",
        *_lines(public),
        "Next: an admin pastes it under Team, Print machines.",
    ]


def show(key_file: Path | None, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The lines once more. Raises Usage, VaultLocked."""
    return _lines(worker_key.public(worker_key.read(place(key_file, environment))))


def place(key_file: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the key is: the file that is named, or the usual one."""
    return key_file or Path(environment.get(NAMED) or KEY_FILE)


def _lines(public: bytes) -> list[str]:
    return [f"Public key:   {worker_key.shown(public)}", f"Fingerprint:  {worker_key.fingerprint(public)}"]
