"""From the options of ``run`` to the spec of an experiment. Pure."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from submarine_jupyter.commands.sending.files_along import along
from submarine_jupyter.commands.sending.given import Given
from submarine_jupyter.commands.sending.own_code import command, sent
from submarine_jupyter.commands.sending.spec_file import Json
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.commands.settings import Settings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec.vocabulary import ROLES

RESOURCES = {"cpu": "cpu", "memory": "memory", "gpu": "nvidia.com/gpu"}
_LED_BY_A_MASTER = ("pytorch", "xgboost")
_PARAMETER = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_.-]*) *\}\}")


def describe(
    options: argparse.Namespace,
    given: Given,
    body: str | None,
    here: Surroundings,
    settings: Settings,
    *,
    local: bool,
) -> Json:
    """Return the spec that the options of ``run`` describe: a file or a program ``given``, or ``body`` as its script.

    ``local`` says that the replicas run on the machine of this kernel: then the kernel's own interpreter runs the
    script, in the notebook's folder, and its programs and modules are found. ``settings`` are defaults where nothing
    else is said. With ``--files`` they start where these are, as on a cluster. Raises UsageError.
    """
    spec: Json = deepcopy(given.spec or {})
    meta = spec["meta"] = spec.get("meta") or {}
    program = Path(given.program).stem if given.program else None
    meta["name"] = options.name or meta.get("name") or program or here.name
    meta["framework"] = options.framework or meta.get("framework") or settings.get("framework") or "Standalone"
    if options.cmd:
        meta["cmd"] = options.cmd
    in_folder = local and not options.files
    code = sent(given, body, options.cmd, here, local=local, in_folder=in_folder)
    if code is not None:
        meta["cmd"] = meta.get("cmd") or code.cmd
    elif given.program is not None:
        meta["cmd"] = command(given.program, given.words)
    files = code.files if code is not None else {}
    files |= along(options, given, files, meta.get("cmd") or "", here, local=local)
    if files:
        spec["code"] = {"syncMode": "inline", "files": _with_own(spec.get("code"), files) if code is None else files}
    _surround(options, spec, here, settings, local=local)
    spec["spec"] = _tasks(options, spec.get("spec") or {}, meta["framework"])
    default_resources(spec["spec"], settings)
    _runtime(options, spec, here.folder if in_folder else None, settings)
    if not meta.get("cmd") and not all((task or {}).get("cmd") for task in spec["spec"].values()):
        raise UsageError("Nothing to run: %submarine run train.py, --cmd '...', or a script below %%submarine run")
    _check_parameters(given, spec)
    return spec


def _with_own(code: Json | None, files: dict[str, str]) -> dict[str, str]:
    """Return the files of a spec with those that go along."""
    if code and code.get("git"):
        raise UsageError("Files cannot go along with a git repository: add them to it, or leave its code.git out")
    return {**((code or {}).get("files") or {}), **files}


def change(options: argparse.Namespace, spec: Json) -> Json:
    """Return the spec of an experiment with what the options of ``rerun`` say. Raises UsageError."""
    spec = deepcopy(spec)
    meta = spec["meta"]
    meta["name"] = options.name or meta["name"]
    meta["cmd"] = options.cmd or meta["cmd"]
    if options.env:
        meta["envVars"] = {**(meta.get("envVars") or {}), **dict(options.env)}
    if options.tag:
        meta["tags"] = [*(meta.get("tags") or []), *options.tag]
    if options.image:
        spec["environment"] = {**(spec.get("environment") or {}), "image": options.image}
    spec["spec"] = _tasks(options, spec["spec"], meta["framework"])
    _runtime(options, spec, None, Settings())
    return spec


def _surround(options: argparse.Namespace, spec: Json, here: Surroundings, settings: Settings, *, local: bool) -> None:
    meta = spec["meta"]
    namespace = options.namespace or meta.get("namespace") or settings.get("namespace")
    if namespace:
        meta["namespace"] = namespace
    found = here.environment if local else {}
    if options.env or found:
        meta["envVars"] = {**found, **(meta.get("envVars") or {}), **dict(options.env or ())}
    if options.tag:
        meta["tags"] = [*(meta.get("tags") or []), *options.tag]
    image = options.image or (spec.get("environment") or {}).get("image") or settings.get("image")
    if image:
        spec["environment"] = {**(spec.get("environment") or {}), "image": image}


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
        for option, kind in RESOURCES.items():
            if (amount := getattr(options, option)) is not None:
                task["resources"] = _with(str(task.get("resources") or ""), kind, amount)
    for role in ROLES:
        option = role.lower()
        if getattr(options, f"{option}_resources") and role not in map(str.capitalize, tasks):
            raise UsageError(f"--{option}-resources without a {role}: give --{option} N")
    return tasks


def default_resources(tasks: Json, settings: Settings) -> None:
    """Give each role the default amounts of what it does not say itself."""
    for option, kind in RESOURCES.items():
        amount = settings.get(option)
        for task in tasks.values() if amount is not None else ():
            said = str(task.get("resources") or "")
            if kind not in [part.partition("=")[0].strip() for part in said.split(",")]:
                task["resources"] = _with(said, kind, amount)


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


def _runtime(options: argparse.Namespace, spec: Json, folder: str | None, settings: Settings) -> None:
    runtime = dict(spec.get("runtime") or {})
    for key, name in (("target", "target"), ("maxRunTime", "max_run_time")):
        value = getattr(options, name) or runtime.get(key) or settings.get(name)
        if value is not None:
            runtime[key] = value
    if options.param:
        runtime["params"] = {**(runtime.get("params") or {}), **dict(options.param)}
    if folder is not None:
        runtime.setdefault("workingDir", folder)
    if runtime:
        spec["runtime"] = runtime


def _check_parameters(given: Given, spec: Json) -> None:
    """Refuse a parameter in the words of a program where there are none: it would be sent as it stands."""
    named = [found[1] for word in given.words for found in _PARAMETER.finditer(word)]
    if named and not (spec.get("runtime") or {}).get("params"):
        raise UsageError(f"{{{{{named[0]}}}}}: there is no parameter of this name; add --param {named[0]}=...")
