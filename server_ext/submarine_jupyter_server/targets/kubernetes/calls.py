"""Requests for single objects, with answers in words of ours: done, refused, not known."""

from __future__ import annotations

from submarine_jupyter.errors import NotFound, TargetRefused, TargetUnavailable
from submarine_jupyter_server.targets.base import Launch

from .cluster import ApiError, Cluster, Unreachable
from .manifests import Json
from .manifests.metadata import ATTEMPT, UID
from .paths import collection_of
from .refusals import Verdict, judged, meaning

# Strict: a field that the cluster does not know is an error and not dropped.
WRITE = {"fieldManager": "submarine-jupyter", "fieldValidation": "Strict"}
MERGE = "application/merge-patch+json"


class Calls:
    """Requests to one cluster. All raise TargetRefused, TargetUnavailable, InvalidSpec."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def post(self, item: Json, launch: Launch) -> Json:
        """Create an object, or find that it is there already."""
        try:
            return await self._cluster.call("POST", collection_of(item), params=WRITE, body=item)
        except (ApiError, Unreachable) as error:
            if judged(error, "POST")[0] is not Verdict.TAKEN:
                raise meaning(error, "POST") from error
        if item["kind"] == "Secret":
            return item  # it bears our id and attempt, and nobody should need the right to read secrets
        found = await self.get(item)
        name = item["metadata"]["name"]
        if found is not None and uid_of(found) != launch.uid:
            raise foreign(name)
        notes = (found or {}).get("metadata", {}).get("annotations", {})
        current = found is not None and notes.get(ATTEMPT) == str(launch.attempt)
        if found is None or not current or "deletionTimestamp" in found["metadata"]:
            raise TargetUnavailable(f"the former {item['kind']} {name} is still being removed", reason="Restarting")
        return found

    async def get(self, item: Json) -> Json | None:
        try:
            return await self.call("GET", f"{collection_of(item)}/{item['metadata']['name']}")
        except NotFound:
            return None

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        try:
            return await self._cluster.call(method, path, params=params, body=body, content_type=content_type)
        except (ApiError, Unreachable) as error:
            raise meaning(error, method) from error


def uid_of(found: Json) -> str | None:
    uid: str | None = (found["metadata"].get("annotations") or {}).get(UID)
    return uid


def foreign(name: str) -> TargetRefused:
    return TargetRefused(
        f"'{name}' exists on the cluster and is not of this experiment; it was left alone", reason="NameConflict"
    )
