"""New keys for all records: killed at any point it goes on or leaves the old state, and nothing is lost."""

import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from clinic.config import Settings
from clinic.domain.answer import Checked
from clinic.domain.errors import Usage, VaultLocked
from clinic.persistence import files, rotation, slots, vault
from clinic.persistence import store as stores
from clinic.persistence.engine import Cipher
from clinic.persistence.models import AccountKey, KeyRing, SystemKey
from clinic.persistence.store import Store
from clinic.services import records
from tests.persistence.databases import new_database
from tests.persistence.making import Clinic, Clock, Shelf, again, make, open_store, settings

WATCHED = tuple(module.__file__ for module in (rotation, vault, files, slots, stores))
WORDS = {"words": "kept", "only_a": "hers", "only_b": "his", "ours": "ours", "a.about": "seen of her"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clinic, str]:
    """A closed instance with a signed record in all scopes, and its id."""
    clinic = make(tmp_path_factory.mktemp("rotation") / "i")
    return clinic, written(clinic)


def written(clinic: Clinic) -> str:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    records.finish(clinic.store, clinic.token, id_, 1, Checked(WORDS, {}, {}))
    clinic.store.close()
    return id_


@pytest.fixture
def copies(made: tuple[Clinic, str], tmp_path: Path) -> Callable[[], Settings]:
    """Makes closed copies of it, one after the other."""

    def copy() -> Settings:
        before = made[0].store.settings
        mine = settings(tmp_path / f"{time.monotonic_ns()}" / "i")
        shutil.copytree(before.instance, mine.instance)
        shutil.copy2(before.key_file, mine.key_file)
        return mine

    return copy


def key(mine: Settings) -> slots.Opener:
    return vault.key_file_opener(mine.instance, mine.key_file)


def rotate_root(mine: Settings) -> None:
    rotation.root(mine, key(mine))


def rotate_database(mine: Settings) -> None:
    rotation.database(mine, key(mine))


def intact(clinic: Clinic, mine: Settings, id_: str) -> None:
    """It opens, the record is there, and every wrapped key opens."""
    store = open_store(mine, Clock(), Shelf())
    try:
        record = records.read(store, clinic.token, id_)
        assert record.signed
        assert record.answers == WORDS
    finally:
        store.close()


def kids(mine: Settings) -> set[int]:
    """The numbers of the root keys that the rows name."""
    opened = stores.unlock(mine)
    engine = stores.engine_of(mine, opened)
    with Session(engine) as session:
        found = {kid for table in (SystemKey, AccountKey, KeyRing) for kid in session.scalars(select(table.kid))}
    engine.dispose()
    assert opened.hold is not None
    opened.hold.release()
    return found


def killed_at(act: Callable[[], None], point: int) -> bool:
    """Do it in a process that is killed (-9) at its n-th line of our code; False when it had fewer."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        sys.settrace(_counting(point))
        try:
            act()
        except BaseException:
            os._exit(3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it raised instead"
    return os.WIFSIGNALED(status)


def _counting(point: int) -> Any:
    left = [point]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in WATCHED:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def lines_of(act: Callable[[], None]) -> int:
    """How many lines of ours it takes."""
    seen = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in WATCHED:
            return None
        seen[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return seen[0]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a rotation has many transactions to die between."""
    monkeypatch.setattr(rotation, "BATCH", 3)


# ------------------------------------------------------------------ the root key
def test_every_key_is_wrapped_by_the_new_root(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine, (clinic, id_) = copies(), made
    old = vault.unlock(mine.instance, key(mine))
    secret, before = mine.key_file.read_bytes(), vault.read(mine.instance)
    rotate_root(mine)
    kept = vault.read(mine.instance)
    assert kids(mine) == {2}
    assert {slot["kid"] for slot in kept.slots} == {one.kid for one in kept.db} == {2}
    assert not kept.earlier
    assert old.db_key() == vault.unlock(mine.instance, key(mine)).db_key()
    assert mine.key_file.read_bytes() != secret
    assert not vault.waiting(mine.key_file).exists()
    intact(clinic, mine, id_)
    # What opened before opens nothing any more: neither the old key file nor the old root key.
    mine.key_file.write_bytes(secret)
    with pytest.raises(VaultLocked, match="not the key"):
        Store.open(mine)
    root = vault.roots(before, slots.by_key_file(made[0].store.settings.key_file))
    with pytest.raises(VaultLocked):
        vault.opened(kept, root).db_key()


def test_twice_and_the_number_goes_on(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine, (clinic, id_) = copies(), made
    rotate_root(mine)
    rotate_root(mine)
    assert kids(mine) == {3}
    intact(clinic, mine, id_)


def test_an_erased_key_stays_erased(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine = copies()
    opened = stores.unlock(mine)
    engine = stores.engine_of(mine, opened)
    with Session(engine.execution_options(write=True)) as session:
        row = session.scalars(select(KeyRing)).first()
        assert row is not None
        row.kid, row.wrapped = 0, b""
        session.commit()
    engine.dispose()
    assert opened.hold is not None
    opened.hold.release()
    rotate_root(mine)
    assert kids(mine) == {0, 2}


def test_the_recovery_key_is_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "COST", slots.Cost(1, 64, 1))
    mine, first, second = settings(tmp_path / "i"), slots.new_recovery_key(), slots.new_recovery_key()
    typed = slots.by_passphrase("four words that nobody says")
    stores.create(mine, [], passphrase="four words that nobody says", recovery=first)
    recipient = vault.read(mine.instance).backup_recipient
    with pytest.raises(Usage, match="new one is needed"):
        rotation.root(mine, typed)
    with pytest.raises(Usage, match="passphrase would be lost"):
        rotation.root(mine, slots.by_recovery_key(first), second)
    assert vault.read(mine.instance).slots[0]["kid"] == 1
    rotation.root(mine, typed, second)
    with pytest.raises(VaultLocked):
        vault.unlock(mine.instance, slots.by_recovery_key(first))
    for opener in (typed, slots.by_recovery_key(second)):
        Store.open(mine, opener=opener).close()
    assert vault.read(mine.instance).backup_recipient not in ("", recipient)


def test_a_credential_is_not_ours_to_change(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine = copies()
    secret = mine.key_file.read_bytes()
    rotation.root(mine, key(mine), fresh_key_file=False)
    assert mine.key_file.read_bytes() == secret
    intact(made[0], mine, made[1])


@pytest.mark.parametrize("act", [rotate_root, rotate_database])
def test_nothing_else_may_have_it_open(
    made: tuple[Clinic, str], copies: Callable[[], Settings], act: Callable[[Settings], None]
) -> None:
    mine = copies()
    store, before = Store.open(mine), (mine.instance / "keys.json").read_bytes()
    with pytest.raises(Usage, match="Stop the server"):
        act(mine)
    store.close()
    assert (mine.instance / "keys.json").read_bytes() == before
    act(mine)
    intact(made[0], mine, made[1])


@pytest.mark.parametrize("act", [rotate_root, rotate_database])
@pytest.mark.parametrize("many", [8, pytest.param(80, marks=pytest.mark.everything)])
def test_killed_at_any_line_it_goes_on_or_was_never_begun(
    made: tuple[Clinic, str], copies: Callable[[], Settings], act: Callable[[Settings], None], many: int
) -> None:
    clinic, id_ = made
    dry = copies()
    lines = lines_of(lambda: act(dry))
    assert lines > 100
    begun = 0
    for point in sorted({1 + place * lines // many for place in range(many)}):
        mine = copies()
        if not killed_at(lambda mine=mine: act(mine), point):  # type: ignore[misc]
            continue
        intact(clinic, mine, id_)  # between kill and resume it opens as if nothing were
        kept = vault.read(mine.instance)
        begun += len(kept.earlier) + len(kept.db) > 1
        act(mine)
        intact(clinic, mine, id_)
        kept = vault.read(mine.instance)
        assert not kept.earlier
        assert len(kept.db) == 1
        assert len(kids(mine)) == 1
        left = {path.name for path in (*mine.instance.iterdir(), *mine.instance.parent.iterdir())}
        assert not [name for name in left if name.endswith(".new")], point
    assert begun > many // 4, "hardly any kill hit what it was meant to"


def test_killed_again_while_it_goes_on(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine, (clinic, id_) = copies(), made
    deaths = 0
    while killed_at(lambda: rotate_root(mine), 150 + 40 * deaths):
        deaths += 1
        intact(clinic, mine, id_)
    assert deaths > 3
    intact(clinic, mine, id_)
    assert len(kids(mine)) == 1


def test_killed_before_the_new_key_file_is_in_its_place(
    made: tuple[Clinic, str], copies: Callable[[], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slots are for the new key file already, which still lies beside the old one."""
    mine, (clinic, id_) = copies(), made
    with monkeypatch.context() as patch:
        patch.setattr(vault, "take_waiting", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        assert killed_at(lambda: rotate_root(mine), 1_000_000)
    assert vault.waiting(mine.key_file).exists()
    intact(clinic, mine, id_)
    assert not vault.waiting(mine.key_file).exists()
    rotate_root(mine)
    intact(clinic, mine, id_)


@pytest.mark.everything
def test_killed_on_postgresql(postgresql: str, tmp_path: Path) -> None:
    clinic = make(tmp_path / "first" / "i", new_database(postgresql))
    id_ = written(clinic)
    name = make_url(clinic.store.settings.database_url).database or ""
    for point in range(60, 660, 60):
        (tmp_path / str(point)).mkdir()
        copy = again(clinic, tmp_path / str(point) / "i", new_database(postgresql, name))
        copy.store.close()
        mine = copy.store.settings
        killed_at(lambda mine=mine: rotate_root(mine), point)  # type: ignore[misc]
        intact(clinic, mine, id_)
        rotate_root(mine)
        intact(clinic, mine, id_)
        assert len(kids(mine)) == 1
    with pytest.raises(Usage, match="PostgreSQL"):
        rotate_database(clinic.store.settings)


# ------------------------------------------------------------------ the key of the database's file
def raw_key(mine: Settings) -> bytes:
    return vault.unlock(mine.instance, key(mine)).db_key()


def test_the_file_is_written_anew_under_a_new_key(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine, (clinic, id_) = copies(), made
    old, before = raw_key(mine), shape(mine)
    rotate_database(mine)
    assert raw_key(mine) != old
    with pytest.raises(VaultLocked):
        Cipher(mine.instance / "clinic.db", old)()
    assert shape(mine) == before
    assert (mine.instance / "clinic.db").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in mine.instance.iterdir()} == {"clinic.db", "keys.json"}
    intact(clinic, mine, id_)


def shape(mine: Settings) -> Any:
    with closing(Cipher(mine.instance / "clinic.db", raw_key(mine))()) as connection:
        return rotation._shape(connection)


def test_what_stands_in_the_log_only_comes_along(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    """A server that was killed leaves its last commits in the log beside the file."""
    mine, (clinic, _) = copies(), made

    def write_and_die() -> None:
        store = open_store(mine, Clock(), Shelf())
        records.start(store, clinic.token, clinic.case, "wishes", "a", answers={"wish": "from the log"})
        os.kill(os.getpid(), signal.SIGKILL)

    assert killed_at(write_and_die, 1_000_000)
    assert (mine.instance / "clinic.db-wal").stat().st_size > 0
    before = shape(mine)
    rotate_database(mine)
    assert shape(mine) == before


def test_a_copy_that_lost_something_does_not_take_its_place(
    made: tuple[Clinic, str], copies: Callable[[], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, (clinic, id_) = copies(), made
    export = rotation._export

    def lossy(file: Path, old: bytes, beside: Path, new: bytes) -> None:
        export(file, old, beside, new)
        with closing(Cipher(beside, new)()) as connection:
            connection.execute("DELETE FROM session WHERE rowid = 1")

    monkeypatch.setattr(rotation, "_export", lossy)
    with pytest.raises(Usage, match="as it was"):
        rotate_database(mine)
    intact(clinic, mine, id_)
    monkeypatch.setattr(rotation, "_export", export)
    rotate_database(mine)
    intact(clinic, mine, id_)
    assert len(vault.read(mine.instance).db) == 1


def test_a_file_that_another_program_has_open_is_left(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine, (clinic, id_) = copies(), made
    with closing(Cipher(mine.instance / "clinic.db", raw_key(mine))()) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM account").fetchone()
        with pytest.raises(Usage, match="as it was"):
            rotate_database(mine)
    intact(clinic, mine, id_)


@pytest.mark.everything
def test_killed_in_the_middle_of_the_export(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    """Kills by the clock, so that they fall inside the statement that copies everything."""
    clinic, id_ = made
    large = copies()
    with closing(Cipher(large.instance / "clinic.db", raw_key(large))()) as connection:
        connection.execute("CREATE TABLE filler (data BLOB)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO filler VALUES (randomblob(4000))", [() for _ in range(5000)])
        connection.execute("COMMIT")
    half = 0
    for turn in range(12):
        mine = settings(large.instance.parent.parent / f"turn{turn}" / "i")
        shutil.copytree(large.instance, mine.instance)
        shutil.copy2(large.key_file, mine.key_file)
        child = os.fork()
        if child == 0:
            rotate_database(mine)
            os._exit(0)
        time.sleep(0.05 + random.random() * 0.4)  # noqa: S311 - no secret
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        half += (mine.instance / "clinic.db.new").exists()
        intact(clinic, mine, id_)
        rotate_database(mine)
        intact(clinic, mine, id_)
        shutil.rmtree(mine.instance)
    assert half, "no kill fell into the copying"


def test_plain_sqlite_cannot_read_the_new_file(made: tuple[Clinic, str], copies: Callable[[], Settings]) -> None:
    mine = copies()
    rotate_database(mine)
    with closing(sqlite3.connect(mine.instance / "clinic.db")) as plain, pytest.raises(sqlite3.DatabaseError):
        plain.execute("SELECT * FROM sqlite_master").fetchall()
