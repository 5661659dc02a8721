"""Files that hold keys or records: for their owner only, written whole or not at all; and who has an instance open."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from clinic.domain.errors import Usage, VaultLocked


def refuse_open(path: Path) -> None:
    """Raises VaultLocked when others may read or change a file or folder; one that is not there passes."""
    if os.name != "posix":
        return
    try:
        found = path.stat().st_mode
    except OSError:
        return
    if stat.S_IMODE(found) & 0o077:
        mode = "700" if stat.S_ISDIR(found) else "600"
        raise VaultLocked(f"other people can read {path}. Run: chmod {mode} {path}")


def write_new(path: Path, text: str) -> None:
    """Make a file, mode 0600, on the disk before this returns. FileExistsError when there is one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, text: str) -> None:
    """Put a new text in the place of a file: after a crash it is the old or the new one, whole."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    write_new(new, text)
    put(new, path)


def put(new: Path, path: Path) -> None:
    """Rename a file over another, on the disk before this returns."""
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Hold:
    """Says that this process has an instance open, until `release` or its end.

    Many may have it open; with `alone` only one: it changes keys or the database file. Raises VaultLocked when
    another one is alone, Usage when this one wants to be and is not.
    """

    def __init__(self, folder: Path, alone: bool = False) -> None:
        self._handle: int | None = None
        if os.name != "posix":
            return
        import fcntl

        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:
            raise VaultLocked(f"{folder} is not there.") from None
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            if alone:
                raise Usage("Something has these records open. Stop the server, then try again.") from None
            raise VaultLocked("their keys or their file are being changed just now. Try again in a minute.") from None
        self._handle = handle

    def release(self) -> None:
        """Not any more; twice is no error."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        with suppress(OSError):
            self.release()
