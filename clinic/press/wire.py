"""Frames between the press and its children: a small JSON header and a body of bytes."""

import json
import socket
import struct
import time
from collections.abc import Iterable
from typing import Any

Header = dict[str, Any]

_SIZES = struct.Struct(">II")
_HEADER_LIMIT, _BODY_LIMIT = 10_000, 64_000_000
_SMALL = 1 << 16  # bytes of a body that are sent in one go with the header


def send(channel: socket.socket, header: Header, body: bytes = b"", deadline: float | None = None) -> None:
    """Send one frame. Raises OSError if the other side is gone, TimeoutError at `deadline` (monotonic s)."""
    text = json.dumps(header).encode()
    start = _SIZES.pack(len(text), len(body)) + text
    _set_timeout(channel, deadline)
    if len(body) <= _SMALL:
        channel.sendall(start + body)
    else:
        channel.sendall(start)
        channel.sendall(body)


def receive(channel: socket.socket, deadline: float | None = None) -> tuple[Header, bytes] | None:
    """Receive one frame; None if the other side has closed. Raises OSError, TimeoutError after `deadline`."""
    sizes = _exactly(channel, _SIZES.size, deadline)
    if sizes is None:
        return None
    header_size, body_size = _SIZES.unpack(sizes)
    if header_size > _HEADER_LIMIT or body_size > _BODY_LIMIT:
        raise OSError("a frame is too large")
    text, body = _exactly(channel, header_size, deadline), _exactly(channel, body_size, deadline)
    if text is None or body is None:
        return None
    header: Header = json.loads(text)
    return header, body


def parts(content: bytes, sizes: Iterable[int]) -> list[bytes]:
    """A body that holds several files, cut into them."""
    found, start = [], 0
    for size in sizes:
        found.append(content[start : start + size])
        start += size
    return found


def _exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes | None:
    _set_timeout(channel, deadline)
    first = channel.recv(size) if size else b""
    if len(first) == size:  # small frames come at once
        return first
    if not first:
        return None
    whole = bytearray(size)
    whole[: len(first)] = first
    with memoryview(whole) as room:
        there = len(first)
        while there < size:
            _set_timeout(channel, deadline)
            got = channel.recv_into(room[there:])
            if not got:
                return None
            there += got
    return bytes(whole)


def _set_timeout(channel: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        channel.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(left)
