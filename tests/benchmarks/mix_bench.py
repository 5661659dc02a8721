"""Unlike sheets of two sides in English, on two workers, against Chromium's two warm pages.

    python -m tests.benchmarks.mix_bench

Blank and given sheets: the children are used again. Filled: each recipient has a child, which draws three sheets and
ends. Chromium gets the same documents in the same order.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice

from clinic.domain.page import Page
from tests.benchmarks import pages, peers
from tests.benchmarks.harness import Act, Bar, Figure, Row, Run, main, row

WORKERS = 2
SHEETS = 24
OF_ONE = 3  # sheets of one recipient


def speed(how: Run) -> Iterator[Row]:
    """ms of one sheet at a time: every sheet of the mix in every round, the mean of them."""
    plain = [pages.given(name) for name in pages.mix()]
    html = [peers.document(page) for page in plain]
    missing = peers.Warm.missing()
    with ExitStack() as stack:
        press = stack.enter_context(pages.press())
        works: dict[str, Act] = {
            "reused_child": lambda: [press.blank(page) for page in plain],
            "fresh_child": lambda: [pages.fresh(press, page) for page in plain],
        }
        if not missing:
            chromium = stack.enter_context(peers.Warm())
            works["chromium"] = lambda: [chromium.draw(one) for one in html]
        passed, worked = how.costs(works, dict.fromkeys(works, len(plain)))
    yield from _beside_chromium("mix.full", passed, missing)
    yield from _beside_chromium("mix.processor", worked, missing)


def _beside_chromium(name: str, found: dict[str, Figure], missing: str) -> Iterator[Row]:
    peer = (peers.Warm.name, found["chromium"]) if "chromium" in found else None
    for kind, least in (("reused_child", 1 / 1.5), ("fresh_child", 1 / 2)):
        yield row(f"{name}.{kind}", found[kind], peer=peer, bar=Bar("faster", ">=", least), note=missing)


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
            "readers": lambda: list(threads.map(lambda three: pages.fresh(press, *three), _in_threes(filled))),
        }
        if missing:
            found = how.costs(works)
        else:
            with peers.Warm(WORKERS) as chromium:
                blank, answered = ([peers.document(page) for page in of] for of in (plain, filled))
                works["Chromium, plain"] = lambda: chromium.draw_all(blank)
                works["Chromium, filled"] = lambda: chromium.draw_all(answered)
                found = how.costs(works)
    for which, figures in zip(("mix", "mix.processor"), found, strict=True):
        speeds = {name: _speed(figure) for name, figure in figures.items()}
        for name, ours, theirs, least in (
            ("blank_and_given", "reused", "Chromium, plain", 1.0),
            ("filled_three_a_child", "readers", "Chromium, filled", 0.75),
        ):
            peer = ("Chromium, 2 warm pages", speeds[theirs]) if theirs in speeds else None
            yield row(f"{which}.{name}", speeds[ours], "1/s", peer, Bar("faster", ">=", least), note=missing)


def _in_threes(sheets: list[Page]) -> list[list[Page]]:
    return [sheets[start : start + OF_ONE] for start in range(0, len(sheets), OF_ONE)]


def _speed(took: Figure) -> Figure:
    """Sheets a second, of the ms that all took."""
    return Figure(SHEETS / took.median * 1000, SHEETS / took.high * 1000, SHEETS / took.low * 1000, took.rounds)


if __name__ == "__main__":
    raise SystemExit(main({name: f"tests.benchmarks.mix_bench:{name}" for name in ("speed", "throughput")}))
