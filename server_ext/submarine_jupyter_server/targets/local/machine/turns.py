"""Whether an experiment would start now, where it waits, and what would start in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict

from .fitting import smaller, whole
from .scheduler import Amount, Scheduler, describe

_NEW = ""


def forecast(scheduler: Scheduler, spec: ExperimentSpec, now: float) -> Forecast:
    """Return what comes of an experiment that is submitted now (monotonic, s), if nothing else changes."""
    return _forecast(scheduler, _NEW, whole(spec), spec, now)


def elsewhere(spec: ExperimentSpec, capacity: Mapping[str, Any]) -> Forecast:
    """Return what comes of an experiment that is submitted now, from the ``capacity`` that another server reports.

    How much those who wait ask for is not in it, and so not whether they may be overtaken.
    """
    cpu, memory, queued = capacity["cpu"], capacity["memory"], capacity["queued"]
    scheduler = Scheduler(Amount(round(cpu["total"] * 1000), memory["total"]))
    scheduler.hold("what runs", Amount(round(cpu["used"] * 1000), memory["used"]))
    for key in queued:
        scheduler.request(key, scheduler.capacity + Amount(1))
    found = _forecast(scheduler, _NEW, whole(spec), None if queued else spec, 0.0)
    if queued and found.verdict is Verdict.NOW:
        why = f"{found.why}, but only the server that gives the orders knows whether it may overtake what waits"
        return Forecast(None, why, Ahead(len(queued), tuple(queued)))
    return found


def place(scheduler: Scheduler, key: str, amount: Amount, spec: ExperimentSpec | None, now: float) -> Forecast:
    """Return what comes of an experiment that waits for ``amount``; ``spec`` where all of it waits."""
    return _forecast(scheduler, key, amount, spec, now)


def _forecast(scheduler: Scheduler, key: str, amount: Amount, spec: ExperimentSpec | None, now: float) -> Forecast:
    turn = scheduler.turn(key, amount, now)
    if turn.granted:
        free = turn.room if amount.memory else Amount(turn.room.cpu)
        return Forecast(Verdict.NOW, f"it needs {describe(amount)}, and {describe(free)} is free")
    ahead = Ahead(len(turn.ahead), turn.ahead)
    why = scheduler.why_waiting(key, amount)
    if not scheduler.possible(key, amount):
        return Forecast(Verdict.NEVER, why, ahead)
    if spec is None or (fits := smaller(spec, turn.room)) is None:
        return Forecast(Verdict.WAITS, why, ahead)
    each = " for each replica" if sum(task.replicas for task in spec.spec.values()) > 1 else ""
    return Forecast(Verdict.WAITS, f"{why}; with {fits}{each} it would start now", ahead, fits)
