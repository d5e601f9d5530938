"""One call of a function as an experiment: what travels, and the spec."""

from __future__ import annotations

import pickletools
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.functions import replica
from submarine_jupyter.script import modules
from submarine_jupyter.script.files import read
from submarine_jupyter.spec.code_files import MOST_BYTES, encoded

Json = dict[str, Any]
PROGRAM, PICKLE, OWN = "submarine_call.py", "submarine_call.pickle", "submarine_call"
CALL, KEY = "SUBMARINE_CALL", "SUBMARINE_CALL_KEY"
_LEADERS = ("chief", "master", "worker")
_RESOURCES = {"cpu": "cpu", "memory": "memory", "gpu": "nvidia.com/gpu"}


@dataclass(frozen=True, slots=True)
class Where:
    """On what a function runs: replicas by role, resources of each, image, target."""

    replicas: Mapping[str, int]
    framework: str = "Standalone"
    resources: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    target: str | None = None
    max_run_time: int | None = None

    @property
    def leader(self) -> str:
        """The replica whose value counts."""
        return f"{next(role for role in _LEADERS if role in self.replicas)}-0"


def where(replicas: Mapping[str, int], **how: Any) -> Where:
    """Return on what a function runs. Raises UsageError."""
    unknown = [role for role in replicas if role not in ("chief", "master", "ps", "worker", "evaluator")]
    if unknown:
        raise UsageError(f"@remote has no {unknown[0]!r}: worker=2, gpu=1, memory='2G', env={{...}}, image, target")
    if not any(role in replicas for role in _LEADERS):
        raise UsageError("@remote: which replica returns the value? Give worker=1, or a master")
    amounts = {_RESOURCES[name]: str(how.pop(name)) for name in _RESOURCES if how.get(name) is not None}
    how = {name: value for name, value in how.items() if value is not None and name not in _RESOURCES}
    return Where(replicas, resources=amounts, **how)


def spec_of(
    name: str, pickled: bytes, on: Where, here: Surroundings, *, local: bool, call: str, key: bytes, group: Json | None
) -> Json:
    """Return the spec of a call. Raises UsageError for what is too large."""
    found = here.environment if local else {}
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    own = {CALL: call, "SUBMARINE_CALL_LEADER": on.leader, "SUBMARINE_CALL_PYTHON": version}
    resources = ",".join(f"{kind}={amount}" for kind, amount in on.resources.items())
    task = {"resources": resources} if resources else {}
    runtime = {"target": on.target, "maxRunTime": on.max_run_time, "group": group, "secrets": {KEY: key.hex()}}
    runtime |= {"workingDir": here.folder if local else None}
    spec: Json = {
        "meta": {
            "name": name,
            "framework": on.framework,
            "cmd": f'{shlex.quote(here.python) if local else "python"} "$CODE_PATH/{PROGRAM}"',
            "envVars": {**found, **on.env, **own},
        },
        "spec": {role.capitalize(): {**task, "replicas": count} for role, count in on.replicas.items()},
        "code": {"syncMode": "inline", "files": _files(pickled, here, local=local)},
        "runtime": {key: value for key, value in runtime.items() if value is not None},
    }
    return spec | ({"environment": {"image": on.image}} if on.image else {})


def _files(content: bytes, here: Surroundings, *, local: bool) -> dict[str, str]:
    program = Path(replica.__file__).read_text(encoding="utf-8")
    if len(content) + len(program) > MOST_BYTES:
        raise UsageError(
            f"The call has {len(content) / 1024:,.0f} KiB, and {MOST_BYTES // 1024} KiB can travel: pass the path of "
            "data, and read it within the function"
        )
    places = modules.places(here.folder, sys.path)
    if local:
        places.remove(here.folder)  # the replicas find these where they are
    files = modules.imported_by((f"import {name}" for name in _names(content)), places)
    files |= {} if local else _needed()
    return {
        PROGRAM: program,
        PICKLE: encoded(content),
        **read(files, beside=len(content) + len(program)),
    }


def _names(content: bytes) -> Iterable[str]:
    """Return the words in a pickle that could be names of modules."""
    texts = {argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)}
    words = {word for text in texts for word in text.split(" ")[0].split(".")[:1]}
    return sorted(word for word in words if word.isidentifier() and word.isascii())


def _needed() -> dict[str, Path]:
    """Return what a call needs where the image has it not: cloudpickle, and what reports metrics."""
    import cloudpickle

    folder, ours = Path(cloudpickle.__file__).parent, Path(__file__).parents[1]
    return {
        **{f"{OWN}/cloudpickle/{file.name}": file for file in sorted(folder.glob("*.py"))},
        **{f"{OWN}/submarine_jupyter/{name}": ours / name for name in ("__init__.py", "tracking.py")},
    }
