"""Named measurements, each beside its peer in the same run, and what becomes of them: rows, a table, JSON.

A benchmark is a function that takes a `Run` and yields `Row`s; `__main__.py` lists them all. Names of rows never
change with the code, so that one can follow them from commit to commit. A row without a value says in its note what
is missing; a row is never filled with a guess.
"""

import argparse
import gc
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

FORMAT = 1  # of the JSON document
ROUNDS = 7  # at least, for a median
FOLLOWED = ("weasyprint", "pikepdf", "pydyf", "playwright", "typst", "flask", "sqlalchemy", "psycopg")
STEPS = {"<=": lambda value, limit: value <= limit, ">=": lambda value, limit: value >= limit}

Act = Callable[[], object]
Unit = Literal["ms", "MB", "KB", "1/s", "count", "share"]


class Missing(Exception):
    """What a measurement needs is not on this machine, or not there yet; the words say how to get it."""


@dataclass(frozen=True)
class Figure:
    """A median with its quartiles, of so many rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        every = sorted(values)
        low, _, high = statistics.quantiles(every, method="inclusive") if len(every) > 1 else every * 3
        return cls(statistics.median(every), low, high, len(every))


@dataclass(frozen=True)
class Bar:
    """What the issue asks for: of the value itself, or of how many times faster than the peer it is."""

    of: Literal["value", "faster"]
    sign: Literal["<=", ">="]
    limit: float

    def __str__(self) -> str:
        return f"{self.sign} {_short(self.limit)}" + (" ×" if self.of == "faster" else "")

    def met(self, row: "Row") -> bool | None:
        got = row.value if self.of == "value" else row.faster
        return None if got is None else bool(STEPS[self.sign](got, self.limit))


@dataclass(frozen=True)
class Row:
    """One measurement: times in ms, memory in MB. `faster`: how many times it beats its peer, above 1 is better."""

    name: str
    value: float | None = None
    unit: Unit = "ms"
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    peer: str = ""
    peer_value: float | None = None
    faster: float | None = None
    bar: str = ""
    met: bool | None = None
    note: str = ""


def row(
    name: str,
    figure: Figure | float,
    unit: Unit = "ms",
    peer: tuple[str, Figure] | None = None,
    bar: Bar | None = None,
    note: str = "",
) -> Row:
    """A measured row, compared with its peer and with its bar. Of figures per second the larger is faster."""
    one = figure if isinstance(figure, Figure) else Figure(figure, figure, figure, 1)
    made = Row(name, one.median, unit, one.low, one.high, one.rounds, bar=str(bar or ""), note=note)
    if peer:
        theirs = peer[1].median
        faster = one.median / theirs if unit == "1/s" else theirs / one.median
        made = replace(made, peer=peer[0], peer_value=theirs, faster=faster)
    return replace(made, met=bar.met(made)) if bar else made


def absent(name: str, why: object, bar: Bar | None = None) -> Row:
    """A row that could not be measured, and why."""
    return Row(name, bar=str(bar or ""), note=str(why))


@dataclass(frozen=True)
class Run:
    """How to measure: rounds of each, the clock (seconds), whether what takes minutes runs too."""

    rounds: int = ROUNDS
    long: bool = False
    clock: Callable[[], float] = time.perf_counter

    def figures(self, works: Mapping[str, Act], counts: Mapping[str, int] | None = None) -> dict[str, Figure]:
        """ms of each work, all of them in every round and in turns, so that noise hits them alike.

        `counts`: how many of its kind a work does at once; its time is divided by it. Round 0 only warms up.
        """
        return self.by(works, counts, (self.clock,))[0]

    def costs(
        self, works: Mapping[str, Act], counts: Mapping[str, int] | None = None
    ) -> tuple[dict[str, Figure], dict[str, Figure]]:
        """The same, and the ms of processor that this process and all it started took: others do not lengthen those."""
        passed, worked = self.by(works, counts, (self.clock, processor))
        return passed, worked

    def by(
        self, works: Mapping[str, Act], counts: Mapping[str, int] | None, clocks: Sequence[Callable[[], float]]
    ) -> list[dict[str, Figure]]:
        """`figures` by several clocks at once."""
        took: list[dict[str, list[float]]] = [{name: [] for name in works} for _ in clocks]
        for number in range(self.rounds + 1):
            names = list(works) if number % 2 else list(works)[::-1]
            for name in names:
                gc.collect()
                before = [clock() for clock in clocks]
                works[name]()
                for place, clock in enumerate(clocks):
                    if number:
                        ms = (clock() - before[place]) * 1000
                        took[place][name].append(ms / (counts or {}).get(name, 1))
        return [{name: Figure.of(times) for name, times in of_clock.items()} for of_clock in took]

    def seconds(self, act: Act) -> float:
        """How long one call takes."""
        start = self.clock()
        act()
        return self.clock() - start


Benchmark = Callable[[Run], Iterator[Row]]


@dataclass(frozen=True)
class Report:
    """All rows of one run, and on what they were measured."""

    rows: list[Row]
    broken: list[str] = field(default_factory=list)  # benchmarks that stopped with an error
    load: tuple[float, float] = (0.0, 0.0)  # of one minute, before and after

    def document(self) -> dict[str, Any]:
        """What `--json` prints; sizes are rounded, names are stable."""
        return {
            "format": FORMAT,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "load": list(self.load),
            "broken": self.broken,
            "rows": [{name: _rounded(value) for name, value in asdict(one).items()} for one in self.rows],
        }


def run(benchmarks: Mapping[str, str], how: Run, say: Callable[[str], None] = lambda _: None) -> Report:
    """Run benchmarks, given as name -> `module:function`. One that is missing or breaks is a row, not the end."""
    before, rows, broken = _load(), [], []
    for name, place in benchmarks.items():
        say(name)
        try:
            for one in _found(place)(how):
                rows.append(one)
        except Missing as missing:
            rows.append(absent(name, missing))
        except Exception as error:  # the others are still worth knowing
            rows.append(absent(name, f"broken: {type(error).__name__}: {' '.join(str(error).split())[:160]}"))
            broken.append(name)
    return Report(rows, broken, (before, _load()))


def _found(place: str) -> Benchmark:
    """The function of a benchmark. Raises Missing if it, or a package that it needs, is not there."""
    module, _, function = place.partition(":")
    try:
        made: Benchmark = getattr(import_module(module), function)
    except AttributeError:
        raise Missing(f"not there: {place}") from None
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith(("clinic", "tests")):
            raise Missing(f"not there: {missing.name}") from None
        raise Missing(f"not installed: pip install {missing.name}") from None
    return made


def table(report: Report) -> Table:
    """For people."""
    made = Table(title="clinic bench", title_justify="left", caption=_caption(report), caption_justify="left")
    for name, justify in (
        ("measurement", "left"), ("median", "right"), ("spread", "right"), ("n", "right"), ("peer", "left"),
        ("peer's", "right"), ("faster", "right"), ("bar", "left"), ("met", "left"), ("note", "left"),
    ):  # fmt: skip
        made.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for one in report.rows:
        spread = f"{_short(one.low)}–{_short(one.high)}" if one.rounds > 1 else ""
        median = f"{_short(one.value)} {'' if one.unit in ('count', 'share') else one.unit}".strip()
        faster = f"{_short(one.faster)} ×" if one.faster is not None else ""
        met = {True: "yes", False: "NO", None: ""}[one.met]
        cells = (one.name, median, spread, str(one.rounds or ""), one.peer, _short(one.peer_value), faster)
        made.add_row(*cells, one.bar, met, one.note, style="bold" if one.met is False else None)
    return made


def main(benchmarks: Mapping[str, str], words: Iterable[str] | None = None) -> int:
    """The door of `python -m tests.benchmarks…`: 0, or 1 if a benchmark broke. Bars that are not met do not count."""
    parser = argparse.ArgumentParser(prog="clinic bench", description="Benchmarks, peers in the same run.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", nargs="+", action="extend", metavar="NAME", choices=list(benchmarks))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each measurement (%(default)s)")
    parser.add_argument("--long", action="store_true", help="also what takes minutes")
    given = parser.parse_args(None if words is None else list(words))
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    chosen = {name: place for name, place in benchmarks.items() if name in (given.only or benchmarks)}
    report = run(chosen, Run(given.rounds, given.long), lambda name: print(f"… {name}", file=sys.stderr, flush=True))
    if given.json:
        print(json.dumps(report.document(), ensure_ascii=False, indent=2))
    else:
        console = Console()
        wide = console if console.is_terminal else Console(width=200)
        wide.print(table(report))
    return 1 if report.broken else 0


def alone(name: str, place: str) -> None:
    """The door of one file: `python -m tests.benchmarks.NAME`."""
    sys.exit(main({name: place}))


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards. What is logged meanwhile is written, not shown."""
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        yield Path(folder)


# ---------------------------------------------------------------- memory
def pss(*roots: int) -> float:
    """MB of proportional set size of these processes and all they started. Raises Missing without Linux's /proc."""
    return sum(pss_of(*roots).values())


def pss_of(*roots: int) -> dict[int, float]:
    """The same by process. One that ends meanwhile counts nothing."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise Missing("memory is measured on Linux only")
    found: dict[int, float] = {}
    for one in tree(roots):
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text("utf-8").splitlines()
            found[one] = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return found


def processor() -> float:
    """Seconds that the processor worked for this process and all it started, those that ended included."""
    ticks = 0
    for one in tree(children()):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text("utf-8").rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # user and system, its own and of what it waited for
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system + ticks / os.sysconf("SC_CLK_TCK")


def tree(roots: Iterable[int]) -> Iterator[int]:
    """Processes and all that they started."""
    queue = list(roots)
    while queue:
        one = queue.pop()
        yield one
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += [int(child) for child in (task / "children").read_text("utf-8").split()]


def children() -> set[int]:
    """Processes that this one started and that are still there; none where there is no /proc."""
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found |= {int(child) for child in task.read_text("utf-8").split()}
    return found


# ---------------------------------------------------------------- where it ran
def machine() -> dict[str, Any]:
    """The machine in plain words; nothing that names it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20 if hasattr(os, "sysconf") else None
    return {"cores": os.cpu_count(), "memory_mb": memory, "system": platform.system(), "processor": platform.machine()}


def versions() -> dict[str, str]:
    """Python and the packages that figures depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in FOLLOWED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _load() -> float:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def _caption(report: Report) -> str:
    on = machine()
    busy = report.load[0] > (on["cores"] or 1) / 2
    words = f"{on['cores']} cores, {on['memory_mb']} MB, load {report.load[0]:g} before and {report.load[1]:g} after. "
    words += "Faster: how many times the peer's speed. Spread: quartiles."
    return words + (" BUSY MACHINE: only rows of processor time and of memory can be trusted." if busy else "")


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
