"""Server time of the pages people live in, in a large clinic beside a small one: `python -m tests.benchmarks.web_rows`.

From the request to the last byte, without a network; time that the server's thread worked, for other programs on the
machine do not lengthen that. The clinic has 1,000 cases, with --long 10,000. What many people
do at once is load_bench.py's.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import thread_time

from clinic.app import create_app
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts
from tests.benchmarks import caseload
from tests.benchmarks.harness import Act, Bar, Row, Run, alone, row, scratch

SMALL, LARGE, LONG = 250, 1_000, 10_000  # cases
OWN = 5  # one case in so many is the counsellor's own
TIMES = 3  # requests in a round
FLAT = Bar("faster", ">=", 1 / 1.5)
BARS = {
    "caseload": FLAT,
    "case": FLAT,
    "record": FLAT,
    "form": Bar("value", "<=", 15),
    "session_form": Bar("value", "<=", 25),  # with 104 fields
}


def bench(how: Run) -> Iterator[Row]:
    """ms of each page; its peer is the same page of the small clinic."""
    large = LONG if how.long else LARGE
    with ExitStack() as stack:
        works: dict[str, Act] = {}
        for size, count in (("small", SMALL), ("large", large)):
            folder = stack.enter_context(scratch())
            works |= {f"{page} {size}": act for page, act in _pages(stack, folder, count).items()}
        found = replace(how, clock=thread_time).figures(works, dict.fromkeys(works, TIMES))
    for page, bar in BARS.items():
        peer = (f"{SMALL} cases", found[f"{page} small"])
        yield row(f"web.{page}.{large}_cases", found[f"{page} large"], peer=peer, bar=bar)


def _pages(stack: ExitStack, folder: Path, count: int) -> dict[str, Act]:
    """What asks for each page of a clinic of this size."""
    made = caseload.build(folder / "i", count, count // OWN, 4, count)
    store = Store.open(made.settings)
    stack.callback(store.close)
    client = create_app(made.settings, store, Press()).test_client()
    client.set_cookie("clinic_session", accounts.sign_in(store, caseload.FIRST, caseload.PASSWORD))
    addresses = {
        "caseload": "/",
        "case": f"/cases/{made.case}",
        "form": f"/cases/{made.case}/card",
        "session_form": f"/records/{made.draft}",
        "record": f"/records/{made.signed}",
    }

    def asking(address: str) -> Callable[[], None]:
        def ask() -> None:
            for _ in range(TIMES):
                reply = client.get(address, follow_redirects=True)
                if reply.status_code != 200:
                    raise RuntimeError(f"{reply.status_code} for a page")
                reply.get_data()

        return ask

    return {page: asking(address) for page, address in addresses.items()}


if __name__ == "__main__":
    alone("web", "tests.benchmarks.web_rows:bench")
