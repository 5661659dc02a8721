"""What this machine does with memory and disks, as far as it shows: swap, hibernation, encryption, files of the keys.

Nothing here stops a start: the doctor says it, the clinic decides.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clinic import config
from clinic.config import Settings
from clinic.domain.errors import ClinicError
from clinic.persistence import vault
from clinic.persistence.engine import database_file
from clinic.persistence.mounts import NETWORK, filesystem

ROOT: Final = Path("/")
UNKNOWN: Final = "cannot be seen here"


def report(instance: Path | None, root: Path = ROOT) -> list[str]:
    """A line for each thing; those of an instance only where there is one."""
    lines = [f"Swap (memory on a disk): {swap(root)}", f"Hibernation (all memory on a disk): {hibernation(root)}"]
    try:
        settings = config.load(instance)
        kinds = vault.read(settings.instance).kinds
    except ClinicError as error:
        # No instance yet is no fault; one whose files others can read is.
        return lines if "is not there" in str(error) or not instance else [*lines, f"Records: {error}"]
    return [*lines, *_of(settings, kinds, root)]


def swap(root: Path = ROOT) -> str:
    """Whether memory may be written to a disk, and whether that is encrypted."""
    try:
        places = [line.split()[0] for line in (root / "proc/swaps").read_text().splitlines()[1:] if line.strip()]
    except OSError:
        return UNKNOWN
    in_clear = [one for one in places if not _safe_swap(Path(one), root)]
    if not in_clear:
        return "ok (none in clear)"
    return f"{in_clear[0]} is in clear. Encrypt it, or switch it off: swapoff -a"


def hibernation(root: Path = ROOT) -> str:
    """Whether the machine can write its whole memory to a disk when it sleeps."""
    try:
        states = (root / "sys/power/state").read_text().split()
        disk = (root / "sys/power/disk").read_text()
    except OSError:
        return "ok (not offered)"
    if "disk" not in states or "[disabled]" in disk:
        return "ok (switched off)"
    return "possible. Switch it off: systemctl mask hibernate.target hybrid-sleep.target"


def encrypted(path: Path, root: Path = ROOT) -> bool | None:
    """Whether a path is on an encrypted disk; None where that cannot be seen (other systems, network, containers)."""
    try:
        number = path.stat().st_dev
    except OSError:
        return None
    device = root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
    return _crypt(device) if device.exists() else None


def _of(settings: Settings, kinds: frozenset[str], root: Path) -> Iterator[str]:
    said = {True: "ok", False: "the disk is in clear. Only the database is encrypted", None: UNKNOWN}
    yield f"Disk encryption ({settings.instance}): {said[encrypted(settings.instance, root)]}"
    file = database_file(settings.database_url)
    kind = filesystem(file) if file else ""
    if kind:
        yield f"File system of the records: {kind}" + (" - no network file system can be used" * (kind in NETWORK))
    files = [settings.instance / vault.KEYS_FILE, *([file] if file else [])]
    yield f"Recovery key: {'ok' if 'recovery' in kinds else 'none, so no backups. At a terminal: clinic recovery-key'}"
    if file is None:
        yield from _postgresql(settings)
    if "key_file" in kinds:
        files.append(settings.key_file)
        yield f"Key file and records on two disks: {_apart(settings)}"
    wide = [one for one in files if one.exists() and stat.S_IMODE(one.stat().st_mode) & 0o077]
    yield "Keys and records for their owner only: " + (f"no. Run: chmod 600 {wide[0]}" if wide else "ok")


def _postgresql(settings: Settings) -> Iterator[str]:
    """Whether the database itself holds the pages to the rows of whoever is signed in."""
    from sqlalchemy.exc import DBAPIError

    from clinic.persistence import row_security
    from clinic.persistence.engine import make_engine

    engine = make_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            found = row_security.lacking(connection)
    except DBAPIError as error:
        found = [f"the database does not answer ({type(error).__name__})"]
    finally:
        engine.dispose()
    if not found and not settings.keyholder_database_url:
        found = [f"the keyholder is the pages' role. Set keyholder_database_url to {row_security.KEYHOLDER}"]
    yield f"Row-level security (PostgreSQL): {'; '.join(found) or 'ok'}"


def _apart(settings: Settings) -> str:
    try:
        same = settings.key_file.stat().st_dev == settings.instance.stat().st_dev
    except OSError:
        return UNKNOWN
    return "no: who carries this disk off reads everything. Set key_file, or use systemd-creds" if same else "ok"


def _safe_swap(place: Path, root: Path) -> bool:
    name = place.name
    if name.startswith("zram"):
        return True  # compressed memory, no disk
    device = root / "sys/class/block" / (place.resolve().name if place.is_symlink() else name)
    if device.exists():
        return _crypt(device)
    return encrypted(place, root) is True  # a swap file


def _crypt(device: Path) -> bool:
    """Whether a block device, or all it lies on, is a dm-crypt one."""
    try:
        if (device / "dm/uuid").read_text().startswith("CRYPT-"):
            return True
    except OSError:
        pass
    below = sorted((device / "slaves").glob("*")) if (device / "slaves").is_dir() else []
    return bool(below) and all(_crypt(one.resolve()) for one in below)
