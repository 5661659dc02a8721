"""What the audit costs a commit and the scope a query: `python -m tests.benchmarks.audit_bench`.

Time of this thread: what others do on the machine does not count, and the disk does not either.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.persistence.models import Part, Record
from clinic.persistence.scope import Scope, ScopedSession
from clinic.services import records, unit_of_work
from tests.benchmarks.harness import Act, Row, Run, alone, row, scratch
from tests.persistence.making import Clinic, make

TIMES = 40  # each, in a round: one is too short to time


def bench(how: Run) -> Iterator[Row]:
    """ms of a commit and of a query; faster than without is never expected, the ratio is the price."""
    how = replace(how, clock=time.thread_time)
    with scratch() as folder:
        clinic = make(folder / "i")
        try:
            yield commits(how, clinic)
            yield queries(how, clinic)
        finally:
            clinic.store.close()


def commits(how: Run, clinic: Clinic) -> Row:
    """A commit that writes a record's nine sealed values, with its line of the audit and without."""
    append = unit_of_work._append
    id_ = UUID(records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple"))

    def write() -> None:
        with unit_of_work.unit_of_work(clinic.store, clinic.token, write=True) as session:
            for part in session.scalars(select(Part).where(Part.record_id == id_)):
                part.sealed = bytes(reversed(part.sealed))
            record = session.get_one(Record, id_)
            record.head = bytes(reversed(record.head))

    def without() -> None:
        unit_of_work._append = lambda *_: False
        try:
            _often(write)
        finally:
            unit_of_work._append = append

    return _compared(how, "audit.commit", {"with": lambda: _often(write), "without": without})


def queries(how: Run, clinic: Clinic) -> Row:
    """Parts of one record, narrowed to what an account may see and not."""
    id_ = UUID(records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple"))
    who = clinic.store.keyholder.who(clinic.token)
    mine = Scope(who.account, who.role, date(2026, 3, 2))
    with ScopedSession(clinic.store.engine, mine) as narrowed, Session(clinic.raw) as plain:

        def ask(session: Session) -> None:
            session.scalars(select(Part).where(Part.record_id == id_)).all()

        works: dict[str, Act] = {
            "with": lambda: _often(lambda: ask(narrowed)),
            "without": lambda: _often(lambda: ask(plain)),
        }
        return _compared(how, "audit.query", works)


def _often(act: Act) -> None:
    for _ in range(TIMES):
        act()


def _compared(how: Run, name: str, works: dict[str, Act]) -> Row:
    found = how.figures(works, dict.fromkeys(works, TIMES))
    return row(name, found["with"], peer=("without it", found["without"]))


if __name__ == "__main__":
    alone("audit", "tests.benchmarks.audit_bench:bench")
