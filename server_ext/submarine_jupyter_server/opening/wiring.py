"""Build the objects of the server and own their life.

The heavy imports (pydantic, SQLAlchemy) lie below this module: the extension imports it in a worker thread after the
server has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from submarine_jupyter.errors import Unavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.config import ServiceConfig, kept_instance, kept_key
from submarine_jupyter_server.control.delivery import Outbox
from submarine_jupyter_server.control.leader import Leader
from submarine_jupyter_server.control.lifecycle import Lifecycle
from submarine_jupyter_server.control.neighbours import Neighbours
from submarine_jupyter_server.control.reconcile import Reconcile
from submarine_jupyter_server.control.silence import Silence
from submarine_jupyter_server.feed.event_feed import EventFeed
from submarine_jupyter_server.feed.point_feed import PointFeed
from submarine_jupyter_server.feed.row_feed import RowFeed
from submarine_jupyter_server.logs.archive import LogArchive
from submarine_jupyter_server.metrics.collector import MetricCollector
from submarine_jupyter_server.process.daemon_threads import begun
from submarine_jupyter_server.services.comparisons import Comparisons
from submarine_jupyter_server.services.experiments import Experiments
from submarine_jupyter_server.services.groups import Groups
from submarine_jupyter_server.services.logs.first_error import FirstErrors
from submarine_jupyter_server.services.logs.log_bytes import LogBytes
from submarine_jupyter_server.services.logs.log_reader import LogReader
from submarine_jupyter_server.services.logs.log_search import LogSearcher
from submarine_jupyter_server.services.logs.log_times import LogTimes
from submarine_jupyter_server.services.metrics import Metrics
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.rows import Rows
from submarine_jupyter_server.services.streams.events import Events
from submarine_jupyter_server.services.streams.points import Points
from submarine_jupyter_server.services.submitting.forecasts import Forecasts
from submarine_jupyter_server.services.submitting.submissions import Submissions
from submarine_jupyter_server.services.targets import Targets
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.sqlite.database import SqliteDatabase
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.targets.protocol import ComputeTarget, Observation
from submarine_jupyter_server.wire.specs import SpecReader

log = logging.getLogger(__name__)
_KUBERNETES = "submarine_jupyter_server.targets.kubernetes.target"
DECIDE_S = 10.0
CLOSE_S = 4.5
DRAIN_S = 2.0


class Service:
    """Everything behind the REST API of one server."""

    def __init__(self, config: ServiceConfig, db: Database, targets: dict[str, ComputeTarget]) -> None:
        self.config = config
        self.db = db
        self.compute_targets = targets
        self.notices = db.notices
        archive = LogArchive(config.data_dir / "runs")
        reader = SpecReader(targets, config.default_target)
        self._started: dict[str, ComputeTarget] = {}
        doubt = asyncio.Event()
        self._outbox = Outbox(db, self._started, self._gone, doubt.set)
        self._lifecycle = Lifecycle(db, self._ending, self._moved)
        reconcile = Reconcile(db, self._started, config.retention_days)
        self._leader = Leader(
            db, targets, self._started, self._outbox, reconcile, self.notices, doubt, config.reconcile_seconds
        )
        self._collector = MetricCollector(db, archive, metrics)
        self._tasks: list[asyncio.Task[None]] = []
        self._decided = asyncio.Event()
        self._feed = EventFeed(db, config.emit)
        self.events = Events(db, self._feed)
        self.logs = LogReader(db, archive, self._feed, targets)
        self.log_search = LogSearcher(db, archive, targets)
        self.log_times = LogTimes(db, archive, targets)
        self.log_bytes = LogBytes(db, archive, self.logs.growth, targets)
        self._row_feed = RowFeed(db)
        self.rows = Rows(db, self._row_feed)
        self._point_feed = PointFeed(db)
        self.points = Points(db, self._point_feed)
        self.groups = Groups(db, self._outbox)
        self._silence = Silence(db)
        self._neighbours = Neighbours(config.data_dir, db, self._news, self._describe, self._silence.report)
        forecasts = Forecasts(db, targets, self._neighbours.elsewhere)
        self.experiments = Experiments(db, targets, reader, self._outbox, FirstErrors(archive), forecasts)
        self.submissions = Submissions(db, targets, reader, self._outbox, forecasts)
        self.metrics = Metrics(db, self._finish)
        self.comparisons = Comparisons(db)
        self.targets = Targets(db, targets, config.default_target, self._neighbours.elsewhere)

    @classmethod
    async def open(cls, config: ServiceConfig) -> Service:
        """Open the database and begin to work; this server becomes the controller once no other one is.

        Returns when that is decided and, for the controller, what runs already is known: the first submission must
        not overtake what waited before. Raises Unavailable for a configuration that cannot be.
        """
        if config.targets:
            await begun(lambda: importlib.import_module(_KUBERNETES), "submarine import")
        if config.targets and config.instance is None:
            config = replace(config, instance=await begun(lambda: kept_instance(config.data_dir), "submarine instance"))
        if config.targets:
            key = await begun(lambda: kept_key(config.data_dir, config.signing_key_file), "submarine signing key")
            config = replace(config, signing_key=key)
        targets = await begun(lambda: _targets(config), "submarine targets")
        if config.default_target not in targets:
            raise Unavailable(
                f"SubmarineExtension.default_target: unknown target '{config.default_target}'; "
                f"the targets are {', '.join(targets) or 'none at all'}.",
                hint="Configure SubmarineExtension.targets, or local_enabled.",
            )
        db = await SqliteDatabase.open(config.data_dir / "submarine.db")
        service = cls(config, db, targets)
        try:
            await service._begin()
        except BaseException:
            await service.close()
            raise
        return service

    async def is_busy(self) -> bool:
        """Return whether an experiment has not ended."""
        return await self.db.read(experiments.any_live)

    async def close(self) -> None:
        """Stop working, within 5 s whatever hangs; what runs on the targets goes on."""
        self._neighbours.stop()
        self._silence.close()
        for task in self._tasks:
            task.cancel()
        until = time.monotonic() + CLOSE_S
        # Each part may take what is left, but for what those after it need at least.
        await _ended(until - 2.2, {"the controller": asyncio.gather(*self._tasks, return_exceptions=True)})
        await _ended(until - 1.4, {f"target '{name}'": target.close() for name, target in self.compute_targets.items()})
        self.log_search.close()
        readers = {"metrics": self._collector.close(), "logs": self.logs.close(), "events": self._feed.close()}
        readers |= {"rows": self._row_feed.close(), "points": self._point_feed.close()}
        await _ended(until - 1.0, readers)
        await _ended(until - 0.2, {"the database": self.db.close()})
        await _ended(until, {"the controller's lock": self._neighbours.close()})

    async def _begin(self) -> None:
        self.db.on_commit = self._committed
        await self._feed.start()
        await self._neighbours.start()
        self._tasks.append(asyncio.create_task(self._control(), name="submarine controller"))
        if self._neighbours.leads.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DECIDE_S):
                    await self._decided.wait()

    async def _control(self) -> None:
        """Give the orders whenever no other server does."""
        while True:
            await self._neighbours.leads.wait()
            leading = asyncio.create_task(
                self._leader.lead(self._lifecycle.observe, self._follow_live, self._decided.set),
                name="submarine leader",
            )
            deposed = asyncio.create_task(self._neighbours.deposed.wait())
            try:
                await asyncio.wait({leading, deposed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                deposed.cancel()
                leading.cancel()
                await asyncio.wait({leading})
            await self._renew_targets()
            await self._neighbours.step_down()

    async def _renew_targets(self) -> None:
        """Let go of all targets: another server controls what runs there now."""
        log.warning("Submarine: another server gives the orders from now on")
        self._started.clear()
        await _ended(
            time.monotonic() + CLOSE_S,
            {f"target '{name}'": target.close() for name, target in self.compute_targets.items()},
        )
        await self._collector.close()
        self.compute_targets.update(_targets(self.config))

    async def _describe(self) -> list[dict[str, Any]]:
        return await self.targets.list(Principal("this server", owns_all=True))

    def _committed(self) -> None:
        self._feed.committed()
        self._row_feed.committed()
        self._point_feed.committed()

    def _news(self) -> None:
        self._committed()
        self._outbox.wake()

    async def _follow_live(self) -> None:
        for row in await self.db.read(experiments.live):
            try:
                await self._moved(row)
            except Exception:
                log.exception("The metrics of %s are not followed", row.id)
        self._tasks.append(asyncio.create_task(self._finish_metrics(), name="submarine late metrics"))

    def _finish(self, row: ExperimentRow, attempt: int | None = None) -> asyncio.Task[None]:
        """Read the metrics of an attempt, the present one by default, to their end."""
        return self._collector.finish(row.id, attempt or row.attempt, _templates(row))

    async def _finish_metrics(self) -> None:
        """Read to their end the logs that ended while nobody read them, one after the other."""
        for experiment_id, attempt in await self.db.read(metrics.unfinished):
            row = await self.db.read(lambda tx, id_=experiment_id: experiments.find(tx, id_))  # type: ignore[misc]
            if row is not None:
                await asyncio.wait([self._finish(row, attempt)])

    async def _moved(self, row: ExperimentRow) -> None:
        """Follow the metrics of what runs, and read the last ones of an attempt that was replaced."""
        if row.attempt > 1:
            self._finish(row, row.attempt - 1)
        if Status(row.status).final:
            self._outbox.wake()  # its group has a place again
        else:
            self._collector.watch(row.id, row.attempt, _templates(row))

    async def _ending(self, observation: Observation) -> None:
        """Store the last metrics before an end is reported: its readers may ask for them. The rest goes on behind."""
        row = await self.db.read(lambda tx: experiments.find(tx, observation.experiment_id))
        if row is not None and row.uid == observation.uid:
            await asyncio.wait([self._finish(row, observation.attempt)], timeout=DRAIN_S)

    async def _gone(self, row: ExperimentRow) -> None:
        """Forget what was deleted."""
        await self._collector.forget(row.id, row.attempt)


async def _ended(until: float, parts: Mapping[str, Awaitable[object]]) -> None:
    """Await the ends of several parts, up to a monotonic time; one that fails or hangs is named and left."""
    ends = {asyncio.ensure_future(end): name for name, end in parts.items()}
    if not ends:
        return
    _, late = await asyncio.wait(ends, timeout=max(0.0, until - time.monotonic()))
    for end, name in ends.items():
        if end in late:
            log.warning("Submarine: %s does not end in time and is left", name)
            end.cancel()
        elif not end.cancelled() and (error := end.exception()) is not None:
            log.error("Submarine: %s failed to end", name, exc_info=error)


def _targets(config: ServiceConfig) -> dict[str, ComputeTarget]:
    """Return what a configuration describes, name -> target."""
    targets: list[ComputeTarget] = []
    if config.local_enabled:
        targets.append(LocalTarget.from_config(config))
    for name, options in config.targets.items():
        from submarine_jupyter_server.targets.kubernetes.settings import settings_of
        from submarine_jupyter_server.targets.kubernetes.target import KubernetesTarget

        settings = settings_of(name, options)
        runs, log_cap, key = config.data_dir / "runs", config.log_cap_bytes, config.signing_key
        target = KubernetesTarget(settings, instance=config.instance or "", runs=runs, log_cap=log_cap, key=key)
        targets.append(target)
    return {target.name: target for target in targets}


def _templates(row: ExperimentRow) -> Sequence[str]:
    runtime = ExperimentSpec.parse(json.loads(row.spec)).runtime
    return (runtime.metrics if runtime else None) or ()
