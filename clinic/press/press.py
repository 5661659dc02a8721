"""The press: pages in, PDF and pictures out, each recipient's in a child process of its own.

Imports no layout engine. Children come from a zygote (zygote.py), a fresh program that never held a key. Blank and
given pages hold no answer: their children are used again (pool.py), and what differs in short words only is stamped.
"""

import json
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256

from clinic.domain.page import Page
from clinic.press import fonts, wire
from clinic.press.limits import Limits, cores
from clinic.press.pool import Pool, Reused
from clinic.press.processes import Child, Makers, PressError

__all__ = ["Child", "Limits", "Press", "PressError"]

Words = Mapping[str, str]

WAIT_SECONDS = 30  # for a free place among the children
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
    def child(self, later: bool = False) -> Iterator["Child"]:
        """A child for one recipient of one case: forked at its first page, killed at the end of the block.

        `later`: nobody stands there and waits for it. It takes nobody's place, as many of them as the caller has
        threads, and gets processor time when others leave some.
        """
        if later:
            with closing(Child(self._makers, self._limits, later)) as child:
                yield child
            return
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

    def sides(self, files: Sequence[bytes]) -> list[int]:
        """How many pages each of our own finished sheets has. Raises PressError.

        Counted in one child, which sees the sheets of several readers and is killed afterwards, as for `joined`.
        """
        if sum(map(len, files)) > self._limits.whole:
            raise PressError("size", "pack")
        with self.child() as child:
            header = child.ask({"do": "sides", "sizes": [len(file) for file in files]}, b"".join(files))[0]
        return [int(pages) for pages in header["sides"]]

    def check(self, content: bytes, code: str = "") -> int:
        """How many pages a PDF from elsewhere has. PressError (log) for what no sheet of ours holds.

        Also for a sheet that has not this code on each page.
        """
        if len(content) > self._limits.answer:
            raise PressError("size")
        with self.child() as child:
            return int(child.ask({"do": "check", "code": code}, content)[0]["pages"])


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


def _packed(page: Page) -> bytes:
    try:
        return page.to_json()
    except ValueError:
        raise PressError("size") from None
