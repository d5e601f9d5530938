"""Whether an experiment starts if nothing else changes, as its target knows it and as its owner may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter.models import Status
from submarine_jupyter_server.control import groups
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.reported.events import EventRow
from submarine_jupyter_server.targets.protocol import Ahead, ComputeTarget, Forecast, Launch, Verdict
from submarine_jupyter_server.wire.answers.forecasts import Waiting

PATIENCE_S = 5.0
# What a target has said of an experiment of which nothing runs, or not all.
_VERDICTS = {
    **dict.fromkeys(("Queued", "QueueStopped", "Suspended", "Unschedulable"), Verdict.WAITS),
    **dict.fromkeys(("QueueTooSmall", "QueueUnfit", "NoQueue", "Deactivated"), Verdict.NEVER),
    "QuotaExceeded": None,
}

Elsewhere = Callable[[str], dict[str, Any] | None]


class Forecasts:
    """Asks targets.

    ``elsewhere`` returns what another server, which gives the orders, says of a target; None: this one gives them.
    """

    def __init__(self, db: Database, targets: Mapping[str, ComputeTarget], elsewhere: Elsewhere) -> None:
        self._db = db
        self._targets = targets
        self._elsewhere = elsewhere

    async def of_new(self, principal: Principal, target: str, launch: Launch) -> Forecast:
        """Return what comes of a new experiment."""
        held = await self._db.read(lambda tx: groups.would_wait(tx, launch.owner, launch.spec))
        if held is not None:
            return await self._visible(principal, held)
        elsewhere = self._elsewhere(target)
        capacity = elsewhere.get("capacity") if elsewhere is not None else None
        if elsewhere is not None and (capacity is None or "age" in elsewhere):
            return Forecast(None, elsewhere.get("note") or "what is free now is known only to another server")
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self._targets[target].forecast(launch, capacity)
        except TimeoutError:
            return Forecast(None, f"the target did not answer within {PATIENCE_S:.0f} s; ask again")
        except SubmarineError as error:
            return Forecast(None, str(error))
        return await self._visible(principal, found)

    async def of_waiting(self, principal: Principal, row: ExperimentRow, events: Sequence[EventRow]) -> Waiting | None:
        """Return how an experiment waits, None if it does not; ``events`` are its last ones, oldest first."""
        if Status(row.status).final or row.stop_requested is not None or row.reason not in (*_VERDICTS, groups.REASON):
            return None
        held = await self._db.read(lambda tx: groups.place(tx, row))
        if held is not None:
            return Waiting(await self._visible(principal, held), _since(row, events))
        elsewhere = self._elsewhere(row.target)
        target = self._targets.get(row.target)
        found = target.place(row.id) if target is not None and elsewhere is None else None
        if found is None:
            queued = ((elsewhere or {}).get("capacity") or {}).get("queued") or ()
            ahead = queued[: queued.index(row.id)] if row.id in queued else None
            known = None if ahead is None else Ahead(len(ahead), tuple(ahead))
            found = Forecast(_VERDICTS.get(row.reason), row.message or "", known)
        return Waiting(await self._visible(principal, found), _since(row, events))

    async def _visible(self, principal: Principal, found: Forecast) -> Forecast:
        """Return a forecast without the ids of experiments of others; they are counted."""
        ahead = found.ahead
        if ahead is None or not ahead.ids or access.only_owner(principal) is None:
            return found
        own = await self._db.read(lambda tx: access.own(tx, principal, ahead.ids))
        return replace(found, ahead=replace(ahead, ids=tuple(own)))


def _since(row: ExperimentRow, events: Sequence[EventRow]) -> int | None:
    """Return since when an experiment waits: since it was accepted, or since that was reported first after it ran."""
    if row.status == Status.ACCEPTED and row.attempt == 1:
        return row.accepted
    since = None
    for event in reversed(events):
        if event.status is not None and event.reason != row.reason:
            break
        since = event.at if event.status is not None else since
    return since or row.accepted
