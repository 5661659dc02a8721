"""Packs on their way: who sees them, what they hold, how they end, and that every sheet is drawn once."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pypdf
import pytest
from sqlalchemy import event, func, select, update

from clinic.domain.answer import Checked
from clinic.domain.errors import Locked, NotFound, Refused, SignIn
from clinic.domain.page import Page
from clinic.persistence import press_queue, press_sealing
from clinic.persistence.models import Base, PressBatch, PressItem, PressKey, Print, SignedIn
from clinic.persistence.press_queue import DONE, FAILED, writing
from clinic.press.press import Press, PressError
from clinic.services import (
    audit_log,
    batches,
    cases,
    pack_items,
    packs,
    press_room,
    print_sheet,
    prints,
    records,
)
from clinic.services.audit_log import Filters
from clinic.services.batches import Unfinished
from clinic.services.packs import How, Item, NothingPrinted, PackEmpty, PackFull
from clinic.services.press_room import PressRoom
from tests.persistence.making import OLD, Clinic
from tests.persistence.test_disk import folder_bytes, in_clear

ROOT = Path(__file__).resolve().parents[2]
CANARY = "ZQWORDQZ"
_item, _batch, _key = (one.__table__ for one in (PressItem, PressBatch, PressKey))


@dataclass
class Pages:
    """A press that draws nothing: each file says what page it is of. `fails`: what raises, by a word of the page."""

    fails: dict[str, PressError] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    @contextmanager
    def child(self, later: bool = False) -> Iterator[object]:
        assert later, "nobody stands there and waits for a sheet of a pack"
        yield object()

    def pdf(self, page: Page, child: object) -> bytes:
        self.before()
        for word, error in self.fails.items():
            if word in page.html:
                raise error
        self.drawn.append(page.html)
        return b"%PDF " + page.html.encode()

    def given_all(self, page: Page, many: Sequence[Any]) -> list[bytes]:
        return [self.pdf(page.with_words(words), None) for words in many]

    def blank(self, page: Page) -> bytes:
        return b"%PDF " + page.html.encode()

    def joined(self, piles: Sequence[Sequence[bytes]]) -> bytes:
        return b"\n\n".join(b"\n".join(pile) for pile in piles)

    def sides(self, files: Sequence[bytes]) -> list[int]:
        return [self.check(file) for file in files]

    def check(self, content: bytes, code: str = "") -> int:
        if not content.startswith(b"%PDF"):
            raise PressError("log")
        return 1


@dataclass
class House:
    """A clinic, a press, and short ways to everything."""

    clinic: Clinic
    press: Any

    @property
    def store(self) -> Any:
        return self.clinic.store

    def item(self, to: Any = "a", place: int = 1, **more: Any) -> Item:
        return Item(place, self.clinic.case, "K-1", to, "wishes", **({"locale": "en"} | more))

    def submit(self, *items: Item, how: How = How(), whole: bool = False) -> batches.Batch:  # noqa: B008
        return batches.submit(self.store, self.clinic.token, items or [self.item()], how, "complete", whole)

    def progress(self, batch: batches.Batch) -> batches.Progress:
        return batches.progress(self.store, self.clinic.token, batch.id)

    def draw(self) -> None:
        room = PressRoom(self.store, self.press)
        while room.turn():
            pass

    def collect(self, batch: batches.Batch, **more: Any) -> packs.Pack:
        return batches.collect(self.store, self.press, self.clinic.token, batch.id, "complete", **more)

    def rows(self, table: Any) -> list[Any]:
        with self.clinic.raw.connect() as connection:
            return list(connection.execute(select(table)))

    def set(self, table: Any, **values: Any) -> None:
        with writing(self.clinic.raw).begin() as connection:
            connection.execute(update(table).values(**values))

    def said(self, who: str = "a") -> str:
        record = records.start(self.store, self.clinic.token, self.clinic.case, "wishes", who)  # type: ignore[arg-type]
        records.finish(self.store, self.clinic.token, record, 1, Checked({"wish": f"{CANARY}{who}"}, {}, {}))
        return record

    def sent(self) -> list[prints.Sent]:
        return prints.sent(self.store, self.clinic.token, self.clinic.case)


@pytest.fixture(autouse=True)
def _small_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_items, "active", lambda _: OLD)


@pytest.fixture
def house(clinic: Clinic) -> House:
    return House(clinic, Pages())


# --------------------------------------------------------------------------- from submission to the file
def test_a_pack_goes_its_way(house: House) -> None:
    record = house.said()
    batch = house.submit(house.item("a", 1, record=record), house.item("b", 2), house.item("joint", 3))
    assert (batch.total, batch.failed) == (3, ())
    before = house.progress(batch)
    assert (before.total, before.done, before.failed, before.state, before.seconds_left) == (3, 0, (), "working", None)
    assert house.sent() == [], "a row for what nobody has"
    with pytest.raises(Unfinished):
        house.collect(batch)
    house.draw()
    ready = house.progress(batch)
    assert (ready.done, ready.state, ready.seconds_left, ready.picked) == (3, "ready", 0.0, False)
    made = house.collect(batch)
    assert (made.sheets, made.failed) == (3, ())
    sent = house.sent()
    assert len(sent) == 3
    for one in sent:
        assert one.code.encode() in made.data
    assert made.data.count(CANARY.encode()) == 1
    assert house.progress(batch).picked


def test_a_second_collect_is_the_same_and_writes_nothing(house: House) -> None:
    for how in (How(), How(zip=True), How(cover=True)):
        batch = house.submit(house.item("a", 1), house.item("b", 2), how=how)
        house.draw()
        one = house.collect(batch)
        rows, lines = len(house.rows(Print.__table__)), len(house.rows(Base.metadata.tables["audit"]))
        house.clinic.clock.pass_(minutes=9)
        assert house.collect(batch) == one
        assert len(house.rows(Print.__table__)) == rows
        assert len(house.rows(Base.metadata.tables["audit"])) == lines
        house.clinic.clock.pass_(minutes=2)
        house.clinic.stay_signed_in()
        for gone in (house.collect, house.progress):
            with pytest.raises(NotFound):
                gone(batch)


def test_what_was_collected_is_not_handed_out_again_once_it_is_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = house.submit()
    house.draw()
    house.collect(batch)
    monkeypatch.setattr(house.store.keyholder, "_gate", lambda *_: False)
    with pytest.raises(NothingPrinted):
        house.collect(batch)


def test_the_time_left_is_that_of_what_is_left(house: House) -> None:
    batch = house.submit(*[house.item("a", place) for place in range(1, 5)])
    house.clinic.clock.pass_(seconds=10)
    room = PressRoom(house.store, house.press)
    [one] = press_queue_claim(house, 1)
    house.clinic.clock.pass_(seconds=10)
    with writing(house.store.engine).begin() as connection:
        press_queue.finish(connection, one.id, one.token, b"")
    found = house.progress(batch)
    assert (found.done, found.seconds_left) == (1, 60.0)
    assert room.turn()


def press_queue_claim(house: House, most: int) -> list[press_queue.Claimed]:
    with writing(house.store.engine).begin() as connection:
        return press_queue.claim(connection, house.clinic.clock(), most=most)


def test_what_fails_and_what_is_refused_read_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins: one sheet closed by the gate, or one that the press cannot draw; nothing tells until all is at its end."""
    items = [house.item("a", 1), house.item("b", 2), house.item("joint", 3), house.item("a", 4)]
    monkeypatch.setattr(house.store.keyholder, "_gate", lambda _r, _d, _sheet, to: to != "joint")
    shut = house.submit(*items)
    one = house.progress(shut)
    house.draw()
    monkeypatch.setattr(house.store.keyholder, "_gate", lambda *_: True)
    laid = print_sheet.laid_out

    def marked(found: Any, code: str) -> Page:
        page = laid(found, code)
        return replace(page, html=page.html + "BAD") if found.job.recipient == "joint" else page

    monkeypatch.setattr(print_sheet, "laid_out", marked)
    house.press.fails["BAD"] = PressError("timeout")
    broken = house.submit(*items)
    two = house.progress(broken)
    assert (one.total, one.done, one.failed) == (two.total, two.done, two.failed) == (4, 0, ())
    house.draw()
    assert house.progress(shut).failed == house.progress(broken).failed == (3,)
    assert house.collect(shut).failed == house.collect(broken).failed == (3,)
    assert house.collect(shut).sheets == house.collect(broken).sheets == 3


def test_a_limit_fails_at_once_and_a_lost_child_is_tried_again(house: House) -> None:
    batch = house.submit(house.item("a", 1), house.item("b", 2))
    house.press.fails["<"] = PressError("memory")
    house.draw()
    assert {(one.state, one.tries) for one in house.rows(_item)} == {(FAILED, 1)}
    with pytest.raises(NothingPrinted) as refused:
        house.collect(batch)
    assert (refused.value.places, str(refused.value)) == ((1, 2), str(Refused()))
    assert house.sent() == []
    with pytest.raises(NotFound):
        house.progress(batch)
    lost = house.submit()
    house.press.fails["<"] = PressError("lost")
    house.draw()
    assert {(one.state, one.tries) for one in house.rows(_item)} == {(FAILED, 3)}
    assert house.progress(lost).state == "ready"


def test_with_whole_nothing_prints_if_anything_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [house.item("a", 1), house.item("joint", 2)]
    with monkeypatch.context() as patch:
        patch.setattr(house.store.keyholder, "_gate", lambda _r, _d, _sheet, to: to != "joint")
        batch = house.submit(*items, whole=True)
        assert (batch.id, batch.failed) == ("", (2,))
        assert house.rows(_item) == []
        later = house.submit(*items)
        assert later.id
        assert later.failed == (2,)
    batch = house.submit(*items, whole=True)
    house.press.fails["<"] = PressError("size")
    house.draw()
    made = house.collect(batch)
    assert (made.data, made.failed, house.sent()) == (b"", (1, 2), [])


def test_nothing_and_too_much_are_not_submitted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackEmpty):
        batches.submit(house.store, house.clinic.token, [], How(), "complete")
    with pytest.raises(PackFull):
        house.submit(*[house.item()] * (packs.MOST + 1))
    with pytest.raises(PackFull):
        house.submit(house.item(copies=packs.MOST + 1))
    monkeypatch.setattr("clinic.services.slips.LONGEST", 1000)
    with pytest.raises(PackFull):
        house.submit(*[house.item()] * 20)
    assert house.rows(_item) == []


def test_300_sheets_are_a_pack(house: House) -> None:
    batch = house.submit(house.item("a", 1, copies=150), house.item("b", 2, copies=150))
    house.draw()
    assert house.collect(batch).sheets == packs.MOST == 300
    assert len({one.code for one in house.sent()}) == 300


# --------------------------------------------------------------------------- whose it is
def test_a_batch_is_its_accounts_alone(house: House) -> None:
    batch = house.submit()
    house.draw()
    for act in (batches.progress, batches.cancel):
        with pytest.raises(NotFound):
            act(house.store, house.clinic.other, batch.id)
    with pytest.raises(NotFound):
        batches.collect(house.store, house.press, house.clinic.other, batch.id, "complete")
    with pytest.raises(NotFound):
        house.store.keyholder.item_keys(house.clinic.other, UUID(batch.id))
    assert batches.mine(house.store, house.clinic.other) == []
    assert [one.id for one in batches.mine(house.store, house.clinic.token)] == [batch.id]
    for wrong in ("", "nonsense", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            batches.progress(house.store, house.clinic.token, wrong)


def test_a_row_that_was_given_to_somebody_else_opens_for_nobody(house: House) -> None:
    batch = house.submit()
    house.draw()
    who = house.store.keyholder.who(house.clinic.other).account
    house.set(_batch, account_id=who)
    for token in (house.clinic.other, house.clinic.token):
        with pytest.raises(NotFound):
            batches.collect(house.store, house.press, token, batch.id, "complete")
    assert house.sent() == []


def test_a_slip_of_another_batch_is_none_of_this(house: House) -> None:
    one, two = house.submit(house.item("a")), house.submit(house.item("b"))
    slips = {str(row.id): row.sealed for row in house.rows(_batch)}
    with writing(house.clinic.raw).begin() as connection:
        connection.execute(update(_batch).where(_batch.c.id == UUID(one.id)).values(sealed=slips[two.id]))
    with pytest.raises(NotFound):
        house.progress(one)


def test_whoever_is_locked_or_signed_out_collects_nothing(house: House) -> None:
    batch = house.submit()
    house.draw()
    house.set(SignedIn.__table__, locked=True)
    with pytest.raises(Locked):
        house.collect(batch)
    house.set(SignedIn.__table__, locked=False)
    house.clinic.clock.pass_(hours=13)
    with pytest.raises(SignIn):
        house.collect(batch)


def test_a_case_that_was_handed_over_is_left_out(house: House) -> None:
    batch = house.submit()
    house.draw()
    case = Base.metadata.tables["case"]
    with writing(house.clinic.raw).begin() as connection:
        other = house.store.keyholder.who(house.clinic.other).account
        connection.execute(update(case).where(case.c.id == house.clinic.case_id).values(counsellor_id=other))
    with pytest.raises(NothingPrinted):
        house.collect(batch)
    assert house.rows(Print.__table__) == []


# --------------------------------------------------------------------------- how it ends
def test_a_cancelled_pack_is_gone_and_what_is_being_drawn_is_thrown_away(house: House) -> None:
    batch = house.submit(house.item("a", 1), house.item("b", 2))
    house.press.before = lambda: (
        batches.cancel(house.store, house.clinic.token, batch.id) if house.rows(_item) else None
    )
    house.draw()
    assert house.rows(_item) == house.rows(_key) == house.rows(_batch) == []
    with pytest.raises(NotFound):
        house.collect(batch)
    with pytest.raises(NotFound):
        batches.cancel(house.store, house.clinic.token, batch.id)


def test_after_a_day_it_is_gone(house: House) -> None:
    batch = house.submit()
    house.draw()
    house.clinic.clock.pass_(hours=24)
    house.clinic.stay_signed_in()
    with pytest.raises(NotFound):
        house.collect(batch)
    room = PressRoom(house.store, house.press)
    room._tidy()
    assert house.rows(_item) == house.rows(_key) == house.rows(_batch) == []


def test_a_closed_case_takes_what_waits_along(house: House) -> None:
    house.submit()
    cases.archive(house.store, house.clinic.token, house.clinic.case)
    assert house.rows(_item) == house.rows(_key) == []


def test_who_submitted_collected_cancelled_is_in_the_audit(house: House) -> None:
    batch = house.submit(house.item(copies=3))
    house.draw()
    house.collect(batch)
    batches.cancel(house.store, house.clinic.token, house.submit().id)
    lines = audit_log.page(house.store, house.clinic.token, Filters(group="pack")).lines
    assert sorted(one.verb for one in lines) == ["pack.cancelled", "pack.collected", "pack.submitted", "pack.submitted"]


# --------------------------------------------------------------------------- the press room
def test_one_child_draws_at_most_three_sheets_of_one_reader(house: House) -> None:
    children: list[list[str]] = []
    record = {who: house.said(who) for who in ("a", "b")}

    @contextmanager
    def child(later: bool) -> Iterator[list[str]]:
        children.append([])
        yield children[-1]

    def pdf(page: Page, mine: list[str]) -> bytes:
        mine += [who for who in ("a", "b") if CANARY + who in page.html]
        return b"%PDF"

    house.press.child, house.press.pdf = child, pdf
    items = [house.item(who, place, record=record[who], copies=4) for place, who in enumerate(("a", "b"), start=1)]
    batch = house.submit(*items)
    house.draw()
    assert house.progress(batch).state == "ready"
    assert sorted(map(len, children)) == [1, 1, 3, 3]
    assert all(len(set(mine)) == 1 for mine in children), "two readers in one child"


def test_threads_draw_what_is_submitted_at_once(house: House) -> None:
    room = PressRoom(house.store, house.press, 2)
    room.start()
    try:
        assert press_room.running(house.store)
        batch = house.submit(house.item("a", 1, copies=9), house.item("b", 2, copies=9))
        assert batches.wait(house.store, house.clinic.token, batch.id, 60).state == "ready"
    finally:
        room.stop()
    assert not press_room.running(house.store)
    assert house.collect(batch).sheets == 18
    assert len(house.press.drawn) == 18


def test_an_idle_room_asks_little(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to do one thread looks, and only reads; the others sleep."""
    looks: list[str] = []
    idle = press_queue.idle

    def looked(connection: Any, now: Any) -> bool:
        import threading

        looks.append(threading.current_thread().name)
        return idle(connection, now)

    monkeypatch.setattr(press_queue, "idle", looked)
    monkeypatch.setattr(press_room, "LOOK", 0.01)
    monkeypatch.setattr(press_queue, "claim", lambda *_, **__: pytest.fail("it took the lock of writers"))
    room = PressRoom(house.store, house.press, 3)
    room.start()
    while len(looks) < 20:
        time.sleep(0.01)
    room.stop()
    assert looks.count("press-1") <= 2
    assert looks.count("press-2") <= 2


def test_a_locked_keyholder_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from clinic.domain.errors import VaultLocked

    batch, real = house.submit(), house.store.keyholder.claimed_keys
    locked = [True]

    def claimed_keys(*asked: Any) -> list[bytes | None]:
        if locked[0]:
            raise VaultLocked("nobody typed it")
        return real(*asked)

    monkeypatch.setattr(house.store.keyholder, "claimed_keys", claimed_keys)
    with pytest.raises(VaultLocked):
        PressRoom(house.store, house.press).turn()
    locked[0] = False
    house.clinic.clock.pass_(seconds=61)
    house.draw()
    assert house.progress(batch).state == "ready"


# --------------------------------------------------------------------------- what somebody finds
def test_nothing_of_a_sheet_is_in_the_tables(house: House) -> None:
    """No word, no code, no case, no form; and a long page is as long as a short one, up to the step."""
    record = house.said()
    batch = house.submit(house.item("a", 1, record=record), house.item("a", 2))
    house.draw()
    house.collect(batch)
    codes = [one.code for one in house.sent()]
    for table in (_batch, _item, _key):
        for row in house.rows(table):
            for value in row:
                data = value if isinstance(value, bytes) else str(value).encode()
                for word in (CANARY, *codes, house.clinic.case, "wishes", "Wishes", "%PDF"):
                    assert word.encode() not in data
                assert UUID(house.clinic.case).bytes not in data
    lengths = {len(one) for row in house.rows(_item) for one in (row.sealed, row.result)}
    assert {(length - 29) % press_sealing.STEP for length in lengths} == {0}


def test_no_page_is_on_the_disk(clinic: Clinic, tmp_path: Path) -> None:
    """Neither in the database, its log and what lies beside it, nor in a copy without its encryption."""
    if clinic.store.engine.dialect.name != "sqlite":
        return
    house = House(clinic, Pages())
    batch = house.submit(house.item("a", 1, record=house.said()))
    house.draw()
    folder = clinic.store.settings.instance
    for step in (lambda: None, lambda: house.collect(batch), lambda: None):
        step()
        data = folder_bytes(folder)
        assert b"%PDF" not in data
        assert CANARY.encode() not in data
    in_clear(clinic.store.settings, tmp_path / "plain.db")
    plain = (tmp_path / "plain.db").read_bytes()
    assert b"CREATE TABLE" in plain
    for word in (CANARY, "%PDF", *[one.code for one in house.sent()]):
        assert word.encode() not in plain


@pytest.mark.everything
def test_a_dump_of_postgresql_has_no_word_of_a_sheet(clinic: Clinic) -> None:
    from clinic.services import backup

    if clinic.store.engine.dialect.name != "postgresql":
        return
    house = House(clinic, Pages())
    house.submit(house.item("a", 1, record=house.said()))
    house.draw()
    from sqlalchemy import make_url

    url = make_url(clinic.store.settings.database_url)
    whole = subprocess.run([backup.program("pg_dump"), *backup.connection(url)], capture_output=True, check=True).stdout  # noqa: S603
    assert b"press_item" in whole
    for word in (CANARY, "%PDF"):
        for form in (word.encode(), word.encode().hex().encode()):
            assert form not in whole
    kept = b"".join(backup._dump(url))
    for row in house.rows(_item):
        assert row.sealed.hex().encode() in whole, "the test would see nothing"
        assert row.sealed.hex().encode() not in kept
        assert row.sealed not in kept


# --------------------------------------------------------------------------- a server that is killed
SERVER = """
import sys, time, random
from pathlib import Path
from clinic.config import Settings
from clinic.persistence import press_queue
from clinic.persistence.store import Store
from clinic.services import press_room
from datetime import timedelta
from tests.services.test_batches import Pages
press_queue.LEASE = timedelta(seconds=0.7)
press_queue.MOST_TRIES = 1000
import clinic.persistence.press_keys as keys
keys.MOST_TRIES = 1000
press_room.TIDY = 0.1
folder, url, key = sys.argv[1:]
store = Store.open(Settings(Path(folder), url, Path(key), cache=Path(folder)))
press = Pages(before=lambda: time.sleep(random.uniform(0.02, 0.05)))
room = press_room.PressRoom(store, press, 2)
room.start()
time.sleep(600)
"""


@pytest.mark.everything
def test_a_server_killed_at_any_point_goes_on_after_a_new_start(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the process that draws, again and again: every sheet is in the pack once, with a row of its own."""
    house = House(clinic, Pages())
    batch = house.submit(house.item("a", 1, copies=60), house.item("b", 2, copies=60))
    total, dice, kills, done = 120, random.Random(6), 0, 0  # noqa: S311
    clinic.clock.now = datetime.now(UTC)
    house.set(_batch, ends=clinic.clock() + timedelta(hours=1))
    server = _server(clinic)
    try:
        while (now := _count(house, DONE)) < total:
            time.sleep(dice.uniform(0.01, 0.1))
            assert server.poll() is None
            if now - done >= 15:
                os.kill(server.pid, signal.SIGKILL)
                server.wait()
                done, kills, server = now, kills + 1, _server(clinic)
    finally:
        server.kill()
        server.wait()
    assert kills >= 2  # as many as there was time for between two looks
    clinic.stay_signed_in()
    made = house.collect(batch)
    codes = {one.code for one in house.sent()}
    assert (made.sheets, made.failed, len(codes)) == (total, (), total)
    assert made.data.count(b"%PDF") == total
    assert all(made.data.count(code.encode()) >= 1 for code in codes)


def _count(house: House, state: str) -> int:
    with house.clinic.raw.connect() as connection:
        asked = select(func.count()).select_from(_item).where(_item.c.state == state)
        return int(connection.execute(asked).scalar() or 0)


def _server(clinic: Clinic) -> "subprocess.Popen[bytes]":
    mine = clinic.store.settings
    arguments = [sys.executable, "-c", SERVER, str(mine.instance), mine.database_url, str(mine.key_file)]
    return subprocess.Popen(arguments, cwd=ROOT)


# --------------------------------------------------------------------------- the real press
def test_a_pack_from_the_real_press(clinic: Clinic) -> None:
    press = Press()
    press.start()
    house = House(clinic, press)
    try:
        batch = house.submit(house.item("a", 1, record=house.said()), house.item("b", 2), house.item("joint", 3))
        house.draw()
        made = house.collect(batch)
        assert house.collect(batch).data == made.data, "a download that broke off gets another file"
    finally:
        press.stop()
    text = [page.extract_text() or "" for page in pypdf.PdfReader(io.BytesIO(made.data)).pages]
    assert sum(CANARY in one.replace("\n", "") for one in text) == 1
    assert all(any(one.code in page for page in text) for one in house.sent())


# --------------------------------------------------------------------------- what a submission costs
def test_a_given_page_is_laid_out_once_and_a_filled_one_for_each(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    record, laid, real = house.said(), list[str](), print_sheet.laid_out

    def counted(found: Any, code: str) -> Page:
        laid.append(f"{found.job.recipient}{found.job.locale}{found.record}")
        return real(found, code)

    monkeypatch.setattr(print_sheet, "laid_out", counted)
    given = [house.item("b", place) for place in range(1, 6)]
    house.submit(*given, house.item("joint", 6), house.item("a", 7, record=record, copies=3))
    assert sorted(laid) == sorted(["ben", "jointen", f"aen{record}"])
    house.draw()
    pages = [one.replace(code, "") for one, code in zip(house.press.drawn, _codes(house.press.drawn), strict=True)]
    assert len(set(_codes(house.press.drawn))) == 9, "each has a code of its own"
    assert len(set(pages)) == 2, "to fill in it is one page, for B and for both"
    assert sum(CANARY in one for one in pages) == 3


def _codes(pages: Sequence[str]) -> list[str]:
    return [re.findall(r'data-code="(\w+)"', one)[0] for one in pages]


def test_a_given_page_of_other_words_is_another_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sheet, reader and language, but not the same parts: nothing of the one page is on the other."""
    real = print_sheet.opened

    def opened(store: Any, token: str, case: str, job: Any, print_when: str) -> Any:
        found = real(store, token, case, job, print_when)
        title = replace(found.sheet.title, en=f"Title {len(told)}")
        told.append(title.en)
        return replace(found, sheet=replace(found.sheet, title=title))

    told: list[str] = []
    monkeypatch.setattr(print_sheet, "opened", opened)
    house.submit(house.item("b", 1), house.item("b", 2))
    house.draw()
    assert [sum(title in page for page in house.press.drawn) for title in told] == [1, 1]


def test_what_was_shown_is_what_prints_with_one_layout_each(house: House) -> None:
    record = house.said()
    items = [house.item("a", 1, record=record), house.item("b", 2), house.item("joint", 3)]
    looked = packs.look(house.store, house.clinic.token, items, How(), "complete")
    seen = [replace(one.item, seen=one.seen) for one in looked]
    assert house.submit(*seen).total == 3
    with pytest.raises(print_sheet.Unseen):
        house.submit(*seen, how=How(ink="saver"))


def _commits(house: House) -> list[int]:
    """Commits from now on, one by one."""
    found: list[int] = []
    event.listen(house.store.engine, "commit", lambda _: found.append(1))
    return found


def test_many_views_are_noted_in_one_transaction(house: House) -> None:
    record, counts = house.said(), list[int]()
    for many in (2, 12):
        commits = _commits(house)
        house.submit(*[house.item("a", place, record=record) for place in range(1, many + 1)])
        counts.append(len(commits))
    assert counts[0] == counts[1]
    seen = [one.verb for one in audit_log.page(house.store, house.clinic.token, Filters(group="print")).lines]
    assert seen.count("print.view") == 14, "each is a line of its own"


def test_views_are_noted_before_anything_is_stored(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies, or cannot write the audit, has opened sheets of which nothing got out."""
    real, lines = batches._store, Base.metadata.tables["audit"]

    def died(*_: Any) -> None:
        assert len(house.rows(lines)) > before
        raise KeyboardInterrupt

    before = len(house.rows(lines))
    with monkeypatch.context() as patch:
        patch.setattr(batches, "_store", died)
        with pytest.raises(KeyboardInterrupt):
            house.submit()
    assert house.rows(_item) == []
    with monkeypatch.context() as patch:
        patch.setattr(type(house.store.keyholder), "audit_seal_all", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            house.submit()
    assert house.rows(_item) == []
    assert batches._store is real
    assert house.submit().id


def test_what_was_opened_is_noted_also_if_nothing_is_submitted(house: House) -> None:
    lines = Base.metadata.tables["audit"]
    before = len(house.rows(lines))
    with pytest.raises(print_sheet.Unseen):
        house.submit(house.item("a", 1), house.item("b", 2, seen="something else"))
    said = [one.verb for one in audit_log.page(house.store, house.clinic.token, Filters(group="print")).lines]
    assert said == ["print.view", "print.view"]
    assert len(house.rows(lines)) > before


def test_copies_are_noted_by_one_view(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = house.submit(house.item("a", 1, copies=4), house.item("b", 2), house.item("a", 3))
    house.draw()
    given, keyholder = list[Any](), type(house.store.keyholder)
    real = keyholder.give

    def give(self: Any, request: str, token: str, case: Any, purpose: Any, *more: Any) -> Any:
        given.append(purpose)
        return real(self, request, token, case, purpose, *more)

    monkeypatch.setattr(keyholder, "give", give)
    assert house.collect(batch).sheets == 6
    assert sorted(given) == ["sheet:a", "sheet:b"]
    assert len(house.sent()) == 6
