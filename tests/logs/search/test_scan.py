"""Searching logs: across blocks, files and colours, up to holes, in slices that go on where the last one ended."""

from __future__ import annotations

import random
import re
import shutil
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.search import scan as search
from submarine_jupyter_server.logs.search.needle import MAX_CHARS, needle
from submarine_jupyter_server.logs.search.scan import BLOCK_BYTES, CARRY_BYTES, LogSearch, SearchQuery
from tests.logs.conftest import NewWriter

BORDERS = (BLOCK_BYTES, 2 * BLOCK_BYTES)


def searched(
    logs: list[ReplicaLog], text: str, *, regex: bool = False, ignore_case: bool = False, **query: Any
) -> LogSearch:
    """Search to the end, or to what is wanted."""
    found = LogSearch(logs, SearchQuery(needle(text, regex=regex, ignore_case=ignore_case), **query))
    while found.step():
        pass
    return found


def places(search: LogSearch) -> list[tuple[int, int]]:
    return [(match.offset, match.stop) for match in search.matches]


def lines(search: LogSearch) -> list[str]:
    return [match.excerpt.line for match in search.matches]


@pytest.fixture
def log(archive: LogArchive, new_writer: NewWriter, experiment_id: str) -> ReplicaLog:
    new_writer()
    return archive.replica(experiment_id, "worker-0")


def write(log: ReplicaLog, data: bytes, at: int = 0) -> None:
    (log.path / f"{at:020d}.log").write_bytes(data)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("cut", range(7))
@pytest.mark.parametrize("regex", [False, True])
def test_a_match_may_lie_across_blocks_and_files(log: ReplicaLog, border: int, cut: int, regex: bool) -> None:
    if regex:
        pytest.importorskip("re2")
    data = (b"x" * 99 + b"\n") * (border // 100 + 2)
    start = border - cut
    data = data[:start] + b"\nneedle\n" + data[start + 8 :]
    write(log, data)
    assert places(searched([log], "needle", regex=regex)) == [(start + 1, start + 7)]
    write(log, data[: start + 3])
    write(log, data[start + 3 :], start + 3)
    assert places(searched([log], "needle", regex=regex)) == [(start + 1, start + 7)]


def test_in_a_line_without_end_it_is_found_at_every_place(log: ReplicaLog) -> None:
    rng = random.Random(7)
    for _ in range(20):
        starts = sorted({rng.randrange(0, 4 * BLOCK_BYTES) // 10 * 10 for _ in range(40)})
        data = bytearray(b"." * (4 * BLOCK_BYTES + 100))
        for start in starts:
            data[start : start + 10] = b"[  needle]"
        write(log, bytes(data))
        assert places(searched([log], "needle]")) == [(start + 3, start + 10) for start in starts]


TOKENS = (b"a", b"b", b"ab", b"\n", b"\r", b"\r\n", b"\x1b[31m", b"\x1b[1;38;5;2m", b"\xc3\xa9", b"\xff", b"z" * 10)
CONTROL = re.compile(rb"\x1b\[[0-9;]*m")


def in_the_whole(data: bytes, text: bytes) -> list[tuple[int, int]]:
    """Return where a text is, found in all bytes at once."""
    kept = [at for start, stop in between_colours(data) for at in range(start, stop)]
    plain = bytes(data[at] for at in kept)
    return [(kept[found.start()], kept[found.end() - 1] + 1) for found in re.finditer(re.escape(text), plain)]


def between_colours(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield from where to where there is text between colours."""
    start = 0
    for control in CONTROL.finditer(data):
        yield start, control.start()
        start = control.end()
    yield start, len(data)


def test_any_cut_into_blocks_files_and_answers_finds_the_same(log: ReplicaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    monkeypatch.setattr(search, "CARRY_BYTES", 48)
    for _ in range(150):
        monkeypatch.setattr(search, "BLOCK_BYTES", rng.choice((64, 100, 257)))
        tokens = TOKENS if rng.random() < 0.7 else [token for token in TOKENS if not token.isspace()]
        data = b"".join(rng.choices(tokens, k=rng.randrange(1, 300)))
        shutil.rmtree(log.path)
        log.path.mkdir()
        cuts = sorted({0, *(rng.randrange(len(data)) for _ in range(3))})
        for start, stop in pairwise((*cuts, len(data))):
            write(log, data[start:stop], start)
        text = rng.choice(("ab", "aab", "é", "zzz"))
        found, after = [], None
        while True:
            part = searched([log], text, limit=rng.choice((1, 3, 1000)), after=after)
            found += places(part)
            if part.cut is None:
                break
            after = Position(1, part.offsets)
        assert found == in_the_whole(data, text.encode()), (text, data)


def test_nothing_is_found_across_a_hole(log: ReplicaLog) -> None:
    write(log, b"before nee")
    write(log, b"dle after needle\n", 20)
    found = searched([log], "needle")
    assert places(found) == [(30, 36)]
    assert found.gaps == {log.pod_name: [(10, 20)]}


def test_colours_in_the_middle_are_no_hindrance(log: ReplicaLog) -> None:
    data = b"\x1b[31mERROR\x1b[0m: \x1b[1;38;5;200mout\x1b[0m of memory\nnext\n"
    write(log, data)
    found = searched([log], "ERROR: out of")
    assert [data[start:stop] for start, stop in places(found)] == [data[5 : data.index(b" memory")]]
    [match] = found.matches
    assert match.excerpt.line == "ERROR: out of memory"
    assert (match.excerpt.column, match.excerpt.length) == (0, 13)
    assert places(searched([log], "31m")) == []


def test_a_colour_may_lie_across_the_carried_end_of_a_long_line(log: ReplicaLog) -> None:
    for shift in range(8):
        place = BLOCK_BYTES * 3 - CARRY_BYTES - shift
        data = b"." * place + b"nee\x1b[31mdle" + b"." * BLOCK_BYTES * 2
        write(log, data)
        assert places(searched([log], "needle")) == [(place, place + 11)]
        assert places(searched([log], "31m")) == []


def test_each_state_of_a_progress_bar_is_a_line(log: ReplicaLog) -> None:
    write(log, b"".join(b"\r%3d%% loss=0.%d" % (n, n) for n in range(5)) + b"\r\ndone\r\n")
    found = searched([log], "loss=0.", context=1)
    assert lines(found) == [f"{n:3d}% loss=0.{n}" for n in range(5)]
    assert [match.excerpt.after for match in found.matches] == [("done",)] * 5


def test_invalid_bytes_are_passed_over(log: ReplicaLog) -> None:
    write(log, b"\xff\xfe\x80 caf\xc3\xa9 \xff\n")
    found = searched([log], "café")
    assert places(found) == [(4, 9)]
    assert (found.matches[0].excerpt.column, found.matches[0].excerpt.length) == (4, 4)


def test_capital_letters_count_unless_told_otherwise(log: ReplicaLog) -> None:
    write(log, b"Error error ERROR\n")
    assert len(searched([log], "error").matches) == 1
    assert len(searched([log], "eRRor", ignore_case=True).matches) == 3


def test_what_is_around_is_shown_and_long_lines_are_cut(log: ReplicaLog) -> None:
    write(log, b"a\nb\n\nneedle\n\x1b[1mc\x1b[0m\nd")
    [match] = searched([log], "needle", context=2).matches
    assert (match.excerpt.before, match.excerpt.after) == (("b", ""), ("c", "d"))
    write(log, ("é" * 5000 + "needle" + "é" * 5000 + "\n" + "z" * 5000).encode())
    [match] = searched([log], "needle", context=1).matches
    line = match.excerpt.line
    assert line == "…" + "é" * 250 + "needle" + "é" * 250 + "…"
    assert line[match.excerpt.column :].startswith("needle")
    assert match.excerpt.after == ("z" * 500 + "…",)


def test_it_goes_on_where_it_ended_and_tells_nothing_twice(log: ReplicaLog) -> None:
    write(log, b"".join(b"needle %d\n" % n for n in range(1000)))
    found: list[str] = []
    after = None
    for _ in range(20):
        part = searched([log], "needle", limit=99, after=after)
        found += lines(part)
        after = Position(1, part.offsets)
        if part.cut is None:
            break
        assert part.cut == "limit"
    assert found == [f"needle {n}" for n in range(1000)]
    assert searched([log], "needle", after=after).matches == []


def test_what_is_written_later_is_found_later(log: ReplicaLog, archive: LogArchive, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"needle one\nnee")
    first = searched([log], "needle")
    assert lines(first) == ["needle one"]
    writer.write(b"dle two")
    second = searched([log], "needle", after=Position(1, first.offsets))
    assert lines(second) == ["needle two"]
    writer.write(b" needle three\n")
    third = searched([log], "needle", after=Position(1, second.offsets))
    assert [match.offset for match in third.matches] == [len(b"needle one\nneedle two ")]
    writer.end()
    last = searched([log], "needle", after=Position(1, third.offsets))
    assert (last.matches, last.offsets) == ([], {"worker-0": log.end})


def test_what_is_found_ends_when_it_is_long(log: ReplicaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_CHARS", 50)
    write(log, b"needle and more words\n" * 100)
    found = searched([log], "needle")
    assert (len(found.matches), found.cut) == (3, "size")


def test_each_slice_moves_on(log: ReplicaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "STEP_S", 0.0)
    write(log, b"x\n" * BLOCK_BYTES * 5)
    going = LogSearch([log], SearchQuery(needle("needle")))
    slices = 0
    while going.step():
        slices += 1
        assert going.offsets["worker-0"] == slices * BLOCK_BYTES
    assert slices == 10


def test_a_log_that_goes_away_meanwhile_ends_the_search(log: ReplicaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "STEP_S", 0.0)
    for number in range(4):
        write(log, b"needle\n" * 20000, number * 140000)
    going = LogSearch([log], SearchQuery(needle("nothing")))
    assert going.step()
    shutil.rmtree(log.path)
    while going.step():
        pass
    assert going.matches == []


def test_one_that_cannot_be_read_hides_no_other(archive: LogArchive, new_writer: NewWriter, experiment_id: str) -> None:
    for index in range(3):
        new_writer(f"worker-{index}").write(b"needle\n")
    first, second, third = archive.replicas(experiment_id)
    shutil.rmtree(first.path)
    first.path.write_text("no folder")
    found = LogSearch([first, second, third], SearchQuery(needle("needle")), gone=["worker-1"])
    while found.step():
        pass
    assert [match.log.name for match in found.matches] == ["worker-2"]
    assert found.errors == {
        first.pod_name: "The log cannot be read: Not a directory.",
        second.pod_name: "The log cannot be read: its folder was removed.",
    }


def test_times_are_told_where_they_are_known(log: ReplicaLog, new_writer: NewWriter) -> None:
    writer = new_writer()
    writer.write(b"needle\n", 1_000_000_000)
    writer.write(b"needle\n", 5_000_000_000)
    assert [match.at_ns for match in searched([log], "needle").matches] == [1_000_000_000, 5_000_000_000]
    assert len(searched([log], "needle", since=4.0).matches) == 1
    (log.path / "times.idx").unlink()
    assert [match.at_ns for match in searched([log], "needle").matches] == [None, None]


def test_a_line_of_many_megabytes_takes_little_memory(log: ReplicaLog) -> None:
    write(log, b"x" * 20_000_000 + b"needle" + b"x" * 10_000_000)
    tracemalloc.start()
    try:
        assert places(searched([log], "needle", context=2)) == [(20_000_000, 20_000_006)]
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_an_expression_is_matched_line_by_line(log: ReplicaLog) -> None:
    pytest.importorskip("re2")
    write(log, b"loss=0.5 acc=1\r\nloss=nan\n\nloss=12\nFehler: \xc3\x84rger\n")
    assert lines(searched([log], r"^loss=\d+$", regex=True)) == ["loss=12"]
    assert lines(searched([log], r"loss=\S+$", regex=True)) == ["loss=nan", "loss=12"]
    assert places(searched([log], r"a|^Fehler: .r", regex=True)) == [(9, 10), (22, 23), (34, 45)]
    assert lines(searched([log], "ÄRGER", regex=True, ignore_case=True)) == ["Fehler: Ärger"]
    assert searched([log], r"nan\sloss", regex=True).matches == []


def test_an_expression_that_would_go_back_takes_no_longer(log: ReplicaLog) -> None:
    pytest.importorskip("re2")
    write(log, b"x" * 1_000_000 + b"\n")
    assert searched([log], r"(x+x+)+y", regex=True).matches == []


@pytest.mark.parametrize(
    ("text", "regex", "why"),
    [
        ("", False, "must not be empty"),
        ("x" * (MAX_CHARS + 1), False, "at most 1,000 characters, not 1,001"),
        ("x" * 251, True, "a regular expression must have at most 250 characters, not 251"),
        ("a\nb", False, "a part of one line"),
        ("a(b", True, r"not a regular expression: missing \): a\(b"),
        (r"(a)\1", True, "not a regular expression: invalid escape sequence"),
        ("(?=a)", True, "not a regular expression: invalid perl operator"),
        ("x*", True, "matches empty text"),
        (".{900}", True, "too large"),
        (r"((\pL{1,30}){30})", True, "too large"),
    ],
)
def test_what_cannot_be_searched_for(text: str, regex: bool, why: str) -> None:
    if regex:
        pytest.importorskip("re2")
    with pytest.raises(InvalidRequest, match=why):
        needle(text, regex=regex)


def test_without_its_engine_an_expression_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(InvalidRequest, match="no engine for regular expressions") as refused:
        needle("a", regex=True)
    assert refused.value.hint is not None
    assert "submarine_jupyter[search]" in refused.value.hint
