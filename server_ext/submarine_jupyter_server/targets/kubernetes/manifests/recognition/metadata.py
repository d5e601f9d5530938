"""Names, labels and annotations: the ids in labels, what people wrote in annotations.

The annotations of an experiment's own object hold all that is needed to write its lost database row again, but for
secret values and the text of its code.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib

from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

MANAGED_BY = "submarine-jupyter"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
EXPERIMENT_LABEL = "submarine.apache.org/experiment-id"
INSTANCE_LABEL = "submarine.apache.org/instance"
TARGET_LABEL = "submarine.apache.org/target"
ROLE_LABEL = "submarine.apache.org/role"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PREFIX = "submarine.apache.org/"
UID = "submarine.apache.org/uid"
OWNER = "submarine.apache.org/owner"
NAME = "submarine.apache.org/name"
ATTEMPT = "submarine.apache.org/attempt"
GENERATION = "submarine.apache.org/generation"
ACCEPTED = "submarine.apache.org/accepted-ms"
SPEC = "submarine.apache.org/spec"
RECORD = (OWNER, NAME, SPEC, ATTEMPT, GENERATION, ACCEPTED, UID)
NUDGED = "submarine.apache.org/nudged-ms"
# All annotations of an object together may have 256 KiB.
SPEC_LIMIT = 200 * 1024
_SPEC_INFLATED_LIMIT = 16 * 1024 * 1024


def labels(draft: Draft, role: str | None = None) -> dict[str, str]:
    """Return the labels of an object, or of the pods of a role."""
    found = {MANAGED_BY_LABEL: MANAGED_BY, EXPERIMENT_LABEL: draft.id}
    if draft.options.instance:
        found[INSTANCE_LABEL] = draft.options.instance
    if draft.options.target:
        found[TARGET_LABEL] = draft.options.target
    return found | {ROLE_LABEL: role.lower()} if role else found


def marks(draft: Draft) -> dict[str, str]:
    """Return the annotations of everything made for one attempt."""
    return {UID: draft.launch.uid, ATTEMPT: str(draft.launch.attempt)}


def metadata(draft: Draft, name: str, role: str | None = None) -> Json:
    """Return the metadata of an object that belongs to the experiment's own object."""
    return {
        "name": name,
        "namespace": draft.namespace,
        "labels": labels(draft, role),
        "annotations": marks(draft),
    }


def own_metadata(draft: Draft, name: str, role: str | None = None) -> Json:
    """Return the metadata of the experiment's own object, which is also the record of the experiment."""
    launch = draft.launch
    found = metadata(draft, name, role)
    found["annotations"] |= {
        OWNER: launch.owner,
        NAME: launch.name,
        GENERATION: str(launch.generation),
        ACCEPTED: str(launch.accepted_ms),
        SPEC: pack(draft.masked),
    }
    return found


def in_queue(draft: Draft, metadata: Json) -> Json:
    """Return the metadata of an object that Kueue admits; it has to be made suspended."""
    if draft.runtime.queue:
        metadata["labels"][QUEUE_LABEL] = draft.runtime.queue
    return metadata


def pack(masked: Json) -> str:
    """Return a spec in wire form as compressed text, without the text of its code."""
    return _packed(_record(masked))


def excess(masked: Json) -> int:
    """Return how long the packed spec is (bytes) where that is more than an object may have, else 0."""
    record = _record(masked)
    # What is short is not compressed only to find that it is short: compression makes nothing half as long again.
    if len(record) * 3 // 2 <= SPEC_LIMIT:
        return 0
    size = len(_packed(record))
    return size if size > SPEC_LIMIT else 0


def _record(masked: Json) -> bytes:
    code = masked["code"]
    if code and code.get("files"):
        masked = {**masked, "code": {**code, "files": dict.fromkeys(code["files"], "")}}
    return json.dumps(masked).encode()


def _packed(record: bytes) -> str:
    return base64.b64encode(gzip.compress(record, mtime=0)).decode()


def unpack(text: str) -> Json:
    """Return the spec that was packed. Raises ValueError for anything else, however large it would become."""
    try:
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        data = inflater.decompress(base64.b64decode(text, validate=True), _SPEC_INFLATED_LIMIT)
        if not inflater.eof:
            raise ValueError("it is cut off or too large")
        spec = json.loads(data)
    except (zlib.error, RecursionError, ValueError) as error:
        raise ValueError(f"the recorded spec cannot be read: {error}") from None
    if not isinstance(spec, dict):
        raise ValueError("the recorded spec is not an object")
    return spec
