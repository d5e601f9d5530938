"""A log archive in a temporary folder, written by the real writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from submarine_jupyter_server.logs.archive import Chunk, Gap, LogArchive, ReplicaLog
from submarine_jupyter_server.logs.segment_writer import SegmentWriter

EXPERIMENT = "experiment-1647574374688-0002"

NewWriter = Callable[..., SegmentWriter]


def data_at(log: ReplicaLog, offset: int, limit: int) -> bytes:
    """Return bytes that are there: reading them as a gap is a failure."""
    piece = log.read(offset, limit)
    assert isinstance(piece, Chunk), piece
    return piece.data


def runs(log: ReplicaLog, limit: int = 1 << 24) -> list[tuple[int, bytes]]:
    """Return what is there between the gaps: offset and bytes."""
    found: list[tuple[int, bytes]] = []
    joined = False
    for piece in log.pieces(0, log.end, limit):
        if isinstance(piece, Gap):
            joined = False
        elif joined:
            found[-1] = (found[-1][0], found[-1][1] + piece.data)
        else:
            found.append((piece.offset, piece.data))
            joined = True
    return found


@pytest.fixture
def experiment_id() -> str:
    return EXPERIMENT


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[LogArchive]:
    archive = LogArchive(tmp_path / "runs")
    yield archive
    archive.close()


@pytest.fixture
def new_writer(tmp_path: Path) -> Iterator[NewWriter]:
    """Return writers for replicas of the experiment: ``new_writer("worker-0", attempt=1, segment_bytes=...)``."""
    writers: list[SegmentWriter] = []

    def new(name: str = "worker-0", attempt: int = 1, **options: int) -> SegmentWriter:
        folder = tmp_path / "runs" / EXPERIMENT / str(attempt) / "logs" / name
        writers.append(SegmentWriter(folder, **options))
        return writers[-1]

    yield new
    for writer in writers:
        writer.close()
