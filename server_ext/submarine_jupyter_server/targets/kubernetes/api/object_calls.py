"""Requests for single objects, with answers in words of ours: done, refused, not known."""

from __future__ import annotations

from submarine_jupyter.errors import NotFound
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import ObjectRef

from .cluster import ApiError, Cluster, Unreachable
from .discovery import serves
from .paths import collection_of, path_of
from .verdicts import Verdict, judged, meaning

# Strict: a field that the cluster does not know is an error and not dropped.
WRITE = {"fieldManager": "submarine-jupyter", "fieldValidation": "Strict"}
MERGE = "application/merge-patch+json"


class ObjectCalls:
    """Requests to one cluster. All raise TargetRefused, TargetUnavailable, InvalidSpec."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def create(self, item: Json) -> Json | None:
        """Create an object; return it as it was made, None if there is one of its name already."""
        try:
            return await self._cluster.call("POST", collection_of(item), params=WRITE, body=item)
        except (ApiError, Unreachable) as error:
            if judged(error, "POST")[0] is Verdict.TAKEN:
                return None
            raise meaning(error, "POST") from error

    async def get(self, item: Json) -> Json | None:
        """Return the object that has the name of ``item``, None if there is none."""
        return await self._get(f"{collection_of(item)}/{item['metadata']['name']}")

    async def find(self, ref: ObjectRef) -> Json | None:
        """Return an object that makes pods if it is there; another one of its name is not it."""
        found = await self._get(path_of(ref))
        return found if found is not None and found["metadata"]["uid"] == ref.uid else None

    async def _get(self, path: str) -> Json | None:
        try:
            return await self.call("GET", path)
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
        """Send a request. Raises NotFound where the object is not there, or another one has its name."""
        try:
            return await self._cluster.call(method, path, params=params, body=body, content_type=content_type)
        except (ApiError, Unreachable) as error:
            if method != "POST" and await self._lacks_kind(error, path):
                raise NotFound(f"the cluster no longer has the kind of {path}") from error
            raise meaning(error, method) from error

    async def _lacks_kind(self, error: ApiError | Unreachable, path: str) -> bool:
        """Return whether nothing can be there: the cluster confirms that it does not have the kind."""
        if judged(error)[1] != "KindGone":
            return False
        try:
            return not await serves(self._cluster, path)
        except (ApiError, Unreachable):
            return False
