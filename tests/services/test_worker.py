"""Print machines with real PostgreSQL and real processes: every sheet exactly once, whatever is killed when."""

import io
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pikepdf
import pytest
from sqlalchemy import select, text

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.errors import Usage
from clinic.persistence import press_jobs, press_queue, press_sealing
from clinic.persistence.engine import make_engine
from clinic.persistence.models import PressItem
from clinic.persistence.store import Store, create
from clinic.press.press import Press
from clinic.services import accounts, batches, cases, prints, records, worker, worker_key
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.handing import Handing
from clinic.services.pack_items import How, Item, Pack
from tests.filling import filled
from tests.persistence import roles
from tests.persistence.conftest import postgresql as postgresql  # a fixture
from tests.persistence.databases import programs
from tests.services import far
from tests.services.far import Far, page, text_of

everything = pytest.mark.everything


@pytest.fixture
def clinic(postgresql: str, tmp_path: Path) -> Iterator[Far]:  # noqa: F811
    made = far.make(tmp_path, postgresql)
    yield made
    made.close()


def sheets(many: int) -> list[str]:
    return [f"sheet number {n}" for n in range(many)]


def found(clinic: Far, batch: UUID) -> list[str]:
    return [text_of(one).strip() for one in clinic.results(batch)]


def wait_for(clinic: Far, batch: UUID, condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition(clinic.states(batch)):
        assert time.monotonic() < end, clinic.states(batch)
        time.sleep(0.02)


def jobs(clinic: Far) -> list[tuple[str, dict[str, str]]]:
    with clinic.raw.connect() as connection:
        asked = text("SELECT status::text, args FROM procrastinate.procrastinate_jobs ORDER BY id")
        return [(row[0], row[1]) for row in connection.execute(asked)]


# --------------------------------------------------------------------------- the usual way
@everything
def test_machines_draw_what_waits_and_leave_no_job(clinic: Far) -> None:
    wanted = sheets(8)
    with clinic.serving(), ExitStack() as stack:
        for name in ("one", "two"):
            clinic.machine(name)
            stack.enter_context(clinic.worker(name))
        batch = clinic.batch(map(page, wanted))
        assert clinic.until_done(batch) == {"done": 8}
        end = time.monotonic() + 10
        while jobs(clinic) and time.monotonic() < end:
            time.sleep(0.1)
        assert jobs(clinic) == []
    assert found(clinic, batch) == wanted


@everything
def test_a_job_says_the_id_of_an_item_and_no_more(clinic: Far) -> None:
    assert jobs(clinic) == []
    clinic.batch([page("nobody is there to be told")])
    assert jobs(clinic) == []
    clinic.machine("one")
    batch = clinic.batch([page("a"), page("b")])
    with clinic.raw.connect() as connection:
        asked = select(PressItem.id).where(PressItem.batch_id == batch).order_by(PressItem.n)
        items = connection.execute(asked).scalars().all()
    assert jobs(clinic) == [("todo", {"item_id": str(one)}) for one in items]


@everything
def test_jobs_that_are_lost_are_made_again_and_dead_ones_go(clinic: Far) -> None:
    clinic.machine("one")
    batch = clinic.batch([page("a"), page("b")], tell=False)
    with clinic.raw.begin() as connection:
        assert press_jobs.renew(connection, clinic.store.clock()) == 2
        assert press_jobs.renew(connection, clinic.store.clock()) == 0
    assert len(jobs(clinic)) == 2
    with clinic.raw.begin() as connection:  # the worker that fetched one is gone; the other one's item too
        connection.execute(text("UPDATE procrastinate.procrastinate_jobs SET status = 'doing' WHERE id = 1"))
        connection.execute(text("DELETE FROM press_item WHERE n = 1 AND batch_id = :id"), {"id": batch})
        assert press_jobs.renew(connection, clinic.store.clock()) == 1
    assert [status for status, _ in jobs(clinic)] == ["todo"]


@everything
def test_another_version_of_procrastinate_gets_tables_of_its_own(clinic: Far) -> None:
    clinic.machine("one")
    clinic.batch([page("a")])
    assert len(jobs(clinic)) == 1
    with clinic.raw.begin() as connection:
        press_jobs.prepare(connection)
        assert len(jobs(clinic)) == 1
        connection.execute(text("COMMENT ON SCHEMA procrastinate IS '0.0.1'"))
        press_jobs.prepare(connection)
        assert press_jobs.renew(connection, clinic.store.clock()) == 1
    assert len(jobs(clinic)) == 1


@everything
def test_a_page_that_cannot_be_drawn_fails_alone(clinic: Far) -> None:
    clinic.machine("one")
    bad = replace(page("x"), html="<p>" + "<div>" * 5000)
    with clinic.serving(), clinic.worker("one"):
        batch = clinic.batch([page("before"), bad, page("after")])
        assert clinic.until_done(batch) == {"done": 2, "failed": 1}
    assert found(clinic, batch) == ["before", "after"]


@everything
def test_a_machine_waits_until_it_is_accepted(clinic: Far) -> None:
    made = clinic.machine("one")
    with clinic.raw.begin() as connection:
        connection.execute(text("UPDATE press_worker SET revoked = true"))
    log = clinic.folder / "one.log"
    batch = clinic.batch([page("a")])
    with clinic.serving(), clinic.worker("one"):
        end = time.monotonic() + 20
        while made.fingerprint not in log.read_text() and time.monotonic() < end:
            time.sleep(0.1)
        assert made.fingerprint in log.read_text()
        assert clinic.states(batch) == {"waiting": 1}


# --------------------------------------------------------------------------- kill -9
@everything
def test_a_machine_is_killed_in_the_middle(clinic: Far) -> None:
    wanted = sheets(16)
    for name in ("one", "two"):
        clinic.machine(name)
    batch = clinic.batch(map(page, wanted))
    with clinic.serving(), clinic.worker("two"):
        for round_ in range(3):
            with clinic.worker("one") as victim:
                done = clinic.states(batch).get("done", 0)
                wait_for(clinic, batch, lambda now, least=done: now.get("done", 0) > least or "waiting" not in now)
                time.sleep(0.03 * round_)
                victim.kill()
                victim.wait()
            clinic.pass_(61)
        assert clinic.until_done(batch) == {"done": 16}
    assert found(clinic, batch) == wanted


@everything
def test_the_server_is_killed_while_machines_wait_for_keys(clinic: Far) -> None:
    wanted = sheets(12)
    clinic.machine("one")
    batch = clinic.batch(map(page, wanted))
    with clinic.worker("one"):
        with clinic.server() as server:
            wait_for(clinic, batch, lambda now: now.get("done", 0) > 1)
            server.kill()
            server.wait()
        wait_for(clinic, batch, lambda now: now.get("taken", 0) > 0)
        with clinic.server():
            assert clinic.until_done(batch) == {"done": 12}
    assert found(clinic, batch) == wanted
    with clinic.raw.connect() as connection:
        tries = connection.execute(select(PressItem.tries).where(PressItem.batch_id == batch)).scalars().all()
    assert set(tries) == {1}, "that the server was away is no fault of a sheet"


@everything
def test_postgresql_is_cut_off_in_the_middle(tmp_path: Path) -> None:
    wanted = sheets(12)
    with far.server() as server, ExitStack() as stack:
        clinic = far.make(tmp_path, str(server.folder))
        stack.callback(clinic.close)
        for name in ("one", "two"):
            clinic.machine(name)
        batch = clinic.batch(map(page, wanted))
        handing = Handing(clinic.store)
        handing.start()
        stack.callback(handing.stop)
        for name in ("one", "two"):
            stack.enter_context(clinic.worker(name))
        wait_for(clinic, batch, lambda now: now.get("done", 0) > 2)
        server.cut()
        time.sleep(0.5)
        server.start()
        clinic.raw.dispose()
        clinic.store.engine.dispose()
        end = time.monotonic() + 40
        while clinic.states(batch) != {"done": 12} and time.monotonic() < end:
            clinic.pass_(20)
            with clinic.raw.begin() as connection:
                press_jobs.renew(connection, clinic.store.clock())
            time.sleep(0.5)
        assert clinic.states(batch) == {"done": 12}
        assert found(clinic, batch) == wanted


@everything
def test_sigterm_finishes_what_is_in_hand(clinic: Far) -> None:
    clinic.machine("one")
    batch = clinic.batch(map(page, sheets(30)))
    with clinic.serving(), clinic.worker("one") as process:
        wait_for(clinic, batch, lambda now: now.get("done", 0) > 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        after = clinic.states(batch)
        assert after.get("taken", 0) == 0
        assert after.get("waiting", 0) > 0
    with clinic.raw.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM procrastinate.procrastinate_workers")).scalar() == 0


# --------------------------------------------------------------------------- what is nowhere in clear
ANSWER = "ZQCANARYANSWERQZ"
SHEET = "our_cycle"


@dataclass
class House:
    """A clinic with real worksheets, a case, a record with the canary in it, and a machine."""

    clinic: Far
    press: Press
    case: str
    record: str

    def submit(self, *sheets: str) -> batches.Batch:
        items = [
            Item(
                place,
                self.case,
                "one",
                "joint" if sheet == SHEET else "a",
                sheet,
                record=self.record * (sheet == SHEET),
            )
            for place, sheet in enumerate(sheets, 1)
        ]
        made = batches.submit(self.clinic.store, self.clinic.counsellor, items, How(), "complete")
        assert made.failed == ()
        return made

    def collect(self, batch: batches.Batch) -> Pack:
        return batches.collect(self.clinic.store, self.press, self.clinic.counsellor, batch.id, "complete")

    def codes(self) -> list[str]:
        return [one.code for one in prints.sent(self.clinic.store, self.clinic.counsellor, self.case)]


@pytest.fixture
def house(postgresql: str, tmp_path: Path) -> Iterator[House]:  # noqa: F811
    db = roles.shared_database(postgresql)
    mine = replace(config.load(tmp_path / "i", {}), database_url=db.web, keyholder_database_url=db.keyholder)
    create(replace(mine, owner_database_url=db.owner), definitions().values(), factors=False)
    store = Store.open(mine, gate=lambda *_: True)
    accounts.create_account(store, "ada", far.PASSWORD, role="admin")
    account = accounts.create_account(store, "ana", far.PASSWORD)
    admin, token = (accounts.sign_in(store, name, far.PASSWORD) for name in ("ada", "ana"))
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    made = records.start(store, token, case, SHEET, "couple")
    answers = filled(definitions()[SHEET], "couple", lambda _: ANSWER)
    records.finish(store, token, made, 1, Checked(answers, {}, {}))
    clinic, press = Far(store, db, tmp_path, admin, token, UUID(account)), Press()
    clinic.machine("one")
    yield House(clinic, press, case, made)
    press.stop()
    clinic.close()


@everything
def test_no_canary_in_jobs_events_logs_or_a_dump(house: House) -> None:
    """An answer, the code, the name and the title of a sheet: in the pack, and on the way there in no place at all."""
    clinic, log = house.clinic, house.clinic.folder / "server.log"
    batch = house.submit(SHEET, "two_beliefs")
    said = [dump(clinic)]
    assert "press_item" in said[0]
    assert "procrastinate_events" in said[0]
    with clinic.server(log), clinic.worker("one"):
        assert clinic.until_done(UUID(batch.id)) == {"done": 2}
        said += [dump(clinic), (clinic.folder / "one.log").read_text(), log.read_text()]
    packed, codes = text_of(house.collect(batch).data), house.codes()
    assert len(codes) == 2
    assert [one for one in (ANSWER, *codes) if one not in packed] == []
    said.append(dump(clinic))
    canaries = (ANSWER, *codes, SHEET, "two_beliefs", str(definitions()[SHEET].title))
    assert [word for one in said for word in canaries if word in one] == []


@everything
def test_what_a_stolen_machine_hands_in_is_looked_at(house: House) -> None:
    """Another sheet's code, a script, and no PDF at all: they count as failed, and what is good is printed."""
    clinic = house.clinic
    one, key = clinic.accepted["one"], worker_key.read(clinic.key_file("one"))
    batch = house.submit("two_beliefs", "two_beliefs", "two_beliefs", "two_beliefs")
    engine, drawn = make_engine(clinic.db.url(one.role)), list[bytes]()
    with engine.connect() as connection:
        items = connection.execute(select(PressItem.id).order_by(PressItem.n)).scalars().all()
    for item in items:
        with engine.begin() as connection:
            claimed = press_queue.claim(connection, clinic.store.clock(), UUID(one.id), item_id=item)[0]
        assert Handing(clinic.store).once() == 1
        with engine.begin() as connection:
            handed = connection.execute(select(PressItem.handed).where(PressItem.id == item)).scalar_one()
            secret = press_sealing.open_from(key, handed, item, claimed.token, UUID(one.id))
            drawn.append(worker.draw(house.press, press_sealing.open_work(secret, item, claimed.sealed)))
            content = (drawn[0], drawn[0], with_script(drawn[-1]), b"no PDF")[len(drawn) - 1]
            result = press_sealing.seal_result(secret, item, content)
            assert press_queue.finish(connection, item, claimed.token, result)
    engine.dispose()
    packed = house.collect(batch)
    assert (packed.failed, packed.sheets) == ((2, 3, 4), 1)
    (code,) = house.codes()
    assert code in text_of(packed.data)


def with_script(content: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(content)) as opened:
        opened.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        out = io.BytesIO()
        opened.save(out)
        return out.getvalue()


def dump(clinic: Far) -> str:
    """All that the database's administrator can copy, but the texts of definitions themselves. No line breaks in it."""
    command = [programs() / "pg_dump", "-h", clinic.db.folder, "-U", "clinic", "--inserts"]
    command += ["--exclude-table-data=public.definition_text", clinic.db.name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# --------------------------------------------------------------------------- its settings
def test_settings_of_a_machine(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('worker_database_url = "postgresql://w@localhost/c"\nworker_key_file = "/k"\npress_places = 3\n')
    made = worker.load(file, None, {})
    assert (made.database.database, made.key_file, made.places) == ("c", Path("/k"), 3)
    assert worker.load(file, Path("/other"), {"CLINIC_PRESS_PLACES": "1"}).places == 1
    for wrong in ("", 'worker_database_url = "sqlite:///x"', "x = 1", "worker_database_url = 1"):
        file.write_text(wrong)
        with pytest.raises(Usage):
            worker.load(file, None, {})
    with pytest.raises(Usage):
        worker.load(
            None, None, {"CLINIC_WORKER_DATABASE_URL": "postgresql://w@localhost/c", "CLINIC_PRESS_PLACES": "0"}
        )
