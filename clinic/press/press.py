"""The press: pages in, PDF and pictures out, each recipient's in a child process of its own.

Imports no layout engine. Children come from a zygote (zygote.py), a fresh program that never held a key. Blank and
given pages hold no answer: their children are used again (pool.py), and what differs in short words only is stamped.
"""

import json
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256

from clinic.domain.page import Page
from clinic.press import fonts, wire
from clinic.press.limits import Limits, cores
from clinic.press.pool import Pool, Reused
from clinic.press.processes import Child, Lost, Makers, PressError

__all__ = ["Child", "Limits", "Pack", "Press", "PressError"]

Words = Mapping[str, str]

WAIT_SECONDS = 30  # for a free place among the children
KILLED = 3  # how often the child of one pack is replaced
DPI = 24, 300  # bounds of a picture
AT_ONCE = 50  # stamped sheets in one answer


class Press:
    """The press of one process; threads may share it. Start it after the process has forked, if it forks.

    `warm_pages` are drawn once at the start, so that children find their styles parsed. `forking` says how
    children are made; the default is right for the system. `places`: how many children of recipients there may be
    at once, by default two for each processor.
    """

    def __init__(
        self,
        warm_pages: Sequence[Page] = (),
        limits: Limits | None = None,
        forking: bool = sys.platform == "linux",
        places: int | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._makers = Makers([page.to_json() for page in warm_pages], self._limits, forking)
        self._places = threading.BoundedSemaphore(places or 2 * cores())
        self._pool = Pool(self._makers, self._limits)
        weakref.finalize(self, self._pool.close)

    def start(self) -> None:
        """Begin to warm up, and return at once; the first page waits. Without fonts nothing starts yet."""
        with suppress(fonts.FontsMissing):
            self._makers.start()

    def stop(self) -> None:
        """End every process of this press; whoever waits for a page gets PressError (lost). The next page would
        start it again.
        """
        self._makers.stop()
        self._pool.close()

    @property
    def pid(self) -> int:
        """Process number of the zygote, 0 before it was started."""
        return self._makers.pid

    def pids(self) -> list[int]:
        """Process numbers of the reused children that wait."""
        return self._pool.pids()

    @contextmanager
    def child(self) -> Iterator["Child"]:
        """A child for one recipient of one case: forked at its first page, killed at the end of the block."""
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise PressError("lost", "no free place")
        child = Child(self._makers, self._limits)
        try:
            yield child
        finally:
            child.close()
            self._places.release()

    def pdf(self, page: Page, child: "Child") -> bytes:
        """The PDF/UA-1 file of a page. Raises PressError, FontsMissing."""
        return child.ask({"do": "pdf"}, _packed(page))[1]

    def images(self, source: Page | bytes, child: "Child", dpi: int = 96) -> list[bytes]:
        """A PNG for each side of a page, or of a PDF that the press made. Raises PressError, FontsMissing."""
        body = source if isinstance(source, bytes) else _packed(source)
        of = "pdf" if isinstance(source, bytes) else "page"
        header, content = child.ask({"do": "images", "of": of, "dpi": min(max(dpi, DPI[0]), DPI[1])}, body)
        return wire.parts(content, header["sizes"])

    def blank(self, page: Page) -> bytes:
        """The PDF of a page without any opened answer; the child is used again. Raises as `pdf` does."""
        with self._pool.one(WAIT_SECONDS) as reused:
            reused.drawn += 1
            return self.pdf(page, reused.child)

    def given(self, page: Page, words: Words) -> bytes:
        """The PDF of `page.with_words(words)`: a page of a case without any answer. Raises as `pdf` does.

        Pages that differ in these words only cost one drawing and a stamp each.
        """
        return self.given_all(page, [words])[0]

    def given_all(self, page: Page, many: Sequence[Words]) -> list[bytes]:
        """The same for many sheets of one page, in their order. Raises PressError for the first that fails."""
        body = _packed(page)
        key = sha256(body).hexdigest()
        found: list[bytes] = []
        with self._pool.one(WAIT_SECONDS, key) as reused:
            for start in range(0, len(many), AT_ONCE):
                found += _stamped(reused, key, body, many[start : start + AT_ONCE])
        return found

    def joined(self, piles: Sequence[Sequence[bytes]]) -> bytes:
        """Finished sheets as one file, each pile on a new sheet of paper, tags kept. Raises PressError.

        The child sees the sheets of several readers, and is killed afterwards.
        """
        there = [pile for pile in piles if pile]
        files = [file for pile in there for file in pile]
        if len(files) > self._limits.pack or sum(map(len, files)) > self._limits.whole:
            raise PressError("size", "pack")
        order = {"do": "join", "piles": [[len(file) for file in pile] for pile in there]}
        with self.child() as child:
            return child.ask(order, b"".join(files))[1]

    def check(self, content: bytes, code: str = "") -> int:
        """How many pages a PDF from elsewhere has. PressError (log) for what no sheet of ours holds.

        Also for a sheet that has not this code on each page.
        """
        if len(content) > self._limits.answer:
            raise PressError("size")
        with self.child() as child:
            return int(child.ask({"do": "check", "code": code}, content)[0]["pages"])

    @contextmanager
    def packing(self) -> Iterator["Pack"]:
        """A child for one pack: pages go in one by one, and come out as one file; killed at the end of the block."""
        with self.child() as child:
            yield Pack(child, self._limits)

    def pack(self, piles: Sequence[Sequence[Page]]) -> bytes:
        """One file of several pages, each pile on a new sheet of paper. Raises PressError for the first bad page."""
        with self.packing() as packing:
            for pile in piles:
                for page in pile:
                    packing.add(page)
            places = iter(range(sum(map(len, piles))))
            return packing.join([[next(places) for _ in pile] for pile in piles])


def _stamped(reused: Reused, key: str, page: bytes, many: Sequence[Words]) -> list[bytes]:
    """Sheets of one page. The page itself is sent only if the child does not know it."""
    header, content = _given(reused, key, page, many)
    sheets = wire.parts(content, header["sizes"])
    for place, sheet in enumerate(sheets):
        if not sheet:  # its words cannot be stamped: it is drawn, each in the time of one page
            reused.drawn += 1
            sheets[place] = _given(reused, key, page, many[place : place + 1], draw=True)[1]
    return sheets


def _given(
    reused: Reused, key: str, page: bytes, many: Sequence[Words], draw: bool = False
) -> tuple[wire.Header, bytes]:
    order = {"do": "given", "page": key, "draw": draw}
    body = json.dumps([dict(words) for words in many]).encode()
    for _ in range(3):  # a child that was lost in between knows nothing any more
        header, content = reused.child.ask(order, body)
        if not header.get("unknown"):
            return header, content
        reused.child.ask({"do": "learn", "page": key}, page)
        reused.sent.add(key)
        reused.drawn += 1
    raise PressError("lost", "given")


class Pack:
    """One pack on its way through one child. A page that fails is left out; those before it are still there.

    A child that was killed over a page is replaced, and gets the good pages again.
    """

    def __init__(self, child: Child, limits: Limits) -> None:
        self._child, self._limits = child, limits
        self._good: list[bytes] = []
        self._sides = self._killed = 0

    def add(self, page: Page) -> int:
        """Lay out one more page: its number of sides. Its place is its count among the pages that were added.

        Raises PressError (kind size: the pack is full).
        """
        if len(self._good) >= self._limits.pack or self._sides >= self._limits.sides:
            raise PressError("size", "pack")
        body = _packed(page)
        sides = int(self._ask({"do": "add"}, body)[0]["sides"])
        self._good.append(body)
        self._sides += sides
        return sides

    @property
    def pages(self) -> int:
        """How many pages were added."""
        return len(self._good)

    def join(self, piles: Sequence[Sequence[int]]) -> bytes:
        """One file of the pages at these places. It may be asked for again with other places. Raises PressError."""
        return self._ask({"do": "join_pages", "piles": [list(pile) for pile in piles if pile]}, b"")[1]

    def _ask(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        with suppress(Lost):
            return self._once(order, body)
        try:
            return self._once(order, body)
        except Lost:
            raise PressError("lost") from None

    def _once(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        if not self._child.alive:
            self._killed += bool(self._good)
            if self._killed > KILLED:
                raise PressError("lost", "pack")
            for page in self._good:
                self._child.ask_once({"do": "add"}, page, go_on=True)
        return self._child.ask_once(order, body, go_on=True)


def _packed(page: Page) -> bytes:
    try:
        return page.to_json()
    except ValueError:
        raise PressError("size") from None
