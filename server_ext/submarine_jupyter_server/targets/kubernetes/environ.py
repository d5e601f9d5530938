"""The cluster that the environment of the server names, as an administrator would configure it.

Read when the extension is loaded, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

NAME = "kubernetes"
CONTEXT, NAMESPACE, IMAGE = "SUBMARINE_KUBE_CONTEXT", "SUBMARINE_NAMESPACE", "SUBMARINE_IMAGE"
# https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def with_environment(
    configured: Mapping[str, Mapping[str, object]], environ: Mapping[str, str], token: Path = _TOKEN
) -> dict[str, Mapping[str, object]]:
    """Return the configured targets and, named ``kubernetes``, the one the environment describes.

    There is one where ``SUBMARINE_KUBE_CONTEXT`` or ``SUBMARINE_NAMESPACE`` is set, and inside of a cluster. A
    configured target of that name stays as it is: who can set a variable must not change what an administrator decided.
    """
    found = from_environment(environ, token)
    return {**configured} if found is None else {**configured, NAME: configured.get(NAME, found)}


def from_environment(environ: Mapping[str, str], token: Path = _TOKEN) -> dict[str, object] | None:
    """Return the options of the cluster that the environment names, None if it names none.

    A kubeconfig counts where ``SUBMARINE_KUBE_CONTEXT`` or ``KUBECONFIG`` is set; else, inside of a cluster, the
    service account of the pod.
    """
    inside = bool(environ.get(_IN_CLUSTER)) and token.is_file()
    if not (inside or _is_asked_for(environ)):
        return None
    found: dict[str, object] = {}
    if context := environ.get(CONTEXT):
        found["context"] = context
    elif inside and not environ.get("KUBECONFIG"):
        found["in_cluster"] = True
    if namespace := environ.get(NAMESPACE):
        found["namespaces"] = [namespace]
    if image := environ.get(IMAGE):
        found["image"] = image
    return found


def default_target(targets: Mapping[str, object], environ: Mapping[str, str], *, local: bool) -> str:
    """Return the target of experiments that name none, where the configuration does not say.

    The cluster, if one of the two variables asks for it; else ``local``, for a pod that finds itself in a cluster may
    have no rights there; without that, the first one configured.
    """
    if _is_asked_for(environ):
        return NAME
    return "local" if local or not targets else next((name for name in targets if name != NAME), NAME)


def _is_asked_for(environ: Mapping[str, str]) -> bool:
    return bool(environ.get(CONTEXT) or environ.get(NAMESPACE))
