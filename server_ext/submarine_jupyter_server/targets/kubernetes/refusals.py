"""What an answer of the API server means for an order: no for good, not now, or not known.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re

from submarine_jupyter.errors import InvalidSpec, SubmarineError, TargetRefused, TargetUnavailable

from .cluster import ApiError, Unreachable

_ROLE = "the Role in docs/deploy/role.yaml has all that is needed"
# User "x" cannot create resource "tfjobs" in API group "kubeflow.org" in the namespace "y"
_NO_RIGHT = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<what>[\w/.-]+)".*?(?:namespace "(?P<where>[^"]+)")?$', re.DOTALL
)
_LONGEST = 600


def meaning(error: ApiError | Unreachable) -> SubmarineError:
    """Return the error of ours that says what became of an order, in words for a person."""
    if isinstance(error, Unreachable):
        return TargetUnavailable(f"the cluster does not answer: {error}")
    text = error.message[:_LONGEST]
    if error.status == 401:
        return TargetUnavailable(
            "the cluster does not accept this server's credentials (401)",
            hint="renew them in the kubeconfig; it is read again by itself",
            reason="Unauthorized",
        )
    if error.status == 403:
        return _forbidden(text)
    if error.status in (400, 422):
        return InvalidSpec(f"the cluster refuses it: {text}")
    if error.status == 404 and "namespaces" in text:
        return TargetRefused(text, hint="an administrator has to make the namespace", reason="NoNamespace")
    return TargetUnavailable(f"the cluster answers {error.status}: {text}")


def no_right(text: str) -> str | None:
    """Return ``may not create tfjobs in namespace x`` for the message of a missing right, None for any other."""
    found = _NO_RIGHT.search(text)
    if found is None:
        return None
    where = f" in namespace {found['where']}" if found["where"] else ""
    return f"this server may not {found['verb']} {found['what']}{where}"


def _forbidden(text: str) -> SubmarineError:
    if right := no_right(text):
        return TargetRefused(right, hint=_ROLE, reason="NoPermission")
    if "exceeded quota" in text:
        # It may be free in a minute, when something else has ended.
        return TargetUnavailable(f"the quota of the namespace is used up: {text}", reason="QuotaExceeded")
    if "being terminated" in text:
        return TargetRefused(f"the namespace is being deleted: {text}", reason="NamespaceTerminating")
    return TargetRefused(f"a policy of the cluster denies it: {text}", reason="Denied")
