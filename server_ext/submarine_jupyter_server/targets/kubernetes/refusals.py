"""What an answer of the API server means for an order: no for good, not now, or not known.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re

from submarine_jupyter.errors import InvalidSpec, SubmarineError, TargetRefused, TargetUnavailable

from .cluster import ApiError, Unreachable
from .reasons.creation import refusal
from .reasons.trouble import Rank

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
    if error.status == 500 and "failed calling webhook" in text:
        _, reason, why = refusal(text)
        return TargetUnavailable(why, reason=reason)
    if error.status in (400, 422):
        _, reason, why = refusal(text)  # a policy may answer so too
        return InvalidSpec(f"the cluster refuses it: {why if reason == 'Denied' else text}")
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
    if "being terminated" in text:
        return TargetRefused(f"the namespace is being deleted: {text}", reason="NamespaceTerminating")
    rank, reason, why = refusal(text)
    if rank == Rank.BLOCKED and reason == "QuotaExceeded":
        return TargetUnavailable(why, reason=reason)  # it may be free in a minute, when something else has ended
    return TargetRefused(f"the cluster refuses it: {why}", reason=reason if rank == Rank.NEVER else "Denied")
