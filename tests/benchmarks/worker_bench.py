"""What a worker weighs, by script and over many prints, and what a hostile page does: `…worker_bench [--long]`."""

from collections.abc import Callable, Iterator
from time import perf_counter

from clinic.domain.page import Page
from clinic.press.limits import Limits
from clinic.press.press import Press, PressError
from clinic.press.processes import Child
from tests.benchmarks import pages
from tests.benchmarks.harness import Bar, Missing, Row, Run, absent, children, main, pss_of, row

SCRIPTS = {"latin": ("en", 80), "arabic": ("ar", 80), "cjk": ("ja", 220)}  # and MB at most
PRINTS = 1000
FIRST = 100  # prints until everything is loaded
SLACK = 0.5  # s beyond the limit, until a child is gone and the answer is there
ROW = "<tr><td>one</td><td>two</td><td>three</td></tr>"
HOSTILE = {
    "nested_flex": '<div style="display: flex; flex-wrap: wrap"><p>a</p>' * 12 + "x" + "</div>" * 12,
    "nested_deep": "<div>" * 5000 + "x" + "</div>" * 5000,
    "table_5000_rows": f"<table>{ROW * 5000}</table>",
    "paragraph_1_mb": f"<p>{'afraid of it ' * 80_000}</p>",
}


def memory(how: Run) -> Iterator[Row]:
    """PSS of the worker that drew a sheet, while its zygote and the spare child are there."""
    for script, (locale, most) in SCRIPTS.items():
        bar = Bar("value", "<=", most)
        try:
            page = pages.page(locale=locale, filled=True)
        except Missing as missing:
            yield absent(f"worker.memory.{script}", missing, bar)
            continue
        before = children()
        with pages.press() as press, press.child() as child:
            worker = _worker(press, page, child, before)
            yield row(f"worker.memory.{script}", worker, "MB", bar=bar)
            yield row(f"worker.memory.{script}.all", sum(pss_of(*(children() - before)).values()), "MB")


def flat(how: Run) -> Iterator[Row]:
    """How much a worker grows over 1,000 prints: of one filled sheet, and, used again, of unlike sheets."""
    names, bar = (f"worker.growth_over_{PRINTS}", f"worker.reused.growth_over_{PRINTS}"), Bar("value", "<=", 0.05)
    if not how.long:
        yield from (absent(name, "only with --long: takes minutes", bar) for name in names)
        return
    page, unlike = pages.page(filled=True), [pages.given(name) for name in pages.mix()]
    before = children()
    with pages.press() as press, press.child() as child:
        yield _growth(names[0], bar, before, lambda number: press.pdf(page, child))
    with pages.press() as press:
        yield _growth(names[1], bar, before, lambda number: press.blank(unlike[number % len(unlike)]))


def _growth(name: str, bar: Bar, before: set[int], draw: Callable[[int], object]) -> Row:
    weights = {}
    for number in range(1, PRINTS + 1):
        draw(number)
        if number % FIRST == 0:
            weights[number] = max(pss_of(*(children() - before)).values())
    first, last = weights[FIRST], weights[PRINTS]
    note = f"{first:.1f} MB after {FIRST}, {last:.1f} after {PRINTS}"
    return row(name, abs(last / first - 1), "share", bar=bar, note=note)


def hostile(how: Run) -> Iterator[Row]:
    """Time until a hostile page is refused, killed, or drawn after all; then the next print beside one before it."""
    page = pages.page()
    limit = Limits().seconds
    most, unaffected = Bar("value", "<=", (limit + SLACK) * 1000), Bar("faster", ">=", 1 / 1.5)
    with pages.press() as press:
        usual = how.figures({"usual": lambda: pages.fresh(press, page)})["usual"]
        for name, body in HOSTILE.items():
            start = perf_counter()
            ended = _draw(press, Page(page.html.partition("<body")[0] + f"<body>{body}", page.styles, "en", "x"))
            took = (perf_counter() - start) * 1000
            yield row(f"hostile.{name}", took, bar=most, note=f"{ended}; the limit is {limit:g} s")
            after = how.figures({"next": lambda: pages.fresh(press, page)})["next"]
            yield row(f"hostile.{name}.next_print", after, peer=("before", usual), bar=unaffected)


def _draw(press: Press, page: Page) -> str:
    try:
        pages.fresh(press, page)
    except PressError as error:
        return f"ended by {error.kind}"
    return "drawn"


def _worker(press: Press, page: Page, child: Child, before: set[int]) -> float:
    """The largest process below the zygote, after a few prints: the one that drew."""
    for _ in range(5):
        press.pdf(page, child)
    zygotes = children() - before
    return max(weight for pid, weight in pss_of(*zygotes).items() if pid not in zygotes)


BENCHMARKS = {name: f"tests.benchmarks.worker_bench:{name}" for name in ("memory", "flat", "hostile")}

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARKS))
