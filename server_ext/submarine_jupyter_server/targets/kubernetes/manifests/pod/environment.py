"""The variables of a container: the contract of all targets, written so that one template serves all its replicas."""

from __future__ import annotations

import json
from dataclasses import dataclass

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models.fields import LONGEST_STRING
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, Wiring, roles
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import metadata
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.replica_environment import environment
from submarine_jupyter_server.targets.replicas import Member

from . import secret_object
from .container_command import literal
from .inline_code import code_path

INDEX = "SUBMARINE_REPLICA_INDEX"
_REFERENCE = f"$({INDEX})"
# What of the contract is different for each replica, beside TF_CONFIG; and what follows the number of replicas.
_RANKS = ("RANK", "PET_NODE_RANK", "DMLC_TASK_ID")
_SIZES = ("WORLD_SIZE", "PET_NNODES", "DMLC_NUM_WORKER", "WORKER_ADDRS", "SUBMARINE_ADDRESSES")
_TF_CLUSTER = "SUBMARINE_TF_CLUSTER"


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of a container, and those its command has to compute: name -> what to add to the index."""

    variables: list[Json]
    offsets: dict[str, int]


def build(draft: Draft, role: str, wiring: Wiring) -> Environment:
    """Return the variables of the replicas of a role."""
    contract = _contract(draft, role, wiring)
    variables: list[Json] = [_from_label(wiring.index_label)]
    offsets: dict[str, int] = {}
    for name, value in contract.items():
        if name == INDEX or name in wiring.injected:
            continue
        if name in _RANKS and value != "0":
            offsets[name] = int(value)
        elif name in _SIZES and wiring.shared:
            variables.append(_from_map(name, wiring.shared))
        elif name == "TF_CONFIG":
            variables += _tf_config(value, wiring)
        else:
            variables.append({"name": name, "value": _REFERENCE if name in _RANKS else literal(value)})
    references = secret_object.references(draft, role)
    for name, value in draft.spec.env(role).items():
        if name in references and name not in contract:
            variables.append(secret_object.variable(draft, name, references[name]))
        elif name not in contract:
            variables.append({"name": name, "value": literal(value)})
    return Environment(variables, offsets)


def shared(draft: Draft, wiring: Wiring) -> list[Json]:
    """Return the ConfigMap ``wiring.shared``, so that replicas that start later know of a changed number."""
    data: dict[str, str] = {}
    for role in roles(draft.spec):
        for name, value in _contract(draft, role, wiring).items():
            if name in _SIZES:
                data[name] = value
            elif name == "TF_CONFIG":
                data[_TF_CLUSTER] = json.dumps(json.loads(value)["cluster"])
    if not data or wiring.shared is None:
        return []
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(draft, wiring.shared), "data": data}]


def _contract(draft: Draft, role: str, wiring: Wiring) -> dict[str, str]:
    """Return what the contract says for the first replica of a role. Raises InvalidSpec where they are too many."""
    contract = environment(draft.spec, draft.id, Member(role, 0), wiring.address, code_path=code_path(draft))
    for name, value in contract.items():
        if len(name) + 1 + len(value) > LONGEST_STRING:
            raise InvalidSpec(
                f"spec: {name}, with the addresses of all replicas, has {len(value):,} bytes, and Linux takes no"
                " variable of 128 KiB: ask for fewer replicas"
            )
    return contract


def _tf_config(value: str, wiring: Wiring) -> list[Json]:
    config = json.loads(value)
    parts = {name: json.dumps(part) for name, part in config.items()}
    parts["task"] = json.dumps(config["task"] | {"index": _REFERENCE}).replace(f'"{_REFERENCE}"', _REFERENCE)
    variables = []
    if wiring.shared:
        parts["cluster"] = f"$({_TF_CLUSTER})"
        variables.append(_from_map(_TF_CLUSTER, wiring.shared))
    text = ", ".join(f"{json.dumps(name)}: {part}" for name, part in parts.items())
    return [*variables, {"name": "TF_CONFIG", "value": f"{{{text}}}"}]


def _from_label(label: str) -> Json:
    return {"name": INDEX, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}}}


def _from_map(name: str, config_map: str) -> Json:
    return {"name": name, "valueFrom": {"configMapKeyRef": {"name": config_map, "key": name}}}
