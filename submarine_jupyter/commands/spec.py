"""From the options of ``run`` to the spec of an experiment. Pure."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from submarine_jupyter.commands.surroundings import Surroundings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.script import syntax
from submarine_jupyter.script.tracebacks import SCRIPT
from submarine_jupyter.spec.vocabulary import ROLES

Json = dict[str, Any]
_LED_BY_A_MASTER = ("pytorch", "xgboost")


def describe(options: argparse.Namespace, body: str | None, here: Surroundings, *, local: bool) -> Json:
    """Return the spec that the options of ``run`` describe, with ``body`` as its training script.

    ``local`` says that the replicas run on the machine of this kernel: then the kernel's own interpreter runs the
    script, in the notebook's folder, and its programs and modules are found. ``options.loaded`` is the spec in a
    file, its shape checked. Raises UsageError, also for a body that is no Python.
    """
    spec: Json = deepcopy(options.loaded) if options.loaded else {}
    meta = spec["meta"] = spec.get("meta") or {}
    meta["name"] = options.name or meta.get("name") or here.name
    meta["framework"] = options.framework or meta.get("framework") or "Standalone"
    if options.cmd:
        meta["cmd"] = options.cmd
    if body is not None:
        text = _checked(body, here.cell) if is_script(options) else body
        spec["code"] = {"syncMode": "inline", "files": {SCRIPT: text}}
        meta["cmd"] = meta.get("cmd") or f'{shlex.quote(here.python) if local else "python"} "$CODE_PATH/{SCRIPT}"'
    if options.namespace:
        meta["namespace"] = options.namespace
    found = here.environment if local else {}
    if options.env or found:
        meta["envVars"] = {**found, **(meta.get("envVars") or {}), **dict(options.env or ())}
    if options.tag:
        meta["tags"] = [*(meta.get("tags") or []), *options.tag]
    if options.image:
        spec["environment"] = {**(spec.get("environment") or {}), "image": options.image}
    spec["spec"] = _tasks(options, spec.get("spec") or {}, meta["framework"])
    _runtime(options, spec, here.folder if local else None)
    if not meta.get("cmd") and not all((task or {}).get("cmd") for task in spec["spec"].values()):
        raise UsageError('Nothing to run: give --cmd "python train.py", or write the script below %%submarine run')
    return spec


def is_script(options: argparse.Namespace) -> bool:
    """Return whether the body of a cell is run by Python: another command may take it for anything."""
    return not (options.cmd or ((options.loaded or {}).get("meta") or {}).get("cmd"))


def _checked(body: str, cell: str) -> str:
    syntax.check(body, cell)
    return syntax.script_of(body)


def _tasks(options: argparse.Namespace, known: Mapping[str, Any], framework: str) -> Json:
    tasks = {role: dict(task or {}) for role, task in known.items()}
    names = {role.lower(): role for role in tasks}
    for role, replicas in asked_replicas(options):
        name = names.setdefault(role, role.capitalize())
        if replicas == 0:
            tasks.pop(name, None)  # --ps 0: without those of the file
        else:
            tasks.setdefault(name, {})["replicas"] = replicas
    if not tasks:
        tasks = {"Master" if str(framework).lower() in _LED_BY_A_MASTER else "Worker": {"replicas": 1}}
    for name, task in tasks.items():
        resources = getattr(options, f"{name.lower()}_resources", None) or options.resources
        if resources:
            task["resources"] = resources
        for kind, amount in (("cpu", options.cpu), ("memory", options.memory), ("nvidia.com/gpu", options.gpu)):
            if amount is not None:
                task["resources"] = _with(str(task.get("resources") or ""), kind, amount)
    for role in ROLES:
        option = role.lower()
        if getattr(options, f"{option}_resources") and role not in map(str.capitalize, tasks):
            raise UsageError(f"--{option}-resources without a {role}: give --{option} N")
    return tasks


def _with(resources: str, kind: str, amount: str) -> str:
    """Return a list of resources with another amount of one kind."""
    others = [part for part in resources.split(",") if part.strip() and part.partition("=")[0].strip() != kind]
    return ",".join([*others, f"{kind}={amount}"])


def asked_replicas(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield role (lower case) and number for each ``--worker N`` that was given."""
    for role in map(str.lower, ROLES):
        replicas = getattr(options, role)
        if replicas is not None:
            yield role, replicas


def _runtime(options: argparse.Namespace, spec: Json, folder: str | None) -> None:
    wanted = {"target": options.target, "maxRunTime": options.max_run_time}
    runtime = {**(spec.get("runtime") or {}), **{name: value for name, value in wanted.items() if value is not None}}
    if options.param:
        runtime["params"] = {**(runtime.get("params") or {}), **dict(options.param)}
    if folder is not None:
        runtime.setdefault("workingDir", folder)
    if runtime:
        spec["runtime"] = runtime
