"""What the audit costs a commit and the scope a query: `python -m tests.benchmarks.audit_bench`.

Medians; with and without take turns, so that both meet the same machine.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.persistence.models import Part, Record
from clinic.persistence.scope import Scope, ScopedSession
from clinic.services import records, unit_of_work
from tests.persistence.making import Clinic, make

ROUNDS = 300
# Of this thread: what others do on the machine does not count. `--wall` counts it, and the disk.
CLOCK = time.perf_counter if "--wall" in sys.argv else time.thread_time


def median(times: list[float]) -> float:
    return round(statistics.median(times) * 1000, 3)


def timed(work: Callable[[], object]) -> float:
    start = CLOCK()
    work()
    return CLOCK() - start


def commits(clinic: Clinic) -> tuple[float, float]:
    """A commit that writes a record's nine sealed values, with its line and without: ms."""
    append, kept = unit_of_work._append, {"with": [], "without": []}
    id_ = UUID(records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple"))

    def write() -> None:
        with unit_of_work.unit_of_work(clinic.store, clinic.token, write=True) as session:
            for part in session.scalars(select(Part).where(Part.record_id == id_)):
                part.sealed = bytes(reversed(part.sealed))
            row = session.get_one(Record, id_)
            row.head = bytes(reversed(row.head))

    for _ in range(ROUNDS):
        for name, used in (("with", append), ("without", lambda store, session: None)):
            unit_of_work._append = used
            kept[name].append(timed(write))
    unit_of_work._append = append
    return median(kept["with"]), median(kept["without"])


def queries(clinic: Clinic) -> tuple[float, float]:
    """Parts of one record, narrowed and not: ms a query."""
    id_ = UUID(records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple"))
    who = clinic.store.keyholder.who(clinic.token)
    mine = Scope(who.account, who.role, date(2026, 3, 2))
    kept: dict[str, list[float]] = {"with": [], "without": []}
    with ScopedSession(clinic.store.engine, mine) as narrowed, Session(clinic.raw) as plain:
        for session in (narrowed, plain) * 20:
            session.scalars(select(Part).where(Part.record_id == id_)).all()
        for _ in range(ROUNDS):
            for name, session in (("with", narrowed), ("without", plain)):
                kept[name].append(timed(lambda s=session: s.scalars(select(Part).where(Part.record_id == id_)).all()))
    return median(kept["with"]), median(kept["without"])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clinic = make(Path(folder) / "i")
        for name, (with_, without) in {"commit": commits(clinic), "query": queries(clinic)}.items():
            print(f"{name:8} with {with_:.3f} ms, without {without:.3f} ms, costs {with_ - without:.3f} ms")
        clinic.store.close()


if __name__ == "__main__":
    main()
