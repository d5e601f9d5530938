"""Why experiments do not run, or failed: how each comes about on a cluster, and what a person is to read then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.registry import ADDRESS as REGISTRY
from tests.kubernetes.server import spec
from tests.targets.kubernetes.situations import FOREVER, LAST_WORDS, LIMITS, POLICY

Json = dict[str, Any]

# It ends when it is asked to, as the first process of a container does not by itself.
POLITE = "trap 'exit 143' TERM; sleep 100000 & wait"
NEVER = {"FAKE_EXIT_CODE": "never"}
ROOT_IMAGE, NAMED_IMAGE = "submarine.test/root:1", "submarine.test/named:1"
LAST = "; last lines:\nepoch 1\nloss is nan"
FAILED = "worker-0 failed with exit code 3"
QUOTA: Json = {"metadata": {"name": "team"}, "spec": {"hard": {"requests.memory": "1Ti", "pods": "2"}}}
SMALL_QUOTA: Json = {"metadata": {"name": "team"}, "spec": {"hard": {"requests.memory": "512Mi"}}}
_QUOTAS = "/api/v1/namespaces/{}/resourcequotas"
# Namespaces beside the server's: the type of their nodes, and what is in them before.
PLACES: dict[str, tuple[str, tuple[tuple[str, Json], ...]]] = {
    "fake": ("kwok", ()),
    "quota": ("kwok", ((_QUOTAS, QUOTA),)),
    "limits": ("kwok", (LIMITS, (_QUOTAS, SMALL_QUOTA))),
    "policy": ("kwok", POLICY),
    "image-user": ("kubelet", ()),
    "as-root": ("kubelet", ()),
}
# Targets of their own, each with one of these namespaces.
TARGETS: dict[str, Json] = {"image-user": {"run_as_user": None}, "as-root": {"run_as_user": 0}}


@dataclass(frozen=True)
class Case:
    """An experiment, the reason it comes to, and the sentence, where # stands for a number and {} for its namespace.

    ``place`` is a name in ``PLACES``, or ``real``: the server's own namespace, with real containers. ``replica`` is
    the one the sentence is about; ``act`` is done to its pod once it runs. What is ``passing`` soon gives way to
    another sentence, so that the event that told it counts, too.
    """

    reason: str
    sentence: str
    body: Json
    place: str = "real"
    replica: str | None = "worker-0"
    act: str = ""
    passing: bool = False

    def matches(self, message: str, namespace: str) -> bool:
        """Tell whether a message is the one expected."""
        pattern = re.escape(self.sentence.replace("{}", namespace)).replace(r"\#", r"\d+")
        return re.fullmatch(pattern, message) is not None


def one(cmd: str = FOREVER, **more: Any) -> Json:
    """Return an experiment with one worker, a TFJob unless ``framework`` says otherwise."""
    framework = more.pop("framework", "TensorFlow")
    return spec(framework, more.pop("replicas", {"worker": 1}), cmd, **more)


def image_of(name: str, **more: Any) -> Json:
    """Return an experiment with an image of its own."""
    return one(**more) | {"environment": {"image": name}}


def fake(**more: Any) -> Json:
    """Return an experiment whose containers are not real and run until they are ended."""
    return one(env=NEVER, **more)


def volume(**source: Any) -> Json:
    """Return the runtime of an experiment with one volume."""
    return {"volumes": [{"name": "data", "mountPath": "/data", **source}]}


def roles(body: Json, **changes: Mapping[str, Any]) -> Json:
    """Return an experiment with some of its roles changed."""
    return body | {"spec": {name: task | changes.get(name, {}) for name, task in body["spec"].items()}}


_NO_IMAGE = f"worker-0 cannot start: its image '{REGISTRY}/none:1' does not exist"
_NO_LOGIN = (
    f"worker-0 cannot start: the registry gives its image '{REGISTRY}/private/model:1' only after a login, or"
    " does not have it"
)
_BUSY = f"worker-0 cannot start: the registry of its image '{REGISTRY}/busy/model:1' limits pulls and refuses more now"
_NO_REGISTRY = (
    "worker-0 cannot start: the registry of its image 'submarine.test/none:1' cannot be reached from the cluster"
    " (network is unreachable); and 1 more replica"
)
_AS_ROOT = (
    "worker-0 cannot start: its image 'submarine.test/root:1' runs as root, which is not allowed: give the image a USER"
    " with a number other than 0, or ask the administrator to set one for this target"
)
_NAMED = (
    "worker-0 cannot start: its image 'submarine.test/named:1' names a user whose id the cluster cannot determine,"
    " which is not allowed: give the image a USER with a number other than 0, or ask the administrator to set one for"
    " this target"
)
_STANDARD = (
    "worker-0 cannot be made: the namespace's security standard 'restricted' does not allow it: runAsNonRoot != true"
    ' (pod or container "tensorflow" must set securityContext.runAsNonRoot=true)'
)
_FULL = (
    "worker-0 cannot be made: it asks for more than the quota 'team' of the namespace has (requests.memory: 800Mi of"
    " 512Mi)"
)
_NO_QUEUE = (
    "it waits in the queue 'team-a', but Kueue does not manage JobSets here (not installed, or not for this namespace)"
)
_GPUS = "worker-0 cannot be scheduled: 0/# nodes fit: # without nvidia.com/gpu=1000 free, # not meant for it"
_SELECTOR = "worker-0 cannot be scheduled: 0/# nodes fit: # not as runtime.nodeSelector wants them (gpu-type=h100)"
_LIMITED = (
    "worker-0 cannot be made: the namespace has limits: maximum memory usage per Container is 1Gi, but limit is 2Gi"
)
_POLICY = "worker-0 cannot be made: the policy '{}' of the cluster denies it: training is only allowed at night"
_DRAINED = "worker-0 was evicted from its node real-0, which is being drained (maintenance, autoscaler)"
_LATE = "it ran longer than runtime.maxRunTime=3 s"
_TOO_BIG = 'worker-0 was evicted by its node real-0: Usage of EmptyDir volume "volume-0" exceeds the limit "1Mi"'
_BIG = "dd if=/dev/zero of=/data/big bs=1M count=30; sleep 100000"
_NO_SECRET = "worker-0 cannot start: its volume at /data cannot be mounted: the secret 'nowhere' does not exist"
_HUNGRY = "python -c 'print(len(bytearray(512 << 20)))'"
_SEGV = "python -c 'import ctypes; ctypes.string_at(0)'"

CASES: dict[str, Case] = {
    "registry": Case("RegistryUnreachable", _NO_REGISTRY, image_of("submarine.test/none:1", replicas={"worker": 2})),
    "no image": Case("ImageNotFound", _NO_IMAGE, image_of(f"{REGISTRY}/none:1")),
    "no login": Case("ImageAccessDenied", _NO_LOGIN, image_of(f"{REGISTRY}/private/model:1")),
    "busy": Case("RegistryBusy", _BUSY, image_of(f"{REGISTRY}/busy/model:1")),
    "root": Case("RunsAsRoot", _AS_ROOT, image_of(ROOT_IMAGE), "image-user"),
    "named user": Case("RunsAsRoot", _NAMED, image_of(NAMED_IMAGE), "image-user"),
    "standard": Case("Denied", _STANDARD, one(), "as-root"),
    "command": Case(
        "CommandNotFound",
        "worker-0 cannot start: there is no 'nosuchprogram' in its image 'submarine.test/training:1'",
        one("nosuchprogram --epochs 3", framework="Standalone"),
    ),
    "secret": Case("VolumeNotMounted", _NO_SECRET, one(runtime=volume(secret="nowhere"))),
    "claim": Case(
        "Unschedulable",
        "worker-0 cannot be scheduled: the volume claim 'nowhere' does not exist",
        one(runtime=volume(persistentVolumeClaim="nowhere")),
    ),
    "gpu": Case("Unschedulable", _GPUS, fake(resources="nvidia.com/gpu=1000,cpu=1"), "fake"),
    "selector": Case("Unschedulable", _SELECTOR, fake(runtime={"nodeSelector": {"gpu-type": "h100"}}), "fake"),
    "master": Case(
        "Unschedulable",
        "master-0 cannot be scheduled: 0/# nodes fit: # not meant for it, 1 without cpu=500 free",
        roles(one(framework="PyTorch", replicas={"master": 1, "worker": 1}), Master={"resources": "cpu=500"}),
        replica="master-0",
    ),
    "quota": Case("QuotaExceeded", _FULL, fake(resources="cpu=1,memory=800Mi"), "limits"),
    "quota of pods": Case(
        "QuotaExceeded",
        "worker-# cannot be made: the quota 'team' of the namespace is used up (pods: 2 of 2 used, it asks for 1)",
        fake(replicas={"worker": 3}),
        "quota",
        replica=None,
    ),
    "quota, nothing said": Case(
        "QuotaExceeded",
        "worker-0 cannot be made: under the quota 'team' it needs memory: add it to resources",
        fake(resources="cpu=1"),
        "quota",
    ),
    "limits": Case("LimitExceeded", _LIMITED, fake(resources="memory=2Gi"), "limits"),
    "policy": Case("Denied", _POLICY, fake(framework="Standalone"), "policy"),
    "account": Case(
        "Denied",
        "worker-0 cannot be made: there is no service account 'nobody' (runtime.serviceAccount)",
        fake(runtime={"serviceAccount": "nobody"}),
        "fake",
    ),
    "priority": Case(
        "Denied",
        "worker-0 cannot be made: the cluster has no priority 'urgent' (runtime.priority)",
        fake(runtime={"priority": "urgent"}),
        "fake",
    ),
    "queue": Case("NoQueue", _NO_QUEUE, fake(runtime={"queue": "team-a"}), "fake", replica=None),
    "memory": Case(
        "OOMKilled",
        "worker-0 ran out of memory at its limit of 64Mi (exit code 137)",
        one(_HUNGRY, resources="cpu=100m,memory=64Mi"),
    ),
    "crash": Case(
        "ReplicaFailed", FAILED + LAST, roles(one(LAST_WORDS, replicas={"ps": 1, "worker": 1}), Ps={"cmd": FOREVER})
    ),
    "silent": Case(
        "ReplicaFailed", "worker-0 failed with exit code 2; it wrote nothing", one("exit 2", framework="Standalone")
    ),
    "signal": Case(
        "ReplicaFailed", "worker-0 failed with exit code 139 (as after SIGSEGV); it wrote nothing", one(_SEGV)
    ),
    "retries": Case(
        "ReplicaFailed",
        f"{FAILED}; it was started 2 times{LAST}",
        one(LAST_WORDS, framework="Standalone", runtime={"retries": 1}),
    ),
    "crash loop": Case(
        "CrashLoop", f"{FAILED}; start # of 10 comes soon{LAST}", one(LAST_WORDS, runtime={"retries": 9})
    ),
    "deadline": Case("DeadlineExceeded", _LATE, one(POLITE, runtime={"maxRunTime": 3}), replica=None),
    "evicted": Case(
        "Evicted",
        _TOO_BIG,
        one(_BIG, framework="Standalone", runtime=volume(emptyDir={"sizeLimit": "1Mi"})),
        passing=True,
    ),
    "drained": Case("Evicted", _DRAINED, one(POLITE), act="evict", passing=True),
    "removed": Case(
        "ReplicaRemoved",
        "worker-0 was removed while it ran, by somebody or by the cluster",
        one(POLITE, framework="Standalone"),
        replica=None,
        act="remove",
    ),
}
