"""Who holds a lock, and on which file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter.files import file_locks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def descriptors(path: Path) -> Iterator[list[int]]:
    opened = [os.open(path, os.O_RDWR | os.O_CREAT, 0o600) for _ in range(3)]
    yield opened
    for descriptor in opened:
        os.close(descriptor)


def test_one_has_it_alone_or_several_share_it(descriptors: list[int]) -> None:
    one, two, three = descriptors
    assert file_locks.try_lock(one)
    assert not file_locks.try_lock(two)
    assert not file_locks.try_lock(two, shared=True)
    assert file_locks.try_lock(one, shared=True)
    assert file_locks.try_lock(two, shared=True)
    assert not file_locks.try_lock(three)


def test_a_lock_is_waited_for(descriptors: list[int]) -> None:
    file_locks.wait_for_lock(descriptors[0])
    assert not file_locks.try_lock(descriptors[1])


def test_a_file_that_was_replaced_is_another(path: Path, descriptors: list[int]) -> None:
    assert file_locks.is_at(descriptors[0], path)
    path.unlink()
    assert not file_locks.is_at(descriptors[0], path)
    path.touch()
    assert not file_locks.is_at(descriptors[0], path)
