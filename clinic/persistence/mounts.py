"""Where a file lies: SQLite's locks do not hold on a network file system, so the records are refused there."""

import re
from pathlib import Path
from typing import Final

from clinic.domain.errors import VaultLocked

TABLE: Final = Path("/proc/self/mountinfo")
NETWORK: Final = frozenset(
    "9p acfs afs beegfs ceph cifs coda davfs drvfs gfs2 glusterfs gpfs lustre ncpfs ncp nfs nfs4 ocfs2 orangefs "
    "panfs prl_fs pvfs2 smb2 smb3 smbfs vboxsf vmhgfs webdav wekafs "
    "fuse.ceph fuse.davfs fuse.gcsfuse fuse.glusterfs fuse.goofys fuse.google-drive-ocamlfuse fuse.juicefs "
    "fuse.rclone fuse.s3fs fuse.seaweedfs fuse.smbnetfs fuse.sshfs fuse.vmhgfs-fuse".split()
)


def refuse_network(path: Path, table: str | None = None) -> None:
    """Raises VaultLocked when a path is on a network file system. Without a table of mounts nothing is known."""
    kind = filesystem(path, table)
    if kind in NETWORK:
        raise VaultLocked(f"{path} is on a network file system ({kind}). Move the records to a disk of this machine.")


def filesystem(path: Path, table: str | None = None) -> str:
    """The kind of file system of a path, from a table such as /proc/self/mountinfo; "" when nothing is known."""
    text = _read() if table is None else table
    real, found, kind = path.resolve(), Path("/"), ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5 or not kinds[0]:
            continue
        place = Path(_plain(fields[4]))
        # The longest place is the nearest; of two in one place the later lies on top.
        if real.is_relative_to(place) and len(place.parts) >= len(found.parts):
            found, kind = place, kinds[0]
    return kind


def _read() -> str:
    try:
        return TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _plain(place: str) -> str:
    """The table writes a space, a tab, a line end and a backslash as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place)
