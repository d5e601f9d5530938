"""Every reader of a log in which bytes are missing says so, for each gap, and none makes a line that nobody wrote."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.logs import raw
from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.following import follow as follow_module
from submarine_jupyter_server.logs.following.follow import follow
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.layout import segment_name
from submarine_jupyter_server.logs.lines.pages import page, tail
from submarine_jupyter_server.logs.segment_writer import SegmentWriter
from submarine_jupyter_server.metrics import reader
from submarine_jupyter_server.metrics.reader import _Cursor, _read
from submarine_jupyter_server.metrics.scanner import MetricScanner
from tests.logs.conftest import EXPERIMENT, runs

# Each line is made of its own number only: two pieces that are put together are no such line.
LINES = [b"<%03d>" % number * 3 + b"\n" for number in range(60)]
WHOLE = b"".join(LINES)


def pieces_of_lines() -> set[str]:
    """Return all lines, and all beginnings and ends of them: what may be left beside a gap."""
    found: set[str] = set()
    for line in LINES:
        text = line.decode()[:-1]
        found |= {text[:at] for at in range(len(text) + 1)} | {text[at:] for at in range(len(text) + 1)}
        found |= {text[one:two] for one in range(len(text)) for two in range(one, len(text) + 1)}
    return found


HONEST = pieces_of_lines()


def damaged(folder: Path, segment_bytes: int, skips: list[int], lost: list[int], cut: int) -> ReplicaLog:
    """Write the lines in segments with holes, then remove some segments and cut off the end of the last one."""
    path = folder / EXPERIMENT / "1" / "logs" / "worker-0"
    writer = SegmentWriter(path, segment_bytes=segment_bytes)
    for number, line in enumerate(LINES):
        writer.write(line[: number % len(line)])
        if number in skips:
            writer.skip(number + 1)
        writer.write(line[number % len(line) :])
    writer.end()
    segments = sorted(path.glob("*.log"))
    for number in lost:
        segments[number % len(segments)].unlink(missing_ok=True)
    if cut and segments[-1].exists():
        with segments[-1].open("r+b") as file:
            file.truncate(max(segments[-1].stat().st_size - cut, 0))
    return ReplicaLog(EXPERIMENT, 1, "worker-0", path)


async def text_of(chunks: AsyncIterator[bytes]) -> str:
    return b"".join([chunk async for chunk in chunks]).decode()


async def followed(archive: LogArchive) -> tuple[list[str], list[tuple[object, object]], object]:
    growth = Growth(archive)
    lines: list[str] = []
    gaps: list[tuple[object, object]] = []
    complete: object = None
    async for event in follow(growth, EXPERIMENT, finished=lambda: True):
        lines += json.loads(event.lines or "[]")
        gaps += [(event.data["from"], event.data["to"])] if event.event == "gap" else []
        complete = event.data.get("complete", complete)
    await growth.close()
    return lines, gaps, complete


@settings(max_examples=80)
@given(
    segment_bytes=st.integers(20, 700),
    skips=st.lists(st.integers(0, 59), max_size=4),
    lost=st.lists(st.integers(0, 50), max_size=4),
    cut=st.sampled_from([0, 0, 1, 7, 1000]),
)
def test_every_reader_tells_every_gap_and_joins_nothing(
    tmp_path_factory: pytest.TempPathFactory, segment_bytes: int, skips: list[int], lost: list[int], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    log = damaged(folder, segment_bytes, skips, lost, cut)
    archive = LogArchive(folder)
    size = len(WHOLE) + sum(number + 1 for number in set(skips))
    snapshot = log.snapshot()
    gaps = snapshot.gaps()
    assert snapshot.end == size
    assert sum(len(data) for _, data in runs(log)) + sum(stop - start for start, stop in gaps) == size

    # Pages, and a tail of them.
    found = page(log)
    assert found.gaps == gaps
    assert set(found.lines) <= HONEST
    assert set(tail(log, 5, 64).lines) <= HONEST

    # The text, alone and as a download: as many marks as gaps, with their sizes.
    for text in (
        asyncio.run(text_of(raw.text(archive, log, size))),
        asyncio.run(text_of(raw.download(archive, [log]))),
    ):
        assert [int(count) for count in re.findall(r"^==> (\d+) bytes are missing here <==$", text, re.MULTILINE)] == [
            stop - start for start, stop in gaps
        ]
        assert {line for line in text.split("\n") if not line.startswith("==>")} <= HONEST
    assert raw.gaps_text(snapshot) == ", ".join(f"{start}-{stop - 1}" for start, stop in gaps)

    # Ranges: the first run, and only what is there.
    wanted = raw.ByteRange(0, size, size)
    first = raw.kept(snapshot, wanted)
    if isinstance(first, raw.ByteRange):
        assert asyncio.run(text_of(raw.exact(archive, log, first.start, first.stop))).encode() == runs(log)[0][1]
        assert (first.stop == size and first.start == 0) or gaps

    # Followers.
    lines, told, complete = asyncio.run(followed(archive))
    assert told == gaps
    assert set(lines) <= HONEST
    assert complete is not bool(gaps)

    # Metrics: no slice reaches over a gap.
    cursor = _Cursor(0, MetricScanner())
    while cursor.position < size:
        position, _, _ = _read(log, cursor, final=True)
        assert position > cursor.position
        cursor.position = position
    archive.close()


def test_a_metric_is_never_made_of_two_pieces(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "worker-0")
    writer.write(b'submarine-metric {"name": "loss", "value": 1')
    writer.skip(9)
    writer.write(b"5}\n")
    writer.end()
    log = ReplicaLog(EXPERIMENT, 1, "worker-0", tmp_path / "worker-0")
    cursor = _Cursor(0, MetricScanner())
    rows: list[reader.Row] = []
    while cursor.position < log.end:
        cursor.position, found, _ = _read(log, cursor, final=True)
        rows += found
    assert rows == []


@pytest.mark.parametrize("how", ["link", "pipe", "file", "gone"])
def test_a_log_that_is_no_folder_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    from submarine_jupyter_server.logs.lines.pages import experiment_pages

    monkeypatch.setattr(follow_module, "PATIENCE_S", 0.1)
    logs = tmp_path / EXPERIMENT / "1" / "logs"
    for name in ("worker-0", "worker-1"):
        writer = SegmentWriter(logs / name)
        writer.write(name.encode() + b"\n")
        writer.end()
    moved = tmp_path / "elsewhere"
    shutil.move(logs / "worker-0", moved)
    if how == "link":
        (logs / "worker-0").symlink_to(moved)
    elif how == "pipe":
        os.mkfifo(logs / "worker-0")
    elif how == "file":
        (logs / "worker-0").write_bytes(b"worker-0\n")
    archive = LogArchive(tmp_path)
    found = experiment_pages(archive, EXPERIMENT, attempt=1, gone=["worker-0"] if how == "gone" else [])
    assert [pod["podLog"] for pod in found.result["logContent"]] == [[], ["worker-1"]]  # type: ignore[attr-defined]
    assert list(found.attributes["errors"]) == [f"{EXPERIMENT}-worker-0"]  # type: ignore[call-overload]
    text = asyncio.run(text_of(raw.download(archive, archive.replicas(EXPERIMENT))))
    assert text.endswith("==> worker-1 <==\nworker-1\n")
    if how != "gone":
        assert text.startswith("==> worker-0 <==\n==> the log cannot be read: Not a directory <==\n")
        lines, _, complete = asyncio.run(followed(archive))
        assert (lines, complete) == (["worker-1"], False)
    archive.close()


def test_a_log_whose_first_segment_is_gone_begins_with_a_gap(tmp_path: Path) -> None:
    log = damaged(tmp_path, 100, [], [0], 0)
    assert log.gaps() == [(0, 100)]
    assert not (log.path / segment_name(0)).exists()
