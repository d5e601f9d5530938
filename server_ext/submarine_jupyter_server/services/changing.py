"""What of an experiment can be changed while it lives, and what that means for what runs."""

from __future__ import annotations

from typing import Any

from submarine_jupyter.errors import Conflict
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.store.experiments import ExperimentRow

_RESTORED = (
    "What runs cannot be changed: the record of this experiment was lost and written again from the cluster, where "
    "neither secret values nor code are kept."
)


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
    (wire.get("runtime") or {}).pop("metrics", None)
    return wire


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
