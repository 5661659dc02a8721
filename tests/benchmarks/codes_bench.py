"""Whether a refused code tells by its time what it is: medians in ms of codes that are unknown, foreign, or another's.

    python -m tests.benchmarks.codes_bench [--rounds 100]

Ratios near 1 are what is wanted. A keyholder in a process of its own is asked, as when the clinic is served. Run it
when nothing else runs.
"""

import random
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle

from sqlalchemy import update

from clinic.domain.code import new_code
from clinic.domain.errors import NotFound
from clinic.persistence.models import Throttle
from clinic.persistence.store import Store
from clinic.services import accounts, cases, entry, prints
from clinic.services.cases import PartnerCard
from clinic.services.prints import PrintJob
from clinic.services.unit_of_work import unit_of_work
from tests.benchmarks.caseload import PASSWORD, empty
from tests.benchmarks.harness import Figure, Row, Run, alone, row, scratch

UNKNOWN = "unknown"
LEAST = 40  # rounds
OTHERS = 200  # prints of the own case, so that the table is not empty


def bench(how: Run) -> Iterator[Row]:
    """ms of each refusal, in the order of a shuffled list; each beside the code that nobody ever had."""
    with scratch() as folder, empty(folder / "i") as store:
        found = {name: Figure.of(times) for name, times in measured(store, max(how.rounds, LEAST)).items()}
    for name, figure in found.items():
        peer = None if name == UNKNOWN else (UNKNOWN, found[UNKNOWN])
        yield row(f"codes.{name.replace(' ', '_')}", figure, peer=peer)


def measured(store: Store, rounds: int) -> dict[str, list[float]]:
    """How long each refusal took, by kind."""
    tokens, own = {}, {}
    for name in ("ana", "ben"):
        accounts.create_account(store, name, PASSWORD)
        tokens[name] = accounts.sign_in(store, name, PASSWORD)
        own[name] = cases.open_case(store, tokens[name], {"a": PartnerCard(), "b": PartnerCard()})
    codes = {name: [new_code() for _ in range(OTHERS)] for name in own}
    for name, made in codes.items():
        for code in made:
            prints.note(store, tokens[name], own[name], code, PrintJob("whats_underneath", "a"))
    mine, theirs = cycle(codes["ana"]), cycle(codes["ben"])
    kinds = {
        UNKNOWN: lambda: (new_code(), "a"),
        "foreign": lambda: (next(theirs), "a"),
        "other reader": lambda: (next(mine), "b"),
    }
    todo = [name for name in kinds for _ in range(rounds)]
    random.shuffle(todo)
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for name in todo:
        code, reader = kinds[name]()
        with unit_of_work(store, write=True) as session:
            session.execute(update(Throttle).values(fails=0, until=store.clock() - timedelta(hours=2)))
        start = time.perf_counter()
        try:
            entry.find(store, tokens["ana"], code, reader)
        except NotFound:
            found[name].append((time.perf_counter() - start) * 1000)
    return found


if __name__ == "__main__":
    alone("codes", "tests.benchmarks.codes_bench:bench")
