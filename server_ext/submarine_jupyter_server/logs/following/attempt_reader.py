"""One follower on the logs of one attempt: where it is in each of them, and what comes next."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import ReplicaLog
from submarine_jupyter_server.logs.following.growth import Size, Watch
from submarine_jupyter_server.logs.layout import unreadable
from submarine_jupyter_server.logs.lines.blocks import Block, read_block, unfinished
from submarine_jupyter_server.logs.position import Position

# An unfinished line is shown once it is this old, and again this often while it changes.
PARTIAL_S = 1.0


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event; ``id`` is the position behind it, to be sent back as Last-Event-ID.

    ``lines`` are the lines of a ``log``, as JSON.
    """

    id: str
    event: str
    data: dict[str, object]
    lines: str = ""

    def json(self) -> str:
        """Return ``data`` and the lines as JSON, at next to no cost however many lines there are."""
        about = json.dumps(self.data)
        return f'{about[:-1]}, "lines": {self.lines}}}' if self.lines else about


@dataclass(slots=True)
class _Place:
    """How far one log was read: no line ends between ``position`` and ``scanned``.

    The unfinished line was shown up to ``shown``, and may be shown again at ``due`` (monotonic s).
    """

    log: ReplicaLog
    position: int
    scanned: int
    shown: int
    due: float = 0.0
    live: tuple[str, ...] = ()
    live_shown: tuple[str, ...] = ()


class AttemptReader:
    """Reads the logs of ``watch`` from ``position``, or from their beginning."""

    def __init__(
        self,
        watch: Watch,
        attempt: int,
        replicas: Collection[str] | None = None,
        position: Position | None = None,
    ) -> None:
        self.attempt = attempt
        self._watch = watch
        self._replicas = replicas
        self._asked = position.offsets if position and position.attempt == attempt else {}
        self._cursors: dict[str, _Place] = {}
        self._unreadable: set[str] = set()

    @property
    def position(self) -> str:
        """The position as text."""
        return str(Position(self.attempt, {name: cursor.position for name, cursor in self._cursors.items()}))

    @property
    def drained(self) -> bool:
        """Whether every log was read to an end that is final."""
        return all(
            log.name in self._unreadable
            or (size.ended and log.name in self._cursors and self._cursors[log.name].position >= size.end)
            for log, size in self._chosen()
        )

    @property
    def complete(self) -> bool:
        """Whether every log has come to its end and lacks nothing."""
        return not self._unreadable and all(size.ended and size.whole for _, size in self._chosen())

    async def read(self, *, final: bool = False) -> AsyncIterator[LogEvent]:
        """Yield what there is, a block of each replica in turn; with ``final``, unfinished lines too."""
        more = True
        while more:
            more = False
            # All of them first: an id without the others' positions would begin them again.
            for event in await self._begin():
                yield event
            for log, size in self._chosen():
                cursor = self._cursors.get(log.name)
                if cursor and (final or cursor.scanned < size.end or (size.ended and cursor.position < cursor.scanned)):
                    block = await self._block(cursor, size, final or size.ended)
                    if block is None:
                        continue
                    more = more or (block.position, block.scanned) != (cursor.position, cursor.scanned)
                    for event in self._take(cursor, block):
                        yield event

    async def partials(self) -> AsyncIterator[LogEvent]:
        """Yield the unfinished lines that have been so for a while and have changed."""
        for cursor in list(self._cursors.values()):
            if cursor.live != cursor.live_shown and time.monotonic() >= cursor.due:
                cursor.live_shown, cursor.due = cursor.live, time.monotonic() + PARTIAL_S
                rows = {"text": "  ".join(cursor.live), "rows": list(cursor.live)}
                yield self._event("partial", cursor, {"offset": cursor.position, **rows})
                continue
            if cursor.scanned <= max(cursor.position, cursor.shown) or time.monotonic() < cursor.due:
                continue
            key = (cursor.position, cursor.scanned)
            text = await self._watch.share(f"partial {cursor.log.name}", key, unfinished, cursor.log, *key)
            cursor.shown, cursor.due = cursor.scanned, time.monotonic() + PARTIAL_S
            if text:
                yield self._event("partial", cursor, {"offset": cursor.position, "text": text})

    def _chosen(self) -> list[tuple[ReplicaLog, Size]]:
        logs = self._watch.sizes.logs.items()
        return [(log, size) for log, size in logs if self._replicas is None or log.name in self._replicas]

    async def _begin(self) -> list[LogEvent]:
        """Put a cursor on each new log; tell of a gap where a log ends before the position asked for."""
        beyond: list[tuple[_Place, int]] = []
        for log, size in self._chosen():
            if log.name in self._cursors:
                continue
            asked = self._asked.get(log.name, 0)
            # The position may be newer than the last look.
            end = size.end if asked <= size.end else (await self._watch.archive.run(log.snapshot)).end
            start = min(asked, end)
            self._cursors[log.name] = _Place(log, start, start, start)
            if asked > end:
                beyond.append((self._cursors[log.name], asked))
        return [self._event("gap", cursor, {"from": asked, "to": cursor.position}) for cursor, asked in beyond]

    async def _block(self, cursor: _Place, size: Size, final: bool) -> Block | None:
        """Return what comes next; None where the log cannot be read, which must not hide the others."""
        key = (cursor.position, cursor.scanned, size.end, final)
        if cursor.log.name in self._unreadable:
            return None
        try:
            return await self._watch.share(
                cursor.log.name, key, read_block, cursor.log, cursor.position, cursor.scanned, final
            )
        except OSError as error:
            if not unreadable(error):
                raise
            self._unreadable.add(cursor.log.name)
            return None

    def _take(self, cursor: _Place, block: Block) -> Iterator[LogEvent]:
        """Move on behind a block and yield its events, each with the position that is right behind it."""
        cursor.live = block.live
        if block.lines or (cursor.position == cursor.scanned and not block.live):
            cursor.due = time.monotonic() + PARTIAL_S
        if block.lines:
            cursor.position = cursor.scanned = block.hole[0] if block.hole else block.position
            yield self._event("log", cursor, {"offset": block.start}, block.lines)
        cursor.position, cursor.scanned = block.position, block.scanned
        if block.hole:
            yield self._event("gap", cursor, {"from": block.hole[0], "to": block.hole[1]})

    def _event(self, event: str, cursor: _Place, data: dict[str, object], lines: str = "") -> LogEvent:
        about = {"podName": cursor.log.pod_name, "replica": cursor.log.name, "attempt": self.attempt}
        return LogEvent(self.position, event, about | data, lines)
