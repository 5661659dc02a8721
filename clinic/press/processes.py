"""The processes of a press: the zygote, the children that it forks, and what happens when one dies.

Imports no layout engine. On systems without a safe fork each child is a program of its own, with one warmed spare
ahead (tried on Linux only).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import clinic
from clinic.press import fonts, wire
from clinic.press.limits import Limits

Kind = Literal["timeout", "memory", "size", "log", "lost"]

START_SECONDS = 60  # for importing the engine on a slow machine
# How the C libraries end when they get no memory, and what ends a child that has worked too long.
ENDED_BY: Mapping[int, Kind] = {signal.SIGABRT: "memory", signal.SIGTRAP: "memory", signal.SIGPROF: "timeout"}
KEPT_ENVIRONMENT = ("PATH", "HOME", "SYSTEMROOT", "DYLD_FALLBACK_LIBRARY_PATH")
PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[3:]; from clinic.press import zygote; "
    "zygote.main(int(sys.argv[1]), sys.argv[2])"
)


class PressError(Exception):
    """A page that could not be drawn. `where` names a place in code, never content.

    `kind`: timeout, memory, size (a limit was hit), log (the engine complained, or the page asks for
    something that no sheet may have), lost (the child or its zygote died, twice; or every place is taken; or the
    press was stopped).
    """

    def __init__(self, kind: Kind, where: str = "") -> None:
        super().__init__(f"{kind} ({where})" if where else kind)
        self.kind: Kind = kind
        self.where = where


class Lost(Exception):
    """A process ended before it answered."""


class Child:
    """One recipient's way to a child process. For one thread at a time. `later`: its orders are in no hurry."""

    def __init__(self, makers: "Makers", limits: Limits, later: bool = False) -> None:
        self._makers, self._limits, self._later = makers, limits, later
        self._process: Process | None = None

    def ask(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        """Answer of the child. A lost child is replaced once; after a limit the order is not tried again."""
        stops = self._makers.stops
        with suppress(Lost):
            return self._ask_once(order, body)
        if self._makers.stops != stops:  # nobody wants the answer any more: no process may come to life for it
            raise PressError("lost", "stopped")
        try:
            return self._ask_once(order, body)
        except Lost:
            raise PressError("lost") from None

    @property
    def pid(self) -> int:
        """The number of its process, 0 without one."""
        return self._process.pid if self._process else 0

    def close(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process:
            process.end()

    def _ask_once(self, order: wire.Header, body: bytes) -> tuple[wire.Header, bytes]:
        if self._process is None:
            self._process = self._makers.take()
        process, channel = self._process, self._process.channel
        deadline = time.monotonic() + self._limits.wait_for(order["do"])
        try:
            wire.send(channel, order | {"later": self._later}, body, deadline)
            frame = wire.receive(channel, deadline)
        except TimeoutError:
            self.close()
            raise PressError("timeout") from None
        except (OSError, ValueError):  # gone, or what came is no frame
            frame = None
        if frame is None:
            self._process = None
            if kind := ENDED_BY.get(process.end(tell=True)):
                raise PressError(kind)
            raise Lost
        if kind := frame[0].get("kind"):
            self.close()  # after a limit nobody knows how it stands with the process
            raise PressError(kind, frame[0].get("where", ""))
        return frame


@dataclass(frozen=True, eq=False)
class Process:
    """A child: its number, our end of its channel, how to kill it, and how to kill it and tell the signal."""

    pid: int
    channel: socket.socket
    shoot: Callable[[], None]
    kill: Callable[[bool], int]

    def end(self, tell: bool = False) -> int:
        """Kill it. The signal that ended it, if `tell`; that waits until it is gone."""
        self.channel.close()
        return self.kill(tell)


class Makers:
    """Hands out child processes; starts, and starts again, the programs that they come from."""

    def __init__(self, pages: list[bytes], limits: Limits, forking: bool) -> None:
        self._pages, self._limits, self._forking = pages, limits, forking
        self._lock = threading.Lock()
        self._program: _Program | None = None
        self._out: weakref.WeakSet[Process] = weakref.WeakSet()
        self.stops = 0  # how often it was stopped

    def start(self) -> None:
        with self._lock:
            self._started()

    @property
    def pid(self) -> int:
        """Number of the zygote, 0 for none."""
        program = self._program
        return program.process.pid if program else 0

    def stop(self) -> None:
        """End the programs and every child that is out; whoever waits for an answer gets none."""
        with self._lock:
            self.stops += 1
            program, self._program = self._program, None
            processes = list(self._out)
        for process in processes:  # its channel belongs to the thread that waits there, and tells it
            process.shoot()
        if program:
            program.end()

    def take(self) -> Process:
        """A fresh child. Raises PressError, FontsMissing."""
        with self._lock:
            for _ in range(2):
                try:
                    process = self._fork() if self._forking else self._spare()
                except (OSError, ValueError, Lost):  # the zygote is gone; a new one is a fresh program again
                    if self._program:
                        self._program.end()
                    self._program = None
                else:
                    self._out.add(process)
                    return process
            raise PressError("lost", "zygote")

    def _started(self) -> "_Program":
        if self._program is None:
            mode = "many" if self._forking else "single"
            self._program = _Program(mode, self._pages, self._limits)
        return self._program

    def _fork(self) -> Process:
        program = self._started()
        program.wait()
        deadline = time.monotonic() + START_SECONDS
        wire.send(program.channel, {}, deadline=deadline)
        frame = wire.receive(program.channel, deadline)
        if frame is None:
            raise Lost
        _, descriptors, _, _ = socket.recv_fds(program.channel, 1, 2)
        if len(descriptors) != 2:
            for descriptor in descriptors:
                os.close(descriptor)
            raise Lost
        handle = _Handle(descriptors[1])
        pid = int(frame[0]["pid"])
        channel = socket.socket(fileno=descriptors[0])
        return Process(pid, channel, handle.kill, lambda tell: self._kill(program, pid, handle, tell))

    def _kill(self, program: "_Program", pid: int, handle: "_Handle", tell: bool) -> int:
        """The zygote reaps its children when told to."""
        handle.kill()
        handle.close()
        if program.process.poll() is not None:
            return 0
        deadline = time.monotonic() + self._limits.seconds
        with self._lock, suppress(OSError, ValueError):
            wire.send(program.channel, {"ended": pid, "tell": tell}, deadline=deadline)
            frame = wire.receive(program.channel, deadline) if tell else None
            return int(frame[0]["signal"]) if frame else 0
        return 0

    def _spare(self) -> Process:
        program = self._started()
        self._program = None
        program.wait()
        self._started()
        return Process(program.process.pid, program.channel, program.process.kill, lambda tell: program.end())


class _Handle:
    """A handle of a process (pidfd): kills that one and no other, even after its number went to somebody else."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def kill(self) -> None:
        with self._lock, suppress(ProcessLookupError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1


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
        self._end = weakref.finalize(self, _end, self.channel, self.process, self._booted)

    def end(self) -> int:
        """Kill it; also happens when nobody holds it any more, and at exit. The signal that ended it."""
        self._end()
        return -(self.process.returncode or 0)

    def wait(self) -> None:
        """Until it is warm. Raises PressError if it can never be, Lost if it died."""
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
            self._failure = Lost()
        elif "kind" in frame[0]:
            self._failure = PressError(frame[0]["kind"], frame[0]["where"])


def _end(channel: socket.socket, process: "subprocess.Popen[bytes]", booted: threading.Thread) -> None:
    process.kill()
    process.wait()
    if booted is not threading.current_thread():
        booted.join(1)  # it may still wait at the channel: no number may be closed under it
    channel.close()


def _unless_known(root: str) -> list[str]:
    """The folder of our package, unless Python finds it by itself, behind the standard library."""
    return [] if root in sys.path and root.endswith("site-packages") else [root]
