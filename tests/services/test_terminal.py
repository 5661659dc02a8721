"""`clinic account …` and token files, on a terminal of their own."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest

from clinic.domain.errors import SignIn, Usage
from clinic.services import accounts, factors, sessions, terminal
from tests.persistence.making import PASSWORD
from tests.services.sign_in import WHERE, House, house

__all__ = ["house"]
ROOT = Path(__file__).resolve().parents[2]
TEMPORARY = "handed over on a slip of paper"


def clinic(house: House, *arguments: str, typed: Sequence[str] = ()) -> tuple[int, str]:
    """Run a command on a terminal, answer what it asks; exit code and what the terminal showed."""
    mine, its = pty.openpty()
    environment = os.environ | {"CLINIC_INSTANCE_PATH": str(house.store.settings.instance)}
    command = [sys.executable, "-m", "clinic.cli", *arguments]
    running = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, cwd=ROOT, env=environment, start_new_session=True, close_fds=True
    )
    os.close(its)
    shown, answers = b"", list(typed)
    stop = threading.Timer(60, running.kill)
    stop.start()
    try:
        while True:
            try:
                piece = os.read(mine, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
            # A question ends with a colon and a blank; the echo of an answer does not.
            if piece.endswith(b": ") and answers:
                os.write(mine, answers.pop(0).encode() + b"\n")
    finally:
        stop.cancel()
        os.close(mine)
    return running.wait(), shown.decode()


def real_time(house: House) -> str:
    """Enrol by the clock that the command's own process reads; the code that comes next there."""
    house.clock.now = datetime.now(UTC) - timedelta(minutes=2)
    return house.enrol()


def code_now(house: House) -> str:
    return pyotp.TOTP(house.secret).now()


def test_the_first_admin_needs_only_the_key_and_then_the_door_closes(house: House) -> None:
    said, shown = clinic(house, "account", "create", "ada", "--role", "admin", typed=["Ada A.", TEMPORARY, TEMPORARY])
    assert said == 0, shown
    assert "no admin yet" in shown
    assert TEMPORARY not in shown
    ada = accounts.find(house.store, "ada")
    assert (ada.role, ada.display, ada.temporary) == ("admin", "Ada A.", True)
    said, shown = clinic(house, "account", "create", "eve", "--role", "admin", typed=["Eve", TEMPORARY, TEMPORARY])
    assert said == 2
    assert "--as" in shown
    assert len(accounts.listing(house.store)) == 2


def test_a_counsellor_may_not_and_an_admin_may(house: House) -> None:
    real_time(house)
    house.id = accounts.create_account(house.store, "ada", PASSWORD, role="admin")
    said, shown = clinic(house, "account", "list", "--as", "anna", typed=[PASSWORD, code_now(house)])
    assert said == 1
    assert "Your role may not do this." in shown
    begun = sessions.begin(house.store, "ada", PASSWORD, WHERE)
    started = factors.begin_totp(house.store, begun.token)
    house.secret = started.secret
    factors.confirm_totp(house.store, begun.token, house.code(), started.pending, WHERE)
    said, shown = clinic(house, "account", "deactivate", "anna", "--as", "ada", typed=[PASSWORD, code_now(house)])
    assert said == 0, shown
    assert not accounts.find(house.store, "anna").active


def test_a_poor_passphrase_is_asked_again(house: House) -> None:
    _, shown = clinic(house, "account", "password", "anna", typed=["tiny", "couples therapy 123", TEMPORARY, TEMPORARY])
    assert "Too short" in shown
    assert "Easy to guess" in shown
    assert accounts.find(house.store, "anna").temporary


def test_a_token_file_is_made_and_signs_in(house: House, tmp_path: Path) -> None:
    here = real_time(house)
    file = tmp_path / "token"
    said, shown = clinic(house, "account", "token", "anna", "--out", str(file), typed=[PASSWORD, code_now(house)])
    assert said == 0, shown
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in shown
    for _ in range(2):  # the file holds on; only a session of the terminal ends with its command
        with terminal.signed_in(house.store, None, file) as token:
            assert sessions.actor(house.store, token).name == "anna"
    house.clock.now = datetime.now(UTC)
    kinds = {one.kind for one in sessions.list_(house.store, sessions.unlock(house.store, here, PASSWORD, WHERE))}
    assert kinds == {"web", "cli"}
    with pytest.raises(SignIn), terminal.signed_in(house.store, "berta", file):
        pass


@pytest.mark.parametrize("amiss", ["readable", "link", "folder", "missing", "empty"])
def test_a_token_file_that_is_not_as_it_must_be(house: House, tmp_path: Path, amiss: str) -> None:
    token = house.enrol()
    file = tmp_path / "token"
    terminal.keep(file, sessions.token_for_file(house.store, token))
    with pytest.raises(Usage):
        terminal.keep(file, "another")
    match amiss:
        case "readable":
            file.chmod(0o640)
        case "link":
            file.rename(tmp_path / "real")
            file.symlink_to(tmp_path / "real")
        case "folder":
            file.unlink()
            file.mkdir()
        case "missing":
            file.unlink()
        case "empty":
            file.write_text("")
    with pytest.raises((Usage, SignIn)), terminal.signed_in(house.store, None, file):
        pass


def test_a_wrong_answer_at_the_prompt_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.enrol()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for typed in (["wrong"], [PASSWORD, "000000"]):
        answers = iter(typed)
        monkeypatch.setattr("getpass.getpass", lambda _ask, mine=answers: next(mine))
        with pytest.raises(SignIn, match="do not fit together"):
            terminal.token(house.store, "anna")


def test_nobody_to_ask_is_a_refusal(house: House) -> None:
    command = [sys.executable, "-m", "clinic.cli", "account", "token", "anna", "--out", "x"]
    environment = os.environ | {"CLINIC_INSTANCE_PATH": str(house.store.settings.instance)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "clinic: Please sign in."


def test_an_account_that_is_not_ready_is_told_so(house: House, tmp_path: Path) -> None:
    said, shown = clinic(house, "account", "token", "anna", "--out", str(tmp_path / "x"), typed=[PASSWORD])
    assert said == 2
    assert "sign in once in the browser" in shown
    assert not (tmp_path / "x").exists()
