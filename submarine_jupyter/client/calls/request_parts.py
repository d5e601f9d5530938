"""What requests are made of: the path of an experiment, its id, its spec; and what each answer may say beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from submarine_jupyter.errors import NotFound
from submarine_jupyter.spec.experiment_ids import is_id

if TYPE_CHECKING:
    from submarine_jupyter.client.experiment import Experiment
    from submarine_jupyter.models import ExperimentSpec

    Spec = ExperimentSpec | Mapping[str, Any]


def notices_of(attributes: Mapping[str, Any]) -> list[str]:
    """Return what people should know about the server."""
    return [str(notice) for notice in attributes.get("notices") or ()]


def id_of(experiment: Experiment | str) -> str:
    """Return the id of a handle, or the id itself."""
    return experiment if isinstance(experiment, str) else experiment.id


def wire(spec: Spec) -> dict[str, Any]:
    """Return a spec as it is sent."""
    return dict(spec) if isinstance(spec, Mapping) else spec.wire()


def path_of(experiment_id: str) -> str:
    """Return the path of an experiment. Raises NotFound for what is no id."""
    if not is_id(experiment_id):
        raise NotFound(f"{experiment_id[:80]!r} is not the id of an experiment.")
    return f"experiment/{experiment_id}"
