"""Fifty counsellors at work at once while a pack of 200 sheets prints: p50, p95 and p99 of each page, in ms.

    python -m tests.benchmarks.load_bench FOLDER [--users 50] [--seconds 60] [--pack 200] [--gunicorn]

FOLDER is an instance made by `python -m tests.benchmarks.caseload FOLDER --counsellors 50 --own 400`. Each counsellor
goes on as people do: list, day, case, staff layer, a form, typing that is kept, the draft saved, the map, what leaves
the room before a print, its pages, the print; between two steps 1 to 5 s pass, but the pages come with the list. Every
third case is printed for: thirty times a minute in all. The last two are drawn, in two languages on three sides: they
stand for themselves and not among “all”. So is the pack, a sheet of 200 couples each. What is measured is from the
first byte asked to the last byte read, in a process of its own on the same cores. Nobody signs in during the run:
passwords are slow on purpose.
"""

import argparse
import http.client
import itertools
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic import config
from clinic.persistence.models import Account, Record
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.services import batches, sessions
from clinic.services.pack_items import How, Item
from clinic.services.unit_of_work import unit_of_work
from tests.benchmarks import caseload
from tests.benchmarks.harness import Bar, Row, Run, absent, alone, row

PORT: Final = 8163
THINK: Final = (1.0, 5.0)  # s
STEPS: Final = 12  # of one round
PRINTS: Final = 3  # a print in so many rounds
BEGIN: Final = (0, 1, 2, 3, 4, 4, 4, 4, 8, 9, 9, 9)  # the steps somebody may be at: each is an address of its own
BAR: Final = Bar("value", "<=", 300)
DRAWN: Final = ("pages drawn", "printed")  # these take the press's time, and are measured against a browser elsewhere
PAPER: Final = {"locale": "en", "beside": "es", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
SHEET: Final = {"sheet": "our_cycle", "to": "joint"}


@dataclass
class Took:
    """ms of each page, and what did not answer as it should; `every` page but those that are drawn."""

    pages: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, page: str, ms: float, status: int) -> None:
        with self.lock:
            self.pages.setdefault(page, []).append(ms)
            if status not in (200, 204, 303):
                self.wrong.append(f"{page}: {status}")

    def every(self) -> list[float]:
        return [one for page, times in self.pages.items() if page not in DRAWN for one in times]


@dataclass(frozen=True)
class Person:
    """A counsellor with a session, and the cases and drafts of theirs that they work on."""

    token: str
    work: tuple[tuple[str, str], ...]


class Browser:
    """One connection that stays open, and the two cookies of a browser."""

    def __init__(self, token: str, took: Took, port: int) -> None:
        self.cookies, self.took = {"clinic_session": token}, took
        self.connection = http.client.HTTPConnection("localhost", port, timeout=60)

    def ask(self, page: str, path: str, data: dict[str, str] | None = None) -> str:
        """The page; its time is noted under its name."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if data is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
            body = urlencode(data)
        start = time.perf_counter()
        self.connection.request("GET" if data is None else "POST", path, body, headers)
        reply = self.connection.getresponse()
        content = reply.read()
        self.took.note(page, (time.perf_counter() - start) * 1000, reply.status)
        for name, value in reply.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return content.decode("utf-8", "replace")


def works(browser: Browser, person: Person, until: float, dice: random.Random) -> None:
    """What a counsellor does, over and over until the end."""
    begin, first = dice.choice(BEGIN), dice.randrange(PRINTS)  # everybody is somewhere else in their work
    for number, (case, draft) in enumerate(itertools.cycle(person.work), first):
        end = STEPS if number % PRINTS == 0 else STEPS - 2
        for step in itertools.islice(_steps(browser, case, draft), begin, end):
            if time.perf_counter() > until:
                return
            step()
            time.sleep(dice.uniform(*THINK))
        begin = 0


def _steps(browser: Browser, case: str, draft: str) -> Iterator[Any]:
    last = {"page": ""}

    def see(page: str, path: str) -> Any:
        return lambda: last.update(page=browser.ask(page, path))

    def send(page: str, path: str, **fields: str) -> Any:
        return lambda: browser.ask(page, path, _filled(last["page"], fields))

    def leaves() -> None:
        path = f"/cases/{case}/print"
        last["page"] = browser.ask("preflight", path, _filled(last["page"], {**SHEET, "do": "open"}))
        browser.ask("pages drawn", path, _filled(last["page"], {**SHEET, **PAPER, "do": "pages"}))

    yield see("list", "/")
    yield see("day", "/day")
    yield see("case", f"/cases/{case}")
    yield see("staff layer", f"/cases/{case}/work")
    yield see("form", f"/records/{draft}")
    for words in ("They came back", "They came back to it"):
        yield send("typing kept", f"/records/{draft}/typing", **{"a.observed.anxiety_worry.words": words})
    yield send("draft saved", f"/records/{draft}", do="draft", **{"a.observed.anxiety_worry.intensity": "2"})
    yield see("map", f"/cases/{case}/formulation")
    yield see("print list", f"/cases/{case}/print")
    yield leaves
    yield send("printed", f"/cases/{case}/print", **SHEET, **PAPER, do="print")


def _filled(page: str, fields: dict[str, str]) -> dict[str, str]:
    found = {name: hit[1] for name in ("csrf_token", "rev", "tab", "seen") if (hit := re.search(_value(name), page))}
    return found | fields


def _value(name: str) -> str:
    return rf'name="{name}" value="([^"]*)"'


def people(store: Store, users: int) -> list[Person]:
    """Counsellors with a session each and some cases with a draft."""
    found = []
    for number in range(users):
        with Session(unscoped(store.engine, "verify")) as session:
            account = session.scalar(select(Account.id).where(Account.name == f"c{number:02}"))
            cases = caseload.other_cases(store, f"c{number:02}", 12)
            drafts = session.execute(select(Record.case_id, Record.id).where(Record.case_id.in_(cases), ~Record.signed))
            work = tuple((str(case), str(draft)) for case, draft in drafts)
        with unit_of_work(store, write=True) as session:
            found.append(Person(sessions.start(store, session, account, "full").token, work))
    return found


@contextmanager
def served(folder: Path, port: int, gunicorn: bool) -> Iterator[None]:
    """The instance, as `clinic serve` or gunicorn serves it."""
    program = [sys.executable, "-m", "clinic.cli", "serve", "--port", str(port)]
    program += ["--processes", "2"] if gunicorn else []  # its keyholder is a service that runs already
    environment = os.environ | {"CLINIC_INSTANCE_PATH": str(folder), "CLINIC_PRINT_WHEN": "complete"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(program, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            _answers(port, process)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("the server ended")
        try:
            one = http.client.HTTPConnection("localhost", port, timeout=5)
            one.request("GET", "/sign-in")
            if one.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server does not answer")


def run(folder: Path, users: int, seconds: float, pack: int, gunicorn: bool, port: int = PORT) -> dict[str, Any]:
    """The times of each page, and how far the pack came."""
    took, settings = Took(), config.load(folder, {"CLINIC_PRINT_WHEN": "complete"})
    with served(folder, port, gunicorn):
        store = Store.attach(settings)
        try:
            everybody = people(store, users)
            printer = everybody[0]
            warm = Browser(printer.token, Took(), port)
            for step in itertools.islice(_steps(warm, *printer.work[0]), STEPS):
                step()
            for one in batches.mine(store, printer.token):  # of runs before
                batches.cancel(store, printer.token, one.id)
            items = [_item(*one) for one in enumerate(map(str, caseload.other_cases(store, caseload.FIRST, pack)))]
            batch = batches.submit(store, printer.token, items, How(draft=True), "complete") if pack else None
            start = time.perf_counter()
            threads = [
                threading.Thread(
                    target=works,
                    args=(Browser(one.token, took, port), one, start + seconds, random.Random(number)),  # noqa: S311
                )
                for number, one in enumerate(everybody)
            ]
            for thread in threads:
                thread.start()
                time.sleep(THINK[1] / users)  # nobody comes at the same moment
            printed = _printed(store, printer.token, batch, start + seconds)
            for thread in threads:
                thread.join()
            return {"took": took, "printed": printed, "load": os.getloadavg()[0]}
        finally:
            store.close()


def _item(number: int, case: str) -> Item:
    return Item(number, case, "", "joint", SHEET["sheet"])


def _printed(store: Store, token: str, batch: Any, until: float) -> str:
    """How the pack came on beside the work."""
    start = time.perf_counter()
    while batch is not None and batch.id and time.perf_counter() < until:
        found = batches.progress(store, token, batch.id)
        if found.state == "ready":
            return f"{found.total} sheets in {time.perf_counter() - start:.0f} s, {len(found.failed)} failed"
        time.sleep(2)
    if batch is None or not batch.id:
        return "no pack"
    found = batches.progress(store, token, batch.id)
    return f"{found.done} of {found.total} sheets when the run ended"


def quantile(times: list[float], share: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[share - 1] if len(times) > 1 else times[0]


def bench(how: Run) -> Iterator[Row]:
    """p99 of fifty counsellors by page, while 200 sheets print."""
    if not how.long:
        yield absent("load", "only with --long: makes 10,000 cases and takes two minutes", BAR)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = caseload.build(Path(folder) / "i", own=400, counsellors=50)
        found = run(made.settings.instance, 50, 60, 200, gunicorn=False)
    took: Took = found["took"]
    yield row("load.all.p99", quantile(took.every(), 99), bar=BAR, note=found["printed"])
    for page, times in took.pages.items():
        yield row(f"load.{page.replace(' ', '_')}.p99", quantile(times, 99), bar=None if page in DRAWN else BAR)


def main() -> None:
    """Print a line for each page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--users", type=int, default=50)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--pack", type=int, default=200)
    arguments.add_argument("--gunicorn", action="store_true")
    given = arguments.parse_args()
    found = run(given.folder, given.users, given.seconds, given.pack, given.gunicorn)
    took: Took = found["took"]
    print(f"{'page':14}{'n':>6}{'p50':>8}{'p95':>8}{'p99':>8}  ms")
    for page, times in [*took.pages.items(), ("all", took.every())]:
        print(f"{page:14}{len(times):6}" + "".join(f"{quantile(times, share):8.0f}" for share in (50, 95, 99)))
    print(f"pack: {found['printed']}; load of the machine at the end {found['load']:.1f}; wrong: {took.wrong[:5]}")


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        main()
    else:
        alone("load", "tests.benchmarks.load_bench:bench")
