"""One thread that answers frames on a socket, one after the other. Knows nothing of keys.

A bad client never stops it: what is no frame, is too long or comes too slowly costs that client its connection.
"""

import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from clinic.persistence import keyholder_wire as wire

CONNECTIONS: Final = 64  # at once; then the one that was quiet longest goes
SLOW: Final = 30.0  # s for the rest of a frame, in or out
TICK: Final = 60.0  # s between two calls of `tick`
_PEER: Final = struct.Struct("3i")  # pid, uid, gid


@dataclass
class _Client:
    channel: socket.socket
    came: bytearray = field(default_factory=bytearray)
    left: bytearray = field(default_factory=bytearray)
    since: float = field(default_factory=time.monotonic)  # when it last finished something

    @property
    def busy(self) -> bool:
        return bool(self.came or self.left)


class Server:
    """Serves `listener` until `stop`, until `lifeline` closes, or until it is `over`.

    `answer` turns the value of a frame into that of its reply and never raises. The listener stays open.
    """

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[Any], Any],
        tick: Callable[[], None] = lambda: None,
        over: Callable[[], bool] = lambda: False,
        lifeline: int | None = None,
    ) -> None:
        self._listener, self._answer, self._tick, self._over = listener, answer, tick, over
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, _Client] = {}
        self._ours, self._theirs = socket.socketpair()
        self._running = True
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._ours, selectors.EVENT_READ, self._end)
        if lifeline is not None:
            self._selector.register(lifeline, selectors.EVENT_READ, self._end)

    def serve(self) -> None:
        """Answer until the end; then every connection is closed."""
        self._listener.setblocking(False)
        ticked = time.monotonic()
        while self._running and not self._over():
            for key, mask in self._selector.select(1.0 if any(one.busy for one in self._clients.values()) else TICK):
                if isinstance(key.data, _Client):
                    self._serve(key.data, mask)
                else:
                    key.data()
            self._drop_slow()
            if time.monotonic() - ticked >= TICK:
                ticked = time.monotonic()
                self._tick()
        for client in list(self._clients.values()):
            self._drop(client)
        for one in (self._ours, self._theirs, self._selector):
            one.close()

    def stop(self) -> None:
        """End `serve`, from any thread."""
        with suppress(OSError):
            self._theirs.send(b".")

    def _end(self) -> None:
        self._running = False

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except OSError:
            return
        if not ours(channel):
            channel.close()
            return
        while len(self._clients) >= CONNECTIONS:
            self._drop(min(self._clients.values(), key=lambda one: (one.busy, one.since)))
        channel.setblocking(False)
        client = self._clients[channel.fileno()] = _Client(channel)
        self._selector.register(channel, selectors.EVENT_READ, client)

    def _serve(self, client: _Client, mask: int) -> None:
        if client.channel.fileno() not in self._clients:
            return  # dropped a moment ago
        try:
            if mask & selectors.EVENT_READ:
                self._read(client)
            if client.left:
                self._write(client)
        except BlockingIOError:
            pass
        except (OSError, wire.Broken):
            self._drop(client)

    def _read(self, client: _Client) -> None:
        part = client.channel.recv(1 << 18)
        if not part:
            raise ConnectionResetError
        if not client.busy:
            client.since = time.monotonic()
        client.came += part
        while len(client.came) >= wire.SIZE.size:
            (size,) = wire.SIZE.unpack_from(client.came)
            if size > wire.LIMIT or len(client.left) > wire.LIMIT:
                raise wire.Broken
            end = wire.SIZE.size + size
            if len(client.came) < end:
                return
            frame = bytes(client.came[wire.SIZE.size : end])
            del client.came[:end]
            client.left += wire.pack(self._answer(wire.unpack(frame)))
            client.since = time.monotonic()

    def _write(self, client: _Client) -> None:
        try:
            sent = client.channel.send(client.left)
        except BlockingIOError:
            sent = 0
        del client.left[:sent]
        if sent:
            client.since = time.monotonic()
        waits = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.left else 0)
        self._selector.modify(client.channel, waits, client)

    def _drop_slow(self) -> None:
        late = time.monotonic() - SLOW
        for client in [one for one in self._clients.values() if one.busy and one.since < late]:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.channel.fileno(), None)
        with suppress(KeyError, ValueError):
            self._selector.unregister(client.channel)
        client.channel.close()


def ours(channel: socket.socket) -> bool:
    """Whether the other side is this user. Where the system cannot say, the modes of socket and folder must do."""
    if sys.platform != "linux":
        return True
    peer = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(peer)[1]) == os.geteuid()
