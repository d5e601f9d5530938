"""What this server may do on a cluster, compared with what it needs: ``docs/deploy/role.yaml``.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-rules-review-v1/
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

if TYPE_CHECKING:
    from .cluster import Cluster

ROLE = "docs/deploy/role.yaml"
_API = "/apis/authorization.k8s.io/v1"
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Need:
    """Verbs on a resource, each with what does not work without it; ``kind`` is served, or it is not needed."""

    group: str
    resource: str
    verbs: Mapping[str, str]
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A right that is missing in a namespace, and what does not work therefore."""

    namespace: str
    verb: str
    resource: str
    why: str

    def __str__(self) -> str:
        return sentences([self])[0]


def _own(kind: str) -> dict[str, str]:
    unknown = "statuses stay unknown"
    return {
        "create": f"nothing can run as a {kind}",
        "get": unknown,
        "list": unknown,
        "watch": unknown,
        "patch": "nothing can be scaled",
        "delete": "nothing can be stopped or deleted",
    }


_UNKNOWN = dict.fromkeys(("get", "list", "watch"), "statuses stay unknown")
_QUEUED = dict.fromkeys(("get", "list", "watch"), "why something waits in a queue stays unknown")
_CUT = {"delete": "what somebody has cut off from its experiment stays"}
NEEDS: tuple[Need, ...] = (
    *(
        Need(
            group=kind.api_version.partition("/")[0],
            resource=kind.plural,
            verbs=_own(kind.kind),
            kind=None if kind.built_in else kind.kind,
        )
        for kind in KINDS.values()
    ),
    # What an own object owns goes with it, unless somebody has cut it off. A Secret is never read: one of its name that
    # may be of others is replaced.
    Need("", "services", {**dict.fromkeys(("create", "get"), "replicas of plain Jobs do not find each other"), **_CUT}),
    Need(
        "",
        "configmaps",
        {
            **dict.fromkeys(("create", "get"), "code cannot be sent along"),
            "patch": "plain Jobs cannot be scaled",
            **_CUT,
        },
    ),
    Need("", "secrets", dict.fromkeys(("create", "delete"), "secret variables cannot be sent along")),
    Need("", "pods", _UNKNOWN),
    Need("", "pods/log", {"get": "logs are not kept"}),
    Need("", "events", dict.fromkeys(("list", "watch"), "why a pod does not start stays unknown")),
    Need("kueue.x-k8s.io", "workloads", _QUEUED, "Workload"),
    Need("kueue.x-k8s.io", "localqueues", _QUEUED, "LocalQueue"),
    Need(
        "visibility.kueue.x-k8s.io",
        "localqueues/pendingworkloads",
        {"get": "places in queues stay unknown"},
        "PendingWorkloadsSummary",
    ),
)
_ALWAYS = {(need.resource, verb) for need in NEEDS if need.kind is None for verb in need.verbs}


async def missing(cluster: Cluster, namespaces: Iterable[str], served: frozenset[str]) -> tuple[Missing, ...]:
    """Return the rights that are missing; ``served`` are the Kubernetes kinds the cluster serves (``TFJob``).

    Where the cluster cannot list all rights (some authorize by a webhook), it is asked for each that it did not list:
    only a plain no counts. Raises ApiError, Unreachable.
    """
    needs = [need for need in NEEDS if need.kind is None or need.kind in served]
    found: list[Missing] = []
    for namespace in namespaces:
        body = _review("SelfSubjectRulesReview", {"namespace": namespace})
        status = (await cluster.call("POST", f"{_API}/selfsubjectrulesreviews", body=body)).get("status") or {}
        lacking = [
            (need, verb)
            for need in needs
            for verb in need.verbs
            if not _granted(status, need.group, need.resource, verb)
        ]
        if status.get("incomplete"):
            lacking = await _denied(cluster, namespace, lacking)
        found += [Missing(namespace, verb, need.resource, need.verbs[verb]) for need, verb in lacking]
    return tuple(found)


def usable(served: frozenset[str], found: Iterable[Missing], readable: Collection[str]) -> frozenset[str]:
    """Return the served kinds that could be used in each namespace that is ``readable``; scaling alone may lack."""
    unusable = {item.resource for item in found if item.verb != "patch" and item.namespace in readable}
    return served - {need.kind for need in NEEDS if need.kind is not None and need.resource in unusable}


async def too_much(cluster: Cluster) -> str | None:
    """Return a sentence if the credentials may do everything in the whole cluster. Raises ApiError, Unreachable."""
    allowed = await _may(cluster, {"verb": "*", "group": "*", "resource": "*"})
    if not allowed:
        return None
    return f"its credentials allow everything in the whole cluster; the Role in {ROLE} is enough"


def sentences(found: Sequence[Missing]) -> list[str]:
    """Return what is missing in words for a person, one sentence for each namespace, resource and consequence."""
    lines = []
    for namespace, lacking in groupby(found, lambda item: item.namespace):
        items = list(lacking)
        if _nothing(items):
            lines.append(
                f"this server has no permissions in namespace {namespace}, so nothing can run there; apply {ROLE}"
            )
            continue
        for (resource, why), same in groupby(items, lambda item: (item.resource, item.why)):
            verbs = [item.verb for item in same]
            noun = "verb" if len(verbs) == 1 else "verbs"
            lines.append(
                f"this server may not {_listed(verbs, 'or')} {resource} in namespace {namespace}: {why}; "
                f"grant {noun} {_listed(verbs, 'and')} ({ROLE})"
            )
    return lines


def blind(found: Iterable[Missing]) -> dict[str, list[str]]:
    """Return, by namespace, what is missing without which no experiment can be followed, so that none is begun."""
    lines = {}
    for namespace, lacking in groupby(found, lambda item: item.namespace):
        items = list(lacking)
        followed = [item for item in items if item.resource in ("pods", "jobs") and item.verb in ("list", "watch")]
        if said := sentences(items if _nothing(items) else followed):
            lines[namespace] = said
    return lines


def hidden(found: Iterable[Missing], namespace: str) -> frozenset[str]:
    """Return the kinds (``TFJob``) of which nothing can be followed in a namespace."""
    there = {item.resource for item in found if item.namespace == namespace and item.verb in ("list", "watch")}
    return frozenset(need.kind for need in NEEDS if need.kind is not None and need.resource in there)


def denies(found: Iterable[Missing], sentence: str) -> bool:
    """Return whether a right that a sentence says is missing is; a restarted API server grants none at all at first."""
    return any(
        f"may not {item.verb} {item.resource} in namespace {item.namespace}" in sentence
        for _, lacking in groupby(found, lambda item: item.namespace)
        if not _nothing(items := list(lacking))
        for item in items
    )


def _nothing(found: Iterable[Missing]) -> bool:
    return {(item.resource, item.verb) for item in found} >= _ALWAYS


def _listed(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _granted(status: Json, group: str, resource: str, verb: str) -> bool:
    # A rule with names allows single objects only: never a list, and no object that has yet to be made.
    return any(
        not rule.get("resourceNames")
        and _any_of(rule, "verbs", verb)
        and _any_of(rule, "apiGroups", group)
        and (_any_of(rule, "resources", resource) or _subresource(resource) in (rule.get("resources") or ()))
        for rule in status.get("resourceRules") or ()
    )


def _any_of(rule: Json, key: str, wanted: str) -> bool:
    found = rule.get(key) or ()
    return wanted in found or "*" in found


def _subresource(resource: str) -> str | None:
    _, slash, part = resource.partition("/")
    return f"*/{part}" if slash else None


async def _denied(cluster: Cluster, namespace: str, lacking: list[tuple[Need, str]]) -> list[tuple[Need, str]]:
    """Return the rights that the cluster denies when it is asked for each."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask(need: Need, verb: str) -> bool | None:
        resource, _, part = need.resource.partition("/")
        async with room:
            return await _may(
                cluster,
                {
                    "namespace": namespace,
                    "verb": verb,
                    "group": need.group,
                    "resource": resource,
                    **({"subresource": part} if part else {}),
                },
            )

    answers = await asyncio.gather(*(ask(need, verb) for need, verb in lacking))
    return [right for right, allowed in zip(lacking, answers, strict=True) if allowed is False]


async def _may(cluster: Cluster, attributes: Json) -> bool | None:
    """Return whether a right is there, None where the cluster does not know."""
    body = _review("SelfSubjectAccessReview", {"resourceAttributes": attributes})
    status = (await cluster.call("POST", f"{_API}/selfsubjectaccessreviews", body=body)).get("status") or {}
    if status.get("allowed"):
        return True
    return None if status.get("evaluationError") else False


def _review(kind: str, spec: Json) -> Json:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
