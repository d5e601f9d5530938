"""What the file system under the database is, and who may enter it."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import sqlite3
import stat
from pathlib import Path

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.config import private_directory

_NETWORK = {
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs", "gfs2", "glusterfs", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte", "smb2", "smb3", "smbfs", "vboxsf",
    "virtiofs", "weka", "wekafs",
}  # fmt: skip
# The first release without the race that can lose a checkpoint: https://www.sqlite.org/wal.html#walresetbug
_SAFE_WAL = (3, 51, 3)


def prepare(path: Path) -> None:
    """Make the directory of ``path`` private to this user (mode 0700), and the file, if it is there, too (0600).

    Raises Unavailable when the directory or a file is not for this user to use.
    """
    private_directory(path.parent)
    for file in (path, *companions(path)):
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise Unavailable(f"{file} is not a regular file.", hint="Remove it or choose another data directory.")
        try:
            if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
                file.chmod(0o600)
        except OSError as error:
            raise Unavailable(
                f"{file} cannot be used: {error.strerror or error}.", hint="Choose a data directory of your own."
            ) from error


def companions(path: Path) -> list[Path]:
    """Return the files that SQLite keeps beside a database; they belong together."""
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]


def new_file(path: Path) -> None:
    """Create an empty file that only this user can read; SQLite gives its own files the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def is_full(directory: Path) -> bool:
    """Return whether 4 KiB more cannot be written there, for want of space or by a quota."""
    probe = directory / f".probe-{secrets.token_hex(4)}"
    try:
        descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            # Random: a file system that compresses would take zeros for nothing.
            os.write(descriptor, os.urandom(4096))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def network_kind(path: Path, mountinfo: str | None = None) -> str | None:
    """Return the type of the network file system that holds ``path``, None when it is local or not known.

    The mount with the longest matching path counts, the later one of two on the same path
    (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html).
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
    place, best, kind = path.resolve(), -1, ""
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not source:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4]))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), source.split(" ")[0]
    return kind if kind in _NETWORK or kind.startswith("fuse") else None


def journal_mode(path: Path) -> str:
    """Return the journal that is safe here: WAL needs a fixed SQLite and shared memory that works."""
    wsl1 = platform.release().endswith("-Microsoft")
    safe = sqlite3.sqlite_version_info >= _SAFE_WAL and network_kind(path) is None and not wsl1
    return "WAL" if safe and Path("/proc/self/mountinfo").exists() else "TRUNCATE"
