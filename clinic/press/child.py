"""The inside of a press child: limits, then one answer to each order until the channel closes."""

import gc
import os
import resource
import signal
import socket
from contextlib import suppress

from weasyprint.document import Document

from clinic.domain.page import Page
from clinic.press import render, wire
from clinic.press.limits import Limits

NICE = 10
GRACE = 2  # s after the caller's own time limit, in case the caller is gone


class _TooLarge(Exception):
    """An answer beyond its limit."""


def serve(channel: socket.socket, limits: Limits) -> None:
    """Answer orders: `pdf`, `images`; for a pack `add`, as often as it has pages, then `join`.

    If one fails, the reply has `kind` (of PressError) and `where`.
    """
    _confine(limits)
    added: list[Document] = []
    while frame := wire.receive(channel):
        seconds = limits.seconds_for(frame[0]["do"]) + GRACE
        signal.setitimer(signal.ITIMER_REAL, seconds)  # its default action ends the process
        header, body = _answer(*frame, limits, added)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wire.send(channel, header, body)
        del frame, body
        gc.collect()
        if added:
            gc.freeze()  # laid out pages stay to the end: nobody needs to look at them again and again


def _confine(limits: Limits) -> None:
    os.nice(NICE)
    for which, amount in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # a child writes no file at all
    ):
        with suppress(ValueError, OSError):  # not every system knows every limit
            resource.setrlimit(which, (amount, amount))


def _answer(order: wire.Header, body: bytes, limits: Limits, added: list[Document]) -> tuple[wire.Header, bytes]:
    try:
        if order["do"] == "pdf":
            return {}, _within(render.pdf(Page.from_json(body)), limits)
        if order["do"] == "add":
            added.append(render.laid_out(Page.from_json(body)))
            return {"sides": len(added[-1].pages)}, b""
        if order["do"] == "join":
            piles = [[added[place] for place in pile] for pile in order["piles"]]
            return {}, _within(render.joined(piles), limits)
        content = render.pdf(Page.from_json(body)) if order["of"] == "page" else body
        pictures = list(render.images(content, int(order["dpi"])))
        return {"sizes": [len(picture) for picture in pictures]}, _within(b"".join(pictures), limits)
    except (MemoryError, SystemError):  # C code without memory may fail and forget to say why
        return {"kind": "memory"}, b""
    except _TooLarge:
        return {"kind": "size"}, b""
    except render.Complaint as complaint:
        return {"kind": "log", "where": complaint.where}, b""
    except render.DENIED:
        return {"kind": "log", "where": "fetch"}, b""
    except Exception as error:  # its words may hold content: only the type and the place leave
        return {"kind": "log", "where": _place(error)}, b""


def _within(content: bytes, limits: Limits) -> bytes:
    if len(content) > limits.answer:
        raise _TooLarge
    return content


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    line = f" {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + line
