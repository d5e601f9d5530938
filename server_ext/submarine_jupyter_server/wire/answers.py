"""Write stored experiments as the document answers them.

The masked spec is stored as JSON text and goes out as it is: a list of a thousand experiments costs no parsing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from submarine_jupyter.params import declared
from submarine_jupyter.vocabulary import Status
from submarine_jupyter_server.clock import now_ms
from submarine_jupyter_server.wire.forecasts import Waiting, waiting_data
from submarine_jupyter_server.wire.progress import progress_fields, stalled
from submarine_jupyter_server.wire.times import time_text

if TYPE_CHECKING:
    from submarine_jupyter_server.logs.search.errors import ErrorSign
    from submarine_jupyter_server.metrics.progress.reports import Report
    from submarine_jupyter_server.store.annotations.housekeeping import Noted
    from submarine_jupyter_server.store.experiments import ExperimentRow, ListRow
    from submarine_jupyter_server.store.outbox import OutboxRow
    from submarine_jupyter_server.store.reported.events import EventRow
    from submarine_jupyter_server.store.reported.replicas import ReplicaRow
    from submarine_jupyter_server.targets.protocol import Forecast


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a POST is answered with: the experiment as it was accepted, which is stored as JSON text.

    ``replayed``: the key of the request was used before, and this is the answer it had. ``attached``: the same cell has
    made it before, and it runs.
    """

    experiment: str
    replayed: bool = False
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a POST would make on ``target``: ``spec`` in wire form, secrets masked, and the objects or replicas.

    ``forecast`` is whether it would start now.
    """

    target: str
    spec: dict[str, Any]
    objects: Sequence[dict[str, object]]
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Detail:
    """What ``?view=full`` adds; ``order`` is one that was given in vain, ``params`` are settings told, name -> JSON."""

    replicas: Sequence[ReplicaRow]
    events: Sequence[EventRow]
    order: OutboxRow | None
    params: Mapping[str, str]
    first_error: ErrorSign | None = None
    noted: Noted | None = None
    progress: Report | None = None
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One experiment; ``note`` is what a person should know of what was done with it."""

    row: ExperimentRow
    detail: Detail | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """Some experiments and the cursor of the page after them; ``troubled`` (id -> order) where how each is is asked.

    ``noted`` is what people noted, by the number of the row; ``note`` is what a person should know of the list.
    """

    rows: Sequence[ListRow]
    troubled: Mapping[str, OutboxRow] | None
    noted: Mapping[int, Noted]
    next_cursor: str | None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class LogNames:
    """The pods that have logs, of some experiments, id -> names; and the cursor of the page after them."""

    pods: Mapping[str, Sequence[str]]
    next_cursor: str | None


_encode = json.JSONEncoder(separators=(",", ":")).encode


def json_text(value: object) -> str:
    """Return compact JSON."""
    return _encode(value)


def accepted_json(row: Listed) -> str:
    """Return the answer to POST: the state at acceptance, however fast the target was."""
    return _experiment(row, Status.ACCEPTED, (row.accepted, None, None, None))


def experiment_json(row: Listed, detail: dict[str, Any] | None = None) -> str:
    """Return the answer to GET; ``createdTime`` is never null there, because clients of Submarine rely on it."""
    return _experiment(row, row.status, (row.accepted, row.created or row.accepted, row.running, row.finished), detail)


def shown_json(shown: Shown) -> str:
    """Return the answer to GET, with ``detail`` where that is there."""
    return experiment_json(shown.row, None if shown.detail is None else full(shown.row, shown.detail))


def page_json(page: ExperimentPage) -> str:
    """Return a list."""
    how = page.troubled
    if how is None:
        return f"[{','.join(map(experiment_json, page.rows))}]"
    rows = (experiment_json(row, brief(row, how.get(row.id)) | noted(page.noted.get(row.seq))) for row in page.rows)
    return f"[{','.join(rows)}]"


def plan_json(plan: Plan) -> str:
    """Return the answer to a dry run."""
    return json_text({"target": plan.target, "spec": plan.spec, "objects": plan.objects})


def log_names_json(found: LogNames) -> str:
    """Return a list of logs without their lines."""
    logs = (log_of(experiment_id, dict.fromkeys(names, ())) for experiment_id, names in found.pods.items())
    return json_text(list(logs))


def log_of(experiment_id: str, lines: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the log of an experiment, pod -> lines, as values."""
    content = [{"podName": name, "podLog": list(found)} for name, found in lines.items()]
    return {"experimentId": experiment_id, "logContent": content}


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
    **dict.fromkeys(("Queued", "GroupFull"), "Queued"),
    **dict.fromkeys(("QueueStopped", "QueueTooSmall", "QueueUnfit", "NoQueue", "Deactivated", "Suspended"), "Waiting"),
}


def state_of(row: ListRow) -> str:
    """Return the word that people see; unlike the status it tells a stop from a failure, and a queue from a start."""
    return state_word(row.status, row.reason, stopping=row.stop_requested is not None)


def state_word(status: str, reason: str | None, *, stopping: bool) -> str:
    """Return the word that people see for a status and its reason; ``stopping``: a stop was asked for."""
    if status == Status.FAILED and reason == "Stopped":
        return "Stopped"
    if Status(status).final:
        return status
    if stopping:
        return "Stopping"
    if reason in _HELD:
        return _HELD[reason]
    if status == Status.ACCEPTED:
        return "Waiting"
    return "Starting" if status == Status.CREATED else status


def brief(row: ListRow, order: OutboxRow | None = None) -> dict[str, Any]:
    """Return how an experiment is, in few words; ``order`` is one that was given in vain."""
    known = {"state": state_of(row), "reason": row.reason, "message": row.message}
    # A stop that is done stays an order for a moment after the end was told.
    stands = order is not None and (order.op in ("delete", "purge") or not Status(row.status).final)
    if order is not None and stands and row.status != Status.ACCEPTED:
        known |= {"reason": order.last_reason, "message": order.last_error}
    return known


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
    """Return the parameters of an attempt, declared or told since, and the names of those that it told."""
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
