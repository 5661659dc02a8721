"""A blank handout asked for again: the server's time, through the whole application. `…cache_bench`

From the request to the last byte, without a network: session, rights, form, cache, headers. Time that the server's
thread worked: other programs on the machine do not lengthen it.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from time import thread_time

from clinic.app import create_app
from clinic.press import fonts
from clinic.press.press import Press
from clinic.services import accounts
from tests.benchmarks import pages
from tests.benchmarks.caseload import PASSWORD, empty
from tests.benchmarks.harness import Bar, Missing, Row, Run, alone, row, scratch

PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "do": "print"}
TIMES = 5  # requests in a round


def bench(how: Run) -> Iterator[Row]:
    """ms of the request that finds its sheet, beside a page that is only shown."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        (folder / "fonts").symlink_to(fonts.folder())
        store = stack.enter_context(empty(folder / "i", alone=True, CLINIC_CACHE_PATH=str(folder)))
        press = Press()
        try:
            accounts.create_account(store, "ana", PASSWORD)
            client = create_app(store.settings, store, press).test_client()
            client.set_cookie("clinic_session", accounts.sign_in(store, "ana", PASSWORD))
            shown = client.get("/help").get_data(as_text=True)
            found = re.search(r'name="csrf_token" value="([^"]+)"', shown)
            if not found:
                raise Missing("not there: a page with a form")
            data = {"csrf_token": found[1], "sheet": pages.SHEET, **PAPER}

            def ask() -> bytes:
                content: bytes = client.post("/sheets", data=data).get_data()
                if not content.startswith(b"%PDF"):
                    raise RuntimeError("no sheet came")
                return content

            first = how.seconds(ask) * 1000
            works = {"kept": lambda: [ask() for _ in range(TIMES)]}
            took = replace(how, clock=thread_time).figures(works, {"kept": TIMES})["kept"]
        finally:
            press.stop()
    yield row("blank.from_cache", took, bar=Bar("value", "<=", 5), note=f"the first, drawn: {first:.0f} ms")


if __name__ == "__main__":
    alone("cache", "tests.benchmarks.cache_bench:bench")
