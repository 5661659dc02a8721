"""What stamping one sheet costs, counted and not timed: `python -m tests.benchmarks.stamp_count` prints JSON.

In a process of its own, for it imports the layout engine. `calls`: Python functions called for one stamp; `render`:
the same for one full render; `ratio`: how many times faster a stamp is than a render, both in this process.
"""

import json
import os
import subprocess
import sys
from functools import cache

from clinic import resources
from clinic.press import fonts
from tests.benchmarks.harness import Act, Missing, Run

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
    works: dict[str, Act] = {"stamp": lambda: made.stamp(WORDS), "render": lambda: render.pdf(whole)}
    took = Run(ROUNDS).figures(works)
    ratio = took["render"].median / took["stamp"].median
    return {"calls": _calls(works["stamp"]), "render": _calls(works["render"]), "ratio": ratio}


def _calls(act: Act) -> int:
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
