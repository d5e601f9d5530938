"""What somebody else with all rights in a namespace does to one of our objects."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import SPEC, UID, pack, unpack
from tests.cluster.api import Api, ApiError, wait
from tests.kubernetes.things import OURS, STUCK, Json, Thing

LABELS = ("app.kubernetes.io/managed-by", *(OURS + name for name in ("experiment-id", "instance", "target", "role")))
NOTES = tuple(
    OURS + name for name in ("uid", "attempt", "owner", "name", "generation", "accepted-ms", "spec", "token", "seal")
)
# All annotations of an object together may have 256 KiB.
_ROOM = 256 * 1024 - 1024
_NONSENSE = {f"{OURS}accepted-ms": "1" + "0" * 30, f"{OURS}generation": "999999999", f"{OURS}attempt": "2"}


@dataclass(frozen=True)
class Scene:
    """Where it happens: another object of ours of the same kind, a second namespace, and an id that nobody has."""

    other: Thing
    namespace: str
    free_id: str


@dataclass(frozen=True)
class Deed:
    """One thing that is done; ``do`` returns what was planted by it.

    ``removes``: a bond between owner and object is gone after it, by which Kubernetes would remove the object;
    ``changes``: what runs of this experiment is not what ran before.
    """

    name: str
    do: Callable[[Api, Thing, Scene], list[Thing]]
    removes: bool = False
    changes: bool = False


def _plant(api: Api, thing: Thing, raw: Json) -> list[Thing]:
    where = thing.collection.replace(f"/{thing.meta['namespace']}/", f"/{raw['metadata']['namespace']}/")
    return [Thing(thing.plural, api.create(where, raw))]


def _copied(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    planted = _plant(api, thing, thing.renamed(f"{thing.name}-copy"))
    # A pod without an owner is taken in by the Job or operator whose labels it has, and that may remove it.
    return [] if thing.plural == "pods" else planted


def _copied_with_its_bonds(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    raw = thing.renamed(f"{thing.name}-twin")
    raw["metadata"]["ownerReferences"] = thing.meta.get("ownerReferences", [])
    _plant(api, thing, raw)
    return []


def _copied_and_removed(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    for planted in _copied(api, thing, scene):
        api.delete(planted.path)
    return []


def _copied_elsewhere(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    raw = thing.copy()
    raw["metadata"]["namespace"] = scene.namespace
    return _plant(api, thing, json.loads(json.dumps(raw).replace(thing.meta["namespace"], scene.namespace)))


def _copied_as_another(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    return _plant(api, thing, thing.renamed(thing.name.replace(thing.id, scene.free_id), scene.free_id))


def _naming_elsewhere(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    """Plant an experiment whose record says that it runs in another namespace, with a Secret of that."""
    raw = thing.renamed(thing.name.replace(thing.id, scene.free_id), scene.free_id)
    notes = raw["metadata"]["annotations"]
    record = unpack(notes[SPEC])
    record["meta"] |= {"namespace": scene.namespace, "cmd": "env"}
    record["spec"] = {role: {**task, "replicas": 2} for role, task in record["spec"].items()}
    volume = {"mountPath": "/secret", "secret": "theirs"}
    record["runtime"] = {**(record.get("runtime") or {}), "volumes": [volume]}
    notes |= {SPEC: pack(record), UID: str(uuid.uuid4())}
    return _plant(api, thing, raw)


def _annotated(api: Api, thing: Thing, scene: Scene, *, key: str, how: str) -> list[Thing]:
    own = thing.notes.get(key, "")
    room = _ROOM - sum(len(name) + len(value) for name, value in thing.notes.items()) + len(own)
    value = {
        "removed": None,
        "that of another": scene.other.notes.get(key, "another"),
        "nonsense": _NONSENSE.get(key, "nonsense \u2028 \U0001f4a5 {"),
        "huge": "9" * room,
    }[how]
    api.patch(thing.path, {"metadata": {"annotations": {key: value}}})
    return []


def _labelled(api: Api, thing: Thing, scene: Scene, *, key: str, how: str) -> list[Thing]:
    other = {"managed-by": "somebody", "instance": "another", "target": "jobs", "role": "chief"}
    word = key.rpartition("/")[2]
    of_other = scene.other.id if word == "experiment-id" else other[word]
    value = {"removed": None, "that of another": of_other, "long": "x" * 63}[how]
    api.patch(thing.path, {"metadata": {"labels": {key: value}}})
    return []


def _bared(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    nothing = {"labels": dict.fromkeys(LABELS), "annotations": dict.fromkeys(NOTES)}
    api.patch(thing.path, {"metadata": nothing})
    return []


def _scaled(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    spec: dict[str, Any] = thing.raw["spec"]
    if thing.plural == "jobs":
        change: Json = {"parallelism": 3, "completions": 3}
    elif thing.plural == "jobsets":
        spec["replicatedJobs"][0]["template"]["spec"] |= {"parallelism": 3, "completions": 3}
        change = {"replicatedJobs": spec["replicatedJobs"]}
    else:
        [replicas] = [key for key in spec if key.endswith("ReplicaSpecs")]
        change = {replicas: {"Worker": {"replicas": 3}}}
    _if_the_cluster_lets(api, thing, change)
    return []


def _suspended(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    change = {"suspend": True}
    _if_the_cluster_lets(api, thing, {"runPolicy": change} if "/kubeflow.org/" in thing.path else change)
    return []


def _if_the_cluster_lets(api: Api, thing: Thing, change: Json) -> None:
    try:
        api.patch(thing.path, {"spec": change})
    except ApiError as error:
        if error.status not in (400, 403, 422):
            raise


def _stuck(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    api.patch(thing.path, {"metadata": {"finalizers": [*thing.meta.get("finalizers", []), STUCK]}})
    return []


def _disowned(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    api.patch(thing.path, {"metadata": {"ownerReferences": None}})
    return []


def _delete(api: Api, thing: Thing, policy: str) -> None:
    api.http.delete(thing.path, params={"propagationPolicy": policy}).raise_for_status()


def _deleted(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    _delete(api, thing, "Background")
    return []


def _orphaned(api: Api, thing: Thing, scene: Scene) -> list[Thing]:
    _delete(api, thing, "Orphan")
    return []


def _replaced(api: Api, thing: Thing, scene: Scene, *, policy: str) -> list[Thing]:
    _delete(api, thing, policy)
    wait(f"{thing.name} to go", lambda: api.http.get(thing.path).json().get("metadata", {}).get("uid") != thing.uid)
    try:
        return _plant(api, thing, thing.copy())
    except ApiError as error:
        if error.status != 409:
            raise
        return []  # its operator was quicker


def _forged(api: Api, thing: Thing, scene: Scene, *, owned: bool) -> list[Thing]:
    """Make a pod that pretends to be one more replica, and fails."""
    pod = thing.name + ("-0-forged" if thing.plural == "jobs" else "-worker-0-0-forged")
    metadata: Json = {
        "name": f"{thing.id}-worker-1" if "/kubeflow.org/" in thing.path else pod,
        "labels": {**thing.labels, f"{OURS}role": "worker", "training.kubeflow.org/replica-index": "1"},
        "annotations": {**thing.notes, "batch.kubernetes.io/job-completion-index": "0"},
    }
    if owned:
        reference = {"apiVersion": thing.raw["apiVersion"], "kind": thing.raw["kind"], "controller": True}
        metadata["ownerReferences"] = [{**reference, "name": thing.name, "uid": thing.uid}]
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container: Json = {"name": "tensorflow", "image": "none.test/none:1", "securityContext": safe}
    container["env"] = [{"name": "FAKE_EXIT_CODE", "value": "1"}]
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": security, "restartPolicy": "Never"}
    made = api.create(
        f"/api/v1/namespaces/{thing.meta['namespace']}/pods",
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
    )
    return [] if owned else [Thing("pods", made)]


def _each(keys: tuple[str, ...], do: Callable[..., list[Thing]], *ways: str) -> list[Deed]:
    return [Deed(f"{key.rpartition('/')[2]}: {how}", partial(do, key=key, how=how)) for key in keys for how in ways]


_ANY = [
    Deed("copied under another name", _copied),
    Deed("copied into another namespace", _copied_elsewhere),
    Deed("all labels and annotations removed", _bared),
    Deed("a finalizer added", _stuck),
    *_each(LABELS, _labelled, "removed", "that of another", "long"),
]
OWN = [
    *_ANY,
    Deed("copied as another experiment", _copied_as_another),
    Deed("copied as another experiment elsewhere", _naming_elsewhere),
    Deed("copied, and the copy removed", _copied_and_removed),
    *_each(NOTES, _annotated, "removed", "that of another", "nonsense", "huge"),
    Deed("scaled", _scaled, changes=True),
    Deed("suspended", _suspended, changes=True),
    Deed("a pod forged", partial(_forged, owned=False)),
    Deed("a pod forged with its owner", partial(_forged, owned=True), changes=True),
    Deed("removed", _deleted, changes=True),
    Deed("removed but for what it owns", _orphaned, removes=True, changes=True),
    Deed("replaced", partial(_replaced, policy="Background"), changes=True),
    Deed("replaced but for what it owns", partial(_replaced, policy="Orphan"), removes=True, changes=True),
]
OWNED = [
    *_ANY,
    Deed("copied with its owner", _copied_with_its_bonds),
    *_each(NOTES[:2], _annotated, "removed", "that of another", "nonsense", "huge"),
    Deed("its owner removed", _disowned, removes=True),
    Deed("removed", _deleted, changes=True),
]
# A fake pod of a Job that somebody deletes stays until the Job goes: nobody says that its container has ended.
REPLACED = Deed("replaced", partial(_replaced, policy="Background"), changes=True)
