"""A file is there whole, or as it was."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from submarine_jupyter.files import atomic_files


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_and_only_its_owner_may_read_it(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    for text in ("one", "", "zwölf"):
        atomic_files.replace(path, text, durable=durable)
        assert path.read_text(encoding="utf-8") == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_what_cannot_take_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_files.replace(tmp_path / "file", "text", durable=True)
    with pytest.raises(UnicodeEncodeError):
        atomic_files.replace(tmp_path / "other", "\udc80", durable=True)
    with pytest.raises(FileNotFoundError):
        atomic_files.create(tmp_path / "missing" / "file", "text")
    assert os.listdir(tmp_path) == ["file"]


def test_of_many_that_create_a_file_one_does_and_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: (atomic_files.create(path, str(number)), str(number)), range(32)))
    assert [text for is_mine, text in made if is_mine] == [path.read_text()]
    assert os.listdir(tmp_path) == ["file"]
