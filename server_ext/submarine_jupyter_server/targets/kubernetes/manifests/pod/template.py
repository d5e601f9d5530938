"""The pod template all kinds share; it meets the *restricted* Pod Security Standard unless an administrator opts out.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from submarine_jupyter.models import Toleration
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, Wiring, only_set
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import labels, marks
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.replicas import Address, Member, members, resources

from . import environment, inline_code, volumes
from .container_command import argv

# The names the Training Operator demands, and the ports it gives by default.
PORTS: dict[str, tuple[str, int]] = {
    "TensorFlow": ("tfjob-port", 2222),
    "PyTorch": ("pytorchjob-port", 23456),
    "XGBoost": ("xgboostjob-port", 9999),
    "Standalone": ("master-port", 23456),
}
# A service mesh's proxy never ends, and a job with one never would.
_NO_SIDECAR = {"sidecar.istio.io/inject": "false"}


def template(draft: Draft, role: str, wiring: Wiring, **fields: str | None) -> Json:
    """Return the pod template of a role; ``fields`` are added to its spec."""
    return {
        "metadata": {"labels": labels(draft, role) | _NO_SIDECAR, "annotations": marks(draft)},
        "spec": _pod(draft) | only_set(fields) | {"containers": [_container(draft, role, wiring)]},
    }


def address(draft: Draft, pattern: str) -> Address:
    """Return where replicas are; ``pattern`` has places for id, stem, role, index and namespace."""
    alone = len(members(draft.spec)) == 1

    def find(member: Member) -> tuple[str, int]:
        if alone:  # nothing gives a name to a pod that nobody looks for
            return "localhost", PORTS[draft.spec.meta.framework][1]
        host = pattern.format(
            id=draft.id, stem=draft.stem, role=member.role.lower(), index=member.index, namespace=draft.namespace
        )
        return host, PORTS[draft.spec.meta.framework][1]

    return find


def image(draft: Draft, role: str) -> str:
    """Return the image of a role: its own, the environment's, or the administrator's; empty if there is none."""
    spec = draft.spec
    return spec.image(role) or spec.environment.docker_image or draft.options.image or ""


def _pod(draft: Draft) -> Json:
    runtime, user = draft.runtime, draft.options.run_as_user
    return only_set(
        {
            "serviceAccountName": runtime.service_account or None,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "priorityClassName": runtime.priority or None,
            "nodeSelector": runtime.node_selector,
            "tolerations": [_toleration(item) for item in runtime.tolerations or []],
            "imagePullSecrets": [{"name": name} for name in draft.options.image_pull_secrets],
            "securityContext": only_set(
                {
                    "runAsNonRoot": True if user != 0 else None,
                    "runAsUser": user or None,
                    # Without it a claim's folder belongs to root, and nobody else can write there.
                    "fsGroup": user or None,
                    "fsGroupChangePolicy": "OnRootMismatch" if user else None,
                    "seccompProfile": {"type": "RuntimeDefault"},
                }
            ),
            "volumes": [*inline_code.sources(draft), *volumes.sources(draft)],
        }
    )


def _container(draft: Draft, role: str, wiring: Wiring) -> Json:
    framework = draft.spec.meta.framework
    port_name, port = PORTS[framework]
    surroundings = environment.build(draft, role, wiring)
    return only_set(
        {
            "name": framework.lower(),
            "image": image(draft, role),
            "command": argv(draft, role, surroundings.offsets, environment.INDEX),
            "workingDir": inline_code.code_path(draft) or draft.runtime.working_dir or None,
            "env": surroundings.variables,
            "ports": [{"name": port_name, "containerPort": port}],
            "resources": _resources(draft, role),
            "volumeMounts": [*inline_code.mounts(draft), *volumes.mounts(draft)],
            # The last lines of a crash become the status' message.
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    )


def _resources(draft: Draft, role: str) -> Json:
    asked = resources(draft.spec.spec[role])
    limits = {name: amount for name, amount in asked.items() if name != "cpu" or draft.options.cpu_limit}
    return only_set({"requests": asked, "limits": limits})


def _toleration(item: Toleration) -> Json:
    return item.model_dump(by_alias=True, exclude_none=True)
