"""From an experiment to the plan of its shim: which processes, with which environment, where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.resources import quantity
from submarine_jupyter.spec.vocabulary import LEADERS
from submarine_jupyter_server.targets.commands import BASH, SH, command, local_shell, needs_shell
from submarine_jupyter_server.targets.local.machine import limits
from submarine_jupyter_server.targets.local.machine.fitting import amount, too_many, too_much
from submarine_jupyter_server.targets.local.machine.network import Lease, Network, shares_a_port
from submarine_jupyter_server.targets.local.machine.scheduler import Amount
from submarine_jupyter_server.targets.local.rundir.files import Json
from submarine_jupyter_server.targets.local.rundir.folders import Attempt
from submarine_jupyter_server.targets.local.rundir.workspace import CODE, TENSORBOARD, WORK, files, refuse, working_dir
from submarine_jupyter_server.targets.protocol import Launch
from submarine_jupyter_server.targets.replica_environment import Environments
from submarine_jupyter_server.targets.replicas import Member, members, resources

from .inheritance import around_proxies

LINGER_S = 30.0
SHOWN = 10
_NO_MEANING = ("queue", "priority", "nodeSelector", "tolerations", "volumes", "serviceAccount")


@dataclass(frozen=True, slots=True)
class Settings:
    """How replicas run here; times in seconds, sizes in bytes. ``environ`` is what they inherit."""

    environ: Mapping[str, str]
    grace_s: float
    log_cap: int


def check(spec: ExperimentSpec, capacity: Amount) -> None:
    """Refuse what can never run here. Raises InvalidSpec."""
    problems = []
    for role, task in spec.spec.items():
        for name, text in resources(task).items():
            if name not in ("cpu", "memory") and quantity(text):
                problems.append(f"spec.{role}.resources: the local target has no {name} to give; leave it out")
    for role in spec.spec:
        needs_shell(spec.command(role))
    if spec.code is not None and spec.code.sync_mode == "git":
        problems.append(
            "code.git: not supported by the local target yet; clone the repository and set runtime.workingDir"
        )
    problems += too_much(spec, capacity)
    problems += too_many(spec, *limits.file_limits())
    if problems:
        raise InvalidSpec(problems)


def notes(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return what of the spec has no meaning here, or another one than elsewhere."""
    images = sorted({image for role in spec.spec if (image := spec.image(role)) is not None})
    found = [
        f"local: environment.image '{image}' has no meaning here: the interpreter of the server ran it"
        for image in images
    ]
    runtime = spec.runtime.model_dump(by_alias=True) if spec.runtime else {}
    found += [f"local: runtime.{name} has no meaning here" for name in _NO_MEANING if runtime.get(name)]
    if any(needs_shell(spec.command(role)) for role in spec.spec) and local_shell()[0] == SH:
        found.append(
            f"local: there is no {BASH} on this machine, so {SH} read the command: not all that bash knows works"
        )
    if shares_a_port(spec):
        found.append(
            "local: the Workers share WORKER_PORT, each at its own address in WORKER_ADDRS; a program that listens at"
            " all addresses (LightGBM) has to take SUBMARINE_PORT as its port and SUBMARINE_ADDRESSES as those of all"
        )
    return tuple(found)


# Their servers (gRPC, c10d) set SO_REUSEADDR, so they can listen on a port that the shim holds for them. XGBoost's
# tracker does not, and nobody knows about a plain program: their ports are leased, and free when they start.
REUSING = ("TensorFlow", "PyTorch")


def make_plan(
    launch: Launch,
    attempt: Attempt,
    settings: Settings,
    lease: Lease,
    old: Json | None = None,
    *,
    grow: bool = True,
) -> Json:
    """Return the plan for a launch.

    Replicas of the ``old`` plan stay as they are or go; new ones are added only to ``grow``. ``lease`` gives ports.
    """
    spec, runtime = launch.spec, launch.spec.runtime
    items = {item["name"]: item for item in old["replicas"]} if old else {}
    if grow:
        items |= _new_items(launch, attempt, settings, lease, items)
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


def _new_items(
    launch: Launch, attempt: Attempt, settings: Settings, lease: Lease, items: dict[str, Json]
) -> dict[str, Json]:
    """Return the replicas that a launch has beside those in ``items``."""
    spec, found = launch.spec, {}
    new = [member for member in members(spec) if member.name not in items]
    network = Network(spec, items, new, lease)
    environments = Environments(
        spec,
        launch.experiment_id,
        network.address,
        workers=network.workers,
        code_path=str(attempt.workspace / CODE) if files(spec) else None,
        tensorboard_dir=str(attempt.workspace / TENSORBOARD),
    )
    for member in new:
        ports = network.ports_of(member)
        env = environments.of(member) | _marker(launch, member)
        item = _item(launch, member, attempt, settings) | {"ports": ports}
        env = around_proxies({**settings.environ, "PWD": item["cwd"], **spec.env(member.role), **env}, network.hosts)
        found[member.name] = item | {"env": env, "held_ports": ports if spec.meta.framework in REUSING else []}
    return found


def rendered(launch: Launch, attempt: Attempt, settings: Settings) -> list[dict[str, object]]:
    """Return the replicas as they would run, with example ports and without what they inherit.

    Of each role the first ``SHOWN`` are listed; a note says what they stand for. Raises TargetRefused as ``prepare``.
    """
    refuse(launch, attempt)
    spec = launch.spec
    ports = iter(range(20000, 60000))
    plan = make_plan(launch, attempt, settings, lambda count: [next(ports) for _ in range(count)])
    shown = ("name", "role", "index", "duty", "argv", "cwd", "ports")
    found: list[dict[str, object]] = [
        {name: item[name] for name in shown}
        | {
            "env": {name: value for name, value in item["env"].items() if settings.environ.get(name) != value},
            "resources": resources(spec.spec[item["role"]]),
        }
        for item in plan["replicas"]
        if item["index"] < SHOWN
    ]
    for role, task in spec.spec.items():
        if task.replicas > SHOWN:
            note = f"{task.replicas - SHOWN} more of role {role} differ in nothing but index, rank and port"
            found.append({"role": role, "note": note})
    return found + [{"note": note} for note in notes(spec)]


def scrubbed(plan: Json) -> Json:
    """Return the plan of an attempt that has ended without what may be secret: variables and commands."""
    return plan | {"replicas": [item | {"env": {}, "argv": []} for item in plan["replicas"]]}


def _item(launch: Launch, member: Member, attempt: Attempt, settings: Settings) -> Json:
    spec = launch.spec
    start = CODE if files(spec) else WORK
    return {
        "name": member.name,
        "role": member.role,
        "index": member.index,
        "incarnation": launch.generation,
        "duty": _duty(spec, member),
        "argv": command(spec.command(member.role), local_shell()),
        "cwd": working_dir(spec) or str(attempt.workspace / start),
        "path_replaced": "PATH" in spec.env(member.role),
        "cpu": amount(spec, member).cpu,
        "memory_bytes": amount(spec, member).memory or None,
        "memory": resources(spec.spec[member.role]).get("memory"),
    }


def _marker(launch: Launch, member: Member) -> dict[str, str]:
    return {"SUBMARINE_JUPYTER_REPLICA": f"{launch.uid}/{launch.attempt}/{member.name}"}


def _duty(spec: ExperimentSpec, member: Member) -> str:
    if member.role in ("Ps", "Evaluator"):
        return "helper"
    everyone = spec.runtime is not None and spec.runtime.success_policy == "AllWorkers"
    return "leader" if member.role in LEADERS and not everyone else "worker"
