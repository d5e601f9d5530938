"""What every replica finds in its environment: the same on every target.

The variables are those of the Kubeflow Training Operator v1 (``TF_CONFIG``, ``MASTER_ADDR``, ``PET_*``,
``WORKER_ADDRS``) and of Apache Submarine (``JOB_ID``, ``CODE_PATH``, ``SUBMARINE_TENSORBOARD_LOG_DIR``), so that code
written for either runs.
Pure functions: a target says where replicas are by an ``Address``.
"""

from __future__ import annotations

import json
import math

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.params import variables
from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.targets.replicas import Address, Member, members, resources


class Environments:
    """The variables that the replicas of an experiment get on top of the user's; what they share is made once.

    ``workers`` are the hosts of XGBoost's workers and the one port at which each of them is, where that is another
    than that of its ``address``.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        experiment_id: str,
        address: Address,
        *,
        workers: tuple[list[str], int] | None = None,
        code_path: str | None = None,
        tensorboard_dir: str | None = None,
    ) -> None:
        everyone = members(spec)
        self._spec = spec
        self._ranks = {member: rank for rank, member in enumerate(everyone)}
        self._own = {role: spec.env(role).keys() for role in spec.spec}
        self._fixed = {"JOB_ID": experiment_id, "SUBMARINE_EXPERIMENT_ID": experiment_id, **variables(spec.params)}
        if code_path:
            self._fixed["CODE_PATH"] = code_path
        self._shared = {"PYTHONUNBUFFERED": "1"}
        if tensorboard_dir:
            self._shared["SUBMARINE_TENSORBOARD_LOG_DIR"] = tensorboard_dir
        if spec.meta.framework == "TensorFlow":
            self._cluster = _tensorflow(everyone, address)
        else:
            self._cluster = None
            self._shared |= _meeting(everyone, address)
            if spec.meta.framework == "XGBoost":
                self._shared |= _addresses(everyone, address, workers)
        self._address = address

    def of(self, member: Member) -> dict[str, str]:
        """Return the variables of one replica.

        What the user has set himself is left out, but for what says who the replica is and what its parameters are.
        """
        own = self._own[member.role]
        variables = self._shared | self._of_role(member.role) | self._rank(member)
        return {name: value for name, value in variables.items() if name not in own} | {
            **self._fixed,
            "SUBMARINE_REPLICA_TYPE": member.role,
            "SUBMARINE_REPLICA_INDEX": str(member.index),
        }

    def _of_role(self, role: str) -> dict[str, str]:
        cpu = resources(self._spec.spec[role]).get("cpu")
        return {"OMP_NUM_THREADS": str(max(1, math.ceil(quantity(cpu))))} if cpu else {}

    def _rank(self, member: Member) -> dict[str, str]:
        framework, rank = self._spec.meta.framework, str(self._ranks[member])
        if framework == "TensorFlow":
            if self._cluster is None:
                return {}
            task = json.dumps({"type": member.role.lower(), "index": member.index})
            return {"TF_CONFIG": f'{{"cluster": {self._cluster}, "task": {task}, "environment": "cloud"}}'}
        if framework == "PyTorch":
            # PET_* are the defaults of torchrun: https://pytorch.org/docs/stable/elastic/run.html
            named = ("WORLD_SIZE", "PET_NNODES"), ("MASTER_ADDR", "PET_MASTER_ADDR"), ("MASTER_PORT", "PET_MASTER_PORT")
            pet = {new: self._shared[old] for old, new in named}
            return {"RANK": rank, **pet, "PET_NODE_RANK": rank, "PET_NPROC_PER_NODE": "1"}
        if framework == "XGBoost":
            return {"RANK": rank, "DMLC_TASK_ID": rank, "SUBMARINE_PORT": str(self._address(member)[1])}
        return {"RANK": rank}


def environment(
    spec: ExperimentSpec, experiment_id: str, member: Member, address: Address, *, code_path: str | None = None
) -> dict[str, str]:
    """Return what ``Environments`` has for one replica."""
    return Environments(spec, experiment_id, address, code_path=code_path).of(member)


def _tensorflow(everyone: list[Member], address: Address) -> str | None:
    """Return the cluster of ``TF_CONFIG`` as JSON text.

    As in Kubeflow, one replica alone has none and the evaluator is no part of it:
    https://www.tensorflow.org/guide/distributed_training#TF_CONFIG
    """
    if len(everyone) == 1:
        return None
    cluster: dict[str, list[str]] = {}
    for member in everyone:
        if member.role != "Evaluator":
            host, port = address(member)
            cluster.setdefault(member.role.lower(), []).append(f"{host}:{port}")
    return json.dumps(cluster)


def _meeting(everyone: list[Member], address: Address) -> dict[str, str]:
    """Return where the replicas meet, and how many there are; each is alone on its (real or imagined) machine."""
    host, port = address(everyone[0])
    return {
        "MASTER_ADDR": host,
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(len(everyone)),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }


def _addresses(everyone: list[Member], address: Address, workers: tuple[list[str], int] | None) -> dict[str, str]:
    """Return where the replicas of XGBoost are.

    The tracker runs on rank 0: https://xgboost.readthedocs.io/en/stable/python/python_api.html#xgboost.tracker.
    ``SUBMARINE_ADDRESSES`` and ``SUBMARINE_PORT`` are what LightGBM takes as ``machines`` and ``local_listen_port``.
    """
    places = [address(member) for member in everyone]
    at_work = [place for member, place in zip(everyone, places, strict=True) if member.role == "Worker"]
    lists: dict[str, str] = {}
    if at_work:
        hosts, port = workers or ([host for host, _ in at_work], at_work[0][1])
        lists = {"WORKER_PORT": str(port), "WORKER_ADDRS": ",".join(hosts)}
    return {
        **lists,
        "SUBMARINE_ADDRESSES": ",".join(f"{host}:{port}" for host, port in places),
        "DMLC_TRACKER_URI": places[0][0],
        "DMLC_TRACKER_PORT": str(places[0][1]),
        "DMLC_NUM_WORKER": str(len(everyone)),
    }
