"""What every replica finds in its environment, and how its command is run: the same on every target.

The variables are those of the Kubeflow Training Operator v1 (``TF_CONFIG``, ``MASTER_ADDR``, ``PET_*``,
``WORKER_ADDRS``) and of Apache Submarine (``JOB_ID``, ``CODE_PATH``, ``SUBMARINE_TENSORBOARD_LOG_DIR``), so that code
written for either runs.
Pure functions: a target says where replicas are by an ``Address``.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import LEADERS, ExperimentSpec, TaskSpec
from submarine_jupyter.resources import parse_resources, quantity

# Leaders first, then who serves, then who works: the order of logs and of ranks.
_ORDER = (*LEADERS, "Ps", "Worker", "Evaluator")
_FIXED = ("JOB_ID", "SUBMARINE_EXPERIMENT_ID", "SUBMARINE_REPLICA_TYPE", "SUBMARINE_REPLICA_INDEX", "CODE_PATH")
# Outside of single quotes, any of these means something to a shell (POSIX 2.2 and 2.6); within double quotes three do.
_SHELL = frozenset("|&;<>()$`\\\n\r*?[]{}#~!")
_SHELL_IN_QUOTES = frozenset("$`\\")
# Words that only a shell knows, or knows better (POSIX 2.4, 2.14 and the regular built-ins).
_BUILTINS = frozenset(
    re.split(
        r"\s+",
        """. : [ alias bg break case cd command continue echo eval exec exit export false fc fg for getopts hash if jobs
        kill let local newgrp printf pwd read readonly return select set shift source test time times trap true type
        ulimit umask unalias unset until wait while""",
    )
)
_JOINS = frozenset("|&;()\n`{}!")
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*\+?=")


@dataclass(frozen=True, slots=True)
class Member:
    """One replica of an experiment; ``name`` is like ``worker-0``."""

    role: str
    index: int

    @property
    def name(self) -> str:
        """Return the replica's name; behind the experiment's id and a dash it is the pod's."""
        return f"{self.role.lower()}-{self.index}"


Address = Callable[[Member], tuple[str, int]]
"""Return host and port at which other replicas reach a member (one that ``listens``)."""


def resources(task: TaskSpec) -> dict[str, str]:
    """Return what one replica of a role asks for: resource name -> quantity."""
    return parse_resources(task.resources or "")


def members(spec: ExperimentSpec) -> list[Member]:
    """Return all replicas: chief or master, then ps, workers, evaluators, each by index."""
    return [Member(role, i) for role in _ORDER if role in spec.spec for i in range(spec.spec[role].replicas)]


def listens(spec: ExperimentSpec, member: Member) -> bool:
    """Tell whether a replica needs a port at which the others find it."""
    everyone = members(spec)
    if spec.meta.framework == "TensorFlow":
        return len(everyone) > 1 and member.role != "Evaluator"
    if spec.meta.framework == "Standalone":
        return len(everyone) > 1 and member == everyone[0]
    return member == everyone[0] or spec.meta.framework == "XGBoost"


def environment(
    spec: ExperimentSpec,
    experiment_id: str,
    member: Member,
    address: Address,
    *,
    code_path: str | None = None,
    tensorboard_dir: str | None = None,
) -> dict[str, str]:
    """Return the variables a replica gets on top of the user's (``spec.env``).

    What the user has set himself is left out, but for what says who the replica is.
    """
    cpu = resources(spec.spec[member.role]).get("cpu")
    variables = {
        "PYTHONUNBUFFERED": "1",
        **({"OMP_NUM_THREADS": str(max(1, math.ceil(quantity(cpu))))} if cpu else {}),
        **({"SUBMARINE_TENSORBOARD_LOG_DIR": tensorboard_dir} if tensorboard_dir else {}),
        **_FRAMEWORKS[spec.meta.framework](spec, member, address),
        "JOB_ID": experiment_id,
        "SUBMARINE_EXPERIMENT_ID": experiment_id,
        "SUBMARINE_REPLICA_TYPE": member.role,
        "SUBMARINE_REPLICA_INDEX": str(member.index),
        **({"CODE_PATH": code_path} if code_path else {}),
    }
    own = spec.env(member.role)
    return {name: value for name, value in variables.items() if name in _FIXED or name not in own}


def command(text: str) -> list[str]:
    """Return the argument list of a command line.

    A plain command is split as a shell would do it; with shell syntax it runs under ``sh -c``, replaced by the command
    itself where that is possible, so that signals reach it. Raises InvalidSpec for an open quotation mark.
    """
    return list(_argv(text))


@lru_cache(maxsize=32)  # of one experiment it is asked several times, for each role
def _argv(text: str) -> tuple[str, ...]:
    if not _has_syntax(text):
        try:
            argv = shlex.split(text)
        except ValueError:
            raise InvalidSpec(f"meta.cmd: a quotation mark is not closed in: {text[:200]}") from None
        if argv and argv[0] not in _BUILTINS:
            return tuple(argv)
    return ("/bin/sh", "-c", f"exec {text}" if _is_single(text) else text)


def _has_syntax(text: str) -> bool:
    quote = ""
    for char in text:
        if quote:
            if char == quote:
                quote = ""
            elif quote == '"' and char in _SHELL_IN_QUOTES:
                return True
        elif char in "'\"":
            quote = char
        elif char in _SHELL:
            return True
    return _ASSIGNMENT.match(text) is not None


def _is_single(text: str) -> bool:
    """Tell whether ``exec`` can stand before it: one command without anything that only the shell itself can do."""
    first = re.match(r"[ \t]*([\w./-]+)(?=[ \t]|$)", text, re.ASCII)
    if first is None or first[1] in _BUILTINS:
        return False
    return not _JOINS.intersection(re.sub(r"[<>]&[0-9-]", "", text))


def _tensorflow(spec: ExperimentSpec, member: Member, address: Address) -> dict[str, str]:
    # https://www.tensorflow.org/guide/distributed_training#TF_CONFIG; as in Kubeflow, one replica alone gets none and
    # the evaluator is no part of the cluster.
    everyone = members(spec)
    if len(everyone) == 1:
        return {}
    cluster: dict[str, list[str]] = {}
    for other in everyone:
        if other.role != "Evaluator":
            host, port = address(other)
            cluster.setdefault(other.role.lower(), []).append(f"{host}:{port}")
    task = {"type": member.role.lower(), "index": member.index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})}


def _ranks(spec: ExperimentSpec, member: Member, address: Address) -> dict[str, str]:
    everyone = members(spec)
    host, port = address(everyone[0])
    return {
        "MASTER_ADDR": host,
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(len(everyone)),
        "RANK": str(everyone.index(member)),
    }


def _standalone(spec: ExperimentSpec, member: Member, address: Address) -> dict[str, str]:
    return _ranks(spec, member, address) if len(members(spec)) > 1 else {}


def _pytorch(spec: ExperimentSpec, member: Member, address: Address) -> dict[str, str]:
    # PET_* are the defaults of torchrun: https://pytorch.org/docs/stable/elastic/run.html
    ranks = _ranks(spec, member, address)
    return {
        **ranks,
        "PET_NNODES": ranks["WORLD_SIZE"],
        "PET_NODE_RANK": ranks["RANK"],
        "PET_NPROC_PER_NODE": "1",
        "PET_MASTER_ADDR": ranks["MASTER_ADDR"],
        "PET_MASTER_PORT": ranks["MASTER_PORT"],
    }


def _xgboost(spec: ExperimentSpec, member: Member, address: Address) -> dict[str, str]:
    # The tracker runs on rank 0: https://xgboost.readthedocs.io/en/stable/python/python_api.html#xgboost.tracker
    ranks = _ranks(spec, member, address)
    workers = [other for other in members(spec) if other.role == "Worker"]
    lists = {}
    if workers:
        nearest = member if member in workers else workers[0]
        lists = {
            "WORKER_PORT": str(address(nearest)[1]),
            "WORKER_ADDRS": ",".join(address(worker)[0] for worker in workers),
        }
    return {
        **ranks,
        **lists,
        "DMLC_TRACKER_URI": ranks["MASTER_ADDR"],
        "DMLC_TRACKER_PORT": ranks["MASTER_PORT"],
        "DMLC_NUM_WORKER": ranks["WORLD_SIZE"],
        "DMLC_TASK_ID": ranks["RANK"],
    }


_FRAMEWORKS: dict[str, Callable[[ExperimentSpec, Member, Address], dict[str, str]]] = {
    "TensorFlow": _tensorflow,
    "PyTorch": _pytorch,
    "XGBoost": _xgboost,
    "Standalone": _standalone,
}
