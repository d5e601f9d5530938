"""What can go wrong with an experiment on a cluster, each with what provokes it.

`record.py` provokes them on a real cluster and stores what that said; the tests read it from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions

Json = dict[str, Any]

IMAGE = "submarine.test/training:1"
LAST_WORDS = "echo epoch 1; echo 'loss is nan'; exit 3"
FOREVER = "sleep 100000"


@dataclass(frozen=True)
class Situation:
    """One experiment that comes to ``reason``.

    ``kind`` is what it is made as, ``nodes`` where its pods run (real or fake). ``before`` are objects to make first:
    (collection, object), with the namespace for ``{}``. ``without`` are kinds of its objects that are not made,
    ``own`` is merged into its own object. ``act`` is done once a replica runs: ``evict``, ``remove`` or
    ``preempt`` one, or ``unplug`` its node.
    """

    kind: str
    reason: str | None
    cmd: str = FOREVER
    nodes: str = "real"
    framework: str = "TensorFlow"
    roles: dict[str, Json] = field(default_factory=lambda: {"Worker": {"replicas": 1}})
    runtime: Json = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    image: str = IMAGE
    options: ClusterOptions = field(default_factory=ClusterOptions)
    before: tuple[tuple[str, Json], ...] = ()
    without: tuple[str, ...] = ()
    own: Json = field(default_factory=dict)
    act: str = ""

    def body(self) -> Json:
        """Return the body of the REST API."""
        return {
            "meta": {"name": "situation", "framework": self.framework, "cmd": self.cmd, "envVars": self.env},
            "environment": {"image": self.image},
            "spec": self.roles,
            **({"runtime": self.runtime} if self.runtime else {}),
        }


def workers(count: int = 1, resources: str | None = None, **others: Json) -> dict[str, Json]:
    """Return roles with so many workers."""
    return {**others, "Worker": {"replicas": count, **({"resources": resources} if resources else {})}}


def _volume(**source: Any) -> Json:
    return {"volumes": [{"name": "data", "mountPath": "/data", **source}]}


QUOTA = (
    "/api/v1/namespaces/{}/resourcequotas",
    {"metadata": {"name": "team"}, "spec": {"hard": {"requests.cpu": "2"}}},
)
LIMITS = (
    "/api/v1/namespaces/{}/limitranges",
    {"metadata": {"name": "small"}, "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}},
)
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY: tuple[tuple[str, Json], ...] = (
    (
        f"{_ADMISSION}/validatingadmissionpolicies",
        {
            "metadata": {"name": "{}"},
            "spec": {
                "matchConstraints": {
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ]
                },
                "validations": [{"expression": "false", "message": "training is only allowed at night"}],
            },
        },
    ),
    (
        f"{_ADMISSION}/validatingadmissionpolicybindings",
        {
            "metadata": {"name": "{}"},
            "spec": {
                "policyName": "{}",
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "{}"}}},
            },
        },
    ),
)
PS = {"Ps": {"replicas": 1, "cmd": FOREVER}}

SITUATIONS: dict[str, Situation] = {
    "success": Situation("tfjob", None, "sleep 2", roles={**PS, **workers(2)}),
    "success.jobset": Situation("jobset", None, "sleep 2", roles={**PS, **workers(2)}),
    "success.jobs": Situation("indexed_jobs", None, "sleep 2", roles={**PS, **workers(2)}),
    "crash": Situation("tfjob", "ReplicaFailed", LAST_WORDS, roles={**PS, **workers()}),
    "crash.jobset": Situation("jobset", "ReplicaFailed", LAST_WORDS, roles={**PS, **workers()}),
    "crash.jobs": Situation("indexed_jobs", "ReplicaFailed", LAST_WORDS, roles={**PS, **workers()}),
    "crash.pytorch": Situation(
        "pytorchjob",
        "ReplicaFailed",
        FOREVER,
        framework="PyTorch",
        roles={"Master": {"replicas": 1, "cmd": FOREVER}, "Worker": {"replicas": 1, "cmd": LAST_WORDS}},
    ),
    "crash.ps": Situation(
        "indexed_jobs", "ReplicaFailed", FOREVER, roles={"Ps": {"replicas": 1, "cmd": LAST_WORDS}, **workers()}
    ),
    "signal": Situation("indexed_jobs", "ReplicaFailed", "python -c 'import ctypes; ctypes.string_at(0)'"),
    "silent": Situation("tfjob", "ReplicaFailed", "exit 2"),
    "memory": Situation(
        "tfjob",
        "OOMKilled",
        "python -c 'print(len(bytearray(512 << 20)))'",
        roles=workers(resources="cpu=100m,memory=64Mi"),
    ),
    "retries": Situation("tfjob", "ReplicaFailed", LAST_WORDS, runtime={"retries": 1}),
    "retries.jobset": Situation("jobset", "ReplicaFailed", LAST_WORDS, runtime={"retries": 1}),
    "retries.jobs": Situation("indexed_jobs", "ReplicaFailed", LAST_WORDS, runtime={"retries": 1}),
    "crash_loop": Situation("tfjob", "CrashLoop", LAST_WORDS, runtime={"retries": 9}),
    "restarting.jobs": Situation("indexed_jobs", "CrashLoop", LAST_WORDS, runtime={"retries": 9}),
    "deadline": Situation("tfjob", "DeadlineExceeded", runtime={"maxRunTime": 3}),
    "deadline.jobset": Situation("jobset", "DeadlineExceeded", runtime={"maxRunTime": 3}),
    "deadline.jobset_retries": Situation("jobset", "DeadlineExceeded", runtime={"maxRunTime": 3, "retries": 2}),
    "deadline.jobs": Situation("indexed_jobs", "DeadlineExceeded", runtime={"maxRunTime": 3}),
    "evicted": Situation(
        "indexed_jobs",
        "Evicted",
        "dd if=/dev/zero of=/data/big bs=1M count=30; sleep 100000",
        runtime=_volume(emptyDir={"sizeLimit": "1Mi"}),
    ),
    "drained": Situation("indexed_jobs", "Evicted", act="evict"),
    "drained.tfjob": Situation("tfjob", "Evicted", act="evict"),
    "preempted": Situation(
        "indexed_jobs",
        "Preempted",
        nodes="fake",
        roles=workers(3, "cpu=900"),
        env={"FAKE_EXIT_CODE": "never"},
        act="preempt",
    ),
    "removed": Situation("indexed_jobs", "ReplicaRemoved", act="remove"),
    "lost": Situation("indexed_jobs", "NodeNotReady", act="unplug"),
    "gpu": Situation("tfjob", "Unschedulable", nodes="fake", roles=workers(2, "nvidia.com/gpu=64,cpu=1", **PS)),
    "selector": Situation("tfjob", "Unschedulable", nodes="fake", runtime={"nodeSelector": {"gpu-type": "h100"}}),
    "claim": Situation("tfjob", "Unschedulable", runtime=_volume(persistentVolumeClaim="nowhere")),
    "image": Situation("tfjob", "RegistryUnreachable", image="submarine.test/none:1", roles={**workers(2)}),
    "command": Situation("indexed_jobs", "CommandNotFound", "nosuchprogram --epochs 3"),
    "folder": Situation("tfjob", "CommandNotFound", "/tmp"),
    "secret": Situation(
        "tfjob", "SecretNotFound", env={"API_TOKEN": "canary-1"}, roles=workers(2), without=("Secret",)
    ),
    "volume": Situation("tfjob", "VolumeNotMounted", runtime=_volume(configMap="nowhere")),
    "quota": Situation("tfjob", "QuotaExceeded", nodes="fake", roles=workers(3, "cpu=1"), before=(QUOTA,)),
    "quota.jobs": Situation("indexed_jobs", "QuotaExceeded", nodes="fake", roles=workers(1, "cpu=3"), before=(QUOTA,)),
    "quota.jobset": Situation("jobset", "QuotaExceeded", nodes="fake", roles=workers(1, "cpu=3"), before=(QUOTA,)),
    "quota.unsaid": Situation("tfjob", "QuotaExceeded", nodes="fake", before=(QUOTA,)),
    "limits": Situation("tfjob", "LimitExceeded", nodes="fake", roles=workers(1, "memory=2Gi"), before=(LIMITS,)),
    "standard": Situation("tfjob", "Denied", options=ClusterOptions(run_as_user=0)),
    "policy": Situation("indexed_jobs", "Denied", nodes="fake", before=POLICY),
    "account": Situation("tfjob", "Denied", nodes="fake", runtime={"serviceAccount": "nobody"}),
    "priority": Situation("tfjob", "Denied", nodes="fake", runtime={"priority": "urgent"}),
    "queue": Situation("jobset", "NoQueue", nodes="fake", runtime={"queue": "team-a"}),
    "suspended": Situation("tfjob", "Suspended", nodes="fake", own={"spec": {"runPolicy": {"suspend": True}}}),
    "operator": Situation(
        "tfjob", "NoOperator", nodes="fake", own={"spec": {"runPolicy": {"managedBy": "kueue.x-k8s.io/multikueue"}}}
    ),
    "master": Situation(
        "pytorchjob",
        "Unschedulable",
        framework="PyTorch",
        roles={"Master": {"replicas": 1, "resources": "cpu=500"}, "Worker": {"replicas": 2}},
    ),
}
