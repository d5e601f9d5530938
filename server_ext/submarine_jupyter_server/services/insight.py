"""What the server answers beyond the document: metrics of an experiment, and what the targets have."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from submarine_jupyter.errors import NotFound, SubmarineError
from submarine_jupyter.models import Status
from submarine_jupyter_server.metrics.reader import MAX_NAMES
from submarine_jupyter_server.metrics.thinning import thinned
from submarine_jupyter_server.store import experiments, metrics
from submarine_jupyter_server.store.engine import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.metrics import MetricRow
from submarine_jupyter_server.targets.protocol import ComputeTarget
from submarine_jupyter_server.wire.answers import Answer, json_text, time_text
from submarine_jupyter_server.wire.parameters import QueryString, one, only, whole

log = logging.getLogger(__name__)
MAX_POINTS = 100_000
CAPACITY_S = 5.0
LATE_S = 5.0
_LATE = "The last metrics are still being read from the logs; ask again in a moment."
_FULL = f"No more than {MAX_NAMES:,} metric names are kept; others are left out."


class Insight:
    """Answers about metrics and targets."""

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        default_target: str,
        finish: Callable[[ExperimentRow], asyncio.Task[None]],
        elsewhere: Callable[[str], dict[str, Any] | None] = lambda name: None,
    ) -> None:
        """``finish`` reads the metrics of an ended experiment to their end.

        ``elsewhere`` returns what another server, which gives the orders, says of a target; None: there is none.
        """
        self._db = db
        self._targets = targets
        self._default_target = default_target
        self._finish = finish
        self._elsewhere = elsewhere

    async def metrics(self, experiment_id: str, query: QueryString) -> Answer:
        """Return one series per metric and replica of the latest attempt, points in the order they were logged.

        At most ``points`` of each series, so chosen that a curve keeps its first, last, highest and lowest ones; only
        those after number ``since``, which is the ``last`` of an earlier answer. ``params`` are the settings told.

        After the end of the experiment the answer is whole. Where it cannot be so within 5 s (a busy machine, a full
        disk), its attributes are ``incomplete`` and a ``note``.
        """
        only(query, "name", "replica", "limit", "points", "since")
        name, replica = one(query, "name"), one(query, "replica")
        limit = whole(query, "limit", 1, MAX_POINTS) or MAX_POINTS
        points, since = whole(query, "points", 4, MAX_POINTS), whole(query, "since") or 0

        def read(tx: Connection) -> tuple[ExperimentRow, bool, bool, str]:
            row = experiments.find(tx, experiment_id)
            if row is None:
                raise NotFound("Not found experiment.")
            late = Status(row.status).final and not metrics.is_finished(tx, row.id, row.attempt)
            full = len(metrics.names(tx, row.id, row.attempt)) >= MAX_NAMES
            about = {"name": name, "replica": replica, "limit": limit, "since": since}
            found = metrics.series(tx, row.id, attempt=row.attempt, **about)  # type: ignore[arg-type]
            params = metrics.settings(tx, row.id, row.attempt)
            text = _metrics_json(row, found, points, max(since, found[-1].seq if found else 0), params)
            return row, late, full, text

        row, late, full, text = await self._db.read(read)
        if late:
            await asyncio.wait([self._finish(row)], timeout=LATE_S)
            _, late, full, text = await self._db.read(read)
        notes = [note for note, true in ((_LATE, late), (_FULL, full)) if true]
        return Answer(text, ({"incomplete": True} if late else {}) | ({"note": " ".join(notes)} if notes else {}))

    async def targets(self, *, capacity: bool = True) -> Answer:
        """Return the compute targets: name, kind, whether it is the default, namespaces, health and ``capacity``.

        A target that does not say what it has hides no other one: its ``capacity`` is null, and ``note`` tells why.
        """
        return Answer(json_text(await self.described(capacity=capacity)))

    async def described(self, *, capacity: bool = True) -> list[dict[str, Any]]:
        """Return what ``targets`` answers, as values."""
        described = (self._described(target, capacity=capacity) for target in self._targets.values())
        return await asyncio.gather(*described)

    async def _described(self, target: ComputeTarget, *, capacity: bool) -> dict[str, Any]:
        known = self._elsewhere(target.name)
        if known is None:
            known = {"health": target.health(), **(await _capacity(target) if capacity else {})}
        return {
            "name": target.name,
            "kind": target.kind,
            "default": target.name == self._default_target,
            "namespaces": list(target.namespaces),
            **{key: value for key, value in known.items() if capacity or key == "health"},
        }


async def _capacity(target: ComputeTarget) -> dict[str, Any]:
    note = f"it did not say within {CAPACITY_S:.0f} s; ask again"
    try:
        async with asyncio.timeout(CAPACITY_S):
            return {"capacity": await target.capacity()}
    except TimeoutError:
        pass
    except SubmarineError as error:
        note = str(error)
    except Exception as error:
        log.exception("Target %s does not say what it has", target.name)
        note = f"it does not say what it has: {type(error).__name__}"
    return {"capacity": None, "note": note}


def _metrics_json(
    row: ExperimentRow, found: Sequence[MetricRow], points: int | None, last: int, params: Mapping[str, str]
) -> str:
    """Return the answer as JSON, made in pieces: the event loop waits while one is made."""
    series: dict[tuple[str, str], list[MetricRow]] = {}
    for point in found:
        series.setdefault((point.name, point.replica), []).append(point)
    texts = [
        f'{{"name":{json_text(name)},"replica":{json_text(replica)},"points":[{_points(thinned(some, points))}]}}'
        for (name, replica), some in series.items()
    ]
    told = ",".join(f"{json_text(name)}:{value}" for name, value in params.items())
    return (
        f'{{"experimentId":"{row.id}","attempt":{row.attempt},"last":{last},'
        f'"params":{{{told}}},"series":[{",".join(texts)}]}}'
    )


def _points(found: Sequence[MetricRow]) -> str:
    return ",".join(json_text(_point(point)) for point in found)


def _point(point: MetricRow) -> dict[str, Any]:
    # JSON has no infinity; not a number is null in the database already.
    value = point.value if point.value is not None and math.isfinite(point.value) else None
    return {"step": point.step, "value": value, "time": time_text(point.at)}
