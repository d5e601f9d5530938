"""Write stored experiments as the document answers them.

The masked spec is stored as JSON text and goes out as it is: a list of a thousand experiments costs no parsing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from submarine_jupyter.spec.vocabulary import Status
from submarine_jupyter_server.wire.answers.detail import Detail, full, noted
from submarine_jupyter_server.wire.answers.states import brief
from submarine_jupyter_server.wire.encoding import json_text, time_text

if TYPE_CHECKING:
    from submarine_jupyter_server.store.annotations.housekeeping import Noted
    from submarine_jupyter_server.store.experiments import ExperimentRow, ListRow
    from submarine_jupyter_server.store.orders.outbox import OutboxRow
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
