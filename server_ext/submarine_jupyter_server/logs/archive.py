"""Read the log archive: what replicas wrote, as bytes at logical offsets.

Nothing from a request becomes part of a path before it has matched the form of an id, and no symbolic link
below the archive is followed, because the commands of experiments run as the same user.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from submarine_jupyter.errors import NotFound
from submarine_jupyter_server.logs import times
from submarine_jupyter_server.logs.layout import ENDED, TIMES, open_to_read, segment_name, segment_offset
from submarine_jupyter_server.threads import DaemonPool

_EXPERIMENT = re.compile(r"experiment-[0-9]+-[0-9]{4,}")
_REPLICA = re.compile(r"([a-z]+)-([0-9]+)")
_ATTEMPT = re.compile(r"0|[1-9][0-9]{0,8}")
_RANK = {"chief": 0, "master": 0, "ps": 1, "worker": 2, "evaluator": 3}
# A capped log may lose its oldest segments between being listed and being opened.
_TRIES = 20
_READERS = 4

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")


@dataclass(frozen=True, slots=True)
class Segment:
    """The bytes of one file: logical offsets ``start`` to ``end`` (exclusive)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a log from ``offset``; ``hole_after`` when the bytes behind them are lost."""

    offset: int
    data: bytes
    hole_after: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What a log was at one moment."""

    segments: tuple[Segment, ...]
    ended: bool

    @property
    def start(self) -> int:
        """The offset of the first byte kept."""
        return self.segments[0].start if self.segments else 0

    @property
    def end(self) -> int:
        """The offset behind the last byte: the logical size."""
        return self.segments[-1].end if self.segments else 0

    def gaps(self) -> list[tuple[int, int]]:
        """Return the holes, one at the front included, as (from, to)."""
        ends = (0, *(segment.end for segment in self.segments))
        return [(end, segment.start) for end, segment in zip(ends, self.segments, strict=False) if segment.start > end]


@dataclass(frozen=True, slots=True)
class ReplicaLog:
    """The log of one replica in one attempt of an experiment."""

    experiment_id: str
    attempt: int
    name: str
    path: Path

    @property
    def pod_name(self) -> str:
        """The name of the replica's pod."""
        return f"{self.experiment_id}-{self.name}"

    @property
    def start(self) -> int:
        """The offset of the first byte kept."""
        return self.look().start

    @property
    def end(self) -> int:
        """The offset behind the last byte: the logical size."""
        return self.look().end

    @property
    def ended(self) -> bool:
        """Whether no more bytes will come."""
        return self.look().ended

    def gaps(self) -> list[tuple[int, int]]:
        """Return the holes, one at the front included, as (from, to)."""
        return self.look().gaps()

    def look(self) -> Look:
        """List the files once. When ``ended`` is true, the sizes beside it are final."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return self._look()
        return Look((), False)

    def _look(self) -> Look:
        found: list[Segment] = []
        ended = False
        with suppress(NotADirectoryError), os.scandir(self.path) as entries:
            for entry in entries:
                start = segment_offset(entry.name)
                ended = ended or entry.name == ENDED
                if start is not None and entry.is_file(follow_symlinks=False):
                    found.append(Segment(start, start + entry.stat(follow_symlinks=False).st_size))
        return Look(_apart(found), ended)

    def read(self, offset: int, limit: int) -> Chunk:
        """Return at most ``limit`` bytes from ``offset``, or from behind the hole that ``offset`` is in.

        A chunk ends at the next hole. It is empty at the end of the log.
        """
        for _ in range(_TRIES):
            try:
                return self._read(self.look().segments, offset, limit)
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"The log of {self.pod_name} at byte {offset} is removed faster than read.")

    def _read(self, segments: Sequence[Segment], offset: int, limit: int) -> Chunk:
        begin: int | None = None
        pieces: list[bytes] = []
        for segment in segments:
            if segment.end <= offset and begin is None:
                continue
            if begin is None:
                offset = begin = max(offset, segment.start)
            elif segment.start > offset:
                return Chunk(begin, b"".join(pieces), hole_after=True)
            piece = self._bytes(segment, offset, min(limit, segment.end - offset))
            pieces.append(piece)
            offset += len(piece)
            limit -= len(piece)
            if offset < segment.end:
                break
        return Chunk(offset if begin is None else begin, b"".join(pieces))

    def back(self, end: int, count: int) -> int:
        """Return the offset from which ``count`` kept bytes lead up to ``end``, at least the first."""
        start = end
        for segment in reversed(self.look().segments):
            if count <= 0:
                break
            stop = min(end, segment.end)
            if stop > segment.start:
                start = max(segment.start, stop - count)
                count -= stop - start
        return start

    def offset_at(self, unix_seconds: float) -> int:
        """Return the offset of the first byte that may have been written at ``unix_seconds`` or later.

        At most the bytes of the 100 ms before are included; the end of the log when nothing is as new.
        """
        return min(times.offset_at(self.path / TIMES, unix_seconds), self.end)

    def times(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return (offset, Unix time in ns) records: when the bytes ``start`` to ``end`` were written."""
        return times.between(self.path / TIMES, start, end)

    def _bytes(self, segment: Segment, start: int, count: int) -> bytes:
        fd = open_to_read(self.path / segment_name(segment.start))
        try:
            return os.pread(fd, count, start - segment.start)
        finally:
            os.close(fd)


class LogArchive:
    """All logs below ``runs``: ``<experiment id>/<attempt>/logs/<replica>/``."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._readers = DaemonPool(_READERS, "submarine-logs")

    def attempts(self, experiment_id: str) -> list[int]:
        """Return the attempts that left something, oldest first; empty for an unknown experiment."""
        if not _EXPERIMENT.fullmatch(experiment_id):
            return []
        names = _folders(self._runs / experiment_id)
        return sorted(int(name) for name in names if _ATTEMPT.fullmatch(name))

    def replicas(self, experiment_id: str, attempt: int | None = None) -> list[ReplicaLog]:
        """Return the logs of one attempt (None: the latest), as answers list them.

        Chief or master first, then ps, workers and evaluators, each by index.
        """
        attempts = self.attempts(experiment_id)
        chosen = attempts[-1] if attempt is None and attempts else attempt
        if chosen not in attempts or chosen is None:
            return []
        logs = self._runs / experiment_id / str(chosen) / "logs"
        if not _is_folder(logs):
            return []
        names = sorted((name for name in _folders(logs) if _REPLICA.fullmatch(name)), key=replica_order)
        return [ReplicaLog(experiment_id, chosen, name, logs / name) for name in names]

    def replica(self, experiment_id: str, name: str, attempt: int | None = None) -> ReplicaLog:
        """Return the log of one replica. Raises NotFound when there is none of that name."""
        for log in self.replicas(experiment_id, attempt):
            if log.name == name:
                return log
        raise NotFound(f"There is no log of a replica {name[:80]!r} in {experiment_id[:80]!r}.")

    async def run(self, function: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
        """Call ``function`` in one of the few threads that may wait for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *args)

    def close(self) -> None:
        """End the threads once they are done."""
        self._readers.shutdown(wait=False)


def replica_order(name: str) -> tuple[int, str, int]:
    """Return the key that sorts replica names as answers list them: who leads comes first."""
    role, _, index = name.rpartition("-")
    return _RANK.get(role, len(_RANK)), role, int(index)


def _apart(segments: list[Segment]) -> tuple[Segment, ...]:
    """Sort segments; one that reaches into the next ends where that begins, and empty ones say nothing but the end."""
    segments.sort(key=lambda segment: segment.start)
    apart = (Segment(one.start, min(one.end, following.start)) for one, following in pairwise(segments))
    return (*(segment for segment in apart if segment.start < segment.end), *segments[-1:])


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _folders(path: Path) -> list[str]:
    """Return the names of the folders in ``path``, none when it is not a folder itself."""
    if not _is_folder(path):
        return []
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
