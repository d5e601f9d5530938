"""Read logs for the REST API: lists, pages, followed streams and raw bytes, all from the archive."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from submarine_jupyter import durations
from submarine_jupyter.errors import InvalidRequest, NotFound, RangeNotSatisfiable
from submarine_jupyter.models import Status
from submarine_jupyter.vocabulary import replica_order
from submarine_jupyter_server.feed import EventFeed, FeedMessage
from submarine_jupyter_server.logs import raw
from submarine_jupyter_server.logs.archive import LogArchive, LogSnapshot, ReplicaLog
from submarine_jupyter_server.logs.growth import Growth
from submarine_jupyter_server.logs.pages import experiment_pages, start_position
from submarine_jupyter_server.logs.position import Position, parse_position
from submarine_jupyter_server.logs.raw import ByteRange, Unsatisfiable
from submarine_jupyter_server.services.log_stream import States, log_stream
from submarine_jupyter_server.store import events, experiments, replicas
from submarine_jupyter_server.store.engine import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.targets.protocol import ComputeTarget
from submarine_jupyter_server.wire.answers import Answer, json_text
from submarine_jupyter_server.wire.parameters import QueryString, one, only, whole
from submarine_jupyter_server.wire.specs import list_query

MAX_TAIL = 1_000_000
MAX_GAPPED = 1000
MAX_HEADER = 4096


@dataclass(frozen=True)
class RawLog:
    """Bytes of a log as HTTP answers them."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class LogReader:
    """The logs of the experiments that exist; those of deleted ones cannot be reached."""

    def __init__(
        self, db: Database, archive: LogArchive, feed: EventFeed, targets: Mapping[str, ComputeTarget]
    ) -> None:
        self._db = db
        self._targets = targets
        self._archive = archive
        self._feed = feed
        self._growth = Growth(archive)

    async def close(self) -> None:
        """Stop watching and reading files."""
        await self._growth.close()
        self._archive.close()

    async def list(self, query: QueryString) -> Answer:
        """Return the names of the replicas of each experiment, their logs left empty."""
        page = await self._db.read(lambda tx: experiments.page(tx, list_query(query)))
        found = [_log(row.id, {name: [] for name in expected_pods(row.id, row.wire_spec)}) for row in page.rows]
        return Answer(json_text(found), {} if page.next_cursor is None else {"nextCursor": page.next_cursor})

    async def page(self, experiment_id: str, query: QueryString) -> Answer:
        """Return the newest lines of each replica: ``tail`` lines, those ``since`` a time, of one ``replica``."""
        only(query, "tail", "since", "replica", "attempt")
        wanted = whole(query, "attempt", 1, 10**6)
        row, wrote = await self._db.read(lambda tx: _attempt(tx, experiment_id, wanted))
        async with self._attended(row):
            pages = await self._archive.run(
                lambda: experiment_pages(
                    self._archive,
                    experiment_id,
                    replica=one(query, "replica"),
                    since=since(one(query, "since")),
                    tail_lines=whole(query, "tail", 0, MAX_TAIL),
                    attempt=row.attempt if wrote and wanted is None else wanted,
                    gone=_gone(self._archive, row.id, wanted or row.attempt, wrote),
                )
            )
        if not pages.result["logContent"]:
            # What waits has replicas already, as Submarine's pods that wait: clients read the first one's log.
            waiting: dict[str, list[str]] = {name: [] for name in expected_pods(row.id, row.wire_spec)}
            return Answer(json_text(_log(row.id, waiting)))
        return Answer(json_text(pages.result), pages.attributes)

    async def raw(self, experiment_id: str, *, replica: str | None, range_header: str | None) -> RawLog:
        """Return the bytes of one replica, a range of them, or all replicas as one text.

        Where bytes are missing the text has a line that says so, and the header ``Submarine-Log-Gaps`` names them; a
        range ends before them. Raises NotFound, RangeNotSatisfiable.
        """
        row, wrote = await self._db.read(lambda tx: _attempt(tx, experiment_id, None))
        async with self._attended(row):
            logs = await self._archive.run(self._logs, row, wrote)
        if replica is None and len(logs) != 1:
            return RawLog(200, await self._archive.run(_gaps, logs), raw.download(self._archive, logs))
        log = logs[0] if replica is None else await self._archive.run(self._archive.replica, experiment_id, replica)
        try:
            look = await self._archive.run(log.look)
        except OSError as error:
            raise NotFound(f"The log of {log.name} cannot be read: {error.strerror or error}.") from error
        wanted = raw.parse_range(range_header, look.end)
        if isinstance(wanted, ByteRange):
            return self._range(log, look, wanted)
        if isinstance(wanted, Unsatisfiable):
            raise RangeNotSatisfiable(f"The log has {wanted.size} bytes; {range_header!r:.80} is outside of them.")
        missing = raw.gaps_text(look)
        headers = {"Accept-Ranges": "bytes"} | ({"Submarine-Log-Gaps": missing} if missing else {})
        return RawLog(200, headers, raw.text(self._archive, log, look.end))

    def _range(self, log: ReplicaLog, look: LogSnapshot, wanted: ByteRange) -> RawLog:
        found, missing = raw.kept(look, wanted), raw.gaps_text(look, wanted.start, wanted.stop)
        if isinstance(found, Unsatisfiable):
            raise RangeNotSatisfiable(f"Bytes {wanted.start} to {wanted.stop - 1} of the log are lost.")
        headers = {"Accept-Ranges": "bytes", "Content-Range": found.content_range}
        headers |= {"Submarine-Log-Gaps": missing} if missing else {}
        return RawLog(206, headers, raw.exact(self._archive, log, found.start, found.stop))

    def _logs(self, row: ExperimentRow, wrote: Collection[str]) -> Sequence[ReplicaLog]:
        """Return the logs of the latest attempt, those that were removed among them."""
        gone = _gone(self._archive, row.id, row.attempt, wrote)
        there = self._archive.replicas(row.id, row.attempt if gone else None)
        lost = [self._archive.at(row.id, row.attempt, name) for name in gone]
        return sorted((*there, *lost), key=lambda log: replica_order(log.name))

    async def follow(
        self,
        experiment_id: str,
        *,
        replica: str | None = None,
        position: str | None = None,
        tail: int | None = None,
    ) -> AsyncIterator[FeedMessage | None]:
        """Return the lines as they come, from ``position`` or the last ``tail`` lines, and the changes of state.

        Messages are those of ``logs.follow``, with ``state`` {status, reason, message} between them, and at last
        ``end`` {status, complete}. Raises NotFound, InvalidRequest.
        """
        row, seq = await self._db.read(lambda tx: (_find(tx, experiment_id), events.last_seq(tx)))
        if replica is not None and f"{row.id}-{replica}" not in expected_pods(row.id, row.wire_spec):
            await self._archive.run(self._archive.replica, row.id, replica)  # one that was scaled away, or NotFound
        start = parse_position(position) if position else None
        if start is None and tail is not None:
            start = await self._archive.run(
                lambda: start_position(self._archive, experiment_id, replica=replica, tail_lines=tail)
            )
        return self._follow(row, seq, [replica] if replica else None, start)

    async def _follow(
        self, row: ExperimentRow, seq: int, wanted: Sequence[str] | None, start: Position | None
    ) -> AsyncIterator[FeedMessage | None]:
        stream = log_stream(States(self._db, row, seq), self._feed, self._growth, replicas=wanted, position=start)
        async with self._attended(row), aclosing(stream) as messages:
            async for message in messages:
                if message is not None and message.event == "end":
                    yield await self._checked(row.id, wanted, message)
                else:
                    yield message

    async def _checked(self, experiment_id: str, wanted: Collection[str] | None, end: FeedMessage) -> FeedMessage:
        """Return the end of a stream; logs that were removed make it incomplete."""
        data = json.loads(end.data)
        with suppress(NotFound):
            row, wrote = await self._db.read(lambda tx: _attempt(tx, experiment_id, None))
            gone = await self._archive.run(_gone, self._archive, row.id, row.attempt, wrote)
            data["complete"] = data["complete"] and not any(wanted is None or name in wanted for name in gone)
        return FeedMessage(end.id, end.event, json_text(data))

    def _attended(self, row: ExperimentRow) -> AbstractAsyncContextManager[None]:
        target = self._targets.get(row.target)
        return nullcontext() if target is None or Status(row.status).final else target.attend(row.id)


def since(text: str | None) -> float | None:
    """Return the Unix time (s) of ``10m`` ago, or of an ISO 8601 time. Raises InvalidRequest."""
    if text is None:
        return None
    if (ago := durations.seconds(text)) is not None:
        return time.time() - ago
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"'since' must be like 30s, 10m, 2h, 1d, or a time like 2026-01-31T12:00:00Z, not '{text[:40]}'"
        ) from None


def expected_pods(experiment_id: str, wire_spec: str) -> list[str]:
    """Return the pod names an experiment has by its spec, who leads first."""
    tasks = json.loads(wire_spec)["spec"]
    names = [f"{role.lower()}-{index}" for role, task in tasks.items() for index in range(task["replicas"])]
    return [f"{experiment_id}-{name}" for name in sorted(names, key=replica_order)]


def _log(experiment_id: str, lines: Mapping[str, list[str]]) -> dict[str, Any]:
    content = [{"podName": name, "podLog": found} for name, found in lines.items()]
    return {"experimentId": experiment_id, "logContent": content}


def _attempt(tx: Connection, experiment_id: str, attempt: int | None) -> tuple[ExperimentRow, list[str]]:
    """Return an experiment, and which replicas of an attempt (None: the latest) that is over have written a log."""
    row = _find(tx, experiment_id)
    if attempt is not None and attempt > row.attempt:
        raise NotFound(f"{experiment_id} has no attempt {attempt}: the latest is {row.attempt}.")
    if not Status(row.status).final and attempt in (None, row.attempt):
        return row, []
    return row, [found.name for found in replicas.of(tx, row.id, attempt or row.attempt) if found.started_ms]


def _gone(archive: LogArchive, experiment_id: str, attempt: int, wrote: Collection[str]) -> list[str]:
    """Return those who ``wrote`` a log that is not there any more."""
    there = {log.name for log in archive.replicas(experiment_id, attempt)} if wrote else set()
    return [name for name in wrote if name not in there]


def _gaps(logs: Sequence[ReplicaLog]) -> dict[str, str]:
    """Return the header that names the gaps of several logs, if there are any: ``worker-0 5-9, 20-29; ...``."""
    found: list[str] = []
    for log in logs[:MAX_GAPPED]:
        with suppress(OSError):  # the text says that it cannot be read
            if missing := raw.gaps_text(log.look()):
                found.append(f"{log.name} {missing}")
    text = "; ".join(found)[:MAX_HEADER]
    return {"Submarine-Log-Gaps": text} if text else {}


def _find(tx: Connection, experiment_id: str) -> ExperimentRow:
    row = experiments.find(tx, experiment_id)
    if row is None:
        raise NotFound("Not found experiment.")
    return row
