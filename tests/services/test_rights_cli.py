"""backup, restore and export at the command line: one plain line when refused, files for their owner only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from clinic.domain.errors import Usage
from clinic.persistence import slots
from clinic.persistence.store import Store
from clinic.services import backup, cases, export, keys, restore
from tests.persistence.making import Clinic
from tests.services.rights import CANARIES, RECOVERY, with_canaries, with_recovery

PASSPHRASE = "seven made-up words that nobody knows"


def run(clinic: Clinic, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "clinic.cli", "--instance", clinic.store.settings.instance, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def test_backup_beside_a_store_that_is_open(clinic: Clinic, tmp_path: Path) -> None:
    if clinic.store.engine.dialect.name != "sqlite":
        return
    with_recovery(clinic)
    done = run(clinic, "backup", tmp_path / "b.age")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "b.age").stat().st_mode & 0o777 == 0o600
    assert restore.read(tmp_path / "b.age", slots.backup_identity(slots.recovery_secret(RECOVERY))).database == "sqlite"


def test_restore_needs_a_terminal(clinic: Clinic, tmp_path: Path) -> None:
    if clinic.store.engine.dialect.name != "sqlite":
        return
    with_recovery(clinic)
    file = backup.make(clinic.store, tmp_path / "b.age").path
    done = run(clinic, "restore", file)
    assert done.returncode == 1
    assert done.stderr == "clinic: A restore asks for the recovery key at a terminal.\n"


def test_restore_asks_for_recovery_key_and_passphrase(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_recovery(clinic)
    file = backup.make(clinic.store, tmp_path / "b.age").path
    mine = clinic.store.settings
    clinic.store.close()
    monkeypatch.setattr(keys, "at_terminal", lambda: True)
    lines: list[str] = []
    with CliRunner().isolation(input=f"{RECOVERY.lower()}\ny\n{PASSPHRASE}\n{PASSPHRASE}\n"):
        restore.from_command_line(mine, file, False, lines.append)
    assert lines[-1] == f"The state before is in {mine.instance}.before-restore. Delete it once you are sure."
    Store.open(mine, opener=slots.by_passphrase(PASSPHRASE)).close()
    clinic.store.engine.dispose()


def test_export_by_code(clinic: Clinic) -> None:
    with_canaries(clinic)
    code = cases.name(clinic.store, clinic.token, clinic.case).code
    made = export.by_code(clinic.store, clinic.token, code, "a")
    assert CANARIES["a"] in made.data.decode()
    assert json.loads(made.data)["language"] == "en"
    with pytest.raises(Usage):
        export.by_code(clinic.store, clinic.token, code, "a", locale="xx")


def test_export_asks_who_it_is(clinic: Clinic, tmp_path: Path) -> None:
    if clinic.store.engine.dialect.name != "sqlite":
        return
    done = run(clinic, "export", "K-1", "--person", "a", "--as", "anna", "--out", tmp_path / "x.json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "x.json").exists()
