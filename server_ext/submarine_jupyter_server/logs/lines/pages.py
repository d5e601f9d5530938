"""The newest lines of a log, as an answer shows them.

Like Submarine: split at newlines, empty lines at the end left out, those between kept, an empty log is
``[]``. An answer holds at most ``PAGE_BYTES`` and ``PAGE_LINES`` per replica, and says what it left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter.spec.vocabulary import replica_order
from submarine_jupyter_server.logs.archive import Chunk, Gap, LogArchive, ReplicaLog
from submarine_jupyter_server.logs.lines.screen import folded_lines, moves_up
from submarine_jupyter_server.logs.lines.view import LINE_BYTES, LineView
from submarine_jupyter_server.logs.position import Position

PAGE_BYTES = 1024 * 1024
PAGE_LINES = 10_000
_FIRST_WINDOW = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines of one log; sizes, offsets and the gaps in what was asked for are in bytes."""

    lines: list[str]
    cut: bool
    total_bytes: int
    shown_from: int
    gaps: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ExperimentPages:
    """The logs of an experiment as REST answers them; ``attributes`` say what is missing, if anything."""

    result: dict[str, object]
    attributes: dict[str, object]


def tail(log: ReplicaLog, lines: int, max_bytes: int = PAGE_BYTES, since: int = 0) -> LogPage:
    """Return the last ``lines`` lines of the newest ``max_bytes``, none from before offset ``since``.

    The log is read backwards in growing steps, so its size does not matter. ``cut`` says that there are
    more lines.
    """
    snapshot = log.snapshot()
    lower = max(snapshot.start, since)
    size = min(_FIRST_WINDOW, max_bytes)
    while True:
        window = max(log.back(snapshot.end, size), lower)
        chunks = stored(log, window, snapshot.end) if window == lower else from_line(log, window, snapshot.end)
        shown, starts, blank = _view(chunks)
        if len(shown) >= lines or window == lower or size >= max_bytes:
            break
        size = min(size * 4, max_bytes)
    first = chunks[0].offset if chunks else snapshot.end
    left_out = max(len(shown) - lines, 0)
    shown_from = first
    if left_out:
        shown_from = starts[left_out] if starts else _start_of_last(chunks, len(shown) - left_out + blank)
    return LogPage(
        lines=shown[left_out:],
        cut=window > lower or left_out > 0,
        total_bytes=snapshot.end,
        shown_from=shown_from,
        gaps=[gap for gap in snapshot.gaps() if gap[1] > since],
    )


def page(log: ReplicaLog, since: float | None = None, tail_lines: int | None = None) -> LogPage:
    """Return the newest lines: written at Unix time ``since`` or later, the last ``tail_lines``.

    ``cut`` says that the caps left out lines that were asked for.
    Raises InvalidRequest for a negative number of lines or a time that is no number.
    """
    if tail_lines is not None and tail_lines < 0:
        raise InvalidRequest("tail: must be 0 or more lines.")
    if since is not None and not math.isfinite(since):
        raise InvalidRequest("since: must be a time.")
    lower = 0 if since is None else line_start(log, log.offset_at(since))
    found = tail(log, PAGE_LINES if tail_lines is None else min(tail_lines, PAGE_LINES), since=lower)
    satisfied = tail_lines is not None and len(found.lines) == tail_lines
    return replace(found, cut=found.cut and not satisfied)


def experiment_pages(
    archive: LogArchive,
    experiment_id: str,
    *,
    replica: str | None = None,
    since: float | None = None,
    tail_lines: int | None = None,
    attempt: int | None = None,
    gone: Collection[str] = (),
) -> ExperimentPages:
    """Return the pages of all replicas of one attempt (None: the latest), or of ``replica`` alone.

    A log that cannot be read never hides the others: it is named in ``attributes.errors``, and so are the replicas of
    ``gone``, which had a log. Raises NotFound when ``replica`` has no log.
    """
    content: list[dict[str, object]] = []
    about: dict[str, dict[str, object]] = {"truncated": {}, "gaps": {}, "errors": {}}
    for log in chosen(archive, experiment_id, replica, attempt, gone):
        try:
            if log.name in gone:
                raise FileNotFoundError("its folder was removed")
            found = page(log, since, tail_lines)
        except OSError as error:
            found = LogPage([], False, 0, 0, [])
            about["errors"][log.pod_name] = f"The log cannot be read: {error.strerror or error}."
        content.append({"podName": log.pod_name, "podLog": found.lines})
        if found.cut:
            about["truncated"][log.pod_name] = {
                "totalBytes": found.total_bytes,
                "shownFrom": found.shown_from,
            }
        if found.gaps:
            about["gaps"][log.pod_name] = [list(gap) for gap in found.gaps]
    return ExperimentPages(
        {"experimentId": experiment_id, "logContent": content},
        {name: facts for name, facts in about.items() if facts},
    )


def start_position(
    archive: LogArchive,
    experiment_id: str,
    *,
    replica: str | None = None,
    since: float | None = None,
    tail_lines: int | None = None,
    attempt: int | None = None,
) -> Position | None:
    """Return where a follower begins who wants what a page shows first; None before there are logs."""
    logs = chosen(archive, experiment_id, replica, attempt)
    if not logs:
        return None
    offsets: dict[str, int] = {}
    for log in logs:
        with suppress(OSError):  # whoever follows it is told
            offsets[log.name] = page(log, since, tail_lines).shown_from
    return Position(logs[0].attempt, offsets)


def chosen(
    archive: LogArchive, experiment_id: str, replica: str | None, attempt: int | None, gone: Collection[str] = ()
) -> Sequence[ReplicaLog]:
    """Return the logs of one attempt, or of ``replica`` alone; those of ``gone`` among them. Raises NotFound."""
    if replica is not None and replica not in gone:
        return [archive.replica(experiment_id, replica, attempt)]
    there = archive.replicas(experiment_id, attempt) if replica is None else []
    names = [name for name in gone if replica in (None, name)]
    lost = [archive.at(experiment_id, attempt or 0, name) for name in names]
    return sorted((*there, *lost), key=lambda log: replica_order(log.name))


def stored(log: ReplicaLog, start: int, end: int) -> list[Chunk]:
    """Return the bytes kept from ``start`` to ``end``, one chunk for each run without a hole."""
    runs: list[Chunk] = []
    joined = False
    for piece in log.pieces(start, end, end - start):
        if isinstance(piece, Gap):
            joined = False
        elif joined:
            runs[-1] = Chunk(runs[-1].offset, runs[-1].data + piece.data)
        else:
            runs.append(piece)
            joined = True
    return runs


def from_line(log: ReplicaLog, window: int, end: int) -> list[Chunk]:
    """Return the bytes from the first line that begins at ``window`` or later, else from ``window``."""
    chunks = stored(log, window - 1, end)
    if not chunks or chunks[0].offset >= window:
        return chunks
    first, *others = chunks
    after = first.data.find(b"\n") + 1
    if after == 0 or not (others or first.data[after:].strip(b"\r\n")):
        after = 1
    rest = Chunk(first.offset + after, first.data[after:])
    return [rest, *others] if rest.data else others


def _view(chunks: list[Chunk]) -> tuple[list[str], list[int], int]:
    """Return the lines, where each begins (only when some were put together), and how many blank ones were left out."""
    folded = any(moves_up(chunk.data) for chunk in chunks)
    lines: list[str] = []
    starts: list[int] = []
    for chunk in chunks:
        if folded:
            found = folded_lines(chunk.data, chunk.offset)
            lines += [text for text, _ in found]
            starts += [start for _, start in found]
            continue
        view = LineView()
        for at in range(0, len(chunk.data), LINE_BYTES):
            lines += view.feed(chunk.data[at : at + LINE_BYTES])
        if not chunk.data.endswith(b"\n"):
            lines.append(view.rest())
    count = len(lines)
    while lines and not lines[-1]:
        lines.pop()
    return lines, starts, count - len(lines)


def _start_of_last(chunks: list[Chunk], lines: int) -> int:
    """Return the offset where the last ``lines`` lines begin."""
    start = chunks[-1].offset + len(chunks[-1].data)
    for chunk in reversed(chunks):
        at = len(chunk.data.removesuffix(b"\n"))
        while lines and at >= 0:
            lines -= 1
            at = chunk.data.rfind(b"\n", 0, at)
            start = chunk.offset + at + 1
    return start


def line_start(log: ReplicaLog, offset: int) -> int:
    """Return where the line that ``offset`` is in begins, as far as it is shown."""
    chunks = stored(log, log.back(offset, LINE_BYTES), offset)
    if not chunks or chunks[-1].offset + len(chunks[-1].data) < offset:
        return offset
    return chunks[-1].offset + chunks[-1].data.rfind(b"\n") + 1
