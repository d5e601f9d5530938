"""The same cell again: whether what it sends runs already, so that a second POST need not make a second experiment."""

from __future__ import annotations

import json

from sqlalchemy import Connection

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.changing import template
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.annotations import origins
from submarine_jupyter_server.store.experiments import ExperimentRow
from submarine_jupyter_server.wire.specs import Submission


def check(spec: ExperimentSpec) -> None:
    """Refuse a spec that does not say which cell it comes from. Raises InvalidSpec."""
    origin = spec.runtime.origin if spec.runtime else None
    if origin is None or origin.cell is None:
        raise InvalidSpec("runtime.origin: ifNotRunning needs the notebook and the cell")


def running(tx: Connection, principal: Principal, new: Submission) -> ExperimentRow | None:
    """Return the experiment that the same body from the same cell has made, if it has not ended.

    Scaling it, or another name for it, makes no difference; what else was changed since is not what the cell asks for.
    """
    origin = new.spec.runtime.origin if new.spec.runtime else None
    if origin is None or origin.cell is None:
        return None
    owner = access.only_owner(principal)
    found = origins.running(tx, notebook=origin.notebook, cell=origin.cell, digest=new.digest, owner=owner)
    wanted = template(new.spec)
    return next((row for row in found if template(ExperimentSpec.parse(json.loads(row.spec))) == wanted), None)
