"""Where the database lies decides how it is written, and who may read it."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.store.sqlite.file import filesystem
from submarine_jupyter_server.store.sqlite.file.filesystem import journal_mode, network_kind

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /home rw,relatime shared:1 master:2 - nfs4 server:/home rw,vers=4.2
31 30 254:1 / /home/scratch rw - xfs /dev/vdb rw
32 27 0:41 / /mnt/with\040space rw - fuse.sshfs user@host:/ rw
33 27 0:42 / /mnt/twice rw - cifs //server/share rw
34 27 254:2 / /mnt/twice rw - ext4 /dev/vdc rw
35 27 0:43 / /mnt/hub rw - lustre mgs@tcp:/fs rw
36 27 0:44 / /mnt/vm rw - 9p share rw
broken line
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/data", None),
        ("/home", "nfs4"),
        ("/home/ada/.local/share", "nfs4"),
        ("/home/scratch/x", None),
        ("/homes/ada", None),
        ("/mnt/with space/x", "fuse.sshfs"),
        ("/mnt/twice/x", None),
        ("/mnt/hub/x", "lustre"),
        ("/mnt/vm", "9p"),
    ],
)
def test_the_longest_mount_decides(place: str, kind: str | None) -> None:
    assert network_kind(Path(place), MOUNTS) == kind


@pytest.mark.parametrize(
    ("version", "kernel", "kind", "mode"),
    [
        ((3, 51, 3), "6.8.0-generic", None, "WAL"),
        ((3, 52, 0), "5.15.0-microsoft-standard-WSL2", None, "WAL"),
        ((3, 51, 2), "6.8.0-generic", None, "TRUNCATE"),
        ((3, 52, 0), "4.4.0-19041-Microsoft", None, "TRUNCATE"),
        ((3, 52, 0), "6.8.0-generic", "nfs", "TRUNCATE"),
    ],
)
def test_the_journal_is_one_that_is_safe(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: tuple[int, int, int],
    kernel: str,
    kind: str | None,
    mode: str,
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr("platform.release", lambda: kernel)
    monkeypatch.setattr(filesystem, "network_kind", lambda path: kind)
    assert journal_mode(tmp_path) == mode


def test_nobody_else_may_enter(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "submarine.db"
    path.parent.mkdir(parents=True, mode=0o755)
    path.touch(0o644)
    filesystem.prepare(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(Unavailable, match="not a directory of this user"):
        filesystem.prepare(tmp_path / "submarine.db")


@pytest.mark.parametrize("name", ["submarine.db", "submarine.db-journal"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/etc/passwd")
    with pytest.raises(Unavailable, match="is not a regular file"):
        filesystem.prepare(tmp_path / "submarine.db")


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(Unavailable, match="cannot be used"):
        filesystem.prepare(tmp_path / "data" / "submarine.db")
