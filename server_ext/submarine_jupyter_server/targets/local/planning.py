"""From an experiment to the plan of its shim: which processes, with which environment, where."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter.errors import InvalidSpec, TargetRefused
from submarine_jupyter.models import LEADERS, ExperimentSpec
from submarine_jupyter.resources import quantity
from submarine_jupyter_server.targets.base import Launch
from submarine_jupyter_server.targets.contract import Address, Member, command, environment, listens, members, resources

from .files import Json, private_folder
from .rundir import Attempt
from .scheduler import Amount, describe

HOST = "127.0.0.1"
LINGER_S = 30.0
DEFAULT_CPU = "1"
_SECRET_NAMES = ("JUPYTER_TOKEN", "JUPYTER_PASSWORD", "SUBMARINE_TOKEN", "SUBMARINE_FAILPOINT", "OLDPWD")
_SECRET_PREFIXES = ("JUPYTERHUB_", "JPY_", "SUBMARINE_JUPYTER_")
_NO_MEANING = ("queue", "priority", "nodeSelector", "tolerations", "volumes", "serviceAccount")


@dataclass(frozen=True, slots=True)
class Settings:
    """How replicas run here; times in seconds, sizes in bytes. ``environ`` is what they inherit."""

    environ: Mapping[str, str]
    grace_s: float
    log_cap: int


def inherited(environ: Mapping[str, str], interpreter: str) -> dict[str, str]:
    """Return the environment replicas inherit: without Jupyter's secrets, and ``python`` is the server's."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _SECRET_NAMES and not name.startswith(_SECRET_PREFIXES)
    }
    folder = str(Path(interpreter).parent)
    kept["PATH"] = os.pathsep.join([folder, kept.get("PATH", os.defpath)])
    return kept


def amount(spec: ExperimentSpec, member: Member) -> Amount:
    """Return what one replica takes; without ``resources`` it counts as one core and no memory."""
    asked = resources(spec.spec[member.role])
    cpu = quantity(asked.get("cpu", DEFAULT_CPU))
    return Amount(math.ceil(cpu * 1000), math.ceil(quantity(asked.get("memory", "0"))))


def check(spec: ExperimentSpec, capacity: Amount) -> None:
    """Refuse what can never run here. Raises InvalidSpec."""
    problems = []
    for role, task in spec.spec.items():
        for name, text in resources(task).items():
            if name not in ("cpu", "memory") and quantity(text):
                problems.append(f"spec.{role}.resources: the local target has no {name} to give; leave it out")
    for role in spec.spec:
        command(spec.command(role))
    if spec.code is not None and spec.code.sync_mode == "git":
        problems.append(
            "code.git: not supported by the local target yet; clone the repository and set runtime.workingDir"
        )
    total = sum((amount(spec, member) for member in members(spec)), Amount())
    if not total.within(capacity):
        problems.append(
            f"spec: all replicas together need {describe(total)}, this machine has {describe(capacity)} for experiments"
        )
    if problems:
        raise InvalidSpec(problems)


def notes(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return what of the spec has no meaning here."""
    images = sorted({image for role in spec.spec if (image := spec.image(role)) is not None})
    found = [
        f"local: environment.image '{image}' has no meaning here, the interpreter of the server ran it"
        for image in images
    ]
    runtime = spec.runtime.model_dump(by_alias=True) if spec.runtime else {}
    found += [f"local: runtime.{name} has no meaning here" for name in _NO_MEANING if runtime.get(name)]
    return tuple(found)


def prepare(launch: Launch, attempt: Attempt) -> None:
    """Make the workspace of an attempt, with its inline code. Raises TargetRefused if it cannot start there."""
    working_dir(launch.spec)
    if _files(launch.spec):
        for name, text in _files(launch.spec).items():
            path = attempt.workspace / "code" / name
            private_folder(path.parent)
            path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    else:
        private_folder(attempt.workspace / "work")


# Their servers (gRPC, c10d) set SO_REUSEADDR, so they can listen on a port that the shim holds for them. XGBoost's
# tracker does not, and nobody knows about a plain program: their ports are leased, and free when they start.
REUSING = ("TensorFlow", "PyTorch")


def make_plan(
    launch: Launch,
    attempt: Attempt,
    settings: Settings,
    lease: Callable[[int], list[int]],
    old: Json | None = None,
    *,
    grow: bool = True,
) -> Json:
    """Return the plan for a launch.

    Replicas of the ``old`` plan stay as they are or go; new ones are added only to ``grow``. ``lease`` gives ports.
    """
    spec = launch.spec
    items = {item["name"]: item for item in old["replicas"]} if old else {}
    new = [member for member in members(spec) if grow and member.name not in items]
    need = [member.name for member in new if listens(spec, member)]
    ports = {name: item["ports"][0] for name, item in items.items() if item["ports"]}
    ports.update(zip(need, lease(len(need)), strict=True))

    def address(member: Member) -> tuple[str, int]:
        return HOST, ports.get(member.name, 0)

    for member in new:
        item = _item(launch, member, attempt, settings, address)
        leased = [ports[member.name]] if member.name in ports else []
        items[member.name] = item | {"ports": leased, "held_ports": leased if spec.meta.framework in REUSING else []}
    runtime = spec.runtime
    return {
        "experiment_id": launch.experiment_id,
        "uid": launch.uid,
        "attempt": launch.attempt,
        "generation": launch.generation,
        "replicas": [items[member.name] for member in members(spec) if member.name in items],
        "stop": old["stop"] if old else None,
        "grace_s": settings.grace_s,
        "linger_s": LINGER_S,
        "max_run_time_s": runtime.max_run_time if runtime else None,
        "retries": (runtime.retries if runtime else None) or 0,
        "log_cap_bytes": settings.log_cap,
    }


def rendered(launch: Launch, attempt: Attempt, settings: Settings) -> list[dict[str, object]]:
    """Return the replicas as they would run, with example ports and without what they inherit."""
    ports = iter(range(20000, 30000))
    plan = make_plan(launch, attempt, settings, lambda count: [next(ports) for _ in range(count)])
    shown = ("name", "role", "index", "duty", "argv", "cwd", "ports")
    return [
        {name: item[name] for name in shown}
        | {
            "env": {name: value for name, value in item["env"].items() if settings.environ.get(name) != value},
            "resources": resources(launch.spec.spec[item["role"]]),
        }
        for item in plan["replicas"]
    ]


def _item(launch: Launch, member: Member, attempt: Attempt, settings: Settings, address: Address) -> Json:
    spec = launch.spec
    code = str(attempt.workspace / "code") if _files(spec) else None
    cwd = working_dir(spec) or code or str(attempt.workspace / "work")
    contract = environment(
        spec,
        launch.experiment_id,
        member,
        address,
        code_path=code,
        tensorboard_dir=str(attempt.workspace / "tensorboard"),
    )
    marker = {"SUBMARINE_JUPYTER_REPLICA": f"{launch.uid}/{launch.attempt}/{member.name}"}
    memory = resources(spec.spec[member.role]).get("memory")
    return {
        "name": member.name,
        "role": member.role,
        "index": member.index,
        "incarnation": launch.generation,
        "duty": _duty(spec, member),
        "argv": command(spec.command(member.role)),
        "env": {**settings.environ, "PWD": cwd, **spec.env(member.role), **contract, **marker},
        "cwd": cwd,
        "path_replaced": "PATH" in spec.env(member.role),
        "cpu": amount(spec, member).cpu,
        "memory_bytes": amount(spec, member).memory or None,
        "memory": memory,
    }


def _duty(spec: ExperimentSpec, member: Member) -> str:
    if member.role in ("Ps", "Evaluator"):
        return "helper"
    everyone = spec.runtime is not None and spec.runtime.success_policy == "AllWorkers"
    return "leader" if member.role in LEADERS and not everyone else "worker"


def _files(spec: ExperimentSpec) -> dict[str, str]:
    return (spec.code.files if spec.code else None) or {}


def working_dir(spec: ExperimentSpec) -> str | None:
    """Return the folder replicas start in, if the spec says so. Raises TargetRefused if it is not there."""
    text = spec.runtime.working_dir if spec.runtime else None
    if not text:
        return None
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise TargetRefused(f"runtime.workingDir: '{text[:200]}' must be an absolute path")
    if not path.is_dir():
        raise TargetRefused(f"runtime.workingDir: there is no folder '{text[:200]}' on this machine")
    return str(path)
