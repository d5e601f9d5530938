"""Bytes go out unchanged, by range or as a download."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.logs.archive import Chunk, Gap, LogArchive, Piece
from submarine_jupyter_server.logs.raw import (
    MAX_GAPS,
    ByteRange,
    Unsatisfiable,
    download,
    exact,
    gaps_text,
    kept,
    parse_range,
    pieces,
)
from submarine_jupyter_server.logs.segment_writer import SegmentWriter

NewWriter = Callable[..., SegmentWriter]


def ranged(header: str | None, size: int) -> ByteRange | Unsatisfiable | None:
    wanted = parse_range(header)
    assert wanted is None or parse_range(str(wanted)) == wanted
    return None if wanted is None else wanted.within(size)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("BYTES = 5-5 ", (5, 6)),
        ("bytes=100-", 416),
        ("bytes=999-9999", 416),
        ("bytes=-0", 416),
        (None, None),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=9-0", None),
        ("bytes=a-b", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-9", None),
        ("bytes=\u0660-\u0669", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_range_header(header: str | None, expected: tuple[int, int] | int | None) -> None:
    found = ranged(header, 100)
    if isinstance(expected, tuple):
        assert found == ByteRange(*expected, 100)
        assert found.content_range == f"bytes {expected[0]}-{expected[1] - 1}/100"
    elif expected == 416:
        assert found == Unsatisfiable(100)
        assert found.content_range == "bytes */100"
    else:
        assert found is None


@given(st.text() | st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}", fullmatch=True), st.integers(0, 2**40))
def test_any_header_gives_a_range_inside_of_the_log(header: str, size: int) -> None:
    found = ranged(header, size)
    if isinstance(found, ByteRange):
        assert 0 <= found.start < found.stop <= size


async def test_ranges_over_segments_and_holes(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer(segment_bytes=7)
    writer.write(b"0123456789")
    writer.skip(5)
    writer.write(b"fghij")
    [log] = archive.replicas(experiment_id)

    async def read(start: int, stop: int) -> list[Piece]:
        return [piece async for piece in pieces(archive, log, start, stop)]

    assert await read(0, 20) == [Chunk(0, b"0123456789"), Gap(10, 15), Chunk(15, b"fghij")]
    assert await read(5, 17) == [Chunk(5, b"56789"), Gap(10, 15), Chunk(15, b"fg")]
    assert await read(10, 14) == [Gap(10, 14)]
    snapshot = log.snapshot()
    assert kept(snapshot, ByteRange(0, 20, 20)) == ByteRange(0, 10, 20)
    assert kept(snapshot, ByteRange(3, 6, 20)) == ByteRange(3, 6, 20)
    assert kept(snapshot, ByteRange(12, 20, 20)) == ByteRange(15, 20, 20)
    assert kept(snapshot, ByteRange(11, 14, 20)) == Unsatisfiable(20)
    assert gaps_text(snapshot) == gaps_text(snapshot, 9, 11) == "10-14"
    assert gaps_text(snapshot, 0, 10) == gaps_text(snapshot, 15, 20) == ""
    with pytest.raises(FileNotFoundError, match="no longer kept"):
        [piece async for piece in exact(archive, log, 5, 17)]


def test_the_header_that_names_gaps_is_bounded(archive: LogArchive, experiment_id: str, new_writer: NewWriter) -> None:
    writer = new_writer()
    for _ in range(MAX_GAPS + 1):
        writer.write(b"x")
        writer.skip(1)
    [log] = archive.replicas(experiment_id)
    text = gaps_text(log.snapshot())
    assert text.startswith("1-1, 3-3, ")
    assert text.endswith(f"{2 * MAX_GAPS - 1}-{2 * MAX_GAPS - 1}")
    writer.end()
    assert gaps_text(log.snapshot()).endswith(", ...")


async def test_download_has_headings_and_shows_what_is_missing(
    archive: LogArchive, experiment_id: str, new_writer: NewWriter
) -> None:
    new_writer("ps-0").write(b"no newline \xff")
    writer = new_writer("worker-0")
    writer.skip(3)
    writer.write(b"a\n")
    writer.skip(4)
    writer.write(b"b\n")
    writer.skip(1)
    writer.end()
    new_writer("worker-1")
    text = b"".join([piece async for piece in download(archive, archive.replicas(experiment_id))])
    assert text == (
        b"==> ps-0 <==\nno newline \xff\n"
        b"==> worker-0 <==\n==> 3 bytes are missing here <==\na\n==> 4 bytes are missing here <==\nb\n"
        b"==> 1 bytes are missing here <==\n"
        b"==> worker-1 <==\n"
    )
