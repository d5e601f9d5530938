"""Write stored experiments as the document answers them.

The masked spec is stored as JSON text and goes out as it is: a list of a thousand experiments costs no parsing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from submarine_jupyter.models import Status
from submarine_jupyter_server.store.events import EventRow
from submarine_jupyter_server.store.experiments import ExperimentRow, ListRow
from submarine_jupyter_server.store.outbox import OutboxRow
from submarine_jupyter_server.store.replicas import ReplicaRow


class Listed(Protocol):
    """What an answer needs of a stored experiment."""

    @property
    def id(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def wire_spec(self) -> str: ...
    @property
    def accepted(self) -> int | None: ...
    @property
    def created(self) -> int | None: ...
    @property
    def running(self) -> int | None: ...
    @property
    def finished(self) -> int | None: ...


@dataclass(frozen=True)
class Answer:
    """What a handler puts into the envelope: ``result`` is JSON text already."""

    result: str
    attributes: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def noted(self, notices: list[str]) -> Answer:
        """Return this answer with ``notices`` among its attributes, if there are any."""
        return replace(self, attributes={**self.attributes, "notices": notices}) if notices else self


_encode = json.JSONEncoder(separators=(",", ":")).encode


def json_text(value: object) -> str:
    """Return compact JSON."""
    return _encode(value)


def time_text(ms: int | None) -> str | None:
    """Return ``2022-03-14T16:03:10.000+08:00`` in the server's zone for Unix milliseconds."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000).astimezone().isoformat(timespec="milliseconds")


def accepted_json(row: Listed) -> str:
    """Return the answer to POST: the state at acceptance, however fast the target was."""
    return _experiment(row, Status.ACCEPTED, (row.accepted, None, None, None))


def experiment_json(row: Listed, detail: dict[str, Any] | None = None) -> str:
    """Return the answer to GET; ``createdTime`` is never null there, because clients of Submarine rely on it."""
    return _experiment(row, row.status, (row.accepted, row.created or row.accepted, row.running, row.finished), detail)


def deleted_json(row: Listed) -> str:
    """Return the answer to DELETE."""
    return _experiment(row, Status.DELETED, (None, None, None, None))


def _experiment(row: Listed, status: str, times: Sequence[int | None], detail: dict[str, Any] | None = None) -> str:
    # Ids, statuses and times need no escaping; encoding them would take most of the time of a long list.
    accepted, created, running, finished = ("null" if ms is None else f'"{time_text(ms)}"' for ms in times)
    more = "" if detail is None else f',"detail":{json_text(detail)}'
    return (
        f'{{"experimentId":"{row.id}","uid":"{row.uid}","status":"{status}","acceptedTime":{accepted},'
        f'"createdTime":{created},"runningTime":{running},"finishedTime":{finished},"spec":{row.wire_spec}{more}}}'
    )


# It had its turn, or was about to, and is held back as a whole: nothing of it runs.
_HELD = {
    "Queued": "Queued",
    **dict.fromkeys(("QueueStopped", "QueueTooSmall", "QueueUnfit", "NoQueue", "Deactivated", "Suspended"), "Waiting"),
}


def state_of(row: ListRow) -> str:
    """Return the word that people see; unlike the status it tells a stop from a failure, and a queue from a start."""
    if row.status == Status.FAILED and row.reason == "Stopped":
        return "Stopped"
    if Status(row.status).final:
        return row.status
    if row.stop_requested is not None:
        return "Stopping"
    if row.reason in _HELD:
        return _HELD[row.reason]
    if row.status == Status.ACCEPTED:
        return "Waiting"
    return "Starting" if row.status == Status.CREATED else row.status


def brief(row: ListRow, order: OutboxRow | None = None) -> dict[str, Any]:
    """Return how an experiment is, in few words; ``order`` is one that was given in vain."""
    known = {"state": state_of(row), "reason": row.reason, "message": row.message}
    # A stop that is done stays an order for a moment after the end was told.
    stands = order is not None and (order.op in ("delete", "purge") or not Status(row.status).final)
    if order is not None and stands and row.status != Status.ACCEPTED:
        known |= {"reason": order.last_reason, "message": order.last_error}
    return known


def detail(
    row: ExperimentRow, replicas: Sequence[ReplicaRow], events: Sequence[EventRow], order: OutboxRow | None = None
) -> dict[str, Any]:
    """Return what ``?view=full`` adds: why it is as it is."""
    retried = (
        {
            "order": {"op": order.op, "tries": order.attempts, "nextTime": time_text(order.next_at)},
        }
        if order is not None
        else {}
    )
    return {
        **brief(row, order),
        **retried,
        "notes": list(row.notes),
        "owner": row.owner,
        "target": row.target,
        "attempt": row.attempt,
        "generation": row.generation,
        "replicas": [_replica(row.id, replica) for replica in replicas],
        "events": [event_data(event) for event in events],
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
