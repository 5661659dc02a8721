"""Attacks on the queue of the press: keys without a claim, rows written by hand, seals in the wrong place."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import insert, select, text, update

from clinic.domain.errors import NotFound
from clinic.domain.page import Page
from clinic.persistence import press_queue, press_sealing
from clinic.persistence import store as stores
from clinic.persistence.models import PressBatch, PressItem, PressKey, PressWorker
from clinic.persistence.press_queue import Claimed, writing
from clinic.persistence.press_sealing import STEP, Work
from clinic.persistence.scope import Unscoped, unscoped
from clinic.persistence.sealing import Damaged
from clinic.services import batches, erase, packs
from tests.persistence.conftest import clinic, postgresql, template, template_postgresql
from tests.persistence.making import Clinic
from tests.services.test_batches import CANARY, House, Pages, _small_definitions

__all__ = ["_small_definitions", "clinic", "postgresql", "template", "template_postgresql"]

_item, _batch, _key, _worker = (one.__table__ for one in (PressItem, PressBatch, PressKey, PressWorker))


@pytest.fixture
def house(clinic: Clinic) -> House:
    return House(clinic, Pages())


def claimed(house: House, worker: UUID | None = None) -> Claimed:
    with writing(house.clinic.raw).begin() as connection:
        [one] = press_queue.claim(connection, house.clinic.clock(), worker_id=worker)
    return one


def machine(house: House, seal: Callable[[dict[str, Any]], dict[str, Any]] = lambda said: said) -> Any:
    """A machine with its key, accepted as `seal` says."""
    key, id_ = X25519PrivateKey.generate(), uuid4()
    public = key.public_key().public_bytes_raw()
    said = {"kind": "print_machine", "name": "w", "role": "r", "public_key": public.hex()}
    row = {"id": id_, "name": "w", "role": "r", "public_key": public, "revoked": False}
    sealed = house.store.keyholder.office_seal(id_, seal(said))
    with writing(house.clinic.raw).begin() as connection:
        connection.execute(insert(_worker), row | {"sealed": sealed})
    return id_, key


def refused(house: House, item: UUID, token: UUID) -> None:
    with pytest.raises(NotFound):
        house.store.keyholder.item_key(item, token)
    assert house.store.keyholder.claimed_keys([(item, token)]) == [None]


# --------------------------------------------------------------------------- whose key it is
def test_only_who_claimed_it_gets_a_key(house: House) -> None:
    house.submit()
    [row] = house.rows(_item)
    refused(house, row.id, uuid4())
    one = claimed(house)
    refused(house, one.id, uuid4())
    refused(house, uuid4(), one.token)
    key = house.store.keyholder.item_key(one.id, one.token)
    assert key == house.store.keyholder.item_key(one.id, one.token)
    asked = [(one.id, one.token), (one.id, uuid4()), (uuid4(), one.token)]
    assert house.store.keyholder.claimed_keys(asked) == [key, None, None]
    assert press_sealing.open_work(key, one.id, one.sealed).page.lang == "en"
    house.clinic.clock.pass_(seconds=60)
    refused(house, one.id, one.token)
    two = claimed(house)
    refused(house, one.id, one.token)
    with writing(house.clinic.raw).begin() as connection:
        assert press_queue.finish(connection, two.id, two.token, b"")
    refused(house, two.id, two.token)


@pytest.mark.parametrize("values", [{"state": "waiting"}, {"state": "done"}, {"tries": 4}, {"until": None}])
def test_a_key_for_a_claim_that_is_none(house: House, values: dict[str, Any]) -> None:
    house.submit()
    one = claimed(house)
    house.set(_item, **values)
    refused(house, one.id, one.token)


def test_a_key_for_what_is_over_or_cancelled(house: House) -> None:
    batch = house.submit()
    one = claimed(house)
    house.set(_batch, ends=house.clinic.clock())
    refused(house, one.id, one.token)
    house.set(_batch, ends=house.clinic.clock() + timedelta(hours=1))
    assert house.store.keyholder.item_key(one.id, one.token)
    batches.cancel(house.store, house.clinic.token, batch.id)
    refused(house, one.id, one.token)


def test_a_machine_that_counts_its_tries_down_gets_no_more_keys(house: House) -> None:
    """Its role writes `tries`: the keyholder counts for itself."""
    house.submit()
    for _ in range(press_queue.MOST_TRIES):
        one = claimed(house)
        assert house.store.keyholder.item_key(one.id, one.token)
        house.set(_item, state="waiting", tries=0, token=None, until=None)
    one = claimed(house)
    refused(house, one.id, one.token)


def test_keys_of_two_items_in_each_others_place_open_nothing(house: House) -> None:
    house.submit(house.item("a", 1), house.item("b", 2))
    one, two = house.rows(_key)
    with writing(house.clinic.raw).begin() as connection:
        for row, other in ((one, two), (two, one)):
            connection.execute(update(_key).where(_key.c.item_id == row.item_id).values(wrapped=other.wrapped))
    found = claimed(house)
    refused(house, found.id, found.token)


# --------------------------------------------------------------------------- other machines
def test_another_machine_gets_the_key_sealed_to_itself(house: House) -> None:
    house.submit()
    id_, key = machine(house)
    one = claimed(house, id_)
    handed = house.store.keyholder.item_key(one.id, one.token)
    raw = press_sealing.open_from(key, handed, one.id, one.token, id_)
    assert press_sealing.open_work(raw, one.id, one.sealed)
    assert raw not in handed
    assert house.store.keyholder.claimed_keys([(one.id, one.token)]) == [None]
    for wrong in (
        lambda: press_sealing.open_from(X25519PrivateKey.generate(), handed, one.id, one.token, id_),
        lambda: press_sealing.open_from(key, handed, uuid4(), one.token, id_),
        lambda: press_sealing.open_from(key, handed, one.id, uuid4(), id_),
        lambda: press_sealing.open_from(key, handed, one.id, one.token, uuid4()),
        lambda: press_sealing.open_from(key, handed[:-1] + b"\0", one.id, one.token, id_),
        lambda: press_sealing.open_from(key, handed[:20], one.id, one.token, id_),
        lambda: press_sealing.open_from(key, b"\0" * 32 + handed[32:], one.id, one.token, id_),
    ):
        with pytest.raises(Damaged):
            wrong()


@pytest.mark.parametrize(
    "seal",
    [
        lambda said: said | {"public_key": "00" * 32},
        lambda said: said | {"kind": "notice"},
        lambda said: said | {"role": "another"},
        lambda said: said | {"revoked_on": "2026-03-02"},
        lambda _: {},
    ],
)
def test_a_machine_that_nobody_accepted_gets_none(house: House, seal: Any) -> None:
    house.submit()
    id_, _ = machine(house, seal)
    one = claimed(house, id_)
    refused(house, one.id, one.token)


def test_a_machine_that_was_written_by_hand_or_revoked_gets_none(house: House) -> None:
    house.submit()
    id_, _ = machine(house)
    one = claimed(house, id_)
    assert house.store.keyholder.item_key(one.id, one.token)
    for values in ({"revoked": True}, {"revoked": False, "public_key": b"\7" * 32}, {"sealed": b"\1" * 40}):
        house.set(_worker, **values)
        refused(house, one.id, one.token)


def test_what_another_machine_sends_that_is_no_sheet_of_ours_has_failed(house: House) -> None:
    batch = house.submit(house.item("a", 1), house.item("b", 2))
    id_, key = machine(house)
    for content in (b"#!/bin/sh", b"%PDF fine"):
        one = claimed(house, id_)
        raw = press_sealing.open_from(key, house.store.keyholder.item_key(one.id, one.token), one.id, one.token, id_)
        with writing(house.clinic.raw).begin() as connection:
            press_queue.finish(connection, one.id, one.token, press_sealing.seal_result(raw, one.id, content))
    made = house.collect(batch)
    assert (made.sheets, made.failed) == (1, (1,))


def test_a_result_of_another_item_does_not_open(house: House) -> None:
    """Results swapped in the table: A's sheet with B's answers on it."""
    batch = house.submit(house.item("a", 1, record=house.said("a")), house.item("b", 2, record=house.said("b")))
    house.draw()
    one, two = house.rows(_item)
    with writing(house.clinic.raw).begin() as connection:
        for row, other in ((one, two), (two, one)):
            connection.execute(update(_item).where(_item.c.id == row.id).values(result=other.result))
    with pytest.raises(packs.NothingPrinted):
        house.collect(batch)
    assert house.sent() == []


def test_pages_in_each_others_place_are_not_drawn(house: House) -> None:
    house.submit(house.item("a", 1, record=house.said("a")), house.item("b", 2, record=house.said("b")))
    one, two = house.rows(_item)
    with writing(house.clinic.raw).begin() as connection:
        for row, other in ((one, two), (two, one)):
            connection.execute(update(_item).where(_item.c.id == row.id).values(sealed=other.sealed))
    house.draw()
    assert {row.state for row in house.rows(_item)} == {"failed"}
    assert house.press.drawn == []


# --------------------------------------------------------------------------- lengths and names
def test_a_long_answer_is_as_long_as_a_short_one() -> None:
    key, id_ = bytes(32), uuid4()
    lengths = set()
    for words in ("", "No.", "She is afraid. " * 500):
        work = Work(Page(words, (), "en", "Worksheet"), {}, "filled")
        sealed = press_sealing.seal_work(key, id_, work)
        lengths.add(len(sealed))
        assert press_sealing.open_work(key, id_, sealed) == work
        assert (
            press_sealing.open_result(key, id_, press_sealing.seal_result(key, id_, words.encode())) == words.encode()
        )
        with pytest.raises(Damaged):
            press_sealing.open_result(key, id_, sealed)
    assert {length - 29 for length in lengths} == {STEP}


def test_nothing_shows_what_it_holds(house: House) -> None:
    record = house.said()
    batch = house.submit(house.item("a", 1, record=record))
    one = claimed(house)
    key = house.store.keyholder.item_key(one.id, one.token)
    work = press_sealing.open_work(key, one.id, one.sealed)
    assert CANARY in work.page.html
    with house.clinic.raw.connect() as connection:
        row = connection.execute(select(_batch)).one()
    slip = batches.slips.opened(house.store, house.clinic.token, row.id, row.sealed)
    said = repr([one, work, slip, batch, slip.entries])
    assert CANARY not in said
    assert slip.entries[0].note.code not in said
    assert one.sealed.hex()[:20] not in said


# --------------------------------------------------------------------------- the door
def test_the_press_reaches_no_case(house: House) -> None:
    """Its reason lets SQL of a queue pass, and nothing that names a table of cases, however it is written."""
    engine = unscoped(house.store.engine, "press")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        for statement in (
            'SELECT * FROM "case"', "SELECT * FROM part", "SELECT p.sealed FROM press_item AS p, record",
            "DELETE FROM print", "SELECT * FROM main.key_ring", 'SELECT * FROM "grant"',
        ):  # fmt: skip
            with pytest.raises(Unscoped):
                connection.execute(text(statement))


# --------------------------------------------------------------------------- what ends everything that waits
def test_an_erased_person_waits_in_no_pack(house: House) -> None:
    house.submit(house.item("a", 1, record=house.said()))
    assert house.rows(_item)
    with house.clinic.raw.connect() as connection:
        ring = connection.execute(select(erase.KeyRing.__table__.c.id)).scalars().all()
    from clinic.services.unit_of_work import unit_of_work

    with unit_of_work(house.store, write=True, unscoped="erase") as session:
        erase._destroy(session, ring[:1])
    assert house.rows(_item) == house.rows(_key) == house.rows(_batch) == []


def test_a_new_root_key_leaves_no_key_of_the_old_one(clinic: Clinic) -> None:
    from clinic.persistence import rotation, vault

    if clinic.store.engine.dialect.name != "sqlite":
        return
    House(clinic, Pages()).submit()
    mine = clinic.store.settings
    clinic.store.close()
    rotation.root(mine, vault.key_file_opener(mine.instance, mine.key_file))
    store = stores.Store.open(mine, clock=clinic.clock)
    try:
        with unscoped(store.engine, "restore").connect() as connection:
            for table in (_batch, _item, _key):
                assert connection.execute(select(table)).all() == []
    finally:
        store.close()
