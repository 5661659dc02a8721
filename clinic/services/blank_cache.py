"""Blank handouts that were printed before, on disk and in memory: by everything that a page is made of.

Only what printed without a refusal is kept, and whatever a refusal hangs on is in its name: so what is found may print.
No case, no answer and no code comes near: a blank has none, and no function here takes one. Imports next to nothing, so
that a command which finds its sheet here starts at once.
"""

import hashlib
import json
import os
import stat
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from clinic import __version__, resources

if TYPE_CHECKING:
    from clinic.config import Settings
    from clinic.domain.print_job import PrintJob

FORM: Final = b"secure-base blank 1\n"  # what a file of ours begins with
MOST, HELD = 64_000_000, 8_000_000  # bytes on disk, bytes in memory
NAME: Final = 64  # hex digits of a file's name
# Code that a page depends on, below the package; the rest is only who asks for it.
CODE: Final = ("documents", "domain", "i18n", "press")
LIBRARIES: Final = Path("/etc/ld.so.cache")  # written anew whenever a system library is: the text engine uses some
OWN: Final = "own_"


@dataclass(frozen=True)
class Choice:
    """What somebody chooses for a blank, and the clinic's own lines on it. There is no place for a case here."""

    sheet: str
    locale: str
    beside: str
    paper: str
    large: bool
    ink: str
    draft: bool
    print_when: str
    letterhead: tuple[str, ...] = ()
    help_lines: tuple[tuple[str, str, str], ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """Its languages."""
        return (self.locale, self.beside) if self.beside else (self.locale,)


def choice(job: "PrintJob", print_when: str, settings: "Settings | None" = None) -> Choice:
    """What a job asks for. Raises ValueError for a sheet of a case."""
    if job.recipient or job.record:
        raise ValueError("a sheet of a case is not kept")
    return Choice(
        job.sheet, job.locale, "".join(job.tags[1:]), job.paper, job.large, job.ink, job.draft, print_when,
        settings.letterhead if settings and job.letterhead else (),
        settings.help_lines if settings else (),
    )  # fmt: skip


@dataclass(frozen=True)
class Blank:
    """A finished blank, and what is said of its languages on the command line."""

    pdf: bytes = field(repr=False)
    said: str = ""


class Blanks:
    """The blanks that are kept: a folder that several processes share, and a few in memory. Threads may share it.

    A folder that is not ours, cannot be written or is full is no error: then nothing is kept.
    """

    def __init__(self, folder: Path, most: int = MOST, held: int = HELD) -> None:
        self.folder, self._most, self._held = folder, most, held
        self.program = program()
        self._lock = Lock()
        self._memory: OrderedDict[str, Blank] = OrderedDict()

    def key(self, wanted: Choice, definition: bytes, languages: Sequence[bytes]) -> str:
        """The name of a blank: of what was chosen, the definition, and what each language says."""
        chosen = json.dumps(asdict(wanted), sort_keys=True).encode()
        return _sum((self.program, chosen, definition, *languages)).hex()

    def get(self, key: str) -> Blank | None:
        """What is kept under a name, if it is as it was written."""
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        found = _read(self.folder / key, key)
        if found is not None:
            self._remember(key, found)
        return found

    def keep(self, key: str, blank: Blank) -> None:
        """Keep a blank that printed; the ones that nobody asked for longest go.

        Nothing is kept once a file of the program has changed under a process that goes on with what it read before.
        """
        if program() != self.program:
            return
        self._remember(key, blank)
        body = FORM + _sum((key.encode(), blank.said.encode(), blank.pdf)) + _framed(blank.said.encode()) + blank.pdf
        if len(body) > self._most:
            return
        with suppress(OSError):
            _write(self.folder, key, body)
            _sweep(self.folder, self._most)

    def _remember(self, key: str, blank: Blank) -> None:
        with self._lock:
            self._memory[key] = blank
            self._memory.move_to_end(key)
            while sum(len(one.pdf) for one in self._memory.values()) > self._held:
                self._memory.popitem(last=False)


# ---------------------------------------------------------------------------------------------- what a name is made of
def program() -> bytes:
    """A sum of everything but the sheet: code, lists, templates, styles, fonts, and what is installed."""
    facts = [__version__.encode(), sys.version.encode(), *_installed(), _libraries()]
    for path in _files():
        facts += [path.name.encode(), _bytes(path)]
    return _sum(facts)


def filed(wanted: Choice) -> list[bytes] | None:
    """The texts of a shipped sheet as its files have them: the definition, then each language. None: not all there."""
    from clinic.i18n.compiling import compile_po

    if not wanted.sheet.replace("_", "").isalnum():
        return None
    root, places = resources.translations(), [resources.forms(), resources.forms() / "worksheets"]
    source = next((found for folder in places if (found := _bytes(folder / f"{wanted.sheet}.toml"))), b"")
    texts = [source]
    for tag in wanted.tags:
        folder = root / tag.replace("-", "_") / "LC_MESSAGES"
        if tag == "en":
            texts.append(b"en")
        elif (folder / "handouts.po").exists():
            texts.append(_bytes(compile_po(folder / "handouts.po")))
        else:
            texts.append(_bytes(folder / "handouts.json"))
    return texts if all(texts) else None


def _files() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[1]
    for name in CODE:
        yield from sorted((package / name).glob("*.[pt]*"))  # Python and the table of fonts
    services = Path(__file__).parent
    yield from (services / f"{name}.py" for name in ("definitions", "laying_out", "readiness"))
    yield from sorted((resources.forms() / "library").glob("*.toml"))
    for folder in ("print", "macros"):
        yield from sorted(path for path in (resources.templates() / folder).rglob("*") if path.is_file())
    yield resources.static() / "drawing.css"
    yield resources.cache() / "fonts" / "made.json"


def _installed() -> Iterator[bytes]:
    """The packages and their versions, by the names of their folders: to read their data takes too long."""
    for folder in sys.path:
        with suppress(OSError):
            yield from sorted(name.encode() for name in os.listdir(folder or ".") if name.endswith(".dist-info"))


def _libraries() -> bytes:
    with suppress(OSError):
        found = LIBRARIES.stat()
        return f"{found.st_mtime_ns} {found.st_size}".encode()
    return b""


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _sum(facts: Iterable[bytes]) -> bytes:
    """SHA-256 of several facts, each with its length, so that none runs into the next."""
    whole = hashlib.sha256()
    for fact in facts:
        whole.update(_framed(fact))
    return whole.digest()


def _framed(fact: bytes) -> bytes:
    return len(fact).to_bytes(8, "big") + fact


# ----------------------------------------------------------------------------------------------------- the folder
def _read(path: Path, key: str) -> Blank | None:
    """A file as it was written under this name; its time becomes now. None: not there, not ours, not whole."""
    try:
        place = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return None
    try:
        if not _ours(os.fstat(place)):
            return None
        body = b"".join(iter(lambda: os.read(place, 1 << 20), b""))
        with suppress(OSError):  # a folder that may only be read is of use too
            os.utime(place if os.utime in os.supports_fd else path)
    except OSError:
        return None
    finally:
        os.close(place)
    start = len(FORM) + 32
    size = int.from_bytes(body[start : start + 8], "big")
    said, pdf = body[start + 8 : start + 8 + size], body[start + 8 + size :]
    if body[: len(FORM)] != FORM or body[len(FORM) : start] != _sum((key.encode(), said, pdf)):
        return None
    return Blank(pdf, said.decode("utf-8", "replace"))


def _ours(about: os.stat_result) -> bool:
    """A plain file of our own that nobody else may write."""
    mine = not hasattr(os, "getuid") or (about.st_uid == os.getuid() and not about.st_mode & 0o022)
    return stat.S_ISREG(about.st_mode) and mine


def _write(folder: Path, key: str, body: bytes) -> None:
    """All of it or nothing: into a file of its own, which then takes its name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)
    part = folder / f"{key}.{os.getpid()}.{os.urandom(4).hex()}.part"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
        os.replace(part, folder / key)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _sweep(folder: Path, most: int) -> None:
    """Remove the files that were used longest ago until the rest is small enough. What has no name of ours stays."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(entry.name.partition(".")[0]) == NAME:
                with suppress(OSError):  # another process sweeps too
                    about = entry.stat(follow_symlinks=False)
                    found.append((about.st_mtime_ns, about.st_size, entry.path))
    left = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if left <= most:
            return
        with suppress(OSError):
            os.unlink(path)
        left -= size
