"""The press beside Chromium on 2-page sheets, in the same run: `python -m tests.benchmarks.render_bench` prints JSON.

Each function returns plain figures: times in ms, sheets per second, ratios above 1 where the press is faster.
"""

import argparse
import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

from clinic.domain.page import SLOTS, Page
from clinic.press import fonts
from clinic.press.press import Press
from tests.benchmarks import pages, peers

PER_READER = 3  # sheets
WORKERS = 2
PACK = 200
NICE = 10  # of a press child; its module loads the engine, so it is not asked


@cache
def sheets(filled: bool = False) -> tuple[Page, ...]:
    """The worksheets that take two sides in English."""
    return tuple(
        pages.page(name, code="K7QM2XTPA", date=pages.DAY, filled=filled, short=True) for name in pages.mix(filled)
    )


def speed(press: Press, chromium: peers.Warm, rounds: int = 7) -> dict[str, float]:
    """One sheet at a time: reused child, fresh child, Chromium's page. Medians over all sheets and rounds."""
    times: dict[str, list[float]] = {"reused": [], "fresh": [], "chromium": []}
    for _ in range(rounds):
        for page in sheets():
            html = peers.document(page)
            times["reused"].append(_ms(partial(press.blank, page)))
            times["fresh"].append(_ms(partial(_fresh, press, [page])))
            times["chromium"].append(_ms(partial(chromium.draw, html)))
    found = {name: round(statistics.median(taken), 1) for name, taken in times.items()}
    return found | {
        "reused is slower by": round(found["reused"] / found["chromium"], 2),
        "fresh is slower by": round(found["fresh"] / found["chromium"], 2),
    }


def throughput(press: Press, chromium: peers.Warm, rounds: int = 5) -> dict[str, float]:
    """Sheets per second of two workers on unlike sheets, and how many times Chromium's with two pages that is."""
    blanks, filled = list(sheets()), list(sheets(filled=True))
    readers = [filled[start : start + PER_READER] for start in range(0, len(filled), PER_READER)]
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "reused": (len(blanks), lambda: _both(press.blank, blanks)),
        "chromium blank": (len(blanks), lambda: chromium.draw_all([peers.document(one) for one in blanks])),
        "readers": (len(filled), lambda: _both(partial(_fresh, press), readers)),
        "chromium filled": (len(filled), lambda: chromium.draw_all([peers.document(one) for one in filled])),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (count, act) in ways.items():
            rates[name].append(count / _ms(act) * 1000)
    found = {name: round(statistics.median(rate), 1) for name, rate in rates.items()}
    return found | {
        "reused is faster by": round(_ratio(rates["reused"], rates["chromium blank"]), 2),
        "readers is faster by": round(_ratio(rates["readers"], rates["chromium filled"]), 2),
    }


def stamped(press: Press, chromium: peers.Warm, rounds: int = 50) -> dict[str, float]:
    """A given sheet once the page is known, and a pack of alike sheets with its join."""
    page = pages.page(code=SLOTS["code"], date=SLOTS["date"])
    words = [
        {"code": f"K7QM2X{number:03}".translate(str.maketrans("01", "AB")), "date": pages.DAY} for number in range(PACK)
    ]
    press.given(page, words[0])
    ours, theirs = [], []
    html = peers.document(page.with_words(words[0]))
    for number in range(rounds):
        ours.append(_ms(partial(press.given, page, words[number % PACK])))
        if number % 5 == 0:
            theirs.append(_ms(partial(chromium.draw, html)))
    packs = [_ms(lambda: press.joined([[one] for one in press.given_all(page, words)])) for _ in range(3)]
    found = {"stamped": statistics.median(ours), "chromium": statistics.median(theirs)}
    return {name: round(value, 2) for name, value in found.items()} | {
        "stamped is faster by": round(found["chromium"] / found["stamped"], 1),
        f"pack of {PACK}": round(statistics.median(packs)),
    }


def memory(prints: int = 1000, locales: Sequence[str] = ("en", "ar"), every: int = 50) -> dict[str, float]:
    """PSS in MB of a reused child over so many unlike prints: after the first 100, the highest, at the end.

    `at once`: of a fresh child after one page, beside its zygote.
    """
    there = [pages.page(name, locale, code="K7QM2XTPA") for name in pages.mix() for locale in locales]
    with pages.press() as press:
        seen = []
        for number in range(prints):
            press.blank(there[number % len(there)])
            if number % every == every - 1:
                seen.append(pss(press.pids()[0]))
        with press.child() as child:
            press.pdf(there[0], child)
            fresh = pss(child.pid)
    start = statistics.median(seen[1:5])
    return {
        "first": round(start, 1),
        "highest": round(max(seen), 1),
        "last": round(statistics.median(seen[-4:]), 1),
        "grew by": round(statistics.median(seen[-4:]) / start, 3),
        "fresh": round(fresh, 1),
        **{f"fonts {locale}": float(locale in printable(locales)) for locale in locales},
    }


def printable(locales: Sequence[str]) -> list[str]:
    """Those whose fonts are made."""
    found = []
    for locale in locales:
        with contextlib.suppress(fonts.FontsMissing):
            fonts.families(locale)
            found.append(locale)
    return found


def alike(press: Press) -> None:
    """The same niceness for all of them: on a machine that others use too, our polite children would seem slow."""
    for pid in family(os.getpid()) - family(press.pid):
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, pid, NICE)


def family(pid: int) -> set[int]:
    """Processes that this one started, and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text("utf-8").split()):
                found |= {child, *family(child)}
    return found


def processor(pids: set[int]) -> float:
    """Processor time in ms of these and of what they started and ended. A busy machine lengthens it little."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK") * 1000


def effort(press: Press, chromium: peers.Warm, rounds: int = 3) -> dict[str, float]:
    """Processor time of one unlike sheet in ms, wherever it is spent: what throughput is made of on a busy machine."""
    blanks, filled = list(sheets()), list(sheets(filled=True))
    readers = [filled[start : start + PER_READER] for start in range(0, len(filled), PER_READER)]

    def mine() -> float:
        return processor({os.getpid(), press.pid} | family(press.pid))

    def theirs() -> float:
        return processor({os.getpid()} | family(os.getpid()) - family(press.pid) - {press.pid})

    ways: dict[str, tuple[int, Callable[[], object], Callable[[], float]]] = {
        "reused": (len(blanks), lambda: _both(press.blank, blanks), mine),
        "chromium blank": (len(blanks), lambda: chromium.draw_all([peers.document(one) for one in blanks]), theirs),
        "readers": (len(filled), lambda: _both(partial(_fresh, press), readers), mine),
        "chromium filled": (len(filled), lambda: chromium.draw_all([peers.document(one) for one in filled]), theirs),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (count, act, clock) in ways.items():
            before = clock()
            act()
            spent[name].append((clock() - before) / count)
    found = {name: round(statistics.median(each), 1) for name, each in spent.items()}
    return found | {
        "reused is lighter by": round(found["chromium blank"] / found["reused"], 2),
        "readers is lighter by": round(found["chromium filled"] / found["readers"], 2),
    }


def pss(pid: int) -> float:
    """Proportional set size of a process in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _fresh(press: Press, of_reader: Sequence[Page]) -> None:
    with press.child() as child:
        for page in of_reader:
            press.pdf(page, child)


def _both(act: Callable[..., object], things: Sequence[object]) -> None:
    with ThreadPoolExecutor(WORKERS) as threads:
        list(threads.map(act, things))


def _ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--prints", type=int, default=0, help="measure memory over so many prints instead")
    options.add_argument("--locales", default="en,ar")
    options.add_argument("--effort", action="store_true", help="measure processor time only")
    asked = options.parse_args()
    if asked.prints:
        print(json.dumps(memory(asked.prints, asked.locales.split(",")), indent=1))
        return
    with peers.Warm(1) as one, peers.Warm(WORKERS) as two, pages.press() as press:
        alike(press)
        if asked.effort:
            print(json.dumps({"effort": effort(press, two)}, indent=1))
            return
        print(json.dumps({"speed": speed(press, one), "stamped": stamped(press, one)}, indent=1))
        print(json.dumps({"throughput": throughput(press, two)}, indent=1))


if __name__ == "__main__":
    main()
