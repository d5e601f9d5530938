"""A block is the next whole lines, and moves behind them alone."""

from __future__ import annotations

import json
from pathlib import Path

from submarine_jupyter_server.logs.archive import ReplicaLog
from submarine_jupyter_server.logs.lines.blocks import BLOCK_BYTES, BLOCK_LINES, read_block, unfinished
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from tests.logs.conftest import EXPERIMENT


def log_of(folder: Path, *pieces: bytes | int) -> ReplicaLog:
    writer = SegmentWriter(folder / "worker-0")
    for piece in pieces:
        if isinstance(piece, int):
            writer.skip(piece)
        else:
            writer.write(piece)
    writer.close()
    return ReplicaLog(EXPERIMENT, 1, "worker-0", folder / "worker-0")


def test_only_whole_lines_move_the_position(tmp_path: Path) -> None:
    log = log_of(tmp_path, b"one\ntwo\nthr")
    block = read_block(log, 0, 0, False)
    assert (json.loads(block.lines), block.position, block.scanned) == (["one", "two"], 8, 8)
    block = read_block(log, 8, 8, False)
    assert (block.lines, block.position, block.scanned) == ("", 8, 11)
    assert unfinished(log, 8, 11) == "thr"
    block = read_block(log, 8, 11, True)
    assert (json.loads(block.lines), block.position) == (["thr"], 11)


def test_a_gap_ends_a_line(tmp_path: Path) -> None:
    log = log_of(tmp_path, b"half", 6, b"rest\n")
    block = read_block(log, 0, 4, False)
    assert (json.loads(block.lines), block.position, block.hole) == (["half"], 10, (4, 10))
    assert json.loads(read_block(log, 10, 10, False).lines) == ["rest"]


def test_a_block_is_bounded(tmp_path: Path) -> None:
    log = log_of(tmp_path, b"\n" * 5000, b"z" * (2 * BLOCK_BYTES))
    assert len(json.loads(read_block(log, 0, 0, False).lines)) == BLOCK_LINES
    block = read_block(log, 5000, 5000, False)
    assert (block.lines, block.scanned) == ("", 5000 + BLOCK_BYTES)
