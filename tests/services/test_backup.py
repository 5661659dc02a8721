"""Backups: sealed, whole, daily, known by day; nothing in clear anywhere while one is made."""

import json
import os
import re
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from clinic.domain.errors import Denied
from clinic.persistence import slots, vault
from clinic.persistence import store as stores
from clinic.persistence.engine import Cipher
from clinic.persistence.store import Store
from clinic.services import backup, capsule, notices, verify
from tests.persistence.making import Clinic, settings
from tests.services.rights import CANARIES, RECOVERY, admin, finished, verbs, with_canaries, with_recovery

IDENTITY = slots.backup_identity(slots.recovery_secret(RECOVERY))


def contents(path: Path) -> dict[str, bytes]:
    with capsule.opened(path, IDENTITY) as members:
        return {name: capsule.whole(content) for name, content in members}


def test_a_backup_holds_keys_database_erasures_and_the_end_of_the_audit(clinic: Clinic, tmp_path: Path) -> None:
    with_recovery(clinic)
    with_canaries(clinic)
    made = backup.make(clinic.store, tmp_path / "b.age")
    found = contents(made.path)
    assert set(found) == {"about.json", "keys.json", "erased", "database"}
    about = json.loads(found["about.json"])
    assert about["anchor"] == verify.anchor(clinic.store)
    assert verbs(clinic)[-1] == "backup.made"
    assert found["keys.json"] == (clinic.store.settings.instance / "keys.json").read_bytes()
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.size == made.path.stat().st_size
    for scope, canary in CANARIES.items():
        assert canary.encode() not in made.path.read_bytes() + found["database"], scope
    if clinic.store.engine.dialect.name == "sqlite":
        (tmp_path / "copy.db").write_bytes(found["database"])
        key = vault.unlock(clinic.store.settings.instance, clinic.store.settings.key_file).db_key()
        with closing(Cipher(tmp_path / "copy.db", key)()) as copy:
            assert copy.execute("SELECT count(*) FROM record").fetchone()[0] == 5
    else:
        assert found["database"][:5] == b"PGDMP"


def test_no_file_in_clear_and_none_is_left(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is written while a backup is made is looked at when it is closed."""
    with_recovery(clinic)
    with_canaries(clinic)
    before = {one for one in tmp_path.rglob("*") if not one.name.startswith("clinic.db")}
    seen: dict[str, bytes] = {}
    unlink = Path.unlink

    def looked(self: Path, missing_ok: bool = False) -> None:
        if self.exists():
            seen[self.name] = self.read_bytes()
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", looked)
    backup.make(clinic.store, tmp_path / "out" / "b.age")
    snapshots = [data for name, data in seen.items() if name.startswith(backup.SNAPSHOT)]
    assert len(snapshots) == (clinic.store.engine.dialect.name == "sqlite")
    for data in [*seen.values(), (tmp_path / "out" / "b.age").read_bytes()]:
        assert b"SQLite format" not in data
        assert not [canary for canary in (*CANARIES.values(), "anna") if canary.encode() in data]
    left = {one for one in tmp_path.rglob("*") if not one.name.startswith("clinic.db")} - before
    assert {one.name for one in left} == {"out", "b.age", backup.ANCHORS}


def test_it_is_taken_while_others_write(clinic: Clinic, tmp_path: Path) -> None:
    with_recovery(clinic)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(lambda: [finished(clinic, "wishes", "a", {"wish": f"w{n}"}) for n in range(15)])
        made = [backup.make(clinic.store, tmp_path / f"{n}.age") for n in range(3)]
        writing.result()
    assert all(contents(one.path)["database"] for one in made)


def test_without_a_recovery_key_there_is_none_and_it_is_said(clinic: Clinic) -> None:
    admin(clinic)
    with pytest.raises(backup.Failed, match="recovery key"):
        backup.daily(clinic.store)
    state = backup.state(clinic.store.settings, False, clinic.store.today())
    assert state.worry
    assert state.failed_on == clinic.store.today()
    assert "recovery key" in state.why
    with_recovery(clinic)
    assert backup.daily(clinic.store)
    after = backup.state(clinic.store.settings, False, clinic.store.today())
    assert not after.worry
    assert after.last == clinic.store.today()


def test_a_failure_is_told_to_the_admins_once_a_day(clinic: Clinic) -> None:
    doris = admin(clinic)
    for _ in range(3):
        with pytest.raises(backup.Failed):
            backup.daily(clinic.store)
    assert [one.kind for one in notices.unseen(clinic.store, doris)] == ["backup_failed"]


def test_one_a_day_named_by_the_day_and_gone_after_its_time(clinic: Clinic) -> None:
    with_recovery(clinic)
    for _ in range(40):
        assert backup.daily(clinic.store)
        assert backup.daily(clinic.store) is None
        clinic.clock.pass_(days=1)
    state = backup.state(clinic.store.settings, False, clinic.store.today())
    assert len(state.there) == backup.KEPT + 1
    names = [one.path.name for one in state.there]
    assert all(re.fullmatch(r"backup-\d{4}-\d\d-\d\d\.age", name) for name in names)
    assert min(one.day for one in state.there) == state.last - timedelta(backup.KEPT)
    clinic.clock.pass_(days=365)
    backup.expire(clinic.store.settings, clinic.store.today())
    assert [one.day for one in backup.state(clinic.store.settings, False, clinic.store.today()).there] == [state.last]


def test_somebody_has_to_look_after_two_days(clinic: Clinic) -> None:
    with_recovery(clinic)
    made = backup.daily(clinic.store)
    assert made
    days = {days: backup.state(clinic.store.settings, False, made.day + timedelta(days)).worry for days in (0, 2, 3)}
    assert days == {0: False, 2: False, 3: True}
    assert not backup.state(clinic.store.settings, True, date(2040, 1, 1)).worry


def test_other_files_in_the_folder_are_left_alone(clinic: Clinic) -> None:
    with_recovery(clinic)
    folder = clinic.store.settings.backup_folder
    folder.mkdir()
    others = ["backup-2001-01-01.txt", "taxes.pdf", "backup-2001-13-01.age", "xbackup-2001-01-01.age"]
    for name in others:
        (folder / name).touch()
    backup.daily(clinic.store)
    assert set(others) <= {one.name for one in folder.iterdir()}


def test_a_disk_that_is_full_leaves_yesterdays(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with_recovery(clinic)
    first = backup.daily(clinic.store)
    assert first
    clinic.clock.pass_(days=1)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(capsule, "write", full)
    with pytest.raises(backup.Failed, match="No space left"):
        backup.daily(clinic.store)
    state = backup.state(clinic.store.settings, False, clinic.store.today())
    assert (state.last, state.failed_on) == (first.day, clinic.store.today())
    assert state.worry


def test_the_thread_makes_one_and_ends(clinic: Clinic) -> None:
    with_recovery(clinic)
    daily = backup.Daily(clinic.store, every=0.05)
    daily.start()
    for _ in range(200):
        if backup.state(clinic.store.settings, False, clinic.store.today()).last:
            break
        daily.join(0.05)
    daily.stop()
    assert backup.state(clinic.store.settings, False, clinic.store.today()).last == clinic.store.today()


def test_leftovers_of_a_killed_run_go(clinic: Clinic) -> None:
    if clinic.store.engine.dialect.name != "sqlite":
        return
    with_recovery(clinic)
    old, now = (clinic.store.settings.instance / f"{backup.SNAPSHOT}{name}" for name in ("old", "now"))
    for one in (old, now):
        one.touch()
    os.utime(old, (0, 0))
    backup.daily(clinic.store)
    assert not old.exists()
    assert now.exists()


def test_a_demo_makes_none(tmp_path: Path) -> None:
    mine = settings(tmp_path / "i")
    stores.create(mine, [], demo=True, recovery=RECOVERY)
    store = Store.open(mine)
    with pytest.raises(Denied):
        backup.make(store, tmp_path / "b.age")
    assert backup.daily(store) is None
    store.close()
    assert not mine.backup_folder.exists()


def test_the_password_of_the_database_is_no_argument() -> None:
    from sqlalchemy import make_url

    url = make_url("postgresql+psycopg://me:secret@/db?host=/run/pg")
    assert not [one for one in backup.connection(url) if "secret" in one]
    assert backup.environment(url)["PGPASSWORD"] == "secret"
