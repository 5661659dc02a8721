"""The restore drill: a backup becomes the clinic again; killed anywhere, the old state or the new one stands."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.config import Settings
from clinic.domain.errors import ClinicError, NotFound, SignIn, VaultLocked
from clinic.persistence import slots
from clinic.persistence import store as stores
from clinic.persistence.models import KeyRing, Record
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.services import accounts, backup, cases, erase, erasures, notices, records, restore, verify
from clinic.services.restore import Restored
from tests.persistence.databases import new_database
from tests.persistence.making import PASSWORD, Clinic, open_store, settings
from tests.services.rights import CANARIES, RECOVERY, agreed, finished, verbs, with_canaries, with_recovery

PASSPHRASE = "seven made-up words that nobody knows"
KEY = slots.by_recovery_key(RECOVERY)


def restored(mine: Settings, file: Path) -> Restored:
    return restore.restore(mine, file, KEY, restore.with_key_file(mine.key_file))


def reopened(clinic: Clinic, mine: Settings | None = None) -> Clinic:
    """The clinic as it is on disk, with Anna signed in."""
    store = open_store(mine or clinic.store.settings, clinic.clock, clinic.shelf)
    return replace(clinic, store=store, token=accounts.sign_in(store, "anna", PASSWORD))


def backed_up(clinic: Clinic, name: str = "b.age") -> Path:
    return backup.make(clinic.store, clinic.store.settings.instance.parent / "elsewhere" / name).path


@pytest.fixture
def well(clinic: Clinic) -> Iterator[Clinic]:
    """A clinic with canaries and a recovery key."""
    with_recovery(clinic)
    with_canaries(clinic)
    return clinic


# --------------------------------------------------------------------------- the drill
def test_the_drill(well: Clinic) -> None:
    """A backup, more work, everything restored as it was on that day; the later work is put beside."""
    file = backed_up(well)
    count = len(verbs(well))
    later = finished(well, "wishes", "a", {"wish": "Later"})
    well.store.close()
    done = restored(well.store.settings, file)
    assert done.erased == 0
    assert done.before is not None
    assert (done.before / "keys.json").exists()
    again_ = reopened(well)
    assert verify.verify(again_.store) == []
    listed = records.listing(again_.store, again_.token, well.case)
    assert later not in [one.id for one in listed]
    assert len(listed) == 5
    meeting = next(one for one in listed if one.definition_id == "meeting")
    assert records.read(again_.store, again_.token, meeting.id).answers["only_a"] == CANARIES["a"]
    assert "restore.done" in verbs(again_)[count:]
    assert "restored" in [one.kind for one in notices.unseen(again_.store, again_.token)]
    finished(again_, "wishes", "a", {"wish": "Work goes on"})
    again_.store.close()


def test_on_a_machine_that_has_nothing(well: Clinic, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = backed_up(well)
    well.store.close()
    url = "" if well.store.engine.dialect.name == "sqlite" else new_database(request.getfixturevalue("postgresql"))
    mine = settings(tmp_path / "other" / "i", url)
    done = restore.restore(mine, file, KEY, restore.with_passphrase(PASSPHRASE))
    assert done.before is None
    assert not mine.key_file.exists()
    with pytest.raises(VaultLocked):
        Store.open(mine, opener=slots.by_passphrase("another passphrase"))
    store = Store.open(mine, opener=slots.by_passphrase(PASSPHRASE), clock=well.clock, shelf=well.shelf)
    assert verify.verify(store) == []
    assert [one.name for one in accounts.listing(store)] == ["anna", "berta"]
    store.close()
    Store.open(mine, opener=KEY).close()  # the recovery key still opens it


def test_nobody_stays_signed_in(well: Clinic) -> None:
    file = backed_up(well)
    well.store.close()
    restored(well.store.settings, file)
    store = open_store(well.store.settings, well.clock, well.shelf)
    with pytest.raises(SignIn):
        cases.caseload(store, well.token)
    store.close()


def test_forms_of_their_own_come_back(well: Clinic, tmp_path: Path) -> None:
    if well.store.engine.dialect.name != "sqlite":
        return
    forms = well.store.settings.own_forms
    forms.mkdir()
    (forms / "own_note.toml").write_text("id = 'own_note'\n")
    file = backed_up(well)
    well.store.close()
    mine = settings(tmp_path / "other" / "i")
    restored(mine, file)
    assert (mine.own_forms / "own_note.toml").read_text() == "id = 'own_note'\n"


# --------------------------------------------------------------------------- erased stays erased
def test_erasures_survive_the_restore_of_an_older_backup(well: Clinic) -> None:
    file = backed_up(well)
    listed = {one.definition_id + one.about: one.id for one in records.listing(well.store, well.token, well.case)}
    erase.person(well.store, well.token, well.case, "a", agreed(well, "erase", partner="a"))
    well.store.close()
    assert restored(well.store.settings, file).erased == 1
    again_ = reopened(well)
    with pytest.raises(NotFound):
        records.read(again_.store, again_.token, listed["wishesa"])
    assert "only_a" not in records.read(again_.store, again_.token, listed["meetingcouple"]).answers
    assert "only_b" in records.read(again_.store, again_.token, listed["meetingcouple"]).answers
    assert cases.case_page(again_.store, again_.token, well.case, "staff").partners["a"].language == "en"
    assert verify.verify(again_.store) == []
    text = (again_.store.settings.instance / erasures.FILE).read_bytes()
    assert [one.whom for one in erasures.read(again_.store.keyholder, text)] == ["a"]
    again_.store.close()


@pytest.mark.parametrize("where", ["backup folder", "beside the file", "in the backup"])
def test_so_they_do_on_another_machine(well: Clinic, tmp_path: Path, where: str) -> None:
    if well.store.engine.dialect.name != "sqlite":
        return
    old = backed_up(well)
    erase.person(well.store, well.token, well.case, "a", agreed(well, "erase", partner="a"))
    mine = settings(tmp_path / "other" / "i")
    file = old
    if where == "backup folder":
        mine.backup_folder.mkdir(parents=True)
        (mine.backup_folder / erasures.FILE).write_bytes((well.store.settings.instance / erasures.FILE).read_bytes())
    elif where == "beside the file":
        (old.parent / erasures.FILE).write_bytes((well.store.settings.instance / erasures.FILE).read_bytes())
    else:
        file = backed_up(well, "later.age")
    well.store.close()
    assert restored(mine, file).erased == (where != "in the backup")  # there the database itself has it
    store = open_store(mine, well.clock, well.shelf)
    with Session(unscoped(store.engine, "restore")) as session:
        rows = session.scalars(select(KeyRing).where(KeyRing.case_id == UUID(well.case))).all()
    assert sum(not row.kid for row in rows) == 2
    store.close()


def test_a_changed_list_stops_the_restore(well: Clinic) -> None:
    file = backed_up(well)
    erase.person(well.store, well.token, well.case, "a", agreed(well, "erase", partner="a"))
    well.store.close()
    path = well.store.settings.instance / erasures.FILE
    path.write_bytes(b"0000" + path.read_bytes()[4:])
    with pytest.raises(ClinicError, match="list of erasures"):
        restored(well.store.settings, file)
    assert_as_before(well)


# --------------------------------------------------------------------------- refused
def assert_as_before(well: Clinic) -> None:
    """Nothing but the instance is there, and it opens."""
    mine = well.store.settings
    left = [one.name for one in mine.instance.parent.iterdir() if one.name.startswith(mine.instance.name + ".re")]
    assert left == []
    store = open_store(mine, well.clock, well.shelf)
    assert cases.caseload(store, well.token)
    store.close()


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:9000], lambda data: b"",
                                    lambda data: data[:7000] + b"\0" + data[7001:]])  # fmt: skip
def test_a_cut_or_changed_file_is_refused_with_one_line(well: Clinic, damage: Callable[[bytes], bytes]) -> None:
    file = backed_up(well)
    file.write_bytes(damage(file.read_bytes()))
    well.store.close()
    with pytest.raises(ClinicError) as why:
        restored(well.store.settings, file)
    assert "\n" not in str(why.value)
    assert_as_before(well)


def test_another_recovery_key_opens_nothing(well: Clinic) -> None:
    file = backed_up(well)
    well.store.close()
    other = slots.by_recovery_key(slots.new_recovery_key())
    with pytest.raises(ClinicError, match="recovery key"):
        restore.restore(well.store.settings, file, other, restore.with_passphrase(PASSPHRASE))
    assert_as_before(well)


def test_a_running_server_is_not_restored_under(well: Clinic) -> None:
    file = backed_up(well)
    with pytest.raises(ClinicError, match="Stop the server"):
        restored(well.store.settings, file)
    assert cases.caseload(well.store, well.token)


def test_another_instance_is_not_overwritten(well: Clinic, tmp_path: Path) -> None:
    if well.store.engine.dialect.name != "sqlite":
        return
    file = backed_up(well)
    mine = settings(tmp_path / "other" / "i")
    stores.create(mine, [], factors=False)
    with pytest.raises(ClinicError, match="another instance"):
        restored(mine, file)
    Store.open(mine).close()


def test_a_demo_takes_none(well: Clinic, tmp_path: Path) -> None:
    if well.store.engine.dialect.name != "sqlite":
        return
    file = backed_up(well)
    mine = settings(tmp_path / "other" / "i")
    stores.create(mine, [], demo=True)
    with pytest.raises(ClinicError, match="demo"):
        restored(mine, file)


def test_a_folder_with_something_else_is_left_alone(well: Clinic, tmp_path: Path) -> None:
    if well.store.engine.dialect.name != "sqlite":
        return
    file = backed_up(well)
    mine = settings(tmp_path / "other" / "i")
    mine.instance.mkdir(parents=True)
    (mine.instance / "photos").touch()
    with pytest.raises(ClinicError, match="no instance"):
        restored(mine, file)
    assert (mine.instance / "photos").exists()


def test_a_backup_that_does_not_verify_is_refused(well: Clinic) -> None:
    """Somebody had the keys and changed a row before the backup: sealed and whole, and still not sound."""
    with Session(well.raw) as session:
        first, second = session.scalars(select(Record).where(Record.case_id == well.case_id).limit(2)).all()
        first.head, second.head = second.head, first.head
        session.commit()
    file = backed_up(well)
    well.store.close()
    with pytest.raises(ClinicError, match="not sound"):
        restored(well.store.settings, file)
    mine = well.store.settings
    assert not [one for one in mine.instance.parent.iterdir() if one.name.startswith(mine.instance.name + ".re")]


# --------------------------------------------------------------------------- killed
def killed_at(step: int, act: Callable[[], object]) -> bool:
    """Do it in a child that is killed before its `step`-th change of a file; whether it was killed."""
    child = os.fork()
    if child == 0:
        left = [step]
        changing = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.chmod", "os.truncate")

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in changing or writes:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            act()
        except BaseException:  # noqa: B036 - the child says how it ended and nothing else
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL


def state_of(well: Clinic) -> int:
    """How many records the clinic has once the next command ran; it must be sound."""
    restore.finish(well.store.settings)
    back = reopened(well)
    assert verify.verify(back.store) == []
    count = len(records.listing(back.store, back.token, well.case))
    back.store.close()
    return count


@pytest.mark.parametrize("pace", [3, pytest.param(1, marks=pytest.mark.everything)])
def test_killed_at_any_step_the_old_state_or_the_new_one_stands(well: Clinic, pace: int) -> None:
    """At every step; in the quick run at every third."""
    file = backed_up(well)
    finished(well, "wishes", "a", {"wish": "Later"})
    well.store.close()
    seen, step, was_killed = [], 0, True
    pace *= 1 if well.store.engine.dialect.name == "sqlite" else 7  # each try takes seconds there
    while was_killed:
        was_killed = killed_at(step, lambda: restored(well.store.settings, file))
        seen.append(state_of(well))
        if seen[-1] == 5 and was_killed:  # the new one stands: once more from the state before
            finish_later(well)
        step += pace
        assert step < 200
    assert set(seen) == {5, 6}
    assert seen[0] == 6
    assert seen[-1] == 5
    assert len(seen) > 10 // pace


def finish_later(well: Clinic) -> None:
    """A sixth record again, so that the two states can be told apart."""
    back = reopened(well)
    finished(back, "wishes", "a", {"wish": "Later"})
    back.store.close()
