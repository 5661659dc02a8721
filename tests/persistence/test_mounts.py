"""A database on a network file system is refused, whatever the table of mounts looks like."""

from pathlib import Path

import pytest

from clinic.domain.errors import VaultLocked
from clinic.persistence import mounts, store
from tests.persistence.making import settings

TABLE = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:40 / /srv rw,relatime shared:7 - nfs4 server:/export rw,vers=4.2
24 23 254:2 / /srv/local rw,relatime - xfs /dev/vdb rw
25 22 0:41 / /home/anna/My\\040files rw - fuse.sshfs anna@host:/ rw,user_id=0
26 22 0:42 / /home/anna/win\\134share rw - cifs //server/share rw
27 22 0:43 / /mnt/twice rw - nfs server:/a rw
28 27 254:3 / /mnt/twice rw - btrfs /dev/vdc rw
29 22 0:44 / /mnt/other rw - ext4 /dev/vdd rw
30 29 0:45 / /mnt/other rw - smb3 //server/b rw
a line that is none
31 22 0:46 / /mnt/wsl rw optional:1 optional:2 - 9p drvfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/clinic/clinic.db", "ext4"),
        ("/srv/clinic/clinic.db", "nfs4"),
        ("/srvx/clinic.db", "ext4"),
        ("/srv/local/clinic.db", "xfs"),
        ("/srv/localhost/clinic.db", "nfs4"),
        ("/home/anna/My files/i/clinic.db", "fuse.sshfs"),
        ("/home/anna/win\\share/clinic.db", "cifs"),
        ("/mnt/twice/clinic.db", "btrfs"),
        ("/mnt/other/clinic.db", "smb3"),
        ("/mnt/wsl/clinic.db", "9p"),
    ],
)
def test_the_nearest_and_newest_mount_counts(path: str, kind: str) -> None:
    assert mounts.filesystem(Path(path), TABLE) == kind
    if kind in mounts.NETWORK:
        with pytest.raises(VaultLocked, match=f"network file system .{kind}.") as refused:
            mounts.refuse_network(Path(path), TABLE)
        assert "\n" not in str(refused.value)
    else:
        mounts.refuse_network(Path(path), TABLE)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "fuse.rclone", "vboxsf", "glusterfs"]
)
def test_these_are_of_the_network(kind: str) -> None:
    assert kind in mounts.NETWORK


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "f2fs", "apfs", "fuseblk"])
def test_these_are_not(kind: str) -> None:
    assert kind not in mounts.NETWORK


def test_a_link_to_a_network_disk_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    table = f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path / 'far'} rw - nfs b rw\n"
    assert mounts.filesystem(tmp_path / "near" / "clinic.db", table) == "nfs"


def test_without_a_table_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "none")
    assert mounts.filesystem(tmp_path) == ""
    mounts.refuse_network(tmp_path)


def test_an_instance_is_neither_made_nor_opened_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(settings(tmp_path / "i"), [])
    (tmp_path / "table").write_text(f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path.resolve()} rw - nfs4 b rw\n")
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "table")
    with pytest.raises(VaultLocked, match="nfs4"):
        store.Store.open(settings(tmp_path / "i"))
    with pytest.raises(VaultLocked, match="nfs4"):
        store.create(settings(tmp_path / "other"), [])
    assert not (tmp_path / "other" / "keys.json").exists()
