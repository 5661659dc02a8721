"""The rules of the test suite hold: no network, no quiet skip."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = (Path(__file__).parent / "conftest.py").read_text(encoding="utf-8")
SUITE = """
import pytest

def test_plain(): pass

@pytest.mark.everything
def test_big(): pass

@pytest.mark.skip(reason="made to be skipped")
def test_skipped(): pass
"""


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_elsewhere_is_refused(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(RuntimeError, match="stay on this machine"):
        sock.connect((address, 80))


def test_a_name_elsewhere_is_not_even_looked_up() -> None:
    with pytest.raises(RuntimeError, match="stay on this machine"):
        socket.create_connection(("clinic.example", 80))


def test_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [([], 0, "1 passed, 1 skipped, 1 deselected"), (["--everything"], 1, "2 passed, 1 error")],
)
def test_everything_selects_all_and_allows_no_skip(tmp_path: Path, options: list[str], code: int, says: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = everything\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, says in run.stdout) == (code, True), run.stdout
