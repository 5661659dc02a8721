"""Time and memory of the press: `python -m tests.benchmarks.press_bench` prints JSON. Times are medians in ms."""

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from clinic import resources
from clinic.documents.page import Fonts, Options, page
from clinic.documents.sheet import sheet
from clinic.domain import definition, library
from clinic.domain.page import Page
from clinic.press import fonts
from clinic.press.press import Press
from tests.documents import catalogues, samples

ROUNDS = 15
LANGUAGES = {"en": catalogues.EN, "es": catalogues.ES, "ar": catalogues.AR}


def sheets(name: str = "our_cycle") -> dict[str, Page]:
    """A worksheet with every answer filled, by locale."""
    folder = resources.forms() / "library"
    lists = library.parse_library({path.stem: path.read_bytes() for path in sorted(folder.glob("*.toml"))})
    path = resources.forms() / "worksheets" / f"{name}.toml"
    form = definition.parse(path.read_bytes(), path.name, lists)
    filled = sheet(form, samples.answers(form, "couple"), "joint", "couple")
    stacks = Fonts(
        {locale: fonts.font_stack(locale) for locale in LANGUAGES},
        {locale: fonts.title_stack(locale) for locale in LANGUAGES},
    )
    return {
        locale: page(filled, [catalogue], Options(), "ABCD2345X", "2026-03-31", stacks)
        for locale, catalogue in LANGUAGES.items()
    }


def measure(pages: dict[str, Page]) -> dict[str, float]:
    """Fresh and reused children, pictures, the first page after the start, and memory as PSS in MB."""
    results: dict[str, float] = {}
    started = time.perf_counter()
    press = Press(list(pages.values()))
    press.start()
    results["start returns"] = _ms(started)
    try:
        press.blank(next(iter(pages.values())))
        results["first page after start"] = _ms(started)
        for locale, one in pages.items():
            results[f"fresh child {locale}"] = _median(lambda one=one: _fresh(press, one))
            results[f"fresh child CPU {locale}"] = _processor(press, one)
            results[f"reused child {locale}"] = _median(lambda one=one: press.blank(one))
            results[f"fresh child pictures {locale}"] = _median(lambda one=one: _pictures(press, one))
        with press.child() as child:
            press.pdf(pages["ar"], child)
            program = press._makers._program
            if program and child._process and Path("/proc/self/smaps_rollup").exists():
                results["zygote PSS MB"] = _pss(program.process.pid)
                results["child PSS MB"] = _pss(child._process.pid)
    finally:
        press.stop()
    return results


def _fresh(press: Press, one: Page) -> None:
    with press.child() as child:
        press.pdf(one, child)


def _processor(press: Press, one: Page) -> float:
    """Processor time of a fresh child, which other programs on the machine do not lengthen."""
    ticks = 0
    for _ in range(ROUNDS):
        with press.child() as child:
            press.pdf(one, child)
            assert child._process is not None
            fields = Path(f"/proc/{child._process.pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return round(ticks / ROUNDS / os.sysconf("SC_CLK_TCK") * 1000, 1)


def _pictures(press: Press, one: Page) -> None:
    with press.child() as child:
        press.images(one, child)


def _median(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        times.append(_ms(started))
    return round(statistics.median(times), 1)


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, 1)


if __name__ == "__main__":
    print(json.dumps(measure(sheets()), indent=1))
