"""Change an experiment: what of it can be while it lives, what that means for what runs, and how it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from submarine_jupyter.errors import Conflict, NotFound
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control import groups
from submarine_jupyter_server.control.lifecycle import record
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations.groups import waits as is_waiting
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.store.orders import changes, outbox
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.targets.protocol import Launch
from submarine_jupyter_server.wire.specs import stored

# No replica knows of these.
_SHOWN = ("metrics", "origin", "group")
_RESTORED = (
    "This experiment cannot be changed while it runs: its record was lost and restored from the cluster, where "
    "neither secret values nor code are kept."
)


@dataclass(frozen=True, slots=True)
class Change:
    """Another spec for an experiment, as it is stored; ``restart``: what runs has to start anew for it.

    ``launch`` is what its target is ordered then, where that has been asked about it.
    """

    texts: SpecTexts
    restart: bool
    launch: Launch | None = None


def change(row: ExperimentRow, old: ExperimentSpec, new: ExperimentSpec) -> Change:
    """Return what a change of ``row`` from one spec to another is."""
    return Change(stored(new, row.id, restored=row.restored), restart=template(old) != template(new))


def template(spec: ExperimentSpec) -> dict[str, Any]:
    """Return what running replicas depend on: a change of anything else needs no new start."""
    wire = _run(spec)
    for task in wire["spec"].values():
        task.pop("replicas")
    return wire


def _run(spec: ExperimentSpec) -> dict[str, Any]:
    """Return what is made of a spec, its replicas included."""
    wire = spec.wire()
    for name in ("experimentId", "name", "tags"):
        wire["meta"].pop(name)
    runtime = wire.pop("runtime", {})
    return wire | {"runtime": {name: value for name, value in runtime.items() if name not in _SHOWN}}


def check(row: ExperimentRow, old: ExperimentSpec, new: ExperimentSpec, target: str, if_match: str | None) -> None:
    """Refuse a change of ``row`` that cannot be. Raises Conflict.

    ``if_match`` is the generation it is meant for, where the request names one.
    """
    if if_match is not None and if_match.strip('" ') not in ("*", str(row.generation)):
        raise Conflict(f"If-Match is {if_match}, but the experiment is at generation {row.generation} now.")
    if Status(row.status).final:
        return
    if row.stop_requested is not None:
        raise Conflict("The experiment is being stopped.")
    if row.restored and _run(old) != _run(new):
        raise Conflict(_RESTORED, hint="Clone it, fill in what is missing, and submit that; then stop this one.")
    for what, before, after in (
        ("meta.framework", old.meta.framework, new.meta.framework),
        ("meta.namespace", old.meta.namespace, new.meta.namespace),
        ("runtime.target", row.target, target),
    ):
        if before != after:
            raise Conflict(f"{what} cannot change from {before} to {after} while the experiment lives; clone it.")


def store(tx: Connection, row: ExperimentRow, change: Change) -> tuple[OutboxRow | None, ExperimentRow]:
    """Store a change of ``row``, as it was read before, and the order to make it so.

    There is none for what has ended, for what waits in its group, nor for what nothing can be started for.
    """
    now = experiments.find(tx, row.id)
    if now is None:
        raise NotFound("Not found experiment.")
    ended, pending = Status(now.status).final, outbox.pending(tx, row.id)
    if now.generation != row.generation:
        raise Conflict("Somebody else changed the experiment meanwhile; nothing was done.")
    if not ended and (now.stop_requested is not None or (pending is not None and pending.op != "ensure")):
        raise Conflict("The experiment is being stopped.")
    changed = changes.replace_spec(tx, now, change.texts, new_attempt=change.restart and not ended)
    waits = not ended and is_waiting(tx, changed.seq)
    changed = groups.explain(tx, changed) if waits else changed
    order = None if ended or waits or now.restored else outbox.put(tx, changed, "ensure")
    record(tx, changed, "changed")
    return order, changed
