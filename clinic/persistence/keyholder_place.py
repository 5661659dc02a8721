"""Where the keyholder's socket is, and how to reach it when its path is longer than a socket address may be."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from clinic.domain.errors import Usage

FOLDER: Final = "run"
NAME: Final = "keyholder.sock"
_LONGEST: Final = 100  # bytes; the systems have 104 or 108


def path(instance: Path) -> Path:
    """The socket of an instance."""
    return instance / FOLDER / NAME


def listen(where: Path) -> socket.socket:
    """A listening socket, mode 0600, in a folder of mode 0700; one that was left there goes."""
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    where.parent.chmod(0o700)
    where.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        _with(where, listener.bind)
    finally:
        os.umask(before)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def connect(where: Path, seconds: float) -> socket.socket:
    """A connection to a socket; each of its replies may take this long. Raises OSError."""
    late = time.monotonic() + seconds
    while True:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.settimeout(seconds)
        try:
            _with(where, channel.connect)
            return channel
        except BlockingIOError:  # as many wait there as may
            channel.close()
            if time.monotonic() > late:
                raise
            time.sleep(0.01)
        except BaseException:
            channel.close()
            raise


def _with(where: Path, act: Callable[[str], Any]) -> None:
    with _reachable(where) as address:
        act(address)


@contextmanager
def _reachable(where: Path) -> Iterator[str]:
    if len(os.fsencode(where)) <= _LONGEST:
        yield str(where)
        return
    if sys.platform != "linux":
        raise Usage(f"The path of {where} is too long for a socket. Choose a shorter folder for the instance.")
    folder = os.open(where.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{where.name}"
    finally:
        os.close(folder)
