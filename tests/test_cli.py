"""The command line as a contract: exit codes, one plain line on stderr, JSON that scripts read."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from clinic import config
from clinic.cli import clinic as commands
from clinic.persistence.models import PressBatch, PressItem, PressKey
from clinic.persistence.store import Store
from tests import pdf

ROOT = Path(__file__).resolve().parent.parent


def clinic(*arguments: str, instance: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clinic.cli", *(["--instance", str(instance)] if instance else []), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house") / "demo"
    done = clinic("demo", "--no-serve", instance=folder)
    assert done.returncode == 0, done.stderr
    assert len(list((folder / "prints").glob("*.pdf"))) == 6
    return folder


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit 1 and one plain line."""
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("clinic: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_sheets_are_listed_for_scripts() -> None:
    rows = json.loads(clinic("sheets", "--json").stdout)
    ours = next(row for row in rows if row["id"] == "our_cycle")
    assert ours["recipients"] == ["joint"]
    assert ours["kind"] == "worksheet"
    assert "en" in ours["locales"]
    assert len({row["id"] for row in rows}) == len(rows) >= 20


def test_locales_say_what_prints_and_why_not() -> None:
    rows = json.loads(clinic("locales", "--json").stdout)
    spanish = next(row for row in rows if (row["locale"], row["definition"]) == ("es", "our_cycle"))
    assert spanish["translated"] == 1
    assert spanish["approved"] == 0
    assert not spanish["printable"]
    assert "nobody reviewed" in spanish["reason"]


def test_a_blank_sheet_needs_no_instance(tmp_path: Path) -> None:
    done = clinic("print", "our_cycle", "--out", str(tmp_path / "x.pdf"), "--paper", "letter", "--size", "large")
    assert done.returncode == 0, done.stderr
    assert "Our loop" in pdf.text((tmp_path / "x.pdf").read_bytes())


def test_an_unreviewed_language_prints_as_a_draft_only(tmp_path: Path) -> None:
    out = str(tmp_path / "x.pdf")
    refused(clinic("print", "our_cycle", "--out", out, "--locale", "ar"), "ar")
    assert clinic("print", "our_cycle", "--out", out, "--locale", "ar", "--draft").returncode == 0
    refused(clinic("print", "when_to_get_more_help", "--out", out, "--locale", "ar", "--draft"))


def test_the_screening_has_no_paper(tmp_path: Path) -> None:
    refused(clinic("print", "safety_screening", "--out", str(tmp_path / "x.pdf")), "no blank")


def test_a_case_prints_and_an_unknown_one_does_not(house: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.pdf"
    done = clinic("print", "our_cycle", "--case", "K-1001", "--to", "joint", "--out", str(out), instance=house)
    assert done.returncode == 0, done.stderr
    assert "Puts the phone away" in " ".join(pdf.text(out.read_bytes()).split())
    assert out.stat().st_mode & 0o077 == 0
    refused(clinic("print", "our_cycle", "--case", "K-9999", "--to", "joint", "--out", str(out), instance=house))
    # K-1003 was not prepared for joint work: the line is the same whatever the cause.
    closed = clinic("print", "our_cycle", "--case", "K-1003", "--to", "joint", "--out", str(out), instance=house)
    wrong = clinic("print", "our_cycle", "--case", "K-1001", "--to", "a", "--out", str(out), instance=house)
    refused(closed)
    assert wrong.stderr == closed.stderr


def test_check_names_file_section_and_block(tmp_path: Path) -> None:
    bad = tmp_path / "own_bad.toml"
    bad.write_text(
        'id = "own_bad"\nversion = 1\nkind = "note"\ntitle = "T"\naudience = "staff"\nabout = "couple"\n'
        '[[section]]\nid = "s"\n[[section.block]]\nid = "verse"\nkind = "poem"\n'
    )
    refused(clinic("check", str(bad)), "own_bad.toml", "section s", "block verse", "poem")
    done = clinic("check", *(str(path) for path in sorted((ROOT / "forms").rglob("*.toml"))))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments", [["print"], ["nonsense"], ["print", "our_cycle", "--out", "x", "--to", "a"], ["demo", "--port", "x"]]
)
def test_wrong_usage_is_two(arguments: list[str]) -> None:
    assert clinic(*arguments).returncode == 2


@pytest.mark.parametrize("command", [("verify",), ("upgrade",), ("account", "list")])
def test_a_database_that_is_away_is_one_plain_line(
    house: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CLINIC_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:9/nowhere")
    done = clinic(*command, instance=house)
    refused(done, "atabase", "clinic doctor")
    assert "secret" not in done.stdout + done.stderr


def test_a_port_in_use_is_one_plain_line(house: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = clinic("serve", "--port", str(taken.getsockname()[1]), instance=house)
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_asks_until_the_passphrase_is_long_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinic.cli.harden", lambda: None)  # it would close the process of all tests
    house = tmp_path / "clinic"
    runner = CliRunner()
    asked = "anna\ncounsellor\ntiny\na long enough one\na long enough one\n"
    done = runner.invoke(commands, ["--instance", str(house), "init", "--unattended"], input=asked)
    assert done.exit_code == 0, done.output
    assert "Too short" in done.output
    assert (tmp_path / "clinic.key").stat().st_mode & 0o077 == 0
    again = clinic("init", instance=house)
    assert again.returncode == 2
    assert "already" in again.stderr


def test_an_instance_that_others_can_read_does_not_open(house: Path) -> None:
    key = house.with_name("demo.key")
    key.chmod(0o644)
    try:
        refused(clinic("print", "our_cycle", "--case", "K-1001", "--to", "joint", "--out", "x", instance=house))
    finally:
        key.chmod(0o600)


# --------------------------------------------------------------------------- packs
def packed(
    house: Path, tmp_path: Path, *arguments: str, lines: str = ""
) -> tuple[subprocess.CompletedProcess[str], Path]:
    out, file = tmp_path / "pack.out", tmp_path / "list.csv"
    file.write_text("case,sheet,to,locale,with,copies\n" + lines)
    more = ["--list", str(file)] if lines else []
    done = clinic("pack", "--out", str(out), *more, *arguments, instance=house)
    done.stderr = re.sub(r"^clinic: \d+ of \d+ sheets.*\n", "", done.stderr, flags=re.MULTILINE)  # a slow machine
    return done, out


def test_a_pack_from_a_list(house: Path, tmp_path: Path) -> None:
    done, out = packed(house, tmp_path, "--cover", lines="K-1001,our_cycle,joint,en,,2\n")
    line = "clinic: K-1001: our_cycle for joint, en approved, "
    assert (done.returncode, [one.startswith(line) for one in done.stderr.splitlines()]) == (0, [True, True])
    assert re.search(r", \d+ answers$", done.stderr.strip())
    assert "Puts the phone away" not in done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    content = out.read_bytes()
    assert pdf.text(content).count("Our loop") == 2
    assert not pdf.ua1(content)
    done, out = packed(house, tmp_path, "--zip", lines="K-1001,our_cycle,joint,en,,2\n")
    assert (done.returncode, out.read_bytes()[:2]) == (0, b"PK")


def test_what_would_leave_the_room_is_listed_and_not_printed(house: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.pdf"
    lines = "K-1001,our_cycle,joint,en,,\nK-1003,talking_about_sex,joint,en,,\n"
    (tmp_path / "list.csv").write_text("case,sheet,to,locale,with,copies\n" + lines)
    sheet = ("print", "our_cycle", "--case", "1001", "--to", "joint")
    pack = ("pack", "--list", str(tmp_path / "list.csv"))
    for arguments, code in ((sheet, 0), (pack, 1)):
        done = clinic(*arguments, "--show", instance=house)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("clinic: K-1001: our_cycle for joint, en approved, ")
        both = clinic(*arguments, "--show", "--out", str(out), instance=house)
        neither = clinic(*arguments, instance=house)
        assert (both.returncode, neither.returncode) == (2, 2)
    assert "clinic: line 3: This sheet cannot be printed now." in done.stderr
    assert not out.exists()
    assert "blank, en approved" in clinic("print", "our_cycle", "--show").stderr


@pytest.mark.everything
def test_what_does_not_print_has_its_line_and_the_others_are_there(house: Path, tmp_path: Path) -> None:
    """Exit 1, and the file is written."""
    shut = "K-1003,talking_about_sex,joint,en,,\n"
    done, out = packed(house, tmp_path, lines="K-1001,our_cycle,joint,en,,\n" + shut)
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[1]
        == "clinic: line 3: This sheet cannot be printed now. The reason is in the staff layer."
    )
    assert pdf.pages(out.read_bytes()) >= 1
    out.unlink()
    done, out = packed(house, tmp_path, lines=shut)
    refused(done, "line 2: This sheet cannot be printed now.")
    assert not out.exists()


@pytest.mark.everything
def test_the_keyboard_stops_a_pack_and_nothing_is_kept_of_it(house: Path, tmp_path: Path) -> None:
    """As a terminal sends it: to every process of the command. No row of a print, no sheet that goes on waiting."""
    out, file = tmp_path / "pack.out", tmp_path / "list.csv"
    file.write_text("case,sheet,to,copies\n" + "K-1001,our_cycle,joint,9\n" * 30)
    command = [sys.executable, "-m", "clinic.cli", "--instance", str(house), "pack", "--list", str(file)]
    command += ["--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        lines = iter(process.stderr.readline, "")  # type: ignore[union-attr]
        said = next(line for line in lines if re.fullmatch(r"clinic: \d+ of 270 sheets.*\n", line))
        os.killpg(process.pid, signal.SIGINT)
        rest = said + "".join(lines)
        assert process.wait(60) == 1
    assert "Traceback" not in rest
    assert "clinic: Stopped. No file was written.\n" in rest
    assert not out.exists()
    settings = config.load(house)
    store = Store.open(settings)
    try:
        with store.engine.connect() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(one)) for one in (PressBatch, PressItem, PressKey)
            ]
        assert counts == [0, 0, 0]
    finally:
        store.close()


def test_a_bad_list_prints_nothing(house: Path, tmp_path: Path) -> None:
    done, out = packed(house, tmp_path, lines="K-1001,our_cycle,joint,en,,\nK-1001,our_cycle,a,,,\n")
    refused(done, "line 3, to: this sheet prints for joint.")
    assert not out.exists()


@pytest.mark.everything
def test_a_pack_names_one_source(house: Path, tmp_path: Path) -> None:
    for arguments in ((), ("--case", "K-1001", "--day", "today"), ("--day", "someday")):
        done, out = packed(house, tmp_path, *arguments)
        assert done.returncode == 2, arguments
        assert not out.exists()
    done, _ = packed(house, tmp_path, "--case", "K-4711")
    refused(done, "There is nothing here that you can open.")
    done, _ = packed(house, tmp_path, "--day", "2001-01-01")
    refused(done, "Nothing is due")


@pytest.mark.everything
def test_the_demo_has_a_pack_for_tomorrow(house: Path, tmp_path: Path) -> None:
    done, out = packed(house, tmp_path, "--day", "tomorrow", "--draft")
    assert pdf.pages(out.read_bytes()) >= 1, done.stderr
