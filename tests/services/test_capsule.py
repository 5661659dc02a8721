"""The sealed file of a backup: whole or refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from clinic.services import capsule

KEY = pyrage.x25519.Identity.generate()
BIG = os.urandom(9 * 1024 * 1024)


def made(path: Path) -> Path:
    pieces = (BIG[n : n + 70_000] for n in range(0, len(BIG), 70_000))
    capsule.write(path, [("keys", [b"{}"]), ("empty", []), ("database", pieces)], str(KEY.to_public()))
    return path


def read(path: Path, key: str = str(KEY)) -> dict[str, bytes]:
    with capsule.opened(path, key) as members:
        return {name: capsule.whole(content) for name, content in members}


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    file = made(tmp_path / "b.age")
    assert read(file) == {"keys": b"{}", "empty": b"", "database": BIG}
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["b.age"]
    assert BIG[:64] not in file.read_bytes()


def test_a_member_that_nobody_reads_is_passed_over(tmp_path: Path) -> None:
    with capsule.opened(made(tmp_path / "b.age"), str(KEY)) as members:
        assert [name for name, _ in members] == ["keys", "empty", "database"]


@pytest.mark.parametrize("cut", [0, 10, 150, 65_736, 4_000_000, -1])
def test_a_cut_file_is_refused(tmp_path: Path, cut: int) -> None:
    file = made(tmp_path / "b.age")
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(capsule.Broken):
        read(file)


@pytest.mark.parametrize("where", [3, 100, 250, 70_000, 5_000_000, -3])
def test_an_edited_file_is_refused(tmp_path: Path, where: int) -> None:
    file = made(tmp_path / "b.age")
    data = bytearray(file.read_bytes())
    data[where] ^= 1
    file.write_bytes(data)
    with pytest.raises(capsule.Broken):
        read(file)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    file = made(tmp_path / "b.age")
    for key in (str(pyrage.x25519.Identity.generate()), "not a key"):
        with pytest.raises(capsule.Broken):
            read(file, key)


def test_a_file_sealed_without_its_end_is_refused(tmp_path: Path) -> None:
    """Whoever knows the recipient can seal anything; a tar that stops early must not pass."""
    whole = b"".join(capsule._tar([("keys", [b"{}"]), ("database", [b"x" * 100])]))
    for tar in (whole[:1024], whole[:2048], b"", b"\0" * 1024):
        file = tmp_path / "b.age"
        file.write_bytes(pyrage.encrypt(tar, [KEY.to_public()]))
        with pytest.raises(capsule.Broken):
            read(file)


def test_when_a_source_fails_no_file_is_left_and_the_old_one_stays(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise RuntimeError("dump failed")

    file = made(tmp_path / "b.age")
    before = file.read_bytes()
    with pytest.raises(RuntimeError, match="dump failed"):
        capsule.write(file, [("database", failing())], str(KEY.to_public()))
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["b.age"]


def test_a_recipient_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recipient"):
        capsule.write(tmp_path / "b.age", [], "age1nonsense")
