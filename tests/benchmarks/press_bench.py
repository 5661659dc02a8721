"""A filled sheet by language, in a fresh child and in one that is used again: `python -m tests.benchmarks.press_bench`.

Also its pictures for the screen, laying it out before it goes to the press, and the first page after the start.
"""

from collections.abc import Iterator
from functools import partial
from time import perf_counter

from clinic.domain.page import Page
from clinic.press.press import Press
from clinic.services.warm import warm_pages
from tests.benchmarks import pages
from tests.benchmarks.harness import Act, Row, Run, alone, row

LANGUAGES = ("en", "es", "ar")


def bench(how: Run) -> Iterator[Row]:
    """ms of each, all languages in every round."""
    press = Press(warm_pages())
    start = perf_counter()
    press.start()
    try:
        press.blank(pages.page())
        yield row("press.first_page_after_start", (perf_counter() - start) * 1000)
        works: dict[str, Act] = {}
        for locale in LANGUAGES:
            one = pages.page(locale=locale, filled=True)
            works |= {
                f"layout.{locale}": partial(pages.page, locale=locale, filled=True),
                f"fresh_child.{locale}": partial(pages.fresh, press, one),
                f"reused_child.{locale}": partial(press.blank, one),
                f"pictures.{locale}": partial(_pictures, press, one),
            }
        for name, figure in how.figures(works).items():
            yield row(f"press.{name}", figure)
    finally:
        press.stop()


def _pictures(press: Press, page: Page) -> None:
    with press.child() as child:
        press.images(page, child)


if __name__ == "__main__":
    alone("press", "tests.benchmarks.press_bench:bench")
