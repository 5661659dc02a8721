"""How long things take on this machine: medians, with what they are compared to in the same run."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from clinic.domain.page import Page
from clinic.domain.prefill import CYCLE, prefilled
from clinic.press.press import Press
from clinic.services import print_sheet
from clinic.services.definitions import definition
from clinic.services.prints import PrintJob
from clinic.services.warm import warm_pages

ROUNDS: Final = 9
WORDS: Final = {
    "en": "Writes and asks when the evening gets late",
    "ar": "يكتب ويسأل حين يتأخر المساء",
}


def run() -> list[dict[str, Any]]:
    """Rows of name, median in ms and rounds. A fresh child serves one reader; a reused one draws blanks only."""
    press = Press(warm_pages())
    press.start()
    try:
        pages = {tag: _page(tag) for tag in WORDS}
        press.blank(pages["en"])  # the zygote is warm from here on
        rows = [_row(f"layout our_cycle filled {tag}", partial(_page, tag)) for tag in WORDS]
        rows += [_row(f"fresh child our_cycle filled {tag}", partial(_fresh, press, pages[tag])) for tag in WORDS]
        rows += [_row(f"reused child our_cycle filled {tag}", partial(press.blank, pages[tag])) for tag in WORDS]
    finally:
        press.stop()
    return rows


def _page(tag: str) -> Page:
    sheet = definition("our_cycle")
    words = {"map.cycle": dict.fromkeys(CYCLE, WORDS[tag])}
    return print_sheet.filled_page(sheet, prefilled(sheet, "couple", words), PrintJob(sheet.id, "joint", tag))


def _fresh(press: Press, page: Page) -> None:
    with press.child() as child:
        press.pdf(page, child)


def _row(name: str, work: Callable[[], object]) -> dict[str, Any]:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return {"name": name, "median_ms": round(statistics.median(times), 1), "rounds": ROUNDS}
