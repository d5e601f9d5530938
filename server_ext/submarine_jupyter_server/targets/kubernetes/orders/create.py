"""Create one object of an experiment, or find that it is there already: an answer that did not come is found out so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from submarine_jupyter.errors import NotFound, TargetRefused, TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.api.object_calls import MERGE, ObjectCalls
from submarine_jupyter_server.targets.kubernetes.api.paths import collection_of
from submarine_jupyter_server.targets.kubernetes.manifests import is_same
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import ATTEMPT
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import has_token
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef


async def make(calls: ObjectCalls, item: Json, launch: Launch, key: bytes) -> tuple[Json, bool]:
    """Return an object as it is on the cluster, and whether it was made now.

    Raises TargetRefused, TargetUnavailable, InvalidSpec.
    """
    if (made := await calls.create(item)) is not None:
        return made, True
    if item["kind"] == "Secret":
        return await _make_anew(calls, item), True
    found = await calls.get(item)
    if found is None or "deletionTimestamp" in found["metadata"]:
        raise _former(item)
    if is_same(item, found):
        return found, False
    if item["kind"] == "ConfigMap" and not item.get("immutable") and owner_of(item) == owner_of(found):
        # The order has changed since the answer was lost: it was made for another number of workers.
        path = f"{collection_of(item)}/{item['metadata']['name']}"
        return await calls.call("PATCH", path, body={"data": item["data"]}, content_type=MERGE), False
    if _is_former(found, item, launch, key):
        raise _former(item)
    raise _foreign(item)


def ref_of(found: Json, kind: str) -> ObjectRef:
    """Return which object one is."""
    meta = found["metadata"]
    return ObjectRef(kind, meta["namespace"], meta["name"], meta["uid"])


def notes_of(found: Json) -> dict[str, Any]:
    """Return the annotations of an object."""
    notes: dict[str, Any] = found["metadata"].get("annotations") or {}
    return notes


def owner_of(found: Json) -> str | None:
    """Return the uid of the object that one belongs to."""
    owners = found["metadata"].get("ownerReferences") or [{}]
    uid: str | None = owners[0].get("uid")
    return uid


def _is_former(found: Json, item: Json, launch: Launch, key: bytes) -> bool:
    """Return whether an object was made by us for an earlier attempt."""
    notes = notes_of(found)
    text = str(notes.get(ATTEMPT))
    if not (text.isdecimal() and len(text) < 10):
        return False
    return has_token(key, notes, replace(launch, attempt=int(text)), ref_of(found, item["kind"]))


async def _make_anew(calls: ObjectCalls, item: Json) -> Json:
    """Make a Secret whose name is taken: by us, or by anybody who could have put anything into it."""
    with suppress(NotFound):
        await calls.call("DELETE", f"{collection_of(item)}/{item['metadata']['name']}", body={})
    made = await calls.create(item)
    if made is None:
        raise _former(item)
    return made


def _former(item: Json) -> TargetUnavailable:
    name = item["metadata"]["name"]
    return TargetUnavailable(f"the former {item['kind']} {name} is still being removed", reason="Restarting")


def _foreign(item: Json) -> TargetRefused:
    name = item["metadata"]["name"]
    return TargetRefused(
        f"the {item['kind']} '{name}' already exists and belongs to something else; it was not touched",
        hint=f"kubectl delete {item['kind'].lower()} {name} if nobody needs it, then submit it again",
        reason="NameConflict",
    )
