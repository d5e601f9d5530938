"""Files that others read at any time, also after a power cut, and whatever lies in their place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim.exchange import record


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for durable, number in ((True, 10**30), (False, 1), (True, 2), (False, 10**40)):
        record.write_file(str(path), {"number": number}, durable=durable)
        assert json.loads(path.read_text()) == {"number": number}
    assert os.listdir(tmp_path) == ["state.json"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_room_that_is_reserved_is_used(tmp_path: Path) -> None:
    path = tmp_path / "exit.json"
    record.reserve(str(path))
    draft = tmp_path / "exit.json.tmp"
    assert draft.stat().st_size == record.RESERVED_BYTES
    inode = draft.stat().st_ino
    record.write_file(str(path), {"a": 1}, durable=True)
    assert (path.stat().st_ino, path.read_text()) == (inode, '{"a": 1}')


def test_what_lies_in_the_way(tmp_path: Path) -> None:
    """A pipe would never open, a link leads elsewhere, a folder cannot be replaced by a file."""
    path, draft, other = tmp_path / "exit.json", tmp_path / "exit.json.tmp", tmp_path / "other"
    other.write_text("kept")
    os.mkfifo(draft)
    record.write_file(str(path), {"a": 1}, durable=False)
    draft.symlink_to(other)
    record.write_file(str(path), {"a": 2}, durable=True)
    path.unlink()
    (path / "folder").mkdir(parents=True)
    record.write_file(str(path), {"a": 3}, durable=True)
    assert (json.loads(path.read_text()), other.read_text()) == ({"a": 3}, "kept")


def test_nobody_is_told_by_a_file(tmp_path: Path) -> None:
    attempt = tmp_path / "runs/experiment-1-0001/1"
    attempt.mkdir(parents=True)
    record.announce(str(attempt), "news\n")
    news = tmp_path / "runs/.news"
    news.touch()
    record.announce(str(attempt), "news\n")
    assert news.read_bytes() == b""
    news.unlink()
    os.mkfifo(news)
    reader = os.open(news, os.O_RDONLY | os.O_NONBLOCK)
    record.announce(str(attempt), "news\n")
    assert os.read(reader, 100) == b"news\n"
    os.close(reader)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 of its own, mounted at "disk" from the file "image"."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root can mount a disk")
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True).returncode:
        pytest.skip("there are no loop devices")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_first_publication_outlives_a_power_cut(tmp_path: Path, disk: Path) -> None:
    """The image of a mounted disk is what a cut leaves of it."""
    record.write_file(str(disk / "state.json"), {"a": "b" * 100}, durable=True)
    (tmp_path / "cut").write_bytes((tmp_path / "image").read_bytes())
    after = tmp_path / "after"
    after.mkdir()
    subprocess.run(["mount", "-o", "loop", str(tmp_path / "cut"), str(after)], check=True)
    try:
        assert json.loads((after / "state.json").read_text()) == {"a": "b" * 100}
    finally:
        subprocess.run(["umount", str(after)], check=True)
