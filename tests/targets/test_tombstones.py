"""A deletion stays known when everything else is purged, and no longer than it has to."""

from __future__ import annotations

import os
from pathlib import Path

from submarine_jupyter_server.targets import tombstones


def test_all_but_the_tombstone_goes(tmp_path: Path) -> None:
    folder = tmp_path / "experiment-1-0001"
    (folder / "1/logs").mkdir(parents=True)
    (folder / "1/logs/a").touch()
    (folder / "experiment.json").touch()
    (folder / "link").symlink_to(tmp_path)
    assert tombstones.all_of(tmp_path) == []
    tombstones.bury(folder)
    tombstones.bury(folder)
    tombstones.clear(folder)
    assert os.listdir(folder) == ["deleted"]
    assert tmp_path.exists()
    assert tombstones.all_of(tmp_path) == ["experiment-1-0001"]


def test_what_was_never_there_is_buried_all_the_same(tmp_path: Path) -> None:
    tombstones.clear(tmp_path / "experiment-1-0002")
    tombstones.bury(tmp_path / "experiment-1-0002")
    (tmp_path / "other").mkdir()
    assert tombstones.all_of(tmp_path) == ["experiment-1-0002"]
    assert tombstones.all_of(tmp_path / "nowhere") == []


def test_an_old_one_goes(tmp_path: Path) -> None:
    folder = tmp_path / "experiment-1-0001"
    tombstones.bury(folder)
    os.utime(folder / "deleted", (1, 1))
    assert not tombstones.stands(folder)
    assert not folder.exists()


def test_an_old_one_stands_beside_the_logs_that_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "experiment-1-0001"
    tombstones.bury(folder)
    (folder / "1/logs").mkdir(parents=True)
    os.utime(folder / "deleted", (1, 1))
    assert tombstones.all_of(tmp_path) == ["experiment-1-0001"]
    tombstones.clear(folder)
    assert tombstones.all_of(tmp_path) == []
    assert not folder.exists()
