"""What a cluster answers to an order that it does not take, and what becomes of the order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.proxy import Answer, Late, Request
from tests.kubernetes.reasons import fake
from tests.kubernetes.test_rights import Role

Json = dict[str, Any]
LATE_S = 3.0  # longer than an order is waited for
DENIED = 'admission webhook "night.example.com" denied the request: come back tomorrow'
_TFJOBS = "/apis/kubeflow.org/v1/namespaces/{}/tfjobs"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
METHODS = {"create": "POST", "scale": "PATCH", "stop": "DELETE", "delete": "DELETE"}


@dataclass(frozen=True)
class Refusal:
    """An ``answer`` of the proxy, or without one of the cluster itself, and the ``word`` it is told by.

    ``never``: a no that stays one, and ends what is new; ``passing``: unless that was acknowledged.
    """

    word: str
    answer: tuple[int, str, str] | None = None
    never: bool = False
    passing: bool = False


REFUSALS = {
    "rights": Refusal("NoPermission", never=True, passing=True),
    "policy": Refusal("Denied", never=True),
    "webhook": Refusal("Denied", (403, "Forbidden", DENIED), never=True),
    "invalid": Refusal("Refused", (422, "Invalid", "spec.tfReplicaSpecs: Invalid value: 9: too many"), never=True),
    "large": Refusal("TooLarge", (413, "RequestEntityTooLarge", "Request entity too large: limit is 9"), never=True),
    "conflict": Refusal("Conflict", (409, "Conflict", "the object has been modified; please try again")),
    "storm": Refusal("ClusterBusy", (429, "", "Too many requests, please try again later.")),
    "token": Refusal("Unauthorized", (401, "Unauthorized", "Unauthorized")),
}


@dataclass
class Case:
    """One order for one experiment, how it is answered while ``refused``, and whether it was ``told`` to be taken."""

    op: str
    why: str
    late: bool
    refused: bool = True
    id: str = ""
    told: bool = False

    @property
    def name(self) -> str:
        """Return a name that no other case has."""
        return f"{self.op}-{self.why}-{'late' if self.late else 'soon'}"

    @property
    def refusal(self) -> Refusal:
        """Return how it is refused."""
        return REFUSALS[self.why]

    def body(self) -> Json:
        """Return its experiment."""
        made = fake(name=self.name)
        made["meta"]["envVars"] = made["meta"]["envVars"] | {"CASE": self.name}
        target = {} if self.refusal.answer else {"runtime": {"target": self.why}}
        return made | target

    def answers(self, request: Request) -> bool:
        """Tell whether a request is the one that is refused."""
        if request.method != METHODS[self.op] or "dryRun" in request.query or not self.refused:
            return False
        if self.op == "create":
            return f'"{self.name}"'.encode() in request.body
        return self.id != "" and request.path.endswith(f"/{self.id}")

    def answer(self) -> Answer | Late | None:
        """Return what the proxy does about it."""
        if self.refusal.answer is None:
            return Late(LATE_S) if self.late else None
        status, reason, message = self.refusal.answer
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
        text = json.dumps(body | {"reason": reason, "message": message}) if reason else message
        headers = {"Content-Type": "application/json" if reason else "text/plain"}
        headers |= {"Retry-After": "1"} if status == 429 else {}
        return Answer(status, text, headers, LATE_S if self.late else 0)

    @property
    def goes_on(self) -> bool:
        """Tell whether the order is given again until the cluster takes it: what was told comes true."""
        if self.op in ("stop", "delete") or not self.refusal.never:
            return True
        return self.refusal.passing and self.told


def all_cases() -> Iterator[Case]:
    """Return each order with each refusal, soon and late."""
    return (Case(op, why, late) for op in METHODS for why in REFUSALS for late in (False, True))


class Doors:
    """The refusals of the cluster itself, in a namespace each: no rights, and a policy that allows nothing."""

    def __init__(self, cluster: Cluster, account: Api, user: str, rights: str, policy: str) -> None:
        self._api, self._account, self._user = cluster.api, account, user
        self._rights, self._policy = rights, policy
        self._role = Role(cluster.api, rights)
        self._made: list[str] = []

    def close(self) -> None:
        """Refuse every order from now on."""
        kinds = ("tfjobs", "jobs")
        self._role.without(*((verb, kind) for verb in ("create", "patch", "delete") for kind in kinds))
        name = self._policy
        rule = {"apiGroups": ["kubeflow.org"], "apiVersions": ["*"], "resources": ["tfjobs"]}
        rule |= {"operations": ["CREATE", "UPDATE", "DELETE"]}
        spec = {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "us", "expression": f"request.userInfo.username == '{self._user}'"}],
            "validations": [{"expression": "false", "message": "come back tomorrow"}],
        }
        where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": where}
        self._make("validatingadmissionpolicies", name, spec)
        self._make("validatingadmissionpolicybindings", name, binding)
        wait("the policy", lambda: self._refuses(self._policy))
        wait("the rights to be gone", lambda: self._refuses(self._rights))

    def open(self) -> None:
        """Allow everything again."""
        self._role.without()
        while self._made:
            self._api.delete(self._made.pop())
        wait("the policy to be gone", lambda: not self._refuses(self._policy))
        wait("the rights", lambda: not self._refuses(self._rights))

    def _make(self, plural: str, name: str, spec: Json) -> None:
        self._api.create(f"{_ADMISSION}/{plural}", {"metadata": {"name": name}, "spec": spec})
        self._made.append(f"{_ADMISSION}/{plural}/{name}")

    def _refuses(self, namespace: str) -> bool:
        """Tell whether an account may not make a TFJob in a namespace."""
        pod = {"spec": {"containers": [{"name": "tensorflow", "image": "i:1"}]}}
        job = {
            "apiVersion": "kubeflow.org/v1",
            "kind": "TFJob",
            "metadata": {"name": "trial"},
            "spec": {"tfReplicaSpecs": {"Worker": {"replicas": 1, "template": pod}}},
        }
        answer = self._account.http.post(_TFJOBS.format(namespace), params={"dryRun": "All"}, json=job)
        assert answer.status_code in (201, 403, 422), answer.text
        return answer.status_code != 201
