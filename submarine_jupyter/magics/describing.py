"""From the options of ``run`` to the spec of an experiment. Pure, but for reading a spec file."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from submarine_jupyter.magics.grammar import ROLES

SCRIPT = "train.py"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the experiment is described: the kernel's interpreter, the notebook's folder and its name."""

    python: str
    folder: str
    name: str

    @classmethod
    def of_this_kernel(cls) -> Surroundings:
        """Return those of this kernel. Jupyter tells the notebook's path in JPY_SESSION_NAME, VS Code tells none."""
        notebook = Path(os.environ.get("JPY_SESSION_NAME") or "notebook")
        return cls(sys.executable, str(Path.cwd()), notebook.stem if notebook.suffix == ".ipynb" else "notebook")


def read_spec(name: str) -> Json:
    """Return the spec in a file, JSON or YAML by its ending. Raises UsageError."""
    path = Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if path.suffix == ".json":
        try:
            spec = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{name} is no JSON: {error}") from None
    else:
        import yaml

        try:
            spec = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"{name} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(spec, dict) or not all(isinstance(spec.get(key, {}), dict) for key in ("meta", "spec")):
        raise UsageError(f"{name} is no spec: it needs 'meta' with name and framework, and 'spec' with the replicas")
    return spec


def describe(options: argparse.Namespace, body: str | None, here: Surroundings, *, local: bool) -> Json:
    """Return the spec that the options of ``run`` describe, with ``body`` as its training script.

    ``local`` says that the replicas run on the machine of this kernel: then the kernel's own interpreter runs the
    script, in the notebook's folder. Raises UsageError.
    """
    spec: Json = deepcopy(options.loaded) if options.loaded else {}
    meta = spec.setdefault("meta", {})
    meta["name"] = options.name or meta.get("name") or here.name
    meta["framework"] = options.framework or meta.get("framework") or "Standalone"
    if options.cmd:
        meta["cmd"] = options.cmd
    if body is not None:
        spec["code"] = {"syncMode": "inline", "files": {SCRIPT: body}}
        meta["cmd"] = meta.get("cmd") or f'{shlex.quote(here.python) if local else "python"} "$CODE_PATH/{SCRIPT}"'
    if options.namespace:
        meta["namespace"] = options.namespace
    if options.env:
        meta["envVars"] = {**(meta.get("envVars") or {}), **dict(options.env)}
    if options.tag:
        meta["tags"] = [*(meta.get("tags") or []), *options.tag]
    if options.image:
        spec["environment"] = {**(spec.get("environment") or {}), "image": options.image}
    spec["spec"] = _tasks(options, spec.get("spec") or {}, meta["framework"])
    _runtime(options, spec, here.folder if local else None)
    if not meta.get("cmd") and not all((task or {}).get("cmd") for task in spec["spec"].values()):
        raise UsageError('Nothing to run: give --cmd "python train.py", or write the script below %%submarine run')
    return spec


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
        tasks = {"Master" if framework in ("PyTorch", "XGBoost") else "Worker": {"replicas": 1}}
    for name, task in tasks.items():
        resources = getattr(options, f"{name.lower()}_resources", None) or options.resources
        if resources:
            task["resources"] = resources
    for role in ROLES:
        if getattr(options, f"{role}_resources") and role.capitalize() not in map(str.capitalize, tasks):
            raise UsageError(f"--{role}-resources without a {role.capitalize()}: give --{role} N")
    return tasks


def asked_replicas(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield role (lower case) and number for each ``--worker N`` that was given."""
    for role in ROLES:
        replicas = getattr(options, role)
        if replicas is not None:
            yield role, replicas


def _runtime(options: argparse.Namespace, spec: Json, folder: str | None) -> None:
    wanted = {"target": options.target, "maxRunTime": options.max_run_time}
    runtime = {**(spec.get("runtime") or {}), **{name: value for name, value in wanted.items() if value is not None}}
    if folder is not None:
        runtime.setdefault("workingDir", folder)
    if runtime:
        spec["runtime"] = runtime
