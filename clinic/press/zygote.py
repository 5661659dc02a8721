"""The process that press children are forked from: no key, no network, one thread, everything loaded once.

Run by press.py as a fresh program, so that nothing of the caller's memory is in it. It reads its limits and
some pages to warm up with, then hands out forked children, one spare ahead. As a `single` it serves orders
itself: that is how systems that cannot fork safely get their children.
"""

import gc
import os
import signal
import socket
from contextlib import suppress

from clinic.domain.page import Page
from clinic.hardening import harden
from clinic.press import wire
from clinic.press.limits import Limits


def main(descriptor: int, mode: str) -> None:
    """Serve the channel with this file descriptor until it closes; `mode` is `many` or `single`."""
    harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keyboard is for whoever started us; we and ours end with them
    gc.disable()  # while everything is imported nothing is thrown away: 8 % of a cold start
    channel = socket.socket(fileno=descriptor)
    frame = wire.receive(channel)
    if frame is None:
        return
    pages = [wire.receive(channel) for _ in range(frame[0].pop("pages"))]
    try:
        from clinic.press import child, render
    except (ImportError, OSError) as error:  # a library is missing; there is no content here yet
        wire.send(channel, {"kind": "lost", "where": str(error)[:400]})
        return
    render.warm(Page.from_json(page[1]) for page in pages if page)
    gc.collect()
    gc.freeze()
    wire.send(channel, {})
    limits = Limits(**frame[0])
    with suppress(OSError):  # the caller is gone
        if mode == "single":
            child.serve(channel, limits)
        else:
            _hand_out(channel, limits)


def _hand_out(channel: socket.socket, limits: Limits) -> None:
    pid, ours = _fork(channel, limits)
    while frame := wire.receive(channel):
        if "ended" in frame[0]:  # killed by the caller
            ended_by = _reap(frame[0]["ended"])
            if frame[0]["tell"]:
                wire.send(channel, {"signal": ended_by})
            continue
        handle = os.pidfd_open(pid)
        wire.send(channel, {"pid": pid})
        socket.send_fds(channel, [b"."], [ours.fileno(), handle])
        os.close(handle)
        ours.close()
        pid, ours = _fork(channel, limits)
    os.kill(pid, signal.SIGKILL)


def _reap(pid: int) -> int:
    """The signal that ended a child, 0 for none."""
    with suppress(ChildProcessError):
        status = os.waitpid(pid, 0)[1]
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return 0


def _fork(channel: socket.socket, limits: Limits) -> tuple[int, socket.socket]:
    """A waiting child: its process id and our end of its channel."""
    from clinic.press import child

    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    try:
        ours.close()
        channel.close()
        child.serve(theirs, limits)
    finally:
        os._exit(0)
