"""Whatever is cut, killed or rotated: the archive has every byte once and in order, or says that some are missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.logs.archive import Chunk, ReplicaLog
from submarine_jupyter_server.logs.layout import TIMES
from submarine_jupyter_server.targets.kubernetes.logs.alignment import Unaligned
from submarine_jupyter_server.targets.kubernetes.logs.sources import SOURCES, LogSource
from submarine_jupyter_server.targets.kubernetes.logs.tail import Tail
from tests.targets.kubernetes.logs.kubelet import EPOCH, Entry, Log

MS = 1_000_000
# Threads that stamp stdout and stderr overtake each other; clocks stand still.
STEPS = st.sampled_from([0, 0, 1, 1000, MS, 40 * MS, 99 * MS, 100 * MS, 300 * MS, 1000 * MS, 2500 * MS, -1, -90 * MS])
# Few different bytes: lines that look the same are what can be mixed up.
DATA = st.one_of(st.sampled_from([b"", b"a", b"a\r", b"\xff\x00"]), st.binary(max_size=40))
WRITE = st.tuples(st.just("write"), st.lists(st.tuples(STEPS, DATA, st.booleans()), min_size=1, max_size=8))
READ = st.tuples(st.just("read"), st.tuples(st.integers(0, 300), st.integers(1, 60)))
WHOLE = st.just(("read", (10**6, 1000)))
KILL = st.tuples(st.just("kill"), st.tuples(st.integers(0, 6), st.integers(0, 20)))
ROTATE = st.just(("rotate", None))
POWER = st.tuples(st.just("power"), st.integers(1, 30))
JUMP = st.tuples(st.just("jump"), st.sampled_from([-3600, -60, -2, 60]))
SOURCE = LogSource("uid-1", "worker-0", 0)


class Killed(BaseException):
    """The server is no more."""


class World:
    """A container's log, and a server that keeps it, dies and comes back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Log()
        self.top = EPOCH
        self.numbered = False
        self.count = 0
        self.gaps = 0
        self.tail: Tail | None = None
        self.start()

    def start(self) -> None:
        """Let a server begin; the one before does nothing more, but for its files, which the system closes."""
        writer = self.tail._writer if self.tail is not None else None
        for fd in (writer._fd, writer._times) if writer else ():
            if fd is not None:
                os.close(fd)
        self.tail = Tail(self.folder, 10**9, self.count_gap)
        self.tail.open()

    def count_gap(self) -> None:
        self.gaps += 1

    def write(self, lines: list[tuple[int, bytes, bool]]) -> None:
        for step, data, whole in lines:
            part = bool(self.log.entries) and not self.log.entries[-1].whole
            at_ns = self.top + (abs(step) if part else step)
            self.top = max(at_ns, self.top)
            self.count += 1
            text = b"%d:" % self.count + data if self.numbered else data
            text = text.replace(b"\n", b" ")
            self.log.write(Entry(at_ns, text, whole or not text))

    def read(self, how: tuple[int, int]) -> bool:
        """Read the log once, cut off somewhere, or until nothing is new; as a follower does."""
        most, size = how
        for trusted in (False, True):
            try:
                return self.answer(most, size, trusted)
            except Unaligned:
                assert not trusted
        return False

    def read_all(self) -> None:
        """Read until nothing is new, which has to come soon."""
        for _ in range(5):
            if not self.read((10**6, 1000)):
                return
        raise AssertionError("there is always something new")

    def answer(self, most: int, size: int, trusted: bool) -> bool:
        tail = self.tail
        assert tail is not None
        if tail.sources.current is None:
            tail.begin(SOURCE)
        tail.listen(trusted=trusted)
        whole = self.log.read(tail.since())
        data = whole[:most]
        for start in range(0, len(data), size):
            tail.feed(data[start : start + size])
        return tail.finish() if data == whole else False

    def jump(self, seconds: int) -> None:
        """Set the clock of the node back, or forth, while a stream is open that was asked for without a time."""
        self.read_all()
        self.write([(0, b"before a jump", True)])
        self.top += seconds * 10**9
        self.write([(0, b"after a jump", True)])
        tail = self.tail
        assert tail is not None
        tail.listen()
        tail.feed(self.log.read())

    def kill(self, when: tuple[int, int]) -> None:
        """Die in the middle of reading everything: at the n-th write, after some of its bytes."""
        with suppress(Killed), killed_at(*when):
            self.read((10**6, 50))
        self.start()

    def rotate(self, _: None) -> None:
        """Begin a new file; what nobody ever saw of the first one was never there, as far as anybody knows."""
        if ReplicaLog("", 0, "worker-0", self.folder).end == 0:
            self.log.entries.clear()
        self.log.rotate()

    def power(self, lost: int) -> None:
        """Lose the newest bytes of every file, as a machine does whose power fails."""
        for path in self.folder.glob("*") if self.folder.exists() else []:
            size = path.stat().st_size
            os.truncate(path, max(size - lost, 0))
        self.start()

    def run(self, steps: list[tuple[str, object]]) -> ReplicaLog:
        for name, argument in steps:
            getattr(self, name)(argument)
        self.read_all()
        if self.tail is not None:
            self.tail.close()
            self.tail = None
        return ReplicaLog("", 0, "worker-0", self.folder)


@contextmanager
def killed_at(number: int, kept: int) -> Iterator[None]:
    count = number
    write = os.write

    def dying(fd: int, data: bytes) -> int:
        nonlocal count
        count -= 1
        if count >= 0:
            return write(fd, data)
        if count == -1:
            write(fd, bytes(data)[:kept])
        raise Killed

    with patch("os.write", dying):
        yield


@contextmanager
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield World(folder / "worker-0")
    finally:
        shutil.rmtree(folder)


def pieces(log: ReplicaLog) -> list[bytes]:
    """Return the bytes between the gaps."""
    edges = [log.start, *(edge for gap in log.gaps() for edge in gap if gap[0] >= log.start), log.end]
    return [whole(log, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def whole(log: ReplicaLog, start: int, end: int) -> bytes:
    return b"".join(piece.data for piece in log.pieces(start, end, 1 << 24) if isinstance(piece, Chunk))


def many(*steps: st.SearchStrategy[tuple[str, object]]) -> st.SearchStrategy[list[tuple[str, object]]]:
    return st.lists(st.one_of(*steps), max_size=14)


SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(many(WRITE, READ, WHOLE, KILL))
def test_cut_and_killed_anywhere_nothing_is_lost_and_nothing_twice(steps: list[tuple[str, object]]) -> None:
    with world() as found:
        log = found.run(steps)
        assert pieces(log) == [found.log.content]
        assert found.gaps == 0


@SLOW
@given(many(WRITE, READ, WHOLE, KILL, JUMP))
def test_a_clock_that_is_set_back_while_the_log_is_followed(steps: list[tuple[str, object]]) -> None:
    with world() as found:
        log = found.run(steps)
        assert pieces(log) == [found.log.content]
        assert found.gaps == 0


@SLOW
@given(many(WRITE, READ, WHOLE, KILL, ROTATE))
def test_rotated_as_well_what_is_lost_is_declared(steps: list[tuple[str, object]]) -> None:
    with world() as found:
        found.numbered = True
        log = found.run(steps)
        place = 0
        for piece in pieces(log):
            start = found.log.content.find(piece, place)
            assert start >= 0, (piece, found.log.content, place)
            assert start == place or found.gaps
            place = start + len(piece)
        assert len(pieces(log)) - 1 <= found.gaps + 1


SAME_MOMENT = ("write", [(0, b"", False)])


@SLOW
@given(many(WRITE, READ, WHOLE, KILL, ROTATE, POWER))
# Behind a gap within a run stands what bears the stamp of a line before the gap; the next server takes it for no other.
@example([*[SAME_MOMENT] * 3, ("read", (96, 1)), SAME_MOMENT, ("rotate", None), ("write", [(0, b"a", False)])])
def test_after_a_power_failure_it_goes_on(steps: list[tuple[str, object]]) -> None:
    """What was on the disk may be gone or cut; the next server takes what there is and loses no later line."""
    with world() as found:
        found.run(steps)
        found.start()
        found.write([(10**10, b"", True), (10**10, b"the last line", True)])
        log = found.run([])
        assert pieces(log)[-1].endswith(b"the last line\n")


def test_the_files_of_a_log() -> None:
    with world() as found:
        found.write([(1, b"one", True)])
        found.run([])
        assert {path.name for path in found.folder.iterdir()} == {"0" * 20 + ".log", TIMES, SOURCES}
