"""A spec with changes: what a clone differs in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from submarine_jupyter.client.scaling import replica_patch
from submarine_jupyter.spec.params import Value


def changed(
    known: Mapping[str, Any],
    name: str | None,
    cmd: str | None,
    env: Mapping[str, object] | None,
    params: Mapping[str, Value] | None,
    resources: str | None,
    replicas: Mapping[str, int],
) -> dict[str, Any]:
    """Return a spec that can be submitted: a known one with these changes, and no trial of the same sweep."""
    spec = copy.deepcopy(dict(known))
    meta, runtime = spec["meta"], spec.get("runtime") or {}
    meta["name"] = name or meta["name"]
    meta["cmd"] = cmd or meta["cmd"]
    meta["envVars"] = {**(meta["envVars"] or {}), **{key: str(value) for key, value in (env or {}).items()}}
    runtime.pop("group", None)
    if params:
        runtime["params"] = {**(runtime.get("params") or {}), **params}
    if runtime:
        spec["runtime"] = runtime
    for task in spec["spec"].values() if resources is not None else ():
        task["resources"] = resources
    for role, change in (replica_patch(spec["spec"], replicas) if replicas else {}).items():
        spec["spec"][role].update(change)
    return spec
