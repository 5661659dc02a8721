"""What somebody does who has stolen a print machine: its role in the database and its key, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, StepUp, Usage
from clinic.persistence import press_queue, press_sealing
from clinic.persistence.engine import make_engine
from clinic.persistence.models import Base, PressHanded, PressItem, PressWorker, SignedIn
from clinic.persistence.press_queue import Claimed
from clinic.persistence.sealing import Damaged
from clinic.services import machines, worker, worker_key
from clinic.services.handing import Handing
from clinic.services.unit_of_work import unit_of_work
from tests.persistence.conftest import postgresql as postgresql  # a fixture
from tests.persistence.roles import psql
from tests.services import far
from tests.services.far import Far, page

everything = pytest.mark.everything


@pytest.fixture(scope="module")
def clinic(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:  # noqa: F811
    made = far.make(tmp_path_factory.mktemp("stolen"), postgresql)
    for name in ("one", "two"):
        made.machine(name)
    yield made
    made.close()


@pytest.fixture
def engines(clinic: Far) -> Iterator[dict[str, Engine]]:
    made = {name: make_engine(clinic.db.url(one.role)) for name, one in clinic.accepted.items()}
    yield made
    for one in made.values():
        one.dispose()


def me(clinic: Far, name: str = "one") -> UUID:
    return UUID(clinic.accepted[name].id)


def claim(clinic: Far, engines: dict[str, Engine], batch: UUID, name: str = "one") -> Claimed:
    """An item of this batch in the hands of a machine."""
    with engines[name].begin() as connection:
        for item in waiting(clinic, batch):
            if found := press_queue.claim(connection, datetime.now(UTC), me(clinic, name), item_id=item):
                return found[0]
    raise AssertionError("nothing waits")


def waiting(clinic: Far, batch: UUID) -> list[UUID]:
    with clinic.raw.connect() as connection:
        asked = select(PressItem.id).where(PressItem.batch_id == batch, PressItem.state == "waiting")
        return list(connection.execute(asked.order_by(PressItem.n)).scalars())


def row(clinic: Far, item: UUID) -> Any:
    with clinic.raw.connect() as connection:
        return connection.execute(select(PressItem.__table__).where(PressItem.id == item)).one()


def refused(engine: Engine, statement: str, **values: Any) -> bool:
    """Whether the database says no, or there was nothing to do it to."""
    try:
        with engine.begin() as connection:
            return connection.execute(text(statement), values).rowcount == 0
    except DBAPIError:
        return True


# --------------------------------------------------------------------------- what the role can see
@everything
def test_no_table_but_the_items_can_be_read(clinic: Far, engines: dict[str, Engine]) -> None:
    names = {one.name for one in Base.metadata.sorted_tables} | {"alembic_version"}
    statements = [f'SELECT * FROM "{name}"' for name in names]  # noqa: S608
    statements += [f'DELETE FROM "{name}"' for name in names]  # noqa: S608
    statements += [f'SELECT count(*) FROM "{name}"' for name in names - {"press_item", "press_worker"}]  # noqa: S608
    for one in statements:
        with pytest.raises(DBAPIError, match="permission denied"), engines["one"].connect() as connection:
            connection.execute(text(one))
    with engines["one"].connect() as connection:  # of the machines it sees itself
        assert connection.execute(text("SELECT id FROM press_worker")).scalars().all() == [me(clinic)]
    for change in ("revoked = false", "role = 'x'", "public_key = 'x'", "name = 'x'"):
        assert refused(engines["one"], f"UPDATE press_worker SET {change}")  # noqa: S608


@everything
@pytest.mark.parametrize("column", ["batch_id", "result"])
def test_no_column_that_a_machine_does_not_need(clinic: Far, engines: dict[str, Engine], column: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), engines["one"].connect() as connection:
        connection.execute(text(f"SELECT {column} FROM press_item"))  # noqa: S608


@everything
def test_what_others_hold_is_not_there(clinic: Far, engines: dict[str, Engine]) -> None:
    batch = clinic.batch([page("a"), page("b"), page("c")])
    theirs = claim(clinic, engines, batch, "two")
    local = press_queue.claim
    with clinic.raw.begin() as connection:
        ours = local(connection, datetime.now(UTC), item_id=waiting(clinic, batch)[0])[0]
    with engines["one"].connect() as connection:
        seen = set(connection.execute(text("SELECT id FROM press_item")).scalars())
    assert theirs.id not in seen
    assert ours.id not in seen
    assert set(waiting(clinic, batch)) <= seen


@everything
def test_functions_of_the_database_are_closed(clinic: Far, engines: dict[str, Engine]) -> None:
    with engines["one"].connect() as connection:
        assert connection.execute(text("SELECT clinic_guard.worker()")).scalar() == me(clinic)
    assert refused(engines["one"], "SELECT clinic_guard.rewrite('case')")
    assert refused(engines["one"], "CREATE TABLE mine (a int)")
    assert refused(engines["one"], "CREATE TABLE procrastinate.mine (a int)")
    assert refused(engines["one"], "SET ROLE clinic_web")


# --------------------------------------------------------------------------- what the role can change
@everything
def test_what_another_holds_cannot_be_taken_or_ended(clinic: Far, engines: dict[str, Engine]) -> None:
    theirs = claim(clinic, engines, clinic.batch([page("a")]), "two")
    one = engines["one"]
    before = row(clinic, theirs.id)
    assert refused(one, "UPDATE press_item SET worker_id = :me WHERE id = :id", me=me(clinic), id=theirs.id)
    assert refused(one, "UPDATE press_item SET token = :token WHERE id = :id", token=uuid4(), id=theirs.id)
    with one.begin() as connection:
        assert not press_queue.finish(connection, theirs.id, theirs.token, b"mine")
        assert not press_queue.give_back(connection, theirs.id, theirs.token)
        assert not press_queue.renew(connection, theirs.id, theirs.token, datetime.now(UTC))
        assert press_queue.claim(connection, datetime.now(UTC), me(clinic), item_id=theirs.id) == []
    assert row(clinic, theirs.id) == before


@everything
@pytest.mark.parametrize(
    "change",
    [
        "state = 'done', result = 'forged'",
        "state = 'failed'",
        "state = 'taken', worker_id = :other, token = :token, tries = tries + 1, until = now()",
        "state = 'taken', worker_id = NULL, token = :token, tries = tries + 1, until = now()",
        "state = 'taken', worker_id = :me, token = :token, until = now() + interval '1 minute'",
        "state = 'taken', worker_id = :me, token = :token, tries = tries + 1, until = now() + interval '1 day'",
        "state = 'taken', worker_id = :me, token = :token, tries = tries + 1, until = now(), handed = 'x'",
        "tries = 0",
        "tries = 3",
        "worker_id = :me",
        "id = :token",
        "sealed = 'other'",
    ],
)
def test_what_waits_can_only_be_claimed(clinic: Far, engines: dict[str, Engine], change: str) -> None:
    item = waiting(clinic, clinic.batch([page("a")]))[0]
    values = {"me": me(clinic), "other": me(clinic, "two"), "token": uuid4()}
    asked = {name: value for name, value in values.items() if f":{name}" in change}
    before = row(clinic, item)
    assert refused(engines["one"], f"UPDATE press_item SET {change} WHERE id = :id", id=item, **asked)  # noqa: S608
    assert row(clinic, item) == before


@everything
@pytest.mark.parametrize(
    "change",
    [
        "tries = 0",
        "tries = tries - 1, state = 'waiting', token = NULL, until = NULL",
        "token = gen_random_uuid()",
        "until = now() + interval '1 day'",
        "handed = 'x'",
        "worker_id = NULL",
        "worker_id = :other",
        "state = 'done', token = NULL, until = NULL, handed = NULL",
        "state = 'waiting', result = 'x', token = NULL, until = NULL, handed = NULL",
        "state = 'picked', token = NULL, until = NULL, handed = NULL",
        "result = 'x'",
    ],
)
def test_what_it_holds_can_only_be_ended(clinic: Far, engines: dict[str, Engine], change: str) -> None:
    mine = claim(clinic, engines, clinic.batch([page("a")]))
    asked = {"other": me(clinic, "two")} if ":other" in change else {}
    before = row(clinic, mine.id)
    assert refused(engines["one"], f"UPDATE press_item SET {change} WHERE id = :id", id=mine.id, **asked)  # noqa: S608
    assert row(clinic, mine.id) == before


@everything
@pytest.mark.parametrize("state", ["waiting", "taken", "failed"])
def test_what_is_done_stays_done(clinic: Far, engines: dict[str, Engine], state: str) -> None:
    mine = claim(clinic, engines, clinic.batch([page("a")]))
    with engines["one"].begin() as connection:
        assert press_queue.finish(connection, mine.id, mine.token, b"result")
    before = row(clinic, mine.id)
    assert refused(engines["one"], "UPDATE press_item SET state = :state WHERE id = :id", state=state, id=mine.id)
    assert refused(engines["one"], "UPDATE press_item SET result = 'other' WHERE id = :id", id=mine.id)
    assert row(clinic, mine.id) == before


@everything
def test_a_lease_that_is_over_is_everybodys(clinic: Far, engines: dict[str, Engine]) -> None:
    """Also the third one: then the item has failed, and a machine that claims another one does not stumble over it."""
    batch = clinic.batch([page("a"), page("b"), page("c")])
    theirs, worn = claim(clinic, engines, batch, "two"), claim(clinic, engines, batch, "two")
    past = datetime.now(UTC) - timedelta(seconds=1)
    with clinic.raw.begin() as connection:
        for one, tries in ((theirs, 1), (worn, 3)):
            connection.execute(update(PressItem).where(PressItem.id == one.id).values(until=past, tries=tries))
    with engines["one"].begin() as connection:
        found = press_queue.claim(connection, datetime.now(UTC), me(clinic), item_id=theirs.id)
        assert [one.id for one in found] == [theirs.id]
        assert press_queue.claim(connection, datetime.now(UTC), me(clinic), item_id=worn.id) == []
    with engines["two"].begin() as connection:
        assert not press_queue.finish(connection, theirs.id, theirs.token, b"late")
    assert row(clinic, theirs.id).worker_id == me(clinic)


@everything
def test_no_machine_holds_all_there_is(clinic: Far, engines: dict[str, Engine]) -> None:
    batch = clinic.batch(page(f"{n}") for n in range(20))
    held = 0
    for item in waiting(clinic, batch):
        try:
            with engines["two"].begin() as connection:
                held += len(press_queue.claim(connection, datetime.now(UTC), me(clinic, "two"), item_id=item))
        except DBAPIError:
            break
    assert 0 < held <= 16
    with clinic.raw.begin() as connection:  # for the tests that follow
        press_queue.drop_all(connection)


@everything
def test_it_makes_no_jobs(clinic: Far, engines: dict[str, Engine]) -> None:
    made = "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name) VALUES ('a', 'b')"
    assert refused(engines["one"], made)


# --------------------------------------------------------------------------- keys
@everything
def test_only_whoever_claimed_gets_the_key(clinic: Far, engines: dict[str, Engine]) -> None:
    mine = claim(clinic, engines, clinic.batch([page("a")]))
    assert Handing(clinic.store).once() == 1
    handed = row(clinic, mine.id).handed
    keys = {name: worker_key.read(clinic.key_file(name)) for name in clinic.accepted}
    key = press_sealing.open_from(keys["one"], handed, mine.id, mine.token, me(clinic))
    assert "<p>a</p>" in press_sealing.open_work(key, mine.id, mine.sealed).page.html
    for private, token, worker_id in (
        (keys["two"], mine.token, me(clinic)),
        (keys["one"], uuid4(), me(clinic)),
        (keys["one"], mine.token, me(clinic, "two")),
    ):
        with pytest.raises(Damaged):
            press_sealing.open_from(private, handed, mine.id, token, worker_id)
    for item, token in ((mine.id, uuid4()), (uuid4(), mine.token)):
        with pytest.raises(NotFound):
            clinic.store.keyholder.item_key(item, token)


@everything
def test_a_machine_that_was_written_by_hand_gets_nothing(clinic: Far) -> None:
    """Somebody with write access to the database makes a row and a role of their own, or changes one that is there."""
    key, id_, role = worker_key.make(clinic.folder / "own.key"), uuid4(), "clinic_worker_own"
    borrowed = clinic.accepted["one"]
    with clinic.raw.begin() as connection:
        sealed = connection.execute(select(PressWorker.sealed).where(PressWorker.id == UUID(borrowed.id))).scalar_one()
        values = {"id": id_, "name": "own", "role": role, "public_key": key, "sealed": sealed, "revoked": False}
        connection.execute(insert(PressWorker.__table__), values)
    psql(clinic.db.folder, f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN IN ROLE clinic_worker;")
    engine = make_engine(clinic.db.url(role))
    try:
        item = waiting(clinic, clinic.batch([page("a")]))[0]
        with engine.begin() as connection:
            assert press_queue.claim(connection, datetime.now(UTC), id_, item_id=item)
        assert Handing(clinic.store).once() == 0
        assert (row(clinic, item).state, row(clinic, item).handed) == ("waiting", None)
        shown = next(one for one in machines.listing(clinic.store, clinic.admin) if one.name == "own")
        assert not shown.genuine
    finally:
        engine.dispose()


@everything
def test_another_key_in_an_accepted_row_gets_nothing(clinic: Far, engines: dict[str, Engine]) -> None:
    other, public = worker_key.make(clinic.folder / "swapped.key"), PressWorker.public_key
    with clinic.raw.begin() as connection:
        before = connection.execute(select(public).where(PressWorker.id == me(clinic))).scalar_one()
        connection.execute(update(PressWorker).where(PressWorker.id == me(clinic)).values(public_key=other))
    try:
        claim(clinic, engines, clinic.batch([page("a")]))
        assert Handing(clinic.store).once() == 0
    finally:
        with clinic.raw.begin() as connection:
            connection.execute(update(PressWorker).where(PressWorker.id == me(clinic)).values(public_key=before))


@everything
def test_revoked_is_at_once_and_says_what_was_in_its_hands(clinic: Far) -> None:
    made = clinic.machine("three")
    engine = make_engine(clinic.db.url(made.role))
    try:
        held = {"three": engine}
        batch = clinic.batch([page("a"), page("b"), page("c")])
        mine = claim(clinic, held, batch, "three")
        assert Handing(clinic.store).once() == 1
        later = claim(clinic, held, batch, "three")
        after = machines.revoke(clinic.store, clinic.admin, made.id)
        assert after.revoked
        with pytest.raises(NotFound):
            clinic.store.keyholder.item_key(later.id, later.token)
        with pytest.raises(NotFound):  # and what it was handed already, it cannot ask for again
            clinic.store.keyholder.item_key(mine.id, mine.token)
        with engine.connect() as connection:
            for table in ("press_item", "procrastinate.procrastinate_jobs"):
                assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0  # noqa: S608
        with clinic.raw.begin() as connection:  # somebody writes the column back
            connection.execute(update(PressWorker).where(PressWorker.id == UUID(made.id)).values(revoked=False))
        with pytest.raises(NotFound):
            clinic.store.keyholder.item_key(later.id, later.token)
        shown = next(one for one in machines.listing(clinic.store, clinic.admin) if one.id == made.id)
        assert shown.revoked
        assert shown.items == (str(mine.id),)
        assert shown.claimed == ((clinic.store.today(), 1),)
    finally:
        engine.dispose()


@everything
def test_what_was_handed_is_known_before_it_leaves(clinic: Far, engines: dict[str, Engine]) -> None:
    """Row and key are one transaction."""
    mine = claim(clinic, engines, clinic.batch([page("a")]))
    Handing(clinic.store).once()
    with clinic.raw.connect() as connection:
        asked = select(PressHanded.worker_id).where(PressHanded.item_id == mine.id)
        assert connection.execute(asked).scalars().all() == [me(clinic)]


# --------------------------------------------------------------------------- accepting
@everything
def test_only_an_admin_with_a_fresh_proof_accepts(clinic: Far) -> None:
    key = worker_key.shown(worker_key.make(clinic.folder / "fourth.key"))
    there = worker_key.shown(worker_key.public(worker_key.read(clinic.key_file("one"))))
    with pytest.raises(Denied):
        machines.accept(clinic.store, clinic.counsellor, "fourth", key)
    with pytest.raises(Denied):
        machines.listing(clinic.store, clinic.counsellor)
    with pytest.raises(Invalid):
        machines.accept(clinic.store, clinic.admin, "fourth", key[:-3])
    with pytest.raises(Invalid):
        machines.accept(clinic.store, clinic.admin, "one", key)
    with pytest.raises(Conflict):
        machines.accept(clinic.store, clinic.admin, "again", there)
    with unit_of_work(clinic.store, write=True) as session:
        session.execute(update(SignedIn).values(authed=clinic.store.clock() - timedelta(minutes=6)))
    with pytest.raises(StepUp):
        machines.accept(clinic.store, clinic.admin, "fourth", key)
    with pytest.raises(StepUp):
        machines.revoke(clinic.store, clinic.admin, clinic.accepted["one"].id)


# --------------------------------------------------------------------------- the machine's own side
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://w@db.example.org/clinic",
        "postgresql://w@db.example.org/clinic?sslmode=require",
        "postgresql://w@db.example.org/clinic?sslmode=verify-ca",
        "postgresql://w@/clinic?host=localhost,db.example.org",
        "postgresql://w@localhost/clinic?hostaddr=192.0.2.7",
        "postgresql://w@/clinic?service=far",
        "sqlite:////tmp/clinic.db",
        "no address",
    ],
)
def test_no_address_without_checked_tls(address: str) -> None:
    with pytest.raises(Usage):
        worker.safe(address)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://w@localhost/clinic",
        "postgresql://w@127.0.0.1:5433/clinic",
        "postgresql://w@/clinic?host=/run/postgresql",
        "postgresql://w@db.example.org/clinic?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    ],
)
def test_an_address_on_this_machine_or_with_checked_tls(address: str) -> None:
    assert worker.safe(address).username == "w"


def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.key"
    worker_key.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert worker_key.public(worker_key.read(path))
    with pytest.raises(Usage):
        worker_key.make(path)
    path.chmod(0o640)
    with pytest.raises(Exception, match="other people can read"):
        worker_key.read(path)
    (tmp_path / ".git").mkdir()
    with pytest.raises(Usage, match="repository"):
        worker_key.make(tmp_path / "deep" / "other.key")


def test_a_public_key_says_what_it_is() -> None:
    key = bytes(range(32))
    assert worker_key.parsed(f"  {worker_key.shown(key)}\n") == key
    assert len(worker_key.fingerprint(key).replace("-", "")) == 32
    assert worker_key.fingerprint(key) != worker_key.fingerprint(bytes(32))
    for wrong in ("", "x", worker_key.shown(key)[:-2], worker_key.shown(key).replace("worker-1", "worker-2"), "ü"):
        with pytest.raises(Usage):
            worker_key.parsed(wrong)
