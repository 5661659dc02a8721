"""What the doctor says of swap, hibernation, encryption and the files of the keys, on made-up machines."""

import os
from pathlib import Path

import pytest

from clinic.persistence import store as stores
from clinic.services import machine
from tests.persistence.making import settings

SWAPS = "Filename\t\t\tType\t\tSize\tUsed\tPriority\n"


def made(root: Path, swaps: str = "", state: str = "freeze mem", disk: str = "platform") -> Path:
    (root / "proc").mkdir()
    (root / "proc/swaps").write_text(SWAPS + swaps)
    (root / "sys/power").mkdir(parents=True)
    (root / "sys/power/state").write_text(state + "\n")
    (root / "sys/power/disk").write_text(disk + "\n")
    return root


def device(root: Path, name: str, uuid: str = "", below: str = "") -> Path:
    folder = root / "sys/class/block" / name
    folder.mkdir(parents=True)
    if uuid:
        (folder / "dm").mkdir()
        (folder / "dm/uuid").write_text(uuid + "\n")
    (folder / "slaves").mkdir()
    if below:
        (folder / "slaves" / below).symlink_to(root / "sys/class/block" / below)
    return folder


@pytest.mark.parametrize(
    ("swaps", "safe"),
    [("", True), ("/dev/zram0 partition 1 0 1\n", True), ("/dev/dm-1 partition 1 0 1\n", True)]
    + [("/dev/dm-2 partition 1 0 1\n", True), ("/dev/dm-3 partition 1 0 1\n", False)]
    + [("/dev/sda2 partition 1 0 1\n", False), ("/dev/dm-1 p 1 0 1\n/dev/sda2 p 1 0 1\n", False)],
)
def test_swap_in_clear_is_named(tmp_path: Path, swaps: str, safe: bool) -> None:
    root = made(tmp_path, swaps)
    device(root, "sda2")
    device(root, "dm-1", "CRYPT-PLAIN-swap")
    device(root, "dm-2", "LVM-abc", "dm-1")  # a volume on an encrypted disk
    device(root, "dm-3", "LVM-def", "sda2")
    assert machine.swap(root).startswith("ok") is safe
    if not safe:
        assert "swapoff" in machine.swap(root)


@pytest.mark.parametrize(
    ("state", "disk", "off"),
    [
        ("freeze mem", "platform", True),
        ("freeze mem disk", "[disabled]", True),
        ("mem disk", "[platform] reboot", False),
    ],
)
def test_hibernation_is_named(tmp_path: Path, state: str, disk: str, off: bool) -> None:
    assert machine.hibernation(made(tmp_path, "", state, disk)).startswith("ok") is off


def test_where_nothing_is_to_be_seen_it_says_so(tmp_path: Path) -> None:
    assert machine.swap(tmp_path) == machine.UNKNOWN
    assert machine.encrypted(tmp_path, tmp_path) is None


@pytest.mark.parametrize(("uuid", "found"), [("CRYPT-LUKS2-x", True), ("LVM-x", False)])
def test_an_encrypted_disk_is_seen(tmp_path: Path, uuid: str, found: bool) -> None:
    number = tmp_path.stat().st_dev
    folder = tmp_path / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
    (folder / "dm").mkdir(parents=True)
    (folder / "dm/uuid").write_text(uuid)
    assert machine.encrypted(tmp_path, tmp_path) is found


def test_the_lines_of_an_instance(tmp_path: Path) -> None:
    mine = settings(tmp_path / "i")
    stores.create(mine, [])
    text = "\n".join(machine.report(mine.instance))
    assert "on two disks: no" in text
    assert "for their owner only: ok" in text
    assert "clinic recovery-key" in text
    mine.key_file.chmod(0o640)
    assert f"chmod 600 {mine.key_file}" in "\n".join(machine.report(mine.instance))
    (mine.instance / "keys.json").chmod(0o604)
    assert "chmod 600" in "\n".join(machine.report(mine.instance))
