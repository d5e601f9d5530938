"""What ``?view=full`` adds to an experiment: why it is as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from submarine_jupyter.spec.params import declared
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.wire.answers.forecasts import Waiting, waiting_data
from submarine_jupyter_server.wire.answers.progress import progress_fields, stalled
from submarine_jupyter_server.wire.answers.states import brief
from submarine_jupyter_server.wire.encoding import time_text

if TYPE_CHECKING:
    from submarine_jupyter_server.logs.search.errors import ErrorSign
    from submarine_jupyter_server.metrics.progress.reports import Report
    from submarine_jupyter_server.store.annotations.housekeeping import Noted
    from submarine_jupyter_server.store.experiments import ExperimentRow
    from submarine_jupyter_server.store.orders.outbox import OutboxRow
    from submarine_jupyter_server.store.reported.events import EventRow
    from submarine_jupyter_server.store.reported.replicas import ReplicaRow


@dataclass(frozen=True, slots=True)
class Detail:
    """What ``?view=full`` adds; ``order`` is one that was given in vain, ``params`` what it logged, name -> JSON."""

    replicas: Sequence[ReplicaRow]
    events: Sequence[EventRow]
    order: OutboxRow | None
    params: Mapping[str, str]
    first_error: ErrorSign | None = None
    noted: Noted | None = None
    progress: Report | None = None
    waiting: Waiting | None = None


def full(row: ExperimentRow, found: Detail) -> dict[str, Any]:
    """Return what ``?view=full`` adds: why it is as it is."""
    order, retried = found.order, {}
    if order is not None:
        retried["order"] = {"op": order.op, "tries": order.attempts, "nextTime": time_text(order.next_at)}
    return {
        **brief(row, order),
        **retried,
        "notes": list(row.notes),
        "owner": row.owner,
        "target": row.target,
        "attempt": row.attempt,
        "generation": row.generation,
        "replicas": [_replica(row.id, replica) for replica in found.replicas],
        "events": [event_data(event) for event in found.events],
        **({"firstError": _first_error(found.first_error)} if found.first_error else {}),
        **({"plan": _plan(found.waiting)} if found.waiting else {}),
        **_params(row, found.params),
        **stalled(row, progress_fields(row, found.progress), found.progress, now_ms()),
        **noted(found.noted),
    }


def noted(found: Noted | None) -> dict[str, Any]:
    """Return what people noted about an experiment; what is not set is left out."""
    return {} if found is None else {name: value for name, value in asdict(found).items() if value}


def _params(row: ExperimentRow, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of an attempt, declared or logged since, and the names of those that it logged."""
    logged = {name: json.loads(value) for name, value in values.items()}
    params = declared(row.wire_spec) | logged
    return ({"params": params} if params else {}) | ({"loggedParams": list(logged)} if logged else {})


def _plan(waiting: Waiting) -> dict[str, Any]:
    return {**waiting_data(waiting), "since": time_text(waiting.since)}


def _first_error(sign: ErrorSign) -> dict[str, Any]:
    return {
        "replica": sign.log.name,
        "podName": sign.log.pod_name,
        "offset": sign.offset,
        "time": time_text(None if sign.at_ns is None else sign.at_ns // 1_000_000),
        "text": sign.text,
        "where": sign.where,
    }


def _replica(experiment_id: str, replica: ReplicaRow) -> dict[str, Any]:
    return {
        "name": replica.name,
        "podName": f"{experiment_id}-{replica.name}",
        "role": replica.role,
        "index": replica.index,
        "status": replica.status,
        "exitCode": replica.exit_code,
        "signal": replica.signal,
        "reason": replica.reason,
        "message": replica.message,
        "node": replica.node,
        "pid": replica.pid,
        "restarts": replica.restarts,
        "startedTime": time_text(replica.started_ms),
        "finishedTime": time_text(replica.finished_ms),
    }


def event_data(event: EventRow) -> dict[str, Any]:
    """Return a stored event as clients see it."""
    return {
        "experimentId": event.experiment_id,
        "type": event.type,
        "status": event.status,
        "reason": event.reason,
        "message": event.message,
        "time": time_text(event.at),
    }
