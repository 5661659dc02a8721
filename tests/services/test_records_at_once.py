"""Several writers at once, and a process that is killed: nothing that was acknowledged is lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Barrier, Thread
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked, read_form
from clinic.domain.errors import Conflict
from clinic.persistence.models import Autosave
from clinic.services import records, verify
from tests.persistence.making import Clinic

ROOT = Path(__file__).parents[2]
WRITERS = 8


def test_of_eight_writers_one_wins_and_no_text_is_lost(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    barrier, won, lost = Barrier(WRITERS), [], []

    def write(number: int) -> None:
        barrier.wait()
        mine = Checked({"words": f"text {number}"}, {}, {})
        try:
            records.save_draft(clinic.store, clinic.token, id_, 1, mine, f"tab{number}")
        except Conflict:
            lost.append(number)
        else:
            won.append(number)

    threads = [Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, WRITERS - 1)
    record = records.read(clinic.store, clinic.token, id_)
    assert record.answers == {"words": f"text {won[0]}"}
    assert typed(clinic, id_) == {f"text {number}" for number in lost}


def typed(clinic: Clinic, id_: str) -> set[str]:
    """The words in every tab's kept typing."""
    view = clinic.store.keyholder.open(clinic.token, UUID(clinic.case), "staff")
    with Session(clinic.raw) as session:
        rows = session.scalars(select(Autosave).where(Autosave.record_id == UUID(id_))).all()
        record = session.get_one(records.Record, UUID(id_))
        forms = [view.open_autosave(row, view.open_head(record))["form"] for row in rows]
    found = records.read(clinic.store, clinic.token, id_)
    return {read_form(found.definition, "couple", form).answers["words"] for form in forms if form}


def test_writers_of_one_case_do_not_lose_the_ruling(clinic: Clinic) -> None:
    barrier = Barrier(WRITERS)
    failed: list[BaseException] = []

    def write() -> None:
        barrier.wait()
        try:
            id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
            records.finish(clinic.store, clinic.token, id_, 1, Checked({"words": "x"}, {}, {}))
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    from clinic.services import cases

    page = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    assert page.ruling == {"signed": WRITERS, "drafts": 0}


SAVER = """
import sys
from pathlib import Path
from clinic.domain.answer import Checked
from clinic.services import records
from tests.persistence.making import Clock, Shelf, open_store, settings
folder, url, token, record, rev = sys.argv[1:]
store = open_store(settings(Path(folder), url), Clock(), Shelf())
rev = int(rev)
print("ready", flush=True)
while True:
    records.save_draft(store, token, record, rev, Checked({"words": f"{rev} " + "x" * 5000}, {}, {}))
    rev += 1
    print(rev, flush=True)  # the acknowledgement
"""


def kill_once(clinic: Clinic, id_: str, after: float) -> None:
    """A process saves as fast as it can and is killed; what it acknowledged is there, whole."""
    rev = records.read(clinic.store, clinic.token, id_).rev
    mine = clinic.store.settings
    process = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(mine.instance), mine.database_url, clinic.token, id_, str(rev)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    acknowledged = [int(line) for line in said.split("\n")[:-1]]
    record = records.read(clinic.store, clinic.token, id_)
    last = acknowledged[-1] if acknowledged else rev
    assert record.rev in (last, last + 1)  # one may be committed and not yet acknowledged
    if record.rev > 1:
        assert record.answers == {"words": f"{record.rev - 1} " + "x" * 5000}


def kill_often(clinic: Clinic, waits: list[float]) -> None:
    """Kill a process that saves, again and again; the database and the audit are whole afterwards."""
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    known = verify.anchor(clinic.store)
    for wait in waits:
        kill_once(clinic, id_, wait)
    assert verify.anchor(clinic.store)["count"] > known["count"], "no kill met a process that had saved"
    assert verify.verify(clinic.store, known) == []


def test_killed_while_saving(clinic: Clinic) -> None:
    kill_often(clinic, [0.02 + 0.017 * number for number in range(4)])


@pytest.mark.everything
def test_killed_sixty_times_while_saving(clinic: Clinic) -> None:
    kill_often(clinic, [0.005 + 0.0037 * number for number in range(60)])
