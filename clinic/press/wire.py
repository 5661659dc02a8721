"""Frames between the press and its children: a small JSON header and a body of bytes."""

import json
import socket
import struct
import time
from typing import Any

Header = dict[str, Any]

_SIZES = struct.Struct(">II")
_HEADER_LIMIT, _BODY_LIMIT = 10_000, 64_000_000


def send(channel: socket.socket, header: Header, body: bytes = b"", deadline: float | None = None) -> None:
    """Send one frame. Raises OSError if the other side is gone, TimeoutError at `deadline` (monotonic s)."""
    text = json.dumps(header).encode()
    _set_timeout(channel, deadline)
    channel.sendall(_SIZES.pack(len(text), len(body)) + text)
    if body:
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


def _exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        _set_timeout(channel, deadline)
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _set_timeout(channel: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        channel.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(left)
