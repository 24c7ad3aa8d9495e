"""Which kind of file system a folder is on: SQLite's shared memory does not work across machines."""

from __future__ import annotations

import re
from pathlib import Path

#: File systems whose files may be open on another machine.
NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
}


def file_system(folder: Path, table: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system that a folder is on, `ext4` say; `""` where the system does not tell.

    The table is that of proc(5): the fifth field is where something is mounted, the first behind the `-` its type.
    """
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    path, best, found = folder.resolve(), -1, ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split(" ")[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), rest.split(" ")[0]
    return found
