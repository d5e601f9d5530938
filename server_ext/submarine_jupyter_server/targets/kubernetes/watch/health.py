"""How a watch is, and what its errors mean: for the next try, and for a person.

https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

log = logging.getLogger(__name__)
_PATH = re.compile(r"/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[^/]+)")


@dataclass(frozen=True, slots=True)
class Health:
    """How a stream is: ``trouble`` is why it does not work now, ``quarantined`` names objects that cannot be read.

    ``synced`` once all objects were known for the first time; ``last_event_age_s`` since anything came; ``restarts``
    are streams after the first one, ``requests`` all requests.
    """

    synced: bool
    last_event_age_s: float | None
    restarts: int
    requests: int
    trouble: str | None
    quarantined: tuple[str, ...]


class StreamRecord:
    """What happened to one stream so far, for `Health` and for the log; ``trouble`` is why it does not work now."""

    def __init__(self, name: str, path: str) -> None:
        self._name, self._path = name, path
        self.trouble: str | None = None
        self.last_event: float | None = None
        self.streams = self.requests = 0
        self._logged: str | None = None

    def of(self, *, synced: bool, quarantined: Iterable[str]) -> Health:
        """Return how the stream is."""
        age = None if self.last_event is None else time.monotonic() - self.last_event
        restarts = max(self.streams - 1, 0)
        return Health(synced, age, restarts, self.requests, self.trouble, tuple(sorted(quarantined)))

    def asked(self) -> None:
        """Count a request."""
        self.requests += 1

    def in_trouble(self, error: Exception) -> None:
        """Note why it does not work, and log it, once as long as it stays the same."""
        self.trouble = in_words(error, self._path)
        if self.trouble != self._logged:
            log.warning("%s: %s", self._name, self.trouble)
            self._logged = self.trouble

    def worked(self) -> None:
        """Log the same trouble again should it come back."""
        self._logged = None


def error_of(status: Json) -> ApiError:
    """Return the error that an ERROR event in a stream speaks of."""
    code, details = status.get("code"), status.get("details")
    after: Any = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return ApiError(
        code if isinstance(code, int) else 500,
        str(status.get("reason") or ""),
        str(status.get("message") or ""),
        float(after) if isinstance(after, int | float) and after > 0 else None,
    )


def expired(error: ApiError) -> bool:
    """Return whether a stream cannot go on from its version: too old, or newer than an etcd that was restored."""
    return error.status == 410 or error.reason in ("Expired", "Gone") or "resource version" in error.message.lower()


def unsupported(error: ApiError) -> bool:
    """Return whether a stream cannot begin with all objects: that is switched off, or etcd is too old for it (3.4)."""
    return error.status in (400, 422) or "RequestWatchProgress" in error.message


def in_words(error: Exception, path: str) -> str:
    """Return what is the matter with the watch of a collection."""
    what = _resource(path)
    if not isinstance(error, ApiError):
        return f"{what}: {str(error) or type(error).__name__}"
    if error.status == 401:
        return "the API server does not accept the credentials of this server"
    if error.status == 403:
        return f"no permission to watch {what}"
    if error.status == 404:
        return f"the cluster has no {what}"
    return f"{what}: the API server answers {error}"


def _resource(path: str) -> str:
    found = _PATH.fullmatch(path)
    if found is None:
        return path
    where = f"namespace {found['namespace']}" if found["namespace"] else "all namespaces"
    return f"{found['resource']} in {where}"
