"""The queue of the press: every item is finished once, whoever dies at whatever moment."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from hypothesis.strategies import integers, sampled_from
from sqlalchemy import Connection, Engine, create_engine, event, func, select, update
from sqlalchemy.pool import StaticPool

from clinic.persistence import press_queue, schema
from clinic.persistence.engine import make_engine
from clinic.persistence.models import Account, Base, PressBatch, PressItem, PressKey, PressWorker
from clinic.persistence.press_queue import DONE, FAILED, LEASE, MOST_TRIES, TAKEN, WAITING, Claimed, writing
from tests.persistence.making import DB_KEY

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
_account, _batch, _item, _key = (one.__table__ for one in (Account, PressBatch, PressItem, PressKey))


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Iterator[Engine]:
    """A database with our tables, and nobody in it but one account."""
    (tmp_path / "i").mkdir(exist_ok=True)
    made = make_engine(url, DB_KEY)
    schema.upgrade(made)
    yield made
    made.dispose()


def submit(
    connection: Connection, piles: list[int], account: UUID | None = None, new: Callable[[], UUID] = uuid4
) -> UUID:
    """A batch with an item for each of these piles. `new`: where ids come from."""
    batch, account = new(), account or new()
    if connection.execute(select(_account.c.id).where(_account.c.id == account)).first() is None:
        row = {"id": account, "name": str(account), "display": "", "role": "counsellor", "password": ""}
        row |= {"active": True, "totp_step": 0, "temporary": False, "confirmed": True}
        connection.execute(_account.insert(), row)
    row = {"id": batch, "account_id": account, "ends": NOW + timedelta(days=1), "state": "open", "sealed": b"slip"}
    connection.execute(_batch.insert(), row)
    items = [
        {"id": new(), "batch_id": batch, "n": n, "pile": pile, "state": WAITING, "tries": 0, "sealed": b"page"}
        for n, pile in enumerate(piles)
    ]
    connection.execute(_item.insert(), items)
    connection.execute(_key.insert(), [{"item_id": one["id"], "kid": 1, "wrapped": b"key"} for one in items])
    return batch


def submitted(engine: Engine, *piles: int) -> UUID:
    with writing(engine).begin() as connection:
        return submit(connection, list(piles))


def claimed(engine: Engine, now: datetime = NOW, **how: Any) -> list[Claimed]:
    with writing(engine).begin() as connection:
        return press_queue.claim(connection, now, **how)


def finished(engine: Engine, one: Claimed, result: bytes | None = b"pdf") -> bool:
    with writing(engine).begin() as connection:
        return press_queue.finish(connection, one.id, one.token, result)


def states(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return dict(connection.execute(select(_item.c.state, func.count()).group_by(_item.c.state)).all())  # type: ignore[arg-type]


# --------------------------------------------------------------------------- one after the other
def test_what_is_claimed_is_gone_until_its_lease_ends(engine: Engine) -> None:
    submitted(engine, 0)
    [one] = claimed(engine)
    assert (one.sealed, one.n, one.pile, one.handed) == (b"page", 0, 0, None)
    assert claimed(engine) == claimed(engine, NOW + LEASE - timedelta(seconds=1)) == []
    [again] = claimed(engine, NOW + LEASE)
    assert again.id == one.id
    assert again.token != one.token
    assert not finished(engine, one), "a claim that is over finished"
    assert finished(engine, again)
    assert not finished(engine, again), "finished twice"
    assert states(engine) == {DONE: 1}
    assert claimed(engine, NOW + 9 * LEASE) == []


def test_a_lease_can_be_had_again_while_it_is_ours(engine: Engine) -> None:
    submitted(engine, 0)
    [one] = claimed(engine)
    later = NOW + LEASE / 2
    with writing(engine).begin() as connection:
        assert press_queue.renew(connection, one.id, one.token, later)
        assert not press_queue.renew(connection, one.id, uuid4(), later)
    assert claimed(engine, NOW + LEASE) == []
    [other] = claimed(engine, later + LEASE)
    with writing(engine).begin() as connection:
        assert not press_queue.renew(connection, one.id, one.token, later + LEASE)
        assert press_queue.renew(connection, other.id, other.token, later + LEASE)


def test_several_claimed_at_once_are_of_one_pile(engine: Engine) -> None:
    submitted(engine, 0, 0, 1, 0, 0, 1)
    submitted(engine, 0, 0)
    first = claimed(engine, most=3)
    assert [one.pile for one in first] == [0, 0, 0][: len(first)]
    with engine.connect() as connection:
        ids = [one.id for one in first]
        of = connection.execute(select(_item.c.batch_id).where(_item.c.id.in_(ids)).distinct()).all()
    assert len(of) == 1, "sheets of two batches are two readers'"
    got = [first]
    while more := claimed(engine, most=3):
        got.append(more)
    assert Counter(one.id for pile in got for one in pile).most_common(1)[0][1] == 1
    assert sorted(len(pile) for pile in got) == [1, 2, 2, 3]


def test_more_like_one_are_of_its_pile(engine: Engine) -> None:
    submitted(engine, 0, 1, 0, 0, 1)
    [one] = claimed(engine)
    more = claimed(engine, most=50, like=one.id)
    assert [(found.n, found.pile) for found in more] == [(2, 0), (3, 0)]
    assert claimed(engine, most=50, like=one.id) == []


def test_a_small_batch_need_not_wait_for_a_large_one(engine: Engine) -> None:
    submitted(engine, *range(6))
    submitted(engine, *range(2))
    assert [claimed(engine)[0].n for _ in range(8)] == [0, 0, 1, 1, 2, 3, 4, 5]


def test_one_that_is_named_is_claimed_or_nothing(engine: Engine) -> None:
    submitted(engine, 0, 0)
    [one] = claimed(engine)
    assert claimed(engine, item_id=one.id) == []
    [again] = claimed(engine, NOW + LEASE, item_id=one.id)
    assert again.id == one.id
    assert claimed(engine, item_id=uuid4()) == []


def test_after_three_claims_it_has_failed(engine: Engine) -> None:
    submitted(engine, 0)
    for number in range(MOST_TRIES):
        assert len(claimed(engine, NOW + number * LEASE)) == 1
    assert states(engine) == {TAKEN: 1}
    assert claimed(engine, NOW + MOST_TRIES * LEASE) == []
    assert states(engine) == {FAILED: 1}


def test_what_goes_back_is_claimed_at_once_at_most_three_times(engine: Engine) -> None:
    submitted(engine, 0)
    for _ in range(MOST_TRIES):
        [one] = claimed(engine)
        with writing(engine).begin() as connection:
            assert press_queue.give_back(connection, one.id, one.token)
            assert not press_queue.give_back(connection, one.id, one.token)
    assert states(engine) == {FAILED: 1}


def test_without_a_result_it_has_failed(engine: Engine) -> None:
    submitted(engine, 0)
    [one] = claimed(engine)
    assert finished(engine, one, None)
    assert states(engine) == {FAILED: 1}
    assert claimed(engine, NOW + 9 * LEASE) == []


def test_a_sweep_gives_back_what_was_left(engine: Engine) -> None:
    submitted(engine, 0, 0)
    left, held = claimed(engine), claimed(engine, NOW + LEASE / 2)
    with writing(engine).begin() as connection:
        assert press_queue.sweep(connection, NOW + LEASE) == [left[0].id]
        assert press_queue.sweep(connection, NOW + LEASE) == []
    assert not finished(engine, left[0])
    assert finished(engine, held[0])
    assert states(engine) == {WAITING: 1, DONE: 1}


def test_a_batch_goes_with_its_items_and_keys(engine: Engine) -> None:
    over, stays = submitted(engine, 0, 0), submitted(engine, 0)
    [one] = claimed(engine, item_id=_first(engine, over))
    with writing(engine).begin() as connection:
        connection.execute(update(_batch).where(_batch.c.id == over).values(ends=NOW))
        assert press_queue.purge(connection, NOW) == 1
    assert not finished(engine, one), "what was deleted came back"
    with engine.connect() as connection:
        assert connection.execute(select(_item.c.batch_id)).scalars().all() == [stays]
        assert connection.execute(select(func.count()).select_from(_key)).scalar() == 1


def test_all_batches_of_an_account_go_at_once(engine: Engine) -> None:
    mine, theirs = uuid4(), uuid4()
    with writing(engine).begin() as connection:
        for account in (mine, mine, theirs):
            submit(connection, [0], account=account)
        assert press_queue.drop_all(connection, [mine]) == 2
        assert press_queue.drop_all(connection, []) == 0
        assert press_queue.drop_all(connection) == 1
    assert states(engine) == {}


def test_a_key_is_handed_to_another_machine_only(engine: Engine) -> None:
    submitted(engine, 0, 1)
    worker = PressWorker.__table__.insert()
    with writing(engine).begin() as connection:
        row = {"id": uuid4(), "name": "w", "role": "", "public_key": b"", "sealed": b"", "revoked": False}
        connection.execute(worker, row)
    [here], [there] = claimed(engine), claimed(engine, worker_id=row["id"])
    with writing(engine).begin() as connection:
        assert press_queue.unhanded(connection, NOW) == [(there.id, there.token)]
        assert press_queue.unhanded(connection, NOW + LEASE) == []
        assert not press_queue.hand(connection, here.id, here.token, b"key")
        assert not press_queue.hand(connection, there.id, uuid4(), b"key")
        assert press_queue.hand(connection, there.id, there.token, b"key")
        assert press_queue.unhanded(connection, NOW) == []
    claimed(engine, NOW + LEASE, item_id=there.id)
    with engine.connect() as connection:
        row = connection.execute(select(_item).where(_item.c.id == there.id)).one()._mapping
    assert (row["handed"], row["worker_id"]) == (None, None), "somebody else's way to the key is still there"


def _first(engine: Engine, batch: UUID) -> UUID:
    with engine.connect() as connection:
        found: UUID = connection.execute(select(_item.c.id).where(_item.c.batch_id == batch).limit(1)).scalar_one()
    return found


# --------------------------------------------------------------------------- any order of any acts
class Machine(RuleBasedStateMachine):
    """Workers that claim, renew, finish, give back, die; batches that come, are cancelled, and end."""

    held = Bundle("held")

    @initialize()
    def begin(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
        Base.metadata.create_all(self.engine, tables=_TABLES)
        self.now = NOW
        # The queue sorts by ids; with new ones in each run, Hypothesis could not repeat what it has seen fail.
        self.ids = map(UUID, (f"{n:032x}" for n in count(1)))
        self.batches: list[UUID] = []
        self.tokens: set[UUID] = set()
        self.owner: dict[UUID, UUID] = {}  # the last token that each item was claimed with
        self.tries: Counter[UUID] = Counter()
        self.ended: dict[UUID, bytes | None] = {}  # by whose finish
        self.submit(1)

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()

    @rule(piles=integers(1, 5))
    def submit(self, piles: int) -> None:
        if len(self.batches) < 4:
            with self.engine.begin() as connection:
                made = submit(connection, [n % piles for n in range(piles + 1)], new=lambda: next(self.ids))
                self.batches.append(made)

    @rule(target=held, most=integers(1, 4))
    def claim(self, most: int) -> Any:
        found = self.claimed(most)
        return multiple(found) if found else multiple()

    def claimed(self, most: int = 1, item_id: UUID | None = None) -> list[Claimed]:
        before = self.rows()
        with self.engine.begin() as connection:
            found = press_queue.claim(connection, self.now, most=most, item_id=item_id)
        assert len({one.pile for one in found}) <= 1
        assert len({before[one.id].batch_id for one in found}) <= 1
        for one in found:
            row = before[one.id]
            assert row.state == WAITING or (row.state == TAKEN and row.until <= self.now), "two hold it"
            assert one.token not in self.tokens, "a token of an earlier claim"
            self.tokens.add(one.token)
            self.owner[one.id] = one.token
            self.tries[one.id] += 1
            assert self.tries[one.id] <= MOST_TRIES
        if not found:
            assert not [
                one
                for one in before.values()
                if item_id in (None, one.id)
                and one.tries < MOST_TRIES
                and (one.state == WAITING or (one.state == TAKEN and one.until <= self.now))
            ], "something waits"
        self.nothing_is_worn()
        return found

    def rows(self) -> dict[UUID, Any]:
        with self.engine.connect() as connection:
            return {row.id: row for row in connection.execute(select(_item))}

    def ours(self, one: Claimed) -> bool:
        """By what the machine remembers of claims, and whether the item has been let go since."""
        row = self.rows().get(one.id)
        return row is not None and row.state == TAKEN and self.owner[one.id] == one.token

    def nothing_is_worn(self) -> None:
        over = [one for one in self.rows().values() if one.state == TAKEN and one.until <= self.now]
        assert not [one for one in over if one.tries >= MOST_TRIES], "claimed three times, over, and has not failed"

    @rule(most=integers(1, 4), ok=sampled_from([True, False]))
    def somebody_draws_it(self, most: int, ok: bool) -> None:
        found = self.claimed(most)
        self.now += LEASE / 2
        self.renew(found)
        self.finish(found, ok)

    @rule(most=integers(1, 4))
    def another_claims_it_then_it_comes_back(self, most: int) -> None:
        """What a slow worker does: its lease is over, somebody else has its sheets, and it goes on all the same."""
        found = self.claimed(most)
        self.now += LEASE
        for one in found:
            self.claimed(item_id=one.id)
        self.renew(found)
        self.give_back(found)
        self.finish(found, True)

    @rule(times=integers(1, MOST_TRIES))
    def nobody_can_draw_it(self, times: int) -> None:
        """It goes back, and again from the next one who claims it."""
        found = self.claimed()
        for _ in range(times):
            self.give_back(found)
            found = [next_ for one in found for next_ in self.claimed(item_id=one.id)]

    @rule(found=consumes(held), ok=sampled_from([True, False]))
    def finish(self, found: list[Claimed], ok: bool) -> None:
        for one in found:
            ours, result = self.ours(one), one.token.bytes if ok else None
            with self.engine.begin() as connection:
                assert press_queue.finish(connection, one.id, one.token, result) is ours
            assert not (ours and one.id in self.ended), "finished twice"
            if ours:
                self.ended[one.id] = result

    @rule(found=consumes(held))
    def give_back(self, found: list[Claimed]) -> None:
        for one in found:
            ours = self.ours(one)
            with self.engine.begin() as connection:
                assert press_queue.give_back(connection, one.id, one.token) is ours

    @rule(found=held)
    def renew(self, found: list[Claimed]) -> None:
        for one in found:
            ours = self.ours(one)
            with self.engine.begin() as connection:
                assert press_queue.renew(connection, one.id, one.token, self.now) is ours
            assert not ours or self.rows()[one.id].until == self.now + LEASE

    @rule(found=consumes(held))
    def die(self, found: list[Claimed]) -> None:
        """Nobody ever comes back with these."""

    @rule(seconds=sampled_from([61, 30]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        before = self.rows()
        with self.engine.begin() as connection:
            freed = set(press_queue.sweep(connection, self.now))
        for id_, now in self.rows().items():
            was = before[id_]
            over = was.state == TAKEN and was.until <= self.now
            assert over or now == was, "somebody holds it, or it was no matter of the sweep"
            assert now.state != TAKEN or now.until > self.now
            assert (id_ in freed) == (over and now.state == WAITING)
        self.nothing_is_worn()

    @rule(place=integers(0, 3))
    def cancel(self, place: int) -> None:
        if place < len(self.batches):
            with self.engine.begin() as connection:
                press_queue.drop(connection, self.batches.pop(place))

    @invariant()
    def what_ended_stays(self) -> None:
        if not hasattr(self, "engine"):
            return
        with self.engine.connect() as connection:
            for row in connection.execute(select(_item)):
                if row.id in self.ended:
                    assert (row.state, row.result) == (
                        FAILED if self.ended[row.id] is None else DONE,
                        self.ended[row.id],
                    )
                assert (row.state == TAKEN) == (row.token is not None) == (row.until is not None)
                assert row.state != DONE or row.id in self.ended
                assert row.state != WAITING or row.tries < MOST_TRIES, "nobody may claim it, and it has not failed"
            keys = connection.execute(select(func.count()).select_from(_key)).scalar()
            assert keys == connection.execute(select(func.count()).select_from(_item)).scalar()


_TABLES: Any = [
    Base.metadata.tables[one] for one in ("account", "press_worker", "press_batch", "press_item", "press_key")
]
Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyOrder = Machine.TestCase


# --------------------------------------------------------------------------- processes that are killed
WORKER = """
import random, sys, time
from datetime import datetime, timedelta, UTC
from sqlalchemy import text
from clinic.persistence import press_queue
from clinic.persistence.engine import make_engine
press_queue.LEASE = timedelta(seconds=0.4)
engine = press_queue.writing(make_engine(sys.argv[1], bytes(range(32))))
while True:
    with engine.begin() as connection:
        found = press_queue.claim(connection, datetime.now(UTC), most=3)
    if not found:
        time.sleep(0.02)
    for one in found:
        time.sleep(random.uniform(0, 0.02))
        with engine.begin() as connection:
            # One row for each finish that was taken, in its transaction: two would be a sheet that was printed twice.
            if press_queue.finish(connection, one.id, one.token, one.token.bytes):
                connection.execute(text("INSERT INTO taken (id) VALUES (:id)"), {"id": one.id.hex})
"""


@pytest.mark.everything
@pytest.mark.parametrize("seed", [1, 2])
def test_500_items_4_workers_killed_at_random_each_is_finished_once(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(press_queue, "MOST_TRIES", 1000)
    with writing(engine).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE taken (id VARCHAR(32))")
        for _ in range(5):
            submit(connection, [n // 4 for n in range(100)])
    where = engine.url.render_as_string(hide_password=False)
    dice, workers, kills = random.Random(seed), [_worker(where) for _ in range(4)], 0  # noqa: S311
    try:
        done = 0
        # By what was done, not by the clock: on a busy machine a program needs a second to begin.
        while (now := states(engine).get(DONE, 0)) < 500:
            time.sleep(dice.uniform(0.01, 0.05))
            if now - done >= 25:
                done, place = now, dice.randrange(4)
                os.kill(workers[place].pid, signal.SIGKILL)
                workers[place].wait()
                workers[place] = _worker(where)
                kills += 1
    finally:
        for one in workers:
            one.kill()
            one.wait()
    with engine.connect() as connection:
        taken = Counter(connection.exec_driver_sql("SELECT id FROM taken").scalars())
        results = set(connection.execute(select(_item.c.result)).scalars())
    assert kills > 5
    assert len(taken) == 500
    assert set(taken.values()) == {1}, "a sheet was finished twice"
    assert len(results) == 500


def _worker(url: str) -> "subprocess.Popen[bytes]":
    # The worker counts tries as the queue does; here nothing may fail for having been killed too often.
    program = WORKER.replace("press_queue.LEASE =", "press_queue.MOST_TRIES = 1000; press_queue.LEASE =", 1)
    return subprocess.Popen([sys.executable, "-c", program, url], cwd=ROOT)
