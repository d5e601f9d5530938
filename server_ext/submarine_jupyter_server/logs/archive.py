"""Read the log archive: what replicas wrote, as bytes at logical offsets.

Nothing from a request becomes part of a path before it has matched the form of an id, and no symbolic link
below the archive is followed, because the commands of experiments run as the same user.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from submarine_jupyter.errors import NotFound
from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter.spec.vocabulary import replica_order
from submarine_jupyter_server.logs import times
from submarine_jupyter_server.logs.layout import (
    ENDED,
    TIMES,
    ended_at,
    open_folder,
    open_to_read,
    segment_name,
    segment_offset,
)
from submarine_jupyter_server.process.daemon_threads import DaemonPool

_REPLICA = re.compile(r"([a-z]+)-([0-9]+)")
_ATTEMPT = re.compile(r"0|[1-9][0-9]{0,8}")
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
    """Bytes of a log from ``offset``."""

    offset: int
    data: bytes

    @property
    def stop(self) -> int:
        """The offset behind the last byte."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Gap:
    """The bytes from ``offset`` to ``stop`` (exclusive) are lost."""

    offset: int
    stop: int


Piece = Chunk | Gap
"""What stands at an offset of a log. A gap is a value like any other, so that no reader can pass over it unseen."""


@dataclass(frozen=True, slots=True)
class LogSnapshot:
    """What a log was at one moment; ``ended_at`` is its size when it ended, as far as that is known."""

    segments: tuple[Segment, ...]
    ended: bool
    ended_at: int = 0

    @property
    def start(self) -> int:
        """The offset of the first byte kept."""
        return self.segments[0].start if self.segments else 0

    @property
    def end(self) -> int:
        """The offset behind the last byte: the logical size."""
        return max(self.segments[-1].end if self.segments else 0, self.ended_at)

    def gaps(self) -> list[tuple[int, int]]:
        """Return the holes, those at the front and at the end included, as (from, to)."""
        ends = (0, *(segment.end for segment in self.segments))
        starts = (*(segment.start for segment in self.segments), self.end)
        return [(end, start) for end, start in zip(ends, starts, strict=True) if start > end]


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
        return self.snapshot().start

    @property
    def end(self) -> int:
        """The offset behind the last byte: the logical size."""
        return self.snapshot().end

    @property
    def ended(self) -> bool:
        """Whether no more bytes will come."""
        return self.snapshot().ended

    def gaps(self) -> list[tuple[int, int]]:
        """Return the holes, one at the front included, as (from, to)."""
        return self.snapshot().gaps()

    def snapshot(self) -> LogSnapshot:
        """List the files once. When ``ended`` is true, the sizes beside it are final.

        Nothing is there before the folder is. Raises OSError when it is no folder, or cannot be read.
        """
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return self._list()
        return LogSnapshot((), False)

    def _list(self) -> LogSnapshot:
        found: list[Segment] = []
        ended = False
        folder = open_folder(self.path)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    start = segment_offset(entry.name)
                    ended = ended or entry.name == ENDED
                    if start is not None and entry.is_file(follow_symlinks=False):
                        found.append(Segment(start, start + entry.stat(follow_symlinks=False).st_size))
        finally:
            os.close(folder)
        return LogSnapshot(_apart(found), ended, ended_at(self.path) if ended else 0)

    def read(self, offset: int, limit: int) -> Piece:
        """Return what stands at ``offset``: at most ``limit`` bytes up to the next gap, or the gap that it is in.

        The end of the log is an empty chunk. Raises OSError.
        """
        for _ in range(_TRIES):
            try:
                return self._read(self.snapshot(), offset, limit)
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"The log of {self.pod_name} at byte {offset} was removed while it was being read.")

    def _read(self, snapshot: LogSnapshot, offset: int, limit: int) -> Piece:
        for start, stop in snapshot.gaps():
            if start <= offset < stop:
                return Gap(offset, stop)
        at, pieces = offset, []
        for segment in snapshot.segments:
            if segment.start <= at < segment.end and limit > 0:
                piece = self._bytes(segment, at, min(limit, segment.end - at))
                pieces.append(piece)
                at += len(piece)
                limit -= len(piece)
                if at < segment.end:
                    break
        return Chunk(offset, b"".join(pieces))

    def pieces(self, start: int, stop: int, limit: int) -> Iterator[Piece]:
        """Yield all that stands from ``start`` to ``stop``, in chunks of at most ``limit`` bytes. Raises OSError."""
        while start < stop:
            piece = self.read(start, min(limit, stop - start))
            if isinstance(piece, Gap):
                piece = Gap(piece.offset, min(piece.stop, stop))
            elif not piece.data:
                return
            yield piece
            start = piece.stop

    def back(self, end: int, count: int) -> int:
        """Return the offset from which ``count`` kept bytes lead up to ``end``, at least the first."""
        start = end
        for segment in reversed(self.snapshot().segments):
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
        if not is_id(experiment_id):
            return []
        names = _names(self._runs / experiment_id, folders=True)
        return sorted(int(name) for name in names if _ATTEMPT.fullmatch(name))

    def replicas(self, experiment_id: str, attempt: int | None = None) -> list[ReplicaLog]:
        """Return the logs of one attempt (None: the latest), as answers list them.

        Chief or master first, then ps, workers and evaluators, each by index. What has the name of a replica and is no
        folder is listed too: whoever reads it gets that as an error.
        """
        attempts = self.attempts(experiment_id)
        chosen = attempts[-1] if attempt is None and attempts else attempt
        if chosen not in attempts or chosen is None:
            return []
        logs = self._runs / experiment_id / str(chosen) / "logs"
        names = sorted((name for name in _names(logs) if _REPLICA.fullmatch(name)), key=replica_order)
        return [ReplicaLog(experiment_id, chosen, name, logs / name) for name in names]

    def at(self, experiment_id: str, attempt: int, name: str) -> ReplicaLog:
        """Return where the log of a replica is, or was; the names must come from the database."""
        return ReplicaLog(experiment_id, attempt, name, self._runs / experiment_id / str(attempt) / "logs" / name)

    def replica(self, experiment_id: str, name: str, attempt: int | None = None) -> ReplicaLog:
        """Return the log of one replica. Raises NotFound when there is none of that name."""
        for log in self.replicas(experiment_id, attempt):
            if log.name == name:
                return log
        raise NotFound(f"{experiment_id[:80]!r} has no log of a replica {name[:80]!r}.")

    async def run(self, function: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
        """Call ``function`` in one of the few threads that may wait for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *args)

    def close(self) -> None:
        """End the threads once they are done."""
        self._readers.shutdown(wait=False)


def _apart(segments: list[Segment]) -> tuple[Segment, ...]:
    """Sort segments; one that reaches into the next ends where that begins, and empty ones say nothing but the end."""
    segments.sort(key=lambda segment: segment.start)
    apart = (Segment(one.start, min(one.end, following.start)) for one, following in pairwise(segments))
    return (*(segment for segment in apart if segment.start < segment.end), *segments[-1:])


def _names(path: Path, *, folders: bool = False) -> list[str]:
    """Return the names in a folder, none when it is not a folder itself."""
    try:
        folder = open_folder(path)
    except OSError:
        return []
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not folders or entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    finally:
        os.close(folder)
