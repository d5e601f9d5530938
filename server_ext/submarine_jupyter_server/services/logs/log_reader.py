"""Read logs for the REST API: lists, pages, followed streams and raw bytes, all from the archive."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from submarine_jupyter.errors import NotFound, RangeNotSatisfiable
from submarine_jupyter.spec.vocabulary import replica_order
from submarine_jupyter_server.feed.event_feed import EventFeed, FeedMessage
from submarine_jupyter_server.logs import raw
from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.following.growth import Growth
from submarine_jupyter_server.logs.lines.pages import ExperimentPages, experiment_pages, start_position
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.raw import ByteRange, Unsatisfiable, WantedBytes
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.logs.log_attempt import attempt_of, attended, latest, removed
from submarine_jupyter_server.services.logs.log_stream import States, log_stream
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow, Query
from submarine_jupyter_server.store.reported import events
from submarine_jupyter_server.targets.protocol import ComputeTarget
from submarine_jupyter_server.wire.answers.logs import LogNames, log_of
from submarine_jupyter_server.wire.encoding import json_text
from submarine_jupyter_server.wire.queries.logs import LogQuery

MAX_GAPPED = 1000
MAX_GAPS_TEXT = 4096  # it becomes a header


@dataclass(frozen=True)
class RawLog:
    """Bytes of a log, and which are missing (``gaps``, empty for none).

    ``part``: it is these bytes only. ``ranged``: parts of it can be asked for.
    """

    chunks: AsyncIterator[bytes]
    gaps: str
    part: ByteRange | None = None
    ranged: bool = True


class LogReader:
    """The logs of the experiments that exist; those of deleted ones cannot be reached."""

    def __init__(
        self, db: Database, archive: LogArchive, feed: EventFeed, targets: Mapping[str, ComputeTarget]
    ) -> None:
        self._db = db
        self._targets = targets
        self._archive = archive
        self._feed = feed
        self.growth = Growth(archive)

    async def close(self) -> None:
        """Stop watching and reading files."""
        await self.growth.close()
        self._archive.close()

    async def list(self, principal: Principal, query: Query) -> LogNames:
        """Return the names of the replicas of each experiment."""
        page = await self._db.read(lambda tx: access.page(tx, principal, query))
        return LogNames({row.id: expected_pods(row.id, row.wire_spec) for row in page.rows}, page.next_cursor)

    async def page(self, principal: Principal, experiment_id: str, query: LogQuery) -> ExperimentPages:
        """Return the newest lines of each replica, or those that are asked for. Raises NotFound."""
        row, wrote = await self._db.read(lambda tx: attempt_of(tx, principal, experiment_id, query.attempt))
        async with attended(self._targets, row):
            pages = await self._archive.run(
                lambda: experiment_pages(
                    self._archive,
                    experiment_id,
                    replica=query.replica,
                    since=query.since,
                    tail_lines=query.tail,
                    attempt=row.attempt if wrote and query.attempt is None else query.attempt,
                    gone=removed(self._archive, row.id, query.attempt or row.attempt, wrote),
                )
            )
        if not pages.result["logContent"]:
            # What waits has replicas already, as Submarine's pods that wait: clients read the first one's log.
            waiting = dict.fromkeys(expected_pods(row.id, row.wire_spec), ())
            return ExperimentPages(log_of(row.id, waiting), {})
        return pages

    async def raw(
        self, principal: Principal, experiment_id: str, *, replica: str | None = None, part: WantedBytes | None = None
    ) -> RawLog:
        """Return the bytes of one replica, a part of them, or all replicas as one text.

        Where bytes are missing the text has a line that says so; a part ends before them. Raises NotFound,
        RangeNotSatisfiable.
        """
        row, wrote = await self._db.read(lambda tx: attempt_of(tx, principal, experiment_id, None))
        async with attended(self._targets, row):
            logs = await self._archive.run(self._logs, row, wrote)
        if replica is None and len(logs) != 1:
            gaps = await self._archive.run(_gaps, logs)
            return RawLog(raw.download(self._archive, logs), gaps, ranged=False)
        log = logs[0] if replica is None else await self._archive.run(self._archive.replica, experiment_id, replica)
        try:
            snapshot = await self._archive.run(log.snapshot)
        except OSError as error:
            raise NotFound(f"The log of {log.name} cannot be read: {error.strerror or error}.") from error
        if part is None:
            return RawLog(raw.text(self._archive, log, snapshot.end), raw.gaps_text(snapshot))
        wanted = part.within(snapshot.end)
        if isinstance(wanted, Unsatisfiable):
            raise RangeNotSatisfiable(f"The log has {wanted.size} bytes; '{part}' is outside of them.")
        found = raw.kept(snapshot, wanted)
        if isinstance(found, Unsatisfiable):
            raise RangeNotSatisfiable(f"Bytes {wanted.start} to {wanted.stop - 1} of the log are lost.")
        missing = raw.gaps_text(snapshot, wanted.start, wanted.stop)
        return RawLog(raw.exact(self._archive, log, found.start, found.stop), missing, found)

    def _logs(self, row: ExperimentRow, wrote: Collection[str]) -> Sequence[ReplicaLog]:
        """Return the logs of the latest attempt, those that were removed among them."""
        gone = removed(self._archive, row.id, row.attempt, wrote)
        there = self._archive.replicas(row.id, row.attempt if gone else None)
        lost = [self._archive.at(row.id, row.attempt, name) for name in gone]
        return sorted((*there, *lost), key=lambda log: replica_order(log.name))

    async def follow(
        self,
        principal: Principal,
        experiment_id: str,
        *,
        replica: str | None = None,
        position: Position | None = None,
        tail: int | None = None,
    ) -> AsyncIterator[FeedMessage | None]:
        """Return the lines as they come, from ``position`` or the last ``tail`` lines, and the changes of state.

        Messages are those of ``logs.follow``, with ``state`` {status, reason, message} between them, and at last
        ``end`` {status, complete}. Raises NotFound.
        """
        row, seq = await self._db.read(lambda tx: (access.find(tx, principal, experiment_id), events.last_seq(tx)))
        if replica is not None and f"{row.id}-{replica}" not in expected_pods(row.id, row.wire_spec):
            await self._archive.run(self._archive.replica, row.id, replica)  # one that was scaled away, or NotFound
        start = position
        if start is None and tail is not None:
            start = await self._archive.run(
                lambda: start_position(self._archive, experiment_id, replica=replica, tail_lines=tail)
            )
        return self._follow(row, seq, [replica] if replica else None, start)

    async def _follow(
        self, row: ExperimentRow, seq: int, wanted: Sequence[str] | None, start: Position | None
    ) -> AsyncIterator[FeedMessage | None]:
        stream = log_stream(States(self._db, row, seq), self._feed, self.growth, replicas=wanted, position=start)
        async with attended(self._targets, row), aclosing(stream) as messages:
            async for message in messages:
                if message is not None and message.event == "end":
                    yield await self._checked(row.id, wanted, message)
                else:
                    yield message

    async def _checked(self, experiment_id: str, wanted: Collection[str] | None, end: FeedMessage) -> FeedMessage:
        """Return the end of a stream; logs that were removed make it incomplete."""
        data = json.loads(end.data)
        row, wrote = await self._db.read(lambda tx: latest(tx, experiment_id))
        if row is not None:
            gone = await self._archive.run(removed, self._archive, row.id, row.attempt, wrote)
            data["complete"] = data["complete"] and not any(wanted is None or name in wanted for name in gone)
        return FeedMessage(end.id, end.event, json_text(data))


def expected_pods(experiment_id: str, wire_spec: str) -> list[str]:
    """Return the pod names an experiment has by its spec, who leads first."""
    tasks = json.loads(wire_spec)["spec"]
    names = [f"{role.lower()}-{index}" for role, task in tasks.items() for index in range(task["replicas"])]
    return [f"{experiment_id}-{name}" for name in sorted(names, key=replica_order)]


def _gaps(logs: Sequence[ReplicaLog]) -> str:
    """Return the gaps of several logs as one text: ``worker-0 5-9, 20-29; ...``."""
    found: list[str] = []
    for log in logs[:MAX_GAPPED]:
        with suppress(OSError):  # the text says that it cannot be read
            if missing := raw.gaps_text(log.snapshot()):
                found.append(f"{log.name} {missing}")
    return "; ".join(found)[:MAX_GAPS_TEXT]
