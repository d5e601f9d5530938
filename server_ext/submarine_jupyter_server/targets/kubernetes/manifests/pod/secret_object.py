"""Secret values go into a Secret, and nowhere else: variables refer to them."""

from __future__ import annotations

from submarine_jupyter_server.masking.masks import MASK
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, roles
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import metadata
from submarine_jupyter_server.targets.kubernetes.raw_json import Json


def secret_name(draft: Draft) -> str:
    """Return the Secret's name: another one for each attempt, as nodes may remember the former."""
    return f"{draft.stem}-env-{draft.launch.attempt}"


def references(draft: Draft, role: str) -> dict[str, str]:
    """Return the secret variables of a role: name -> key in the Secret.

    A value the roles share has the variable's name as key. A role's own is ``.worker.NAME``: no variable's name begins
    with a dot, so none of them can be meant by it.
    """
    own = draft.masked["spec"][role]["envVars"] or {}
    visible = {**draft.masked["meta"]["envVars"], **own}
    found = {
        name: f".{role.lower()}.{name}" if name in own else name for name, value in visible.items() if value == MASK
    }
    return found | {name: name for name in draft.runtime.secrets or {}}


def objects(draft: Draft) -> list[Json]:
    """Return the experiment's Secret, if it has secret variables."""
    data = {
        key: draft.spec.env(role)[name] for role in roles(draft.spec) for name, key in references(draft, role).items()
    }
    if not data:
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata(draft, secret_name(draft)),
            "immutable": True,
            "type": "Opaque",
            "stringData": data,
        }
    ]


def variable(draft: Draft, name: str, key: str) -> Json:
    """Return the environment variable of a container that has its value from the Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name(draft), "key": key}}}
