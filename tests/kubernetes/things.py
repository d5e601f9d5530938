"""All objects that matter to experiments in a namespace, as somebody with all rights reads them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import Api

Json = dict[str, Any]
OURS = "submarine.apache.org/"
ID = f"{OURS}experiment-id"
STUCK = "example.com/stuck"
MANAGER = "submarine-jupyter"
COLLECTIONS = {
    "pods": "/api/v1",
    "services": "/api/v1",
    "configmaps": "/api/v1",
    "secrets": "/api/v1",
    "jobs": "/apis/batch/v1",
    "tfjobs": "/apis/kubeflow.org/v1",
    "pytorchjobs": "/apis/kubeflow.org/v1",
    "xgboostjobs": "/apis/kubeflow.org/v1",
    "jobsets": "/apis/jobset.x-k8s.io/v1alpha2",
}


@dataclass(frozen=True)
class Thing:
    """One object; ``raw`` is what the API server says of it."""

    plural: str
    raw: Json

    @property
    def meta(self) -> Json:
        """Its metadata."""
        found: Json = self.raw["metadata"]
        return found

    @property
    def uid(self) -> str:
        """The uid that the API server gave it."""
        return str(self.meta["uid"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.meta["name"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self.meta.get("labels") or {}

    @property
    def notes(self) -> dict[str, str]:
        """Its annotations."""
        return self.meta.get("annotations") or {}

    @property
    def id(self) -> str:
        """The experiment that its label names."""
        return self.labels.get(ID, "")

    @property
    def collection(self) -> str:
        """The path of its like."""
        return f"{COLLECTIONS[self.plural]}/namespaces/{self.meta['namespace']}/{self.plural}"

    @property
    def path(self) -> str:
        """Its own path."""
        return f"{self.collection}/{self.name}"

    @property
    def owners(self) -> list[str]:
        """The uids of its owners."""
        return [reference["uid"] for reference in self.meta.get("ownerReferences", [])]

    @property
    def deleting(self) -> bool:
        """Whether its deletion has begun."""
        return "deletionTimestamp" in self.meta

    @property
    def stuck(self) -> bool:
        """Whether somebody else keeps it from going."""
        return STUCK in self.meta.get("finalizers", [])

    @property
    def written_by_us(self) -> bool:
        """Whether the server has ever written it."""
        return any(item.get("manager") == MANAGER for item in self.meta.get("managedFields", []))

    def copy(self) -> Json:
        """Return it as somebody would write it down to create it again."""
        raw: Json = json.loads(json.dumps(self.raw))
        raw.pop("status", None)
        for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "ownerReferences"):
            raw["metadata"].pop(key, None)
        if self.plural == "jobs":  # what the API server adds itself, and takes from nobody
            raw["spec"].pop("selector", None)
            labels = raw["spec"]["template"]["metadata"].get("labels", {})
            for key in [key for key in labels if "controller-uid" in key or "job-name" in key]:
                del labels[key]
        if self.plural == "pods":
            raw["spec"].pop("nodeName", None)
        return raw

    def renamed(self, name: str, experiment_id: str | None = None) -> Json:
        """Return a copy under another name, and of another experiment if one is given."""
        raw = self.copy()
        if experiment_id is not None:
            raw = json.loads(json.dumps(raw).replace(self.id, experiment_id))
        raw["metadata"]["name"] = name
        return raw


def everything(api: Api, namespace: str) -> dict[str, Thing]:
    """Return all objects of a namespace by their uids, but for what Kubernetes puts into each."""
    found = {}
    for plural, root in COLLECTIONS.items():
        answer = api.get(f"{root}/namespaces/{namespace}/{plural}")
        kind = answer["kind"].removesuffix("List")
        for raw in answer["items"]:
            thing = Thing(plural, {"apiVersion": answer["apiVersion"], "kind": kind, **raw})
            if thing.name != "kube-root-ca.crt":
                found[thing.uid] = thing
    return found


def belonging(things: dict[str, Thing], roots: Collection[str]) -> set[str]:
    """Return the uids of objects and of all that they own, as far as owners are known."""
    found = set(roots)
    while True:
        more = {uid for uid, thing in things.items() if uid not in found and found & set(thing.owners)}
        if not more:
            return found
        found |= more
