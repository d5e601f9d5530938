"""The lines of several replicas as one log, in the order in which they were written.

The archive knows times to 100 ms; lines of the same time come replica by replica. Of each log a window is read, forth
or back from a position. What may lie beyond a line that was not read is left for the next answer, so that all answers
together are one log. A line that is not finished yet is not in it, nor is a log whose times are not known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from submarine_jupyter_server.logs import times
from submarine_jupyter_server.logs.archive import Chunk, ReplicaLog
from submarine_jupyter_server.logs.layout import TIMES
from submarine_jupyter_server.logs.lines.pages import from_line, line_start, stored
from submarine_jupyter_server.logs.lines.view import LINE_BYTES, shown

MAX_BYTES = 1024 * 1024
_WINDOWS_BYTES = 8 * 1024 * 1024

Offsets = dict[str, int]


@dataclass(frozen=True, slots=True, order=True)
class MergedLine:
    """A line, written at ``at_ns``, of the log that is number ``place``: its bytes ``offset`` to ``stop``."""

    at_ns: int
    place: int
    offset: int
    raw: bytes = field(compare=False)

    @property
    def stop(self) -> int:
        """The offset behind it."""
        return self.offset + len(self.raw)

    @property
    def text(self) -> str:
        """The line as a person sees it."""
        return shown(self.raw.removesuffix(b"\n"))


@dataclass(frozen=True, slots=True)
class Merged:
    """All lines of ``logs`` from the offsets ``first`` to ``next``, by name; ``more``: the way that was read goes on.

    ``untimed`` are the pods whose logs have no times. By pod, ``gaps`` are lost bytes among the lines (from, to), and
    ``errors`` say why a log cannot be read.
    """

    logs: Sequence[ReplicaLog]
    lines: Sequence[MergedLine]
    first: Offsets
    next: Offsets
    more: bool
    untimed: Sequence[str]
    gaps: Mapping[str, Sequence[tuple[int, int]]]
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Window:
    """Lines of one log on one side of offset ``near``; ``more``: there are others behind them."""

    near: int
    lines: Sequence[MergedLine]
    more: bool


def forth(logs: Sequence[ReplicaLog], starts: Mapping[str, int], limit: int) -> Merged:
    """Return the first ``limit`` lines from ``starts`` on, a log that is not named there from its beginning."""
    size = _size(logs)
    windows, untimed, errors = _windows(logs, lambda log, place: _forth(log, place, starts.get(log.name, 0), size))
    lines, ends = _sorted(windows), [window.lines[-1] for window in windows.values() if window.more]
    known = lines[: bisect_right(lines, min(ends))] if ends else lines
    taken = known[: _fitting(known, limit)]
    first = {name: window.near for name, window in windows.items()}
    following = first | {logs[line.place].name: line.stop for line in taken}
    more = bool(ends) or len(taken) < len(lines)
    return Merged(logs, taken, first, following, more, untimed, _gaps(logs, first, following), errors)


def back(logs: Sequence[ReplicaLog], stops: Mapping[str, int] | None, limit: int, since: float | None = None) -> Merged:
    """Return the last ``limit`` lines before ``stops`` (None: the ends), none older than Unix time ``since``.

    Of a log that is not named in ``stops`` there is none.
    """
    size = _size(logs)

    def read(log: ReplicaLog, place: int) -> _Window:
        return _back(log, place, None if stops is None else stops.get(log.name, 0), since, size)

    windows, untimed, errors = _windows(logs, read)
    lines, begins = _sorted(windows), [window.lines[0] for window in windows.values() if window.more]
    known = lines[bisect_left(lines, max(begins)) :] if begins else lines
    taken = known[len(known) - _fitting(known[::-1], limit) :]
    following = {name: window.near for name, window in windows.items()}
    first = following | {logs[line.place].name: line.offset for line in reversed(taken)}
    more = bool(begins) or len(taken) < len(lines)
    return Merged(logs, taken, first, following, more, untimed, _gaps(logs, first, following), errors)


def _windows(
    logs: Sequence[ReplicaLog], read: Callable[[ReplicaLog, int], _Window]
) -> tuple[dict[str, _Window], list[str], dict[str, str]]:
    """Return the windows by name, the pods without times, and by pod why a log cannot be read."""
    windows: dict[str, _Window] = {}
    untimed: list[str] = []
    errors: dict[str, str] = {}
    for place, log in enumerate(logs):
        try:
            log.path.lstat()
            if times.known(log.path / TIMES):
                windows[log.name] = read(log, place)
            elif log.end:
                untimed.append(log.pod_name)
        except OSError as error:
            errors[log.pod_name] = f"The log cannot be read: {error.strerror or error}."
    return windows, untimed, errors


def _forth(log: ReplicaLog, place: int, start: int, size: int) -> _Window:
    end, chunks = _whole(log), []
    for piece in log.pieces(start, end, size):
        if isinstance(piece, Chunk):
            chunks.append(Chunk(piece.offset, piece.data[:size]))
            size -= len(piece.data)
            if size <= 0:
                break
    lines = _lines(log, place, chunks)
    if len(lines) > 1 and lines[-1].stop < end and not lines[-1].raw.endswith(b"\n"):
        lines.pop()
    return _Window(start, lines, bool(lines) and lines[-1].stop < end)


def _back(log: ReplicaLog, place: int, stop: int | None, since: float | None, size: int) -> _Window:
    end = _whole(log)
    stop = end if stop is None else min(stop, end)
    least = log.start if since is None else line_start(log, log.offset_at(since))
    begin = max(log.back(stop, size), least)
    lines = _lines(log, place, stored(log, begin, stop) if begin == least else from_line(log, begin, stop))
    return _Window(stop, lines, bool(lines) and lines[0].offset > least)


def _whole(log: ReplicaLog) -> int:
    """Return where the last whole line of a log ends, or a very long one has come to."""
    snapshot = log.snapshot()
    return snapshot.end if snapshot.ended else line_start(log, snapshot.end)


def _lines(log: ReplicaLog, place: int, chunks: Sequence[Chunk]) -> list[MergedLine]:
    if not chunks:
        return []
    records = log.times(chunks[0].offset, chunks[-1].stop)
    found: list[MergedLine] = []
    at_ns, known = records[0][1] if records else 0, 0
    for chunk in chunks:
        offset = chunk.offset
        for raw in _split(chunk.data):
            while known < len(records) and records[known][0] <= offset:
                at_ns, known = max(at_ns, records[known][1]), known + 1
            found.append(MergedLine(at_ns, place, offset, raw))
            offset += len(raw)
    return found


def _split(data: bytes) -> list[bytes]:
    """Return lines with their newlines."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _sorted(windows: Mapping[str, _Window]) -> list[MergedLine]:
    return sorted(line for window in windows.values() for line in window.lines)


def _size(logs: Sequence[ReplicaLog]) -> int:
    return max(min(_WINDOWS_BYTES // max(len(logs), 1), MAX_BYTES), LINE_BYTES)


def _fitting(lines: Sequence[MergedLine], limit: int) -> int:
    """Return how many of the lines an answer takes, one at least."""
    size = 0
    for count, line in enumerate(lines[:limit]):
        size += min(len(line.raw), LINE_BYTES)
        if size > MAX_BYTES and count:
            return count
    return min(len(lines), limit)


def _gaps(logs: Sequence[ReplicaLog], first: Offsets, following: Offsets) -> dict[str, list[tuple[int, int]]]:
    found = {}
    for log in logs:
        if log.name in first and (holes := log.gaps()):
            begin, end = first[log.name], following[log.name]
            found[log.pod_name] = [hole for hole in holes if hole[0] < end and hole[1] > begin]
    return {pod: holes for pod, holes in found.items() if holes}
