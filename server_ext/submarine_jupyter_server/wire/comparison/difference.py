"""Two experiments side by side: their parameters, their specs and their code, as unified text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from submarine_jupyter.spec.code_files import decoded, is_binary
from submarine_jupyter.spec.params import declared
from submarine_jupyter_server.wire.comparison.unified import unified
from submarine_jupyter_server.wire.encoding import json_text

# In C where that was built: the other one takes ten times as long.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True)
class Side:
    """One experiment: its spec as it may be shown, and the settings that its code logged (name -> JSON)."""

    experiment_id: str
    wire_spec: str
    logged: Mapping[str, str]


def difference_json(two: tuple[Side, Side]) -> str:
    """Return how two experiments differ; each text is empty where nothing does."""
    one, other = two
    specs = json.loads(one.wire_spec), json.loads(other.wire_spec)
    before, after = _files(specs[0]), _files(specs[1])
    files = []
    for name in sorted({*before, *after}):
        places = (_place(one, name, before), _place(other, name, after))
        files.append(unified(before.get(name, ""), after.get(name, ""), places))
    return json_text(
        {
            "a": one.experiment_id,
            "b": other.experiment_id,
            "params": unified(_params(one), _params(other), _named(two, "params")),
            "spec": unified(_yaml(_canonical(specs[0])), _yaml(_canonical(specs[1])), _named(two, "spec.yaml")),
            "code": "".join(files),
        }
    )


def _named(two: tuple[Side, Side], what: str) -> tuple[str, str]:
    return f"{two[0].experiment_id}/{what}", f"{two[1].experiment_id}/{what}"


def _place(side: Side, name: str, code: Mapping[str, str]) -> str:
    return f"{side.experiment_id}/{name}" if name in code else "/dev/null"


def _params(side: Side) -> str:
    found = declared(side.wire_spec) | {name: json.loads(value) for name, value in side.logged.items()}
    return "".join(f"{name}: {json.dumps(found[name], ensure_ascii=False)}\n" for name in sorted(found))


def _canonical(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec without what is compared apart, without its own id, and without what follows from the rest."""
    runtime = {name: value for name, value in (spec.get("runtime") or {}).items() if name != "params"}
    tasks = {
        role: {name: value for name, value in task.items() if name != "resourceMap"}
        for role, task in spec["spec"].items()
    }
    meta = {name: value for name, value in spec["meta"].items() if name != "experimentId"}
    rest = {name: value for name, value in spec.items() if name not in ("code", "runtime")}
    return rest | {"meta": meta, "spec": tasks} | ({"runtime": runtime} if runtime else {})


def _files(spec: dict[str, Any]) -> dict[str, str]:
    """Return the files of the code; a repository is a file that names it."""
    code = spec.get("code") or {}
    if git := code.get("git"):
        return {"git.yaml": _yaml(git)}
    # A text is null where the record of an experiment was lost and written again without it.
    return {name: _readable(text or "") for name, text in (code.get("files") or {}).items()}


def _readable(text: str) -> str:
    """Return a file as it is compared: of one that is no text size and digest."""
    if not is_binary(text):
        return text
    content = decoded(text)
    return f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}\n"


def _yaml(value: object) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=2**20)
    return text
