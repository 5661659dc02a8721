"""The key file and the vault: closed unless everything fits, and one plain line that says why."""

import json
import pickle
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from clinic.domain.errors import Usage, VaultLocked
from clinic.persistence import store as stores
from clinic.persistence import vault
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from tests.persistence.making import OLD, Clinic, make, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vault.create(tmp_path, tmp_path / "clinic.key")
    return tmp_path


def reason(folder: Path, key_file: Path | None = None) -> str:
    with pytest.raises(VaultLocked) as refused:
        vault.unlock(folder, key_file or folder / "clinic.key")
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    stores.create(settings(tmp_path / "i"), OLD.values())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "i").iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"clinic.db", "clinic.key", "keys.json"} <= set(modes)
    assert stat.S_IMODE((tmp_path / "i").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_file_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    (folder / "clinic.key").chmod(mode)
    assert "chmod 600" in reason(folder)


def test_no_key_file(folder: Path) -> None:
    assert "is not there" in reason(folder, folder / "elsewhere.key")


def test_not_a_key_file(folder: Path) -> None:
    (folder / "clinic.key").write_text("secret\n")
    assert "not a key file" in reason(folder)


def test_the_key_of_another_instance(folder: Path, tmp_path: Path) -> None:
    vault.create(tmp_path / "b", tmp_path / "b" / "clinic.key")
    assert "not the key of this instance" in reason(folder, tmp_path / "b" / "clinic.key")


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
    opened, case = vault.unlock(folder, folder / "clinic.key"), uuid4()
    wrapped = opened.wrap(b"k" * 32, "a", case)
    assert opened.unwrap_bytes(wrapped, "a", case) == b"k" * 32
    for scope, owner in (("b", case), ("a", uuid4())):
        with pytest.raises(Damaged):
            opened.unwrap(wrapped, scope, owner)


def test_a_vault_stays_in_its_process_and_shows_no_key(folder: Path) -> None:
    opened = vault.unlock(folder, folder / "clinic.key")
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
