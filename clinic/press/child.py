"""The inside of a press child: limits, then one answer to each order until the channel closes."""

import gc
import json
import os
import resource
import signal
import socket
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

from clinic.domain.page import Page
from clinic.press import join, reading, render, stamp, wire
from clinic.press.limits import Limits

NICE = 10  # pages of the web come before what is drawn; what nobody waits for comes last
LATER = 15
GRACE = 2  # s after the caller's own time limit, in case the caller is gone
LIGHT = {"given", "check"}  # orders that leave next to nothing for the garbage collector

Answer = tuple[wire.Header, bytes]


class _TooLarge(Exception):
    """An answer beyond its limit."""


@dataclass
class _Known:
    """A page that given sheets are made of, and how to stamp them; `compiled` is None if they cannot be."""

    page: Page
    compiled: stamp.Compiled | None
    size: int


@dataclass
class _Kept:
    """What a child remembers from one order to the next: pages of given sheets, the last used last."""

    limits: Limits
    known: OrderedDict[str, _Known] = field(default_factory=OrderedDict)

    def keep(self, key: str, one: _Known) -> None:
        self.known[key] = one
        while len(self.known) > 1 and (
            len(self.known) > self.limits.kept or sum(one.size for one in self.known.values()) > self.limits.kept_bytes
        ):
            self.known.popitem(last=False)


def serve(channel: socket.socket, limits: Limits) -> None:
    """Answer orders: `pdf`, `images`; `learn` and `given`; `join`, `check` and `sides` for finished files.

    If one fails, the reply has `kind` (of PressError) and `where`.
    """
    _confine(limits)
    kept = _Kept(limits)
    while frame := wire.receive(channel):
        what = frame[0]["do"]
        if frame[0].pop("later", False):
            os.setpriority(os.PRIO_PROCESS, 0, LATER)
        signal.setitimer(signal.ITIMER_PROF, limits.seconds_for(what))  # the default action of both ends the process
        signal.setitimer(signal.ITIMER_REAL, limits.wait_for(what) + GRACE)
        header, body = _answer(*frame, kept)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        wire.send(channel, header, body)
        drew = what not in LIGHT or header.pop("drawn", False)
        del frame, header, body
        if drew:
            gc.collect()


def _confine(limits: Limits) -> None:
    os.nice(NICE)
    for which, amount in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # a child writes no file at all
    ):
        with suppress(ValueError, OSError):  # not every system knows every limit
            resource.setrlimit(which, (amount, amount))


def _answer(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    try:
        return ORDERS[order["do"]](order, body, kept)
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


def _pdf(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    return {}, _within(render.pdf(Page.from_json(body)), kept.limits.answer)


def _images(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    content = render.pdf(Page.from_json(body)) if order["of"] == "page" else body
    pictures = list(render.images(content, int(order["dpi"])))
    return {"sizes": [len(picture) for picture in pictures]}, _within(b"".join(pictures), kept.limits.answer)


def _learn(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    """Keep a page under its hash, compiled if it can be."""
    if sha256(body).hexdigest() != order["page"]:
        raise ValueError
    page = Page.from_json(body)
    compiled = stamp.compiled(page)
    gc.collect()
    kept.keep(order["page"], _Known(page, compiled, len(body) + (len(compiled.content) if compiled else 0)))
    return {}, b""


def _given(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    """Sheets of a page: those that cannot be stamped are empty, unless they are to be drawn."""
    one = kept.known.get(order["page"])
    if one is None:
        return {"unknown": True}, b""
    kept.known.move_to_end(order["page"])
    sheets = []
    for words in json.loads(body):
        stamped = one.compiled.stamp(words) if one.compiled and not order["draw"] else None
        drawn = render.pdf(one.page.with_words(words)) if order["draw"] else b""
        sheets.append(stamped or drawn)
    sizes = [len(sheet) for sheet in sheets]
    return {"sizes": sizes, "drawn": order["draw"]}, _within(b"".join(sheets), kept.limits.whole)


def _join(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    files = iter(wire.parts(body, [size for pile in order["piles"] for size in pile]))
    piles = [[next(files) for _ in pile] for pile in order["piles"]]
    return {}, _within(join.joined(piles), kept.limits.whole)


def _check(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    pages = join.checked(body)
    if order.get("code") and not reading.on_every_page(body, order["code"]):
        raise render.Complaint("code")
    return {"pages": pages}, b""


def _sides(order: wire.Header, body: bytes, kept: _Kept) -> Answer:
    return {"sides": [join.checked(file) for file in wire.parts(body, order["sizes"])]}, b""


ORDERS: dict[str, Callable[[wire.Header, bytes, _Kept], Answer]] = {
    "pdf": _pdf,
    "images": _images,
    "learn": _learn,
    "given": _given,
    "join": _join,
    "check": _check,
    "sides": _sides,
}


def _within(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise _TooLarge
    return content


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    line = f" {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + line
