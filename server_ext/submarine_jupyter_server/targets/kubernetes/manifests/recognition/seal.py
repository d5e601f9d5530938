"""Two signatures on what we make, so that nobody who may write in a namespace can give us an object as ours.

The token is there from the start: nobody can know it before the object exists, so what bears it was made by us even
where the answer to its creation did not come. The seal comes once the cluster has given the object its uid: it holds
the record together with that one object. Both are HMAC-SHA256 (RFC 2104) with the server's key.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from submarine_jupyter_server.targets.kubernetes.manifests.signatures import sign
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

from .metadata import RECORD

TOKEN = "submarine.apache.org/token"  # noqa: S105 - the name of an annotation
SEAL = "submarine.apache.org/seal"
# All annotations of an object together have less.
_LONGEST = 256 * 1024


def token(key: bytes, launch: Launch, kind: str, namespace: str, name: str) -> str:
    """Return the token of an object that is made for an attempt of an experiment."""
    return sign(key, "token", launch.experiment_id, launch.uid, str(launch.attempt), kind, namespace, name)


def has_token(key: bytes, notes: Mapping[str, Any], launch: Launch, ref: ObjectRef) -> bool:
    """Return whether an object with these annotations was made by us for this attempt; without a key none was."""
    return _agree(key, notes.get(TOKEN), token(key, launch, ref.kind, ref.namespace, ref.name))


def seal(key: bytes, notes: Mapping[str, str], ref: ObjectRef, experiment_id: str, instance: str, target: str) -> str:
    """Return the seal of the record in the annotations of an own object.

    ``instance`` and ``target`` name the server and its target. Raises ValueError if a part of the record is missing.
    """
    parts = [notes.get(name) for name in RECORD]
    if not all(isinstance(part, str) and len(part) <= _LONGEST for part in parts):
        raise ValueError("it is not the record of an experiment: a part is missing, or is not text")
    place = (ref.kind, ref.namespace, ref.name, ref.uid)
    return sign(key, "seal", *map(str, parts), *place, experiment_id, instance, target)


def is_sealed(
    key: bytes, notes: Mapping[str, Any], ref: ObjectRef, experiment_id: str, instance: str, target: str
) -> bool:
    """Return whether the record in these annotations is ours, whole, and of this very object; without a key none is."""
    if SEAL not in notes:
        return False  # as long as it is not signed, that is asked with every change
    try:
        return _agree(key, notes[SEAL], seal(key, notes, ref, experiment_id, instance, target))
    except ValueError:
        return False


def _agree(key: bytes, found: object, right: str) -> bool:
    if not key or not isinstance(found, str) or not found.isascii():
        return False
    return hmac.compare_digest(found, right)
