"""Unlike sheets of two sides in English, on two workers, against Chromium's two warm pages.

    python -m tests.benchmarks.mix_bench

Blank and given sheets: the children are used again. Filled: each recipient has a child, which draws three sheets and
ends. Chromium gets the same documents in the same order.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

from clinic.domain.page import Page
from clinic.press.press import Press
from tests.benchmarks import pages, peers
from tests.benchmarks.harness import Act, Bar, Figure, Row, Run, alone, row

WORKERS = 2
SHEETS = 24
OF_ONE = 3  # sheets of one recipient


def throughput(how: Run) -> Iterator[Row]:
    """Sheets a second, of everything together."""
    names = list(islice(cycle(pages.mix()), SHEETS))
    plain = [pages.given(name) if place % 2 else pages.page(name) for place, name in enumerate(names)]
    names = list(islice(cycle(pages.mix(filled=True)), SHEETS))
    filled = [pages.page(name, code=f"ABCD{place:05}", filled=True, short=True) for place, name in enumerate(names)]
    missing = peers.Warm.missing()
    with pages.press() as press, ThreadPoolExecutor(WORKERS) as threads:
        works: dict[str, Act] = {
            "reused": lambda: list(threads.map(press.blank, plain)),
            "readers": lambda: list(threads.map(reader(press), _in_threes(filled))),
        }
        if missing:
            found = how.figures(works)
        else:
            with peers.Warm(WORKERS) as chromium:
                html = {name: [peers.document(page) for page in of] for name, of in _kinds(plain, filled)}
                works["Chromium, plain"] = lambda: chromium.draw_all(html["plain"])
                works["Chromium, filled"] = lambda: chromium.draw_all(html["filled"])
                found = how.figures(works)
    speeds = {name: _speed(figure) for name, figure in found.items()}
    for name, ours, theirs, least in (
        ("mix.blank_and_given", "reused", "Chromium, plain", 1.0),
        ("mix.filled_three_a_child", "readers", "Chromium, filled", 0.75),
    ):
        peer = ("Chromium, 2 warm pages", speeds[theirs]) if theirs in speeds else None
        yield row(name, speeds[ours], "1/s", peer, Bar("faster", ">=", least), note=missing)


def reader(press: Press) -> Callable[[Sequence[Page]], list[bytes]]:
    """What draws the sheets of one recipient, in a child that then ends."""

    def draw(sheets: Sequence[Page]) -> list[bytes]:
        with press.child() as child:
            return [press.pdf(page, child) for page in sheets]

    return draw


def _kinds(plain: list[Page], filled: list[Page]) -> tuple[tuple[str, list[Page]], ...]:
    return (("plain", plain), ("filled", filled))


def _in_threes(sheets: list[Page]) -> list[list[Page]]:
    return [sheets[start : start + OF_ONE] for start in range(0, len(sheets), OF_ONE)]


def _speed(took: Figure) -> Figure:
    """Sheets a second, of the ms that all took."""
    return Figure(SHEETS / took.median * 1000, SHEETS / took.high * 1000, SHEETS / took.low * 1000, took.rounds)


if __name__ == "__main__":
    alone("mix", "tests.benchmarks.mix_bench:throughput")
