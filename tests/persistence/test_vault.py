"""The key file and the vault: closed unless everything fits, and one plain line that says why."""

import json
import pickle
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from clinic.domain.errors import Invalid, Usage, VaultLocked
from clinic.persistence import files, sealing, slots, vault
from clinic.persistence import store as stores
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from tests.persistence.making import OLD, Clinic, make, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vault.create(tmp_path / "i", tmp_path / "i.key")
    return tmp_path / "i"


def beside(folder: Path) -> Path:
    return folder.with_name("i.key")


def reason(folder: Path, key_file: Path | None = None) -> str:
    with pytest.raises(VaultLocked) as refused:
        vault.unlock(folder, key_file or beside(folder))
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    stores.create(settings(tmp_path / "i"), OLD.values())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "i").iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"clinic.db", "keys.json"} <= set(modes)
    assert stat.S_IMODE((tmp_path / "i.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "i").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_file_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    beside(folder).chmod(mode)
    assert "chmod 600" in reason(folder)


def test_no_key_file(folder: Path) -> None:
    assert "is not there" in reason(folder, folder.with_name("elsewhere.key"))


def test_not_a_key_file(folder: Path) -> None:
    beside(folder).write_text("secret\n")
    assert "not a key file" in reason(folder)


def test_the_key_of_another_instance(folder: Path, tmp_path: Path) -> None:
    vault.create(tmp_path / "b", tmp_path / "b.key")
    assert "not the key of this instance" in reason(folder, tmp_path / "b.key")


@pytest.mark.parametrize("change", [{"instance": str(uuid4())}, {"slots": [{"kind": "key_file"}]}, {"slots": []}])
def test_changed_slots_do_not_open(folder: Path, change: dict[str, object]) -> None:
    path = folder / "keys.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert reason(folder)


def test_broken_slots_do_not_open(folder: Path) -> None:
    (folder / "keys.json").write_text("{")
    assert "cannot be read" in reason(folder)


def test_the_key_file_may_be_elsewhere_and_already_there(tmp_path: Path) -> None:
    key = tmp_path / "stick" / "one.key"
    vault.create(tmp_path / "a", key)
    vault.create(tmp_path / "b", key)
    assert vault.unlock(tmp_path / "a", key).instance != vault.unlock(tmp_path / "b", key).instance


def test_a_wrapped_key_opens_for_its_scope_and_owner_only(folder: Path) -> None:
    opened, case = vault.unlock(folder, beside(folder)), uuid4()
    wrapped = opened.wrap(b"k" * 32, "a", case)
    assert opened.unwrap_bytes(wrapped, "a", case) == b"k" * 32
    for scope, owner in (("b", case), ("a", uuid4())):
        with pytest.raises(Damaged):
            opened.unwrap(wrapped, scope, owner)


def test_a_vault_stays_in_its_process_and_shows_no_key(folder: Path) -> None:
    opened = vault.unlock(folder, beside(folder))
    assert "AESGCM" not in repr(opened)
    with pytest.raises(TypeError):
        pickle.dumps(opened)


def test_the_database_of_another_instance_does_not_open(tmp_path: Path, clinic: Clinic) -> None:
    other = make(tmp_path / "other")
    mixed = settings(tmp_path / "other", clinic.store.settings.database_url)
    other.store.close()
    with pytest.raises(VaultLocked, match="another instance"):
        Store.open(mixed)


def test_an_instance_is_made_once(clinic: Clinic) -> None:
    with pytest.raises(Usage, match="already"):
        stores.create(clinic.store.settings, OLD.values())


def test_nothing_is_opened_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(VaultLocked):
        Store.open(settings(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_whether_it_is_a_demo_is_sealed(tmp_path: Path) -> None:
    stores.create(settings(tmp_path / "i"), OLD.values(), demo=True)
    store = Store.open(settings(tmp_path / "i"))
    assert store.demo
    store.close()


# ------------------------------------------------------------------ passphrase and recovery key
PASSPHRASE = "four words that nobody says"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot that is quick to open; what it cost stands in it."""
    monkeypatch.setattr(slots, "COST", slots.Cost(1, 64, 1))


@pytest.fixture
def recovery() -> str:
    return slots.new_recovery_key()


@pytest.fixture
def house(tmp_path: Path, cheap: None, recovery: str) -> Path:
    """An instance that a passphrase and a recovery key open."""
    stores.create(settings(tmp_path / "i"), [], passphrase=PASSPHRASE, recovery=recovery)
    return tmp_path / "i"


def test_what_production_asks_of_a_passphrase() -> None:
    assert slots.Cost(3, 256 * 1024, 1) == slots.COST


def test_a_slot_keeps_its_cost_when_the_program_asks_for_more(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "COST", slots.Cost(2, 128, 1))
    slot = vault.read(house).slots[0]
    assert (slot["kind"], slot["t"], slot["m"], slot["p"]) == ("passphrase", 1, 64, 1)
    vault.unlock(house, slots.by_passphrase(PASSPHRASE))


def test_passphrase_and_recovery_key_open_the_same(house: Path, recovery: str) -> None:
    one, two = (
        vault.unlock(house, slots.by_passphrase(PASSPHRASE)),
        vault.unlock(house, slots.by_recovery_key(recovery)),
    )
    owner = uuid4()
    assert one.db_key() == two.db_key()
    assert not one.unattended
    wrapped = one.wrap(b"k" * 32, "a", owner)
    assert two.unwrap_bytes(wrapped, "a", owner) == b"k" * 32
    assert not house.with_name("i.key").exists()


def test_a_passphrase_is_the_same_from_every_keyboard(house: Path) -> None:
    composed, apart = "cafe\u0301 is open all the day", "caf\u00e9 is open all the day"
    vault.change_slot(house, slots.by_passphrase(PASSPHRASE), slots.by_passphrase(composed))
    vault.unlock(house, slots.by_passphrase(apart))


@pytest.mark.parametrize("typed", ["", PASSPHRASE + " ", PASSPHRASE.upper(), "\ud800", "x" * 10_000])
def test_another_passphrase_opens_nothing(house: Path, typed: str) -> None:
    with pytest.raises(VaultLocked, match="this passphrase does not open") as refused:
        vault.unlock(house, slots.by_passphrase(typed))
    assert typed == "" or typed not in str(refused.value)


def test_a_slot_says_nothing_of_its_secret(house: Path, recovery: str) -> None:
    text = (house / "keys.json").read_text()
    assert PASSPHRASE not in text
    assert recovery not in text
    opener = slots.by_recovery_key(recovery)
    assert repr(opener.secret) not in repr(opener)
    assert str(opener.secret) not in repr(vault.read(house))
    # Only the recipient of backups stays on the machine.
    kept = json.loads(text)
    assert kept["backup_recipient"].startswith("age1")
    assert "AGE-SECRET" not in text


def test_a_slot_moved_or_relabelled_does_not_open(house: Path, recovery: str) -> None:
    """Another kind, id, number or instance in the file: sealed under something else than it says."""
    path = house / "keys.json"
    good = json.loads(path.read_text())
    for change in ({"id": str(uuid4())}, {"kid": 2}, {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="}, {"t": 2}, {"m": 1 << 30}):
        bad = good | {"slots": [good["slots"][0] | change, good["slots"][1]]}
        path.write_text(json.dumps(bad))
        with pytest.raises(VaultLocked):
            vault.unlock(house, slots.by_passphrase(PASSPHRASE))
    path.write_text(json.dumps(good | {"instance": str(uuid4())}))
    for opener in (slots.by_passphrase(PASSPHRASE), slots.by_recovery_key(recovery)):
        with pytest.raises(VaultLocked):
            vault.unlock(house, opener)
    swapped = [good["slots"][1] | {"kind": "recovery", "sealed": good["slots"][0]["sealed"]}]
    path.write_text(json.dumps(good | {"slots": swapped}))
    with pytest.raises(VaultLocked):
        vault.unlock(house, slots.by_recovery_key(recovery))


def test_the_key_of_the_database_is_bound_to_its_place(house: Path) -> None:
    path = house / "keys.json"
    kept = json.loads(path.read_text())
    kept["db"][0]["id"] = str(uuid4())
    path.write_text(json.dumps(kept))
    with pytest.raises(VaultLocked):
        vault.unlock(house, slots.by_passphrase(PASSPHRASE)).db_key()


def test_one_slot_changes_and_the_others_stay(house: Path, recovery: str) -> None:
    before = vault.unlock(house, slots.by_recovery_key(recovery)).db_key()
    vault.change_slot(house, slots.by_passphrase(PASSPHRASE), slots.by_passphrase("another four words today"))
    with pytest.raises(VaultLocked):
        vault.unlock(house, slots.by_passphrase(PASSPHRASE))
    for opener in (slots.by_passphrase("another four words today"), slots.by_recovery_key(recovery)):
        assert vault.unlock(house, opener).db_key() == before
    # The recovery key opens when the passphrase is forgotten.
    vault.change_slot(house, slots.by_recovery_key(recovery), slots.by_passphrase(PASSPHRASE))
    newer, recipient = slots.new_recovery_key(), vault.read(house).backup_recipient
    vault.change_slot(house, slots.by_passphrase(PASSPHRASE), slots.by_recovery_key(newer))
    with pytest.raises(VaultLocked):
        vault.unlock(house, slots.by_recovery_key(recovery))
    assert vault.unlock(house, slots.by_recovery_key(newer)).db_key() == before
    assert vault.read(house).backup_recipient != recipient


def test_a_recovery_key_is_read_as_a_hand_writes_it(recovery: str) -> None:
    secret = slots.recovery_secret(recovery)
    groups = recovery.split()
    assert [len(one) for one in groups] == [4] * 9
    assert len(secret) == 20
    for typed in (recovery.lower(), "".join(groups), "-".join(groups), f"  {recovery}\n", recovery.replace("0", "O")):
        assert slots.recovery_secret(typed) == secret
    assert slots.recovery_secret(recovery.replace("1", "l")) == secret
    assert slots.new_recovery_key() != slots.new_recovery_key()


def test_a_wrong_sign_in_a_recovery_key_is_seen(recovery: str) -> None:
    """One in a million slips through by chance, so a sign is wrong here at each place once."""
    key = recovery.replace(" ", "")
    wrong = [key[:place] + ("Z" if key[place] != "Z" else "Y") + key[place + 1 :] for place in range(len(key))]
    swapped = [key[:place] + key[place + 1] + key[place] + key[place + 2 :] for place in range(len(key) - 1)]
    for typed in (*wrong, *swapped, key[1:], key + "0", "", "ä" * 36, "U" * 36):
        if typed != key:
            with pytest.raises(Invalid):
                slots.recovery_secret(typed)


def test_the_identity_of_backups_comes_from_the_recovery_key_alone(recovery: str) -> None:
    """Another machine makes the same one, and it opens what was sealed to the recipient that this one keeps."""
    pyrage = pytest.importorskip("pyrage")
    secret = slots.recovery_secret(recovery)
    identity = pyrage.x25519.Identity.from_str(slots.backup_identity(secret))
    recipient = pyrage.x25519.Recipient.from_str(slots.backup_recipient(secret))
    assert pyrage.decrypt(pyrage.encrypt(b"all", [recipient]), [identity]) == b"all"
    assert slots.backup_identity(slots.recovery_secret(slots.new_recovery_key())) != slots.backup_identity(secret)


# ------------------------------------------------------------------ refusals
def opens(mine: Path) -> None:
    store = Store.open(settings(mine))
    store.close()


def refusal(mine: Path) -> str:
    with pytest.raises(VaultLocked) as refused:
        Store.open(settings(mine))
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def unattended(tmp_path: Path) -> Path:
    stores.create(settings(tmp_path / "i"), [])
    opens(tmp_path / "i")
    return tmp_path / "i"


@pytest.mark.parametrize("name", ["", "keys.json", "clinic.db", "clinic.db-wal", "../i.key"])
@pytest.mark.parametrize("mode", [0o040, 0o004, 0o020, 0o001])
def test_what_others_can_read_is_refused(unattended: Path, name: str, mode: int) -> None:
    path = unattended / name
    if name.endswith("-wal"):
        path.touch(mode=0o600)
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(before | mode)
    assert f"chmod {'600' if path.is_file() else '700'} " in refusal(unattended)
    path.chmod(before)
    opens(unattended)


def test_a_key_file_in_the_folder_that_it_opens_is_refused(unattended: Path, tmp_path: Path) -> None:
    (tmp_path / "i.key").rename(unattended / "clinic.key")
    (tmp_path / "i.key").symlink_to(unattended / "clinic.key")
    assert "lies in the folder that it opens" in refusal(unattended)
    with pytest.raises(VaultLocked, match="lies in the folder"):
        vault.create(tmp_path / "new", tmp_path / "new" / "sub" / "clinic.key")
    assert not (tmp_path / "new").exists()


def test_without_keys_the_database_is_of_no_use(unattended: Path) -> None:
    (unattended / "keys.json").unlink()
    assert "keys.json is not there" in refusal(unattended)
    # Nor is a new one made over it.
    with pytest.raises(Usage, match="already"):
        stores.create(settings(unattended), [])


def test_a_plain_database_is_refused(unattended: Path) -> None:
    (unattended / "clinic.db").write_bytes(b"SQLite format 3\0" + bytes(4080))
    (unattended / "clinic.db-wal").unlink(missing_ok=True)
    assert "not encrypted" in refusal(unattended)


def test_keys_of_another_version_are_refused(unattended: Path) -> None:
    path = unattended / "keys.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    assert "another version" in refusal(unattended)


def test_the_database_of_other_keys_does_not_open(unattended: Path, tmp_path: Path) -> None:
    stores.create(settings(tmp_path / "other"), [])
    (tmp_path / "other" / "clinic.db").replace(unattended / "clinic.db")
    assert "another instance" in refusal(unattended)


# ------------------------------------------------------------------ what opens it here
def test_a_systemd_credential_stands_for_the_key_file(unattended: Path, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "i.key").rename(tmp_path / "credentials" / "clinic-key")
    named = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    opener = vault.find(unattended, tmp_path / "i.key", named)
    assert opener.unattended
    vault.unlock(unattended, opener)
    with pytest.raises(VaultLocked, match=r"i\.key is not there"):
        vault.find(unattended, tmp_path / "i.key", {})


def test_a_passphrase_is_asked_for_at_a_terminal_only(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VaultLocked, match="clinic unlock"):
        vault.find(house, house.with_name("i.key"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    typed = iter(["wrong", "wrong again", PASSPHRASE])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    vault.unlock_here(house, house.with_name("i.key"))
    typed = iter(["wrong"] * 3)
    with pytest.raises(VaultLocked, match="this passphrase"):
        vault.unlock_here(house, house.with_name("i.key"))


# ------------------------------------------------------------------ who has it open
def test_one_who_wants_to_be_alone_waits_for_nobody(unattended: Path) -> None:
    store = Store.open(settings(unattended))
    second = Store.open(settings(unattended))
    with pytest.raises(Usage, match="Stop the server"):
        files.Hold(unattended, alone=True)
    store.close()
    second.close()
    with files.Hold(unattended, alone=True):
        assert "being changed" in refusal(unattended)
    opens(unattended)


def test_a_failed_start_holds_nothing(unattended: Path) -> None:
    (unattended.with_name("i.key")).chmod(0o644)
    refusal(unattended)
    files.Hold(unattended, alone=True).release()


def test_a_rewrapped_key_keeps_its_id(folder: Path) -> None:
    opened, case = vault.unlock(folder, beside(folder)), uuid4()
    wrapped = opened.wrap(b"k" * 32, "a", case)
    again = opened.rewrap(wrapped, "a", case)
    assert (again.id, again.kid) == (wrapped.id, wrapped.kid)
    assert again.sealed != wrapped.sealed
    with pytest.raises(sealing.Damaged):
        opened.rewrap(wrapped, "b", case)
