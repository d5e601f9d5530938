"""What an answer of the API server means for a request: one table, of which the first row that fits counts.

Webhooks and policies choose the HTTP status of a denial themselves, and what stands between us and the cluster (a load
balancer, a login page) answers too: only what Kubernetes itself says is a refusal, or tells that something is gone.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from submarine_jupyter.errors import InvalidSpec, NotFound, SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.state.reasons.creation import refusal
from submarine_jupyter_server.targets.kubernetes.state.reasons.shortening import shortened
from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import Rank

from .cluster import ApiError, BadCredentials, Unreachable

_ROOM = 400  # characters of the words of others
_ROLE = "the Role in docs/deploy/role.yaml has all that is needed"
_PROXY = "ask the administrator what is in between: a proxy, a firewall, a login page"
_TOO_LARGE = "shorten its command, its variables and its code; put larger things into an image or on a volume"
_RENEW = "renew the credentials, in the kubeconfig or for the pod; the server reads them again by itself"


class Verdict(Enum):
    """What became of a request."""

    GONE = auto()  # what it is about is not there, which is all that a deletion wants
    TAKEN = auto()  # the name is taken: whose object that is has to be found out
    REFUSED = auto()  # no, and no again until somebody changes something
    LATER = auto()  # no for now, nothing was done: it is given again
    UNKNOWN = auto()  # it may have been done: given again, it is done once


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """One kind of answer: patterns of its HTTP ``status`` and of what it ``says``, the methods ``to`` which it comes.

    ``official``: it gives a reason, as all refusals of an API server do, and not a mere text, as others do.
    """

    status: str
    says: str
    to: str
    official: bool
    verdict: Verdict
    reason: str

    def fits(self, error: ApiError, method: str) -> bool:
        """Return whether the answer to a request is of this kind."""
        return (
            re.fullmatch(self.status, str(error.status)) is not None
            and (self.to in ("", method) or method in self.to.split())
            and (not self.official or error.reason != "")
            and re.search(self.says, error.message, re.DOTALL) is not None
        )


# User "x" cannot create resource "tfjobs" in API group "kubeflow.org" in the namespace "y": and what an authorizer adds
_RIGHT = r'cannot (?P<verb>\w+) resource "(?P<what>[\w/.-]+)"(?:[^:]*? in the namespace "(?P<where>[^"]+)")?'
_DENIED = r"denied (the )?request"
_NOT_YET = "not yet ready to handle|status unknown for quota|error enforcing limit ranges"
_NO_KIND = r"\A404 page not found\s*\Z|could not find the requested resource"
_TAG = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)
_FORBIDDEN = re.compile(r'\A[\w.]+ "[^"]{0,253}" is forbidden: ')
_NO_UID = r"(?i)\buid in (the )?precondition"
GONE, TAKEN, REFUSED, LATER, UNKNOWN = Verdict

TABLE = (
    #   status     says                         to                  official  verdict   reason
    AnswerRule("429",     "",                          "",                 False,    LATER,    "ClusterBusy"),
    AnswerRule("5..",     _DENIED,                     "",                 False,    LATER,    "Denied"),
    AnswerRule("4..",     _DENIED,                     "",                 False,    REFUSED,  "Denied"),
    AnswerRule("401",     "",                          "",                 False,    LATER,    "Unauthorized"),
    AnswerRule("403",     'User "system:anonymous"',   "",                 True,     LATER,    "Unauthorized"),
    AnswerRule("403",     _RIGHT,                      "",                 True,     REFUSED,  "NoPermission"),
    AnswerRule("403|405", "definition is terminating", "",                 True,     LATER,    "KindGone"),
    AnswerRule("403",     "being terminated",          "",                 True,     REFUSED,  "NamespaceTerminating"),
    AnswerRule("403",     _NOT_YET,                    "",                 True,     LATER,    "ClusterNotReady"),
    AnswerRule("403",     "exceeded quota",            "",                 True,     LATER,    "QuotaExceeded"),
    AnswerRule("403",     "",                          "",                 True,     REFUSED,  "Denied"),
    AnswerRule("404",     r'\Anamespaces "',           "POST",             True,     REFUSED,  "NoNamespace"),
    AnswerRule("404",     _NO_KIND,                    "",                 False,    LATER,    "KindGone"),
    AnswerRule("404",     "",                          "GET PATCH DELETE", True,     GONE,     "NotFound"),
    AnswerRule("409",     "already exists",            "POST",             True,     TAKEN,    "NameConflict"),
    AnswerRule("409",     _NO_UID,                     "DELETE",           True,     GONE,     "NotFound"),
    AnswerRule("409",     "",                          "",                 True,     LATER,    "Conflict"),
    AnswerRule("413",     "",                          "",                 False,    REFUSED,  "TooLarge"),
    AnswerRule("500",     "request is too large",      "",                 False,    REFUSED,  "TooLarge"),
    AnswerRule("400",     "",                          "",                 True,     REFUSED,  "Invalid"),
    AnswerRule("422",     r"metadata\.uid: Invalid",   "PATCH",            True,     GONE,     "NotFound"),
    AnswerRule("422",     "",                          "",                 False,    REFUSED,  "Invalid"),
    AnswerRule("405|406|415", "",                      "",                 False,    REFUSED,  "NotAllowed"),
    AnswerRule("500",     "failed calling webhook",    "",                 False,    LATER,    "WebhookUnavailable"),
    AnswerRule("5..",     "",                          "",                 False,    UNKNOWN,  "ClusterUnavailable"),
    AnswerRule("...",     "",                          "",                 True,     LATER,    "ClusterUnavailable"),
    AnswerRule("...",     "",                          "",                 False,    LATER,    "NotTheCluster"),
)  # fmt: skip


def judged(error: ApiError | Unreachable, method: str = "") -> tuple[Verdict, str]:
    """Return what became of a request that was answered so, and a CamelCase word for it."""
    if isinstance(error, BadCredentials):
        return LATER, "Unauthorized"
    if isinstance(error, Unreachable):
        return UNKNOWN, "ClusterUnavailable"
    row = next(row for row in TABLE if row.fits(error, method))
    verdict, reason = row.verdict, row.reason
    if verdict in (REFUSED, LATER) and reason in ("Denied", "QuotaExceeded"):
        rank, word, _ = refusal(error.message)
        reason = word if rank == Rank.NEVER else reason
        if rank == Rank.NEVER and row.reason == "QuotaExceeded":
            verdict = REFUSED  # more than the whole quota
    # What could not be read is not known: that refuses nothing.
    return (LATER if verdict is REFUSED and method == "GET" else verdict), reason


def meaning(error: ApiError | Unreachable, method: str = "") -> SubmarineError:
    """Return the error of ours that says what became of a request, in words for a person.

    NotFound: it is not there; TargetRefused and InvalidSpec: no; TargetUnavailable: not now, or not known.
    """
    verdict, reason = judged(error, method)
    message, hint = _words(error, reason)
    if verdict is GONE:
        return NotFound(message)
    if verdict is not REFUSED:
        wait = error.retry_after if isinstance(error, ApiError) else None
        return TargetUnavailable(message, hint=hint, reason=reason, retry_after=wait)
    return InvalidSpec(message, hint=hint) if reason == "Invalid" else TargetRefused(message, hint=hint, reason=reason)


def _words(error: ApiError | Unreachable, reason: str) -> tuple[str, str | None]:
    """Return what is the matter, and what to do about it."""
    if isinstance(error, BadCredentials):
        return f"this server's credentials for the cluster cannot be used: {error}", _RENEW
    if isinstance(error, Unreachable):
        return f"the cluster does not answer: {error}", None
    text = _said(error.message)
    match reason:
        case "Unauthorized":
            return f"the cluster does not accept this server's credentials ({error.status})", _RENEW
        case "NoPermission":
            return no_right(error.message) or text, _ROLE
        case "Denied" | "QuotaExceeded" | "LimitExceeded" | "WebhookUnavailable":
            _, _, why = refusal(error.message, _ROOM)
            return (f"rejected by the cluster: {why}" if judged(error)[0] is REFUSED else why), None
        case "NamespaceTerminating":
            return "its namespace is being deleted: nothing new can be created there", "choose another meta.namespace"
        case "NoNamespace":
            return f"its namespace does not exist on the cluster ({text})", "ask an administrator to create it"
        case "KindGone":
            return "the cluster no longer has the kind of object that the experiment is made of", None
        case "Conflict":
            return f"somebody else changed it at the same moment ({error.status})", None
        case "ClusterBusy":
            return f"the cluster is overloaded now ({error.status}: {text})", None
        case "ClusterNotReady":
            return f"the cluster is not ready for it yet ({text})", None
        case "TooLarge":
            return f"rejected by the cluster: it is too large ({text})", _TOO_LARGE
        case "Invalid":
            return f"rejected by the cluster: {text}", None
        case "NotAllowed":
            return f"the cluster does not allow such a request ({error.status}: {text})", _PROXY
        case "NotTheCluster":
            return f"something else answers in place of the cluster ({error.status}: {text})", _PROXY
    return f"the cluster answers {error.status}: {text}", None


def _said(message: str) -> str:
    """Return what an answer says, without what everybody knows: its object, the tags of a page."""
    said = _TAG.sub(" ", message[:2000]) if message.lstrip().startswith("<") else _FORBIDDEN.sub("", message)
    return shortened(said, _ROOM) or "without a word"


def no_right(text: str) -> str | None:
    """Return ``this server may not create tfjobs in namespace x`` for the message of a missing right, else None."""
    found = re.search(_RIGHT, text, re.DOTALL)
    if found is None:
        return None
    where = f" in namespace {found['where']}" if found["where"] else ""
    return f"this server may not {found['verb']} {found['what']}{where}"
