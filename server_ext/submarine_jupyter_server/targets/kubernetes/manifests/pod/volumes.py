"""The volumes of ``runtime.volumes``: claims, ConfigMaps, Secrets and empty folders; nothing of the node."""

from __future__ import annotations

from posixpath import normpath

from submarine_jupyter.models import Volume
from submarine_jupyter_server.targets.kubernetes.manifests import checks
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft, only_set
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from . import inline_code

_KINDS = ("persistent_volume_claim", "config_map", "secret", "empty_dir")


def sources(draft: Draft) -> list[Json]:
    """Return the volumes of a pod."""
    return [{"name": f"volume-{i}", **_source(volume)} for i, volume in enumerate(draft.runtime.volumes or [])]


def mounts(draft: Draft) -> list[Json]:
    """Return where a container finds them."""
    return [
        only_set(
            {
                "name": f"volume-{i}",
                "mountPath": _place(volume),
                "subPath": volume.sub_path or None,
                "readOnly": volume.read_only or None,
            }
        )
        for i, volume in enumerate(draft.runtime.volumes or [])
    ]


def problems(volumes: list[Volume], taken: set[str]) -> list[str]:
    """Return what is wrong with the volumes; ``taken`` are the places where something else is mounted."""
    found: list[str] = []
    used = set(taken)
    # No folder to mount at can be made in a part of a ConfigMap or a Secret.
    parts = {_place(volume) for volume in volumes if volume.sub_path and (volume.config_map or volume.secret)}
    fixed = sorted(parts | taken - {inline_code.CODE_PATH})
    for i, volume in enumerate(volumes):
        path = f"runtime.volumes.{i}"
        place = _place(volume)
        found += checks.absolute(f"{path}.mountPath", volume.mount_path)
        found += checks.mount(f"{path}.mountPath", place)
        if place in used:
            found.append(f"{path}.mountPath: something else is mounted at '{place[: checks.SHOWN]}'")
        found += [
            f"{path}.mountPath: '{place[: checks.SHOWN]}' is within '{other[: checks.SHOWN]}', which cannot be changed"
            for other in fixed
            if place.startswith(f"{other}/")
        ]
        used.add(place)
        if volume.sub_path:
            found += checks.absolute(f"{path}.subPath", f"/{volume.sub_path}")
            if volume.sub_path.startswith("/"):
                found.append(f"{path}.subPath: must be relative")
        found += _source_problems(path, volume)
    return found


def _place(volume: Volume) -> str:
    return "/" + normpath(volume.mount_path).lstrip("/")  # a path may begin with two slashes


def _source(volume: Volume) -> Json:
    if volume.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {"claimName": volume.persistent_volume_claim}}
    if volume.config_map is not None:
        return {"configMap": {"name": volume.config_map}}
    if volume.secret is not None:
        return {"secret": {"secretName": volume.secret}}
    return {"emptyDir": dict(volume.empty_dir or {})}


def _source_problems(path: str, volume: Volume) -> list[str]:
    given = [kind for kind in _KINDS if getattr(volume, kind) is not None]
    if len(given) != 1:
        return [f"{path}: give one of persistentVolumeClaim, configMap, secret and emptyDir"]
    if volume.empty_dir is None:
        name = volume.persistent_volume_claim or volume.config_map or volume.secret or ""
        return checks.subdomain(path, name)
    found = [f"{path}.emptyDir.{key}: unknown field" for key in volume.empty_dir.keys() - {"sizeLimit", "medium"}]
    if volume.empty_dir.get("medium", "") not in ("", "Memory"):
        found.append(f"{path}.emptyDir.medium: must be Memory, or left out")
    if "sizeLimit" in volume.empty_dir:
        found += checks.size(f"{path}.emptyDir.sizeLimit", volume.empty_dir["sizeLimit"])
    return sorted(found)
