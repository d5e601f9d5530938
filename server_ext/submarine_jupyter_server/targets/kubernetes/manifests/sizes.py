"""How large objects become on the cluster: what is too large for its store can never run.

etcd takes nothing of 1.5 MiB, and a Secret has 1 MiB at most:
https://etcd.io/docs/latest/dev-guide/limit/, https://kubernetes.io/docs/concepts/configuration/secret/
"""

from __future__ import annotations

import json
from typing import Any

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

# The rest is for what controllers write into it.
_LARGEST = 1_250_000
_LARGEST_SECRET = 1024 * 1024
_BUILT_IN = ("v1", "batch/v1")
# The cluster notes who set which field: about so much, and its name, for each.
_NOTE, _ENTRY_NOTE = 12, 36
_SMALL_SPEC, _FEW = 32 * 1024, 100
# Notes and escapes make no byte of the text more than this many: what has fewer bytes need not be counted.
MOST_PER_BYTE = 20


def is_small(spec: ExperimentSpec) -> bool:
    """Return whether nothing that this spec becomes can be too large, without making it."""
    replicas = sum(task.replicas for task in spec.spec.values())
    return replicas <= _FEW and len(json.dumps(spec.wire())) <= _SMALL_SPEC


def problems(objects: list[Json]) -> list[str]:
    """Return what is too large, by the part of the spec that makes it so."""
    return [problem for item in objects for problem in _problems(item)]


def _problems(item: Json) -> list[str]:
    if item["kind"] == "Secret":
        size, largest = sum(len(value.encode()) for value in item["stringData"].values()), _LARGEST_SECRET
        path, what = "runtime.secrets", "the values of all secret variables together have"
    else:
        size, largest = _stored(item), _LARGEST
        path, what = "spec", f"as a {item['kind']} of the cluster it has"
    if item["kind"] == "ConfigMap" and item.get("immutable"):
        path = "code.files"
    if size <= largest:
        return []
    advice = "put the code on a volume" if path == "code.files" else "send large values as files in code.files"
    return [f"{path}: {what} {size:,} bytes, and a cluster stores {largest:,} at most: {advice}"]


def _stored(item: Json) -> int:
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    most = MOST_PER_BYTE * len(text.encode())
    return most if most <= _LARGEST else counted(item, text)


def counted(item: Json, text: str) -> int:
    """Return how many bytes of the store an object takes whose JSON is ``text``."""
    size = len(text.encode()) + _notes(item)
    # Objects of other kinds are stored as JSON that is safe within HTML: six bytes for each of these.
    return size if item["apiVersion"] in _BUILT_IN else size + 5 * sum(map(text.count, "<>&"))


def _notes(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(key.encode()) + _NOTE + _notes(part) for key, part in value.items())
    if isinstance(value, list):
        return sum(_ENTRY_NOTE + _name(part) + _notes(part) for part in value if isinstance(part, dict))
    return 0


def _name(part: Json) -> int:
    return len(str(part.get("name") or "").encode()) + len(str(part.get("mountPath") or "").encode())
