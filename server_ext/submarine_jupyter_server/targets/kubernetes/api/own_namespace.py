"""The namespace of a context or of a pod, found in files alone: before the cluster answers, and on a server that
never asks it, because another one gives the orders.
"""

from __future__ import annotations

import os
from pathlib import Path

from submarine_jupyter_server.targets.kubernetes.raw_json import Json

_OF_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(kubeconfig: str | None, context: str | None, *, in_cluster: bool, of_pod: Path = _OF_POD) -> str:
    """Return the namespace that ``Cluster.connect`` would find; ``default`` where no file names one. Blocks."""
    try:
        if in_cluster:
            return of_pod.read_text(encoding="utf-8").strip() or "default"
        paths = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        return _of_context(paths.split(os.pathsep), context) or "default"
    except Exception:  # noqa: BLE001 - a file of any content: what is wrong with it is said by who connects
        return "default"


def _of_context(paths: list[str], context: str | None) -> str | None:
    import yaml

    files = [Path(path).expanduser() for path in paths if path]
    found = [yaml.safe_load(file.read_bytes()) for file in files if file.exists()]
    # As the package reads several files: the first that has a context counts, and the last that names the current one.
    current = [part["current-context"] for part in found if "current-context" in part]
    wanted = context or (current[-1] if current else None)
    contexts = (item for part in found for item in part.get("contexts") or ())
    chosen: Json = next((item["context"] for item in contexts if item["name"] == wanted), {})
    namespace: str | None = chosen.get("namespace")
    return namespace
