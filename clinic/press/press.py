"""The press: pages in, PDF and pictures out, each recipient's in a child process of its own.

Imports no layout engine. Children come from a zygote (zygote.py), a fresh program that never held a key; on
systems without a safe fork each child is a program of its own with one warmed spare ahead (tried on Linux
only).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import clinic
from clinic.domain.page import Page
from clinic.press import fonts, wire
from clinic.press.limits import Limits

Kind = Literal["timeout", "memory", "size", "log", "lost"]

START_SECONDS = 60  # for importing the engine on a slow machine
WAIT_SECONDS = 30  # for a free place among the children
KILLED = 3  # how often the child of one pack is replaced
REUSE = 200  # pages of one child that draws blanks only
DPI = 24, 300  # bounds of a picture
NO_MEMORY = {signal.SIGABRT, signal.SIGTRAP}  # how the C libraries end when they get none
KEPT_ENVIRONMENT = ("PATH", "HOME", "SYSTEMROOT", "DYLD_FALLBACK_LIBRARY_PATH")
PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[3:]; from clinic.press import zygote; "
    "zygote.main(int(sys.argv[1]), sys.argv[2])"
)


class PressError(Exception):
    """A page that could not be drawn. `where` names a place in code, never content.

    `kind`: timeout, memory, size (a limit was hit), log (the engine complained, or the page asks for
    something that no sheet may have), lost (the child or its zygote died, twice; or every place is taken).
    """

    def __init__(self, kind: Kind, where: str = "") -> None:
        super().__init__(f"{kind} ({where})" if where else kind)
        self.kind: Kind = kind
        self.where = where


class Press:
    """The press of one process; threads may share it. Start it after the process has forked, if it forks.

    `warm_pages` are drawn once at the start, so that children find their styles parsed. `forking` says how
    children are made; the default is right for the system.
    """

    def __init__(
        self,
        warm_pages: Sequence[Page] = (),
        limits: Limits | None = None,
        forking: bool = sys.platform == "linux",
    ) -> None:
        self._limits = limits or Limits()
        self._makers = _Makers([page.to_json() for page in warm_pages], self._limits, forking)
        self._places = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self._blanks = threading.Lock()
        self._blank_child = Child(self._makers, self._limits)
        self._blanks_drawn = 0
        weakref.finalize(self, self._blank_child.close)

    def start(self) -> None:
        """Begin to warm up, and return at once; the first page waits. Without fonts nothing starts yet."""
        with suppress(fonts.FontsMissing):
            self._makers.start()

    def stop(self) -> None:
        """End every process of this press. The next page would start it again."""
        with self._blanks:
            self._blank_child.close()
        self._makers.stop()

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
        pictures, start = [], 0
        for size in header["sizes"]:
            pictures.append(content[start : start + size])
            start += size
        return pictures

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

    def blank(self, page: Page) -> bytes:
        """The PDF of a page without any opened answer; the child is used again. Raises as `pdf` does."""
        with self._blanks:
            if self._blanks_drawn % REUSE == 0:
                self._blank_child.close()
            self._blanks_drawn += 1
            return self.pdf(page, self._blank_child)


class Child:
    """One recipient's way to a child process. For one thread at a time."""

    def __init__(self, makers: "_Makers", limits: Limits) -> None:
        self._makers, self._limits = makers, limits
        self._process: _Process | None = None

    def ask(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        """Answer of the child. A lost child is replaced once; after a limit the order is not tried again."""
        with suppress(_Lost):
            return self._ask_once(order, body)
        try:
            return self._ask_once(order, body)
        except _Lost:
            raise PressError("lost") from None

    @property
    def alive(self) -> bool:
        """Whether it has a process, which knows what was sent to it."""
        return self._process is not None

    def close(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process:
            process.end()

    def _ask_once(self, order: wire.Header, body: bytes, go_on: bool = False) -> tuple[wire.Header, bytes]:
        if self._process is None:
            self._process = self._makers.take()
        process, channel = self._process, self._process.channel
        deadline = time.monotonic() + self._limits.seconds_for(order["do"])
        try:
            wire.send(channel, order, body, deadline)
            frame = wire.receive(channel, deadline)
        except TimeoutError:
            self.close()
            raise PressError("timeout") from None
        except OSError:
            frame = None
        if frame is None:
            self._process = None
            if process.end(tell=True) in NO_MEMORY:
                raise PressError("memory")
            raise _Lost
        if kind := frame[0].get("kind"):
            if not (go_on and kind == "log"):  # after a limit nobody knows how it stands with the process
                self.close()
            raise PressError(kind, frame[0].get("where", ""))
        return frame


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
        return self._ask({"do": "join", "piles": [list(pile) for pile in piles if pile]}, b"")[1]

    def _ask(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        with suppress(_Lost):
            return self._once(order, body)
        try:
            return self._once(order, body)
        except _Lost:
            raise PressError("lost") from None

    def _once(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        if not self._child.alive:
            self._killed += bool(self._good)
            if self._killed > KILLED:
                raise PressError("lost", "pack")
            for page in self._good:
                self._child._ask_once({"do": "add"}, page, go_on=True)
        return self._child._ask_once(order, body, go_on=True)


class _Lost(Exception):
    """A process ended before it answered."""


@dataclass(frozen=True)
class _Process:
    """A child: its number, our end of its channel, and how to kill it."""

    pid: int
    channel: socket.socket
    kill: Callable[[bool], int]

    def end(self, tell: bool = False) -> int:
        """Kill it. The signal that ended it, if `tell`; that waits until it is gone."""
        self.channel.close()
        return self.kill(tell)


class _Makers:
    """Hands out child processes; starts, and starts again, the programs that they come from."""

    def __init__(self, pages: list[bytes], limits: Limits, forking: bool) -> None:
        self._pages, self._limits, self._forking = pages, limits, forking
        self._lock = threading.Lock()
        self._program: _Program | None = None

    def start(self) -> None:
        with self._lock:
            self._started()

    def stop(self) -> None:
        with self._lock:
            program, self._program = self._program, None
        if program:
            program.end()

    def take(self) -> _Process:
        """A fresh child. Raises PressError, FontsMissing."""
        with self._lock:
            for _ in range(2):
                try:
                    return self._fork() if self._forking else self._spare()
                except (OSError, _Lost):  # the zygote is gone; a new one is a fresh program again
                    if self._program:
                        self._program.end()
                    self._program = None
            raise PressError("lost", "zygote")

    def _started(self) -> "_Program":
        if self._program is None:
            mode = "many" if self._forking else "single"
            self._program = _Program(mode, self._pages, self._limits)
        return self._program

    def _fork(self) -> _Process:
        program = self._started()
        program.wait()
        deadline = time.monotonic() + START_SECONDS
        wire.send(program.channel, {}, deadline=deadline)
        frame = wire.receive(program.channel, deadline)
        if frame is None:
            raise _Lost
        _, descriptors, _, _ = socket.recv_fds(program.channel, 1, 1)
        if not descriptors:
            raise _Lost
        pid = int(frame[0]["pid"])
        return _Process(pid, socket.socket(fileno=descriptors[0]), lambda tell: self._kill(program, pid, tell))

    def _kill(self, program: "_Program", pid: int, tell: bool) -> int:
        """The zygote reaps its children when told to, so until then the number is theirs."""
        if program.process.poll() is not None:
            return 0
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + self._limits.seconds
        with self._lock, suppress(OSError):
            wire.send(program.channel, {"ended": pid, "tell": tell}, deadline=deadline)
            frame = wire.receive(program.channel, deadline) if tell else None
            return int(frame[0]["signal"]) if frame else 0
        return 0

    def _spare(self) -> _Process:
        program = self._started()
        self._program = None
        program.wait()
        self._started()
        return _Process(program.process.pid, program.channel, lambda tell: program.end())


class _Program:
    """A zygote, or a single child: a program of its own, with no memory and no open file of ours."""

    def __init__(self, mode: str, pages: list[bytes], limits: Limits) -> None:
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"LC_ALL": "C.UTF-8", "FONTCONFIG_FILE": str(fonts.config())}
        self.channel, theirs = socket.socketpair()
        root = str(Path(clinic.__file__).resolve().parents[1])
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 (our own interpreter and our own words)
                [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), mode, *_unless_known(root)],
                env=environment,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._failure: Exception | None = None
        self._booted = threading.Thread(target=self._boot, args=(pages, limits), daemon=True)
        self._booted.start()
        self._end = weakref.finalize(self, _end, self.channel, self.process)

    def end(self) -> int:
        """Kill it; also happens when nobody holds it any more, and at exit. The signal that ended it."""
        self._end()
        return -(self.process.returncode or 0)

    def wait(self) -> None:
        """Until it is warm. Raises PressError if it can never be, _Lost if it died."""
        self._booted.join()
        if self._failure:
            raise self._failure

    def _boot(self, pages: list[bytes], limits: Limits) -> None:
        deadline = time.monotonic() + START_SECONDS
        try:
            wire.send(self.channel, {"pages": len(pages), **asdict(limits)}, deadline=deadline)
            for page in pages:
                wire.send(self.channel, {}, page, deadline)
            frame = wire.receive(self.channel, deadline)
        except OSError:
            frame = None
        if frame is None:
            self._failure = _Lost()
        elif "kind" in frame[0]:
            self._failure = PressError(frame[0]["kind"], frame[0]["where"])


def _end(channel: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    channel.close()
    process.kill()
    process.wait()


def _unless_known(root: str) -> list[str]:
    """The folder of our package, unless Python finds it by itself, behind the standard library."""
    return [] if root in sys.path and root.endswith("site-packages") else [root]


def _packed(page: Page) -> bytes:
    try:
        return page.to_json()
    except ValueError:
        raise PressError("size") from None
