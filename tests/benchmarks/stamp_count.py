"""What stamping one sheet costs, counted and not timed: `python -m tests.benchmarks.stamp_count` prints JSON.

In a process of its own, for it imports the layout engine. `calls`: Python functions called for one stamp; `render`:
the same for one full render; `ratio`: how many times faster a stamp is than a render, both in this process.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

from clinic import resources
from clinic.press import fonts
from tests.benchmarks.harness import Missing

ROUNDS = 3
WORDS = {"code": "ABCD2345X", "date": "2026-03-31"}


@cache
def check() -> dict[str, float]:
    """The counts. Raises Missing if a usual sheet cannot be stamped."""
    command = [sys.executable, "-m", __name__]
    made = subprocess.run(command, cwd=resources.checkout(), capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"counting stopped: {made.stderr.strip().splitlines()[-1][:200]}")
    found: dict[str, float] = json.loads(made.stdout)
    if not found:
        raise Missing("not there: stamping")
    return found


def counts() -> dict[str, float]:
    """{} if the sheet cannot be stamped."""
    os.environ["FONTCONFIG_FILE"] = str(fonts.config())
    from clinic.domain.page import SLOTS
    from clinic.press import render, stamp
    from tests.benchmarks import pages

    page = pages.page(code=SLOTS["code"], date=SLOTS["date"])
    made = stamp.compiled(page)
    if made is None or made.stamp(WORDS) is None:
        return {}
    whole = page.with_words(WORDS)
    render.pdf(whole)
    stamping, drawing = [], []
    for _ in range(ROUNDS):
        stamping.append(_seconds(lambda: made.stamp(WORDS)))
        drawing.append(_seconds(lambda: render.pdf(whole)))
    ratio = statistics.median(drawing) / statistics.median(stamping)
    return {"calls": _calls(lambda: made.stamp(WORDS)), "render": _calls(lambda: render.pdf(whole)), "ratio": ratio}


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _calls(act: Callable[[], object]) -> int:
    """How many Python functions are entered."""
    count = 0

    def entered(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(entered)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


if __name__ == "__main__":
    print(json.dumps(counts()))
