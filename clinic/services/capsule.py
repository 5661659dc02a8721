"""The file of a backup: one tar, sealed with age to the clinic's recovery key, streamed so that nothing lies in clear.

A member may be of unknown length (a database dump comes through a pipe), so it stands in numbered pieces. The last
member counts them: a file that was cut at the end of a piece is noticed even before age notices it.
"""

import json
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pyrage

from clinic.domain.errors import ClinicError
from clinic.persistence import files

PIECE: Final = 4 * 1024 * 1024  # bytes of a member that are in memory at once
_BLOCK: Final = 512
_END: Final = "end.json"

Members = Iterable[tuple[str, Iterable[bytes]]]


class Broken(ClinicError):
    """A backup that was cut off or changed, is none, or belongs to another recovery key: one plain line."""

    def __init__(self) -> None:
        super().__init__(
            "This is not a whole backup of this recovery key: the key is another one, or the file was cut or changed."
        )


def write(path: Path, members: Members, recipient: str) -> int:
    """Seal members into a new file, mode 0600, that stands there only when it is whole; its size in bytes.

    Raises OSError when it cannot be written, ValueError for a recipient that is none; then no file is left.
    """
    try:
        to = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise ValueError("no recipient for backups") from None
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            source = _Source(_tar(members))
            try:
                pyrage.encrypt_io(source, file, [to])
            except pyrage.EncryptError as error:  # age wraps what our own side of it raised
                raise source.fault or OSError(str(error)) from None
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        files.put(part, path)
    finally:
        part.unlink(missing_ok=True)
    return size


@contextmanager
def opened(path: Path, identity: str) -> Iterator[Iterator[tuple[str, Iterator[bytes]]]]:
    """The members of a file in order, each to be read before the next. Raises Broken, at the latest at the end.

    What comes out before the end is authentic but may not be all: nothing may be kept of a file that turns out Broken.
    """
    try:
        key = pyrage.x25519.Identity.from_str(identity)
    except pyrage.IdentityError:
        raise Broken from None
    read_end, write_end = os.pipe()
    flow = _Flow(path, key, write_end)
    flow.start()
    with os.fdopen(read_end, "rb") as pipe:
        try:
            with tarfile.open(fileobj=pipe, mode="r|") as tar:
                yield _members(tar)
            while pipe.read(PIECE):  # so that age gets to the end of the file, and says whether it is one
                pass
        except tarfile.TarError:
            raise Broken from None
        finally:
            pipe.close()
            flow.join()
    if flow.failed:
        raise Broken


class _Source:
    """A reader over pieces, for age. `fault`: what making a piece raised."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, memoryview(b"")
        self.fault: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._left:
                self._left = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except Exception as error:
            self.fault = error
            raise
        size = len(self._left) if size < 0 else size
        data, self._left = bytes(self._left[:size]), self._left[size:]
        return data


class _Flow(threading.Thread):
    """Opens a file into a pipe. age checks every 64 kB, and at the end that nothing is missing."""

    def __init__(self, path: Path, key: Any, write_end: int) -> None:
        super().__init__(daemon=True)
        self._path, self._key, self._write_end, self.failed = path, key, write_end, False

    def run(self) -> None:
        try:
            with os.fdopen(self._write_end, "wb") as pipe, self._path.open("rb") as file:
                pyrage.decrypt_io(file, pipe, [self._key])
        except (OSError, ValueError, pyrage.DecryptError):
            self.failed = True


def _tar(members: Members) -> Iterator[bytes]:
    counts: dict[str, int] = {}
    for name, content in members:
        counts[name] = 0
        for piece in _pieces(content):
            yield from _entry(f"{name}/{counts[name]:06d}", piece)
            counts[name] += 1
    yield from _entry(_END, json.dumps(counts).encode())
    yield bytes(2 * _BLOCK)


def _entry(name: str, data: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    yield info.tobuf(tarfile.USTAR_FORMAT)
    yield data
    yield bytes(-len(data) % _BLOCK)


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at most PIECE; one empty piece for nothing."""
    gathered, any_ = bytearray(), False
    for data in content:
        gathered += data
        while len(gathered) >= PIECE:
            any_ = True
            yield bytes(gathered[:PIECE])
            del gathered[:PIECE]
    if gathered or not any_:
        yield bytes(gathered)


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Members with their pieces put together again; Broken unless the last one says that these were all."""
    counts: dict[str, int] = {}
    entries = iter(tar)
    entry = next(entries, None)
    while entry is not None and entry.name != _END:
        name = entry.name.rpartition("/")[0]
        if name in counts:
            raise Broken
        state = _Run(tar, entries, entry, name)
        yield name, iter(state)
        for _ in state:  # what the caller did not read
            pass
        counts[name], entry = state.count, state.next
    if entry is None or json.loads(_data(tar, entry)) != counts:
        raise Broken
    if next(entries, None) is not None:
        raise Broken


class _Run:
    """The pieces of one member, and the entry behind them."""

    def __init__(self, tar: tarfile.TarFile, entries: Iterator[tarfile.TarInfo], first: tarfile.TarInfo, name: str):
        self._tar, self._entries, self._name = tar, entries, name
        self.next: tarfile.TarInfo | None = first
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.next is not None and self.next.name == f"{self._name}/{self.count:06d}":
            yield _data(self._tar, self.next)
            self.count += 1
            self.next = next(self._entries, None)


def _data(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(entry) if entry.isreg() and entry.size <= PIECE else None
    if file is None:
        raise Broken
    with file:
        return file.read()


def whole(content: Iterable[bytes]) -> bytes:
    """A small member in one."""
    out = BytesIO()
    for piece in content:
        out.write(piece)
    return out.getvalue()
