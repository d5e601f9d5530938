"""Read the metrics of one attempt from its logs into the store, each exactly once, and how far it is.

A slice of a log is scanned in a thread; its metrics and the position behind it are stored in one
transaction, which does nothing when the stored position is not where the slice began. So neither a crash
nor a second reader nor a write whose outcome was not waited for loses or doubles a metric.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from submarine_jupyter_server.logs.archive import Gap, LogArchive, ReplicaLog
from submarine_jupyter_server.logs.layout import unreadable
from submarine_jupyter_server.metrics.progress.outermost import Moved
from submarine_jupyter_server.metrics.progress.reports import Report, Reports
from submarine_jupyter_server.metrics.scanner import Metric, MetricScanner, Param
from submarine_jupyter_server.metrics.templates import Template
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.process.failpoints import reach

SLICE_BYTES = 256 * 1024
# How far back a reader that goes on looks for the epoch it is in.
_MEMORY_BYTES = 1024 * 1024

Tx = TypeVar("Tx")
TxIn = TypeVar("TxIn", contravariant=True)
TxOut = TypeVar("TxOut", covariant=True)
Result = TypeVar("Result")
Row = tuple[str, float, int | None, int]
"""Name, value, step, Unix time (ms)."""
Params = Mapping[str, str]
"""Settings of the run: name -> JSON."""
MAX_NAMES = 1000


class Transactions(Protocol[TxOut]):
    """The database, as far as it is needed here."""

    async def read(self, run: Callable[[TxOut], Result]) -> Result:
        """Run ``run`` in a read transaction."""

    async def write(self, run: Callable[[TxOut], Result]) -> Result:
        """Run ``run`` in one write transaction."""


class MetricStore(Protocol[TxIn]):
    """Where metrics are kept, together with how far each replica's log was read (bytes)."""

    def positions(self, tx: TxIn, experiment_id: str, attempt: int) -> Mapping[str, int]:
        """Return how far each replica's log was read."""

    def record(
        self,
        tx: TxIn,
        experiment_id: str,
        attempt: int,
        replica: str,
        position: int,
        metrics: Sequence[Row],
        params: Params,
    ) -> object:
        """Keep ``metrics``, ``params`` and the position behind them."""

    def names(self, tx: TxIn, experiment_id: str, attempt: int) -> set[str]:
        """Return the names of the metrics kept."""

    def report(self, tx: TxIn, experiment_id: str, attempt: int, found: Report) -> object:
        """Keep how far an attempt is."""

    def reported(self, tx: TxIn, experiment_id: str, attempt: int) -> Report | None:
        """Return how far it is, as it was kept."""

    def is_over(self, tx: TxIn, experiment_id: str, attempt: int) -> bool:
        """Whether an attempt has ended, or its experiment is gone."""

    def finish(self, tx: TxIn, experiment_id: str, attempt: int) -> object:
        """Note that the logs of an attempt were read to their end."""


@dataclass(slots=True)
class _Cursor:
    position: int
    scanner: MetricScanner
    moved: Moved | None = None
    report: Report | None = None


class MetricReader(Generic[Tx]):
    """How far the logs of one attempt were read for metrics."""

    def __init__(
        self,
        db: Transactions[Tx],
        archive: LogArchive,
        store: MetricStore[Tx],
        experiment_id: str,
        attempt: int,
        templates: Sequence[Template],
    ) -> None:
        self.experiment_id = experiment_id
        self.attempt = attempt
        self._db = db
        self._archive = archive
        self._store = store
        self._templates = templates
        self._positions: Mapping[str, int] | None = None
        self._names: set[str] = set()
        self._cursors: dict[str, _Cursor] = {}
        self._reports = Reports()
        self._lock = asyncio.Lock()

    def superseded(self) -> bool:
        """Whether a newer attempt has begun, or everything of this one was removed after it was read."""
        attempts = self._archive.attempts(self.experiment_id)
        return attempts[-1] > self.attempt if attempts else bool(self._cursors)

    async def is_over(self) -> bool:
        """Whether the attempt has ended, by the database."""
        return await self._db.read(lambda tx: self._store.is_over(tx, self.experiment_id, self.attempt))

    async def catch_up(self, *, final: bool = False) -> bool:
        """Read and store all there is; return whether there was anything.

        ``final``: nothing follows. Unfinished lines count then, and that all was read is noted in the transaction that
        finds the positions where they were left.
        """
        async with self._lock:
            try:
                return await self._catch_up(final)
            except BaseException:
                # What was stored is not known: ask again next time.
                self._forget()
                raise

    async def _catch_up(self, final: bool) -> bool:
        moved = False
        more = True
        while more:
            more = False
            for log in await self._archive.run(self._archive.replicas, self.experiment_id, self.attempt):
                try:
                    more = await self._slice(log, final) or more
                except OSError as error:
                    if not unreadable(error):
                        raise
            moved = await self._report(final) or moved or more
            if final and not more:
                more = not await self._db.write(self._finish)
        return moved

    async def _report(self, final: bool) -> bool:
        """Store how far the attempt is, not too often; return whether it has moved."""
        report = self._reports.waiting
        if report is not None and (final or self._reports.due):
            await self._db.write(lambda tx: self._store.report(tx, self.experiment_id, self.attempt, report))
            self._reports.note_stored(report)
        return report is not None

    def _finish(self, tx: Tx) -> bool:
        known = self._store.positions(tx, self.experiment_id, self.attempt)
        if any(known.get(name, 0) != cursor.position for name, cursor in self._cursors.items()):
            return False
        self._store.finish(tx, self.experiment_id, self.attempt)
        return True

    async def _slice(self, log: ReplicaLog, final: bool) -> bool:
        """Store the metrics of the next slice of one log; say whether there was one."""
        cursor = await self._cursor(log)
        start = cursor.position
        position, found, params = await self._archive.run(_read, log, cursor, final)
        self._reports.note(log.name, cursor.report)
        if position == start:
            return False
        rows = [row for row in found if self._keeps(row[0])]

        def store(tx: Tx) -> bool:
            known = self._store.positions(tx, self.experiment_id, self.attempt)
            if known.get(log.name, 0) != start:
                return False
            self._store.record(tx, self.experiment_id, self.attempt, log.name, position, rows, params)
            reach("metrics_record")
            return True

        if await self._db.write(store):
            cursor.position = position
        else:
            self._forget()
        return True

    async def _cursor(self, log: ReplicaLog) -> _Cursor:
        if log.name not in self._cursors:
            if self._positions is None:
                known, self._names, self._reports.stored = await self._db.read(self._known)
                self._positions = known
            position = self._positions.get(log.name, 0)
            cursor = _Cursor(position, MetricScanner(self._templates))
            await self._archive.run(_prime, log, cursor)
            self._cursors[log.name] = cursor
        return self._cursors[log.name]

    def _known(self, tx: Tx) -> tuple[Mapping[str, int], set[str], Report | None]:
        key = (self.experiment_id, self.attempt)
        return self._store.positions(tx, *key), self._store.names(tx, *key), self._store.reported(tx, *key)

    def _keeps(self, name: str) -> bool:
        """Whether a metric of this name is kept: there may be only so many names."""
        if name not in self._names and len(self._names) < MAX_NAMES:
            self._names.add(name)
        return name in self._names

    def _forget(self) -> None:
        self._positions = None
        self._cursors.clear()


def _prime(log: ReplicaLog, cursor: _Cursor) -> None:
    """Let the scanner know the epoch at the position it goes on from, and how far the replica was there."""
    start = log.back(cursor.position, _MEMORY_BYTES)
    pieces = log.pieces(start, cursor.position, _MEMORY_BYTES)
    before = b"".join(b"\n" if isinstance(piece, Gap) else piece.data for piece in pieces)
    cursor.scanner.prime(before, cursor.position - len(before))


def _read(log: ReplicaLog, cursor: _Cursor, final: bool) -> tuple[int, list[Row], dict[str, str]]:
    """Scan the next slice; return the position behind it, its metrics and settings."""
    chunk = log.read(cursor.position, SLICE_BYTES)
    if isinstance(chunk, Gap):
        return chunk.stop, [], {}
    stop = chunk.data.rfind(b"\n") + 1
    if stop == 0 and len(chunk.data) == SLICE_BYTES:
        return chunk.offset + _skip(chunk.data), [], {}
    if stop == 0 and (final or isinstance(log.read(chunk.stop, 1), Gap)):
        stop = len(chunk.data)
    found = cursor.scanner.scan(chunk.data[:stop], chunk.offset)
    _follow_progress(log, cursor, chunk.data[stop:] if len(chunk.data) < SLICE_BYTES else b"", chunk.offset + stop)
    times = log.times(chunk.offset, chunk.offset + stop) if found else []
    rows = [
        (each.name, each.value, each.step, _at_ms(times, chunk.offset + at))
        for at, each in found
        if isinstance(each, Metric)
    ]
    return chunk.offset + stop, rows, {each.name: each.value for _, each in found if isinstance(each, Param)}


def _follow_progress(log: ReplicaLog, cursor: _Cursor, tail: bytes, at: int) -> None:
    """Take note of how far the replica is, by what was scanned and an unfinished line behind it: most bars are one."""
    moved = cursor.scanner.progress.peek(tail, at)
    if moved is not None and moved != cursor.moved:
        bar, offset = cursor.moved = moved
        at_ms = _at_ms(log.times(offset, offset + 1), offset)
        cursor.report = Report(bar.percent, bar.eta_seconds, bar.source, bar.label, at_ms)


def _skip(line: bytes) -> int:
    """Return how much of a very long unfinished line was overwritten since: it holds no metric."""
    body = line.rstrip(b"\r")
    return body.rfind(b"\r") + 1 or len(line)


def _at_ms(times: Sequence[tuple[int, int]], offset: int) -> int:
    """Return when the byte at ``offset`` was written, now when that is not known (Unix time in ms)."""
    index = bisect_right(times, offset, key=lambda record: record[0]) - 1
    return times[index][1] // 1_000_000 if index >= 0 else now_ms()
