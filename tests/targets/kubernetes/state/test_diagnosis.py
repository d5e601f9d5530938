"""The sentence for each situation, in full: what a person reads instead of asking kubectl."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.state.reasons import container_start, images
from submarine_jupyter_server.targets.kubernetes.state.reasons.mounts import why_not_mounted
from submarine_jupyter_server.targets.kubernetes.state.reasons.scheduling import why_no_node
from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import (
    Rank,
    Trouble,
    cut,
    diagnosis_of,
    last_lines,
)
from submarine_jupyter_server.targets.kubernetes.state.snapshot import Snapshot
from submarine_jupyter_server.targets.kubernetes.state.status import observe
from submarine_jupyter_server.targets.kubernetes.state.views import Condition, EventView, PodView
from tests.targets.kubernetes.recordings import FOLDER, Recording
from tests.targets.kubernetes.situations import SITUATIONS

LAST = "; last lines:\nepoch 1\nloss is nan"
CRASH = "worker-0 failed with exit code 3"
QUOTA = "cannot be made: the quota 'team' of the namespace is used up"
TOO_MUCH = "worker-0 cannot be made: it asks for more than the quota 'team' of the namespace has (requests.cpu: 3 of 2)"
LATE = "it ran longer than runtime.maxRunTime=3 s"
DRAINED = "worker-0 was evicted from its node real-0, which is being drained (maintenance, autoscaler)"

SENTENCES: dict[str, tuple[str, str] | None] = {
    "success": None,
    "success.jobset": None,
    "success.jobs": None,
    "crash": ("ReplicaFailed", CRASH + LAST),
    "crash.jobset": ("ReplicaFailed", CRASH + LAST),
    "crash.jobs": ("ReplicaFailed", CRASH + LAST),
    "crash.pytorch": ("ReplicaFailed", CRASH + LAST),
    "crash.ps": ("ReplicaFailed", f"ps-0 failed with exit code 3{LAST}"),
    "signal": ("ReplicaFailed", "worker-0 failed with exit code 139 (as after SIGSEGV); it wrote nothing"),
    "silent": ("ReplicaFailed", "worker-0 failed with exit code 2; it wrote nothing"),
    "memory": ("OOMKilled", "worker-0 ran out of memory at its limit of 64Mi (exit code 137)"),
    "retries": ("ReplicaFailed", f"{CRASH}; it was started 3 times{LAST}"),
    "retries.jobset": ("ReplicaFailed", f"{CRASH}; it was started 2 times{LAST}"),
    "retries.jobs": ("ReplicaFailed", f"{CRASH}; it was started 2 times{LAST}"),
    "crash_loop": ("CrashLoop", f"{CRASH}; start 3 of 10 comes soon{LAST}"),
    "restarting.jobs": ("CrashLoop", f"{CRASH}; start 3 of 10 comes soon{LAST}"),
    "deadline": ("DeadlineExceeded", LATE),
    "deadline.jobset": ("DeadlineExceeded", LATE),
    "deadline.jobset_retries": ("DeadlineExceeded", LATE),
    "deadline.jobs": ("DeadlineExceeded", LATE),
    "evicted": (
        "Evicted",
        'worker-0 was evicted by its node real-0: Usage of EmptyDir volume "volume-0" exceeds the limit "1Mi"',
    ),
    "drained": ("Evicted", DRAINED),
    "drained.tfjob": ("Evicted", DRAINED),
    "preempted": ("Preempted", "worker-2 lost its node fake-1 to work of higher priority"),
    "removed": ("ReplicaRemoved", "worker-0 was removed while it ran, by somebody or by the cluster"),
    "lost": (
        "NodeNotReady",
        "worker-0 may still run: its node real-0 has not been ready since 2026-11-28 07:55 UTC",
    ),
    "gpu": (
        "Unschedulable",
        (
            "worker-0 cannot be scheduled: 0/4 nodes fit: 3 without nvidia.com/gpu=64 free, 1 not meant for it;"
            " and 1 more replica"
        ),
    ),
    "selector": (
        "Unschedulable",
        "worker-0 cannot be scheduled: 0/4 nodes fit: 4 not as runtime.nodeSelector wants them (gpu-type=h100)",
    ),
    "claim": ("Unschedulable", "worker-0 cannot be scheduled: the volume claim 'nowhere' does not exist"),
    "image": (
        "RegistryUnreachable",
        (
            "worker-0 cannot start: the registry of its image 'submarine.test/none:1' cannot be reached from the"
            " cluster (network is unreachable); and 1 more replica"
        ),
    ),
    "command": (
        "CommandNotFound",
        "worker-0 cannot start: there is no 'nosuchprogram' in its image 'submarine.test/training:1'",
    ),
    "folder": ("CommandNotFound", "worker-0 cannot start: '/tmp' cannot be run: permission denied"),
    "secret": (
        "SecretNotFound",
        (
            "worker-0 cannot start: the secret 'experiment-1647574374688-0002-env-1' that it refers to does not exist;"
            " and 1 more replica"
        ),
    ),
    "volume": (
        "VolumeNotMounted",
        "worker-0 cannot start: its volume at /data cannot be mounted: the ConfigMap 'nowhere' does not exist",
    ),
    "quota": ("QuotaExceeded", f"worker-2 {QUOTA} (requests.cpu: 2 of 2 used, it asks for 1)"),
    "quota.jobs": ("QuotaExceeded", TOO_MUCH),
    "quota.jobset": ("QuotaExceeded", TOO_MUCH),
    "quota.unsaid": (
        "QuotaExceeded",
        "worker-0 cannot be made: under the quota 'team' it needs cpu: add it to resources",
    ),
    "limits": (
        "LimitExceeded",
        (
            "worker-0 cannot be made: the namespace has limits: maximum memory usage per Container is 1Gi,"
            " but limit is 2Gi"
        ),
    ),
    "standard": (
        "Denied",
        (
            "worker-0 cannot be made: the namespace's security standard 'restricted' does not allow it:"
            ' runAsNonRoot != true (pod or container "tensorflow" must set securityContext.runAsNonRoot=true)'
        ),
    ),
    "policy": (
        "Denied",
        "worker-0 cannot be made: the policy 'team' of the cluster denies it: training is only allowed at night",
    ),
    "account": (
        "Denied",
        "worker-0 cannot be made: there is no service account 'nobody' (runtime.serviceAccount)",
    ),
    "priority": ("Denied", "worker-0 cannot be made: the cluster has no priority 'urgent' (runtime.priority)"),
    "queue": (
        "NoQueue",
        (
            "it waits in the queue 'team-a', but Kueue does not manage JobSets here (not "
            "installed, or not for this namespace)"
        ),
    ),
    "suspended": ("Suspended", "somebody suspended it: nothing runs until it is resumed"),
    "operator": ("NoOperator", "no operator for TFJob answers in this cluster"),
    "master": (
        "Unschedulable",
        "master-0 cannot be scheduled: 0/4 nodes fit: 3 not meant for it, 1 without cpu=500 free",
    ),
}


def sentence(seen: Snapshot, kind: str, after_ms: int = 60_000) -> tuple[str | None, str | None]:
    assert seen.own is not None
    found = observe(seen, kind=KINDS[kind], now_ms=seen.own.created_ms + after_ms)
    return found.reason, found.message


def test_every_situation_is_recorded_and_has_its_sentence() -> None:
    assert set(SENTENCES) == set(SITUATIONS) == {path.stem for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_of_a_situation(name: str) -> None:
    found = sentence(Recording.load(name).snapshot(), SITUATIONS[name].kind)
    assert found == (SENTENCES[name] or (None, None))
    assert found[0] == SITUATIONS[name].reason


def test_a_replica_that_failed_once_is_in_no_loop_yet() -> None:
    seen = Recording.load("crash_loop").snapshot()
    pods = tuple(replace(pod, container=replace(pod.container, restarts=1)) for pod in seen.pods)
    assert sentence(replace(seen, pods=pods), "tfjob") == ("Restarting", f"{CRASH}; start 2 of 10 comes soon{LAST}")


def test_each_replica_has_its_own_sentence() -> None:
    found = Recording.load("master").observe("pytorchjob").replicas
    assert found[1].message == "worker-0 waits for master-0"
    found = Recording.load("quota").observe("tfjob").replicas
    assert [replica.reason for replica in found] == [None, None, "QuotaExceeded"]


def waiting(reason: str, message: str, image: str = "team/model:1") -> Snapshot:
    """Return a TFJob whose first worker's container waits so."""
    before = Recording.load("secret").snapshot()
    first, *_ = before.pods
    container = replace(first.container, reason=reason, message=message, image=image)
    return replace(before, pods=(replace(first, index=0, container=container),), events=())


PULL = 'failed to pull and unpack image "team/model:1": failed to resolve reference "team/model:1": '
WAITING = [
    ("InvalidImageName", "couldn't parse", "InvalidImageName", "'team/model:1' is not the name of an image"),
    ("ErrImagePull", f"{PULL}team/model:1: not found", "ImageNotFound", "its image 'team/model:1' does not exist"),
    (
        "ImagePullBackOff",
        (
            f'Back-off pulling image "team/model:1": ErrImagePull: {PULL}pull access denied, repository does not exist'
            " or may require authorization: server message: insufficient_scope: authorization failed"
        ),
        "ImageAccessDenied",
        "the registry gives its image 'team/model:1' only after a login, or does not have it",
    ),
    (
        "ErrImagePull",
        f'{PULL}failed to do request: Head "https://team/v2/": dial tcp 192.0.2.1:443: i/o timeout',
        "RegistryUnreachable",
        "the registry of its image 'team/model:1' cannot be reached from the cluster (i/o timeout)",
    ),
    (
        "ErrImagePull",
        f"{PULL}unexpected status from HEAD request: 429 Too Many Requests",
        "RegistryBusy",
        "the registry of its image 'team/model:1' limits pulls and refuses more now",
    ),
    (
        "ErrImageNeverPull",
        'Container image "team/model:1" is not present with pull policy of Never',
        "ImageNotFound",
        "its image 'team/model:1' is not on its node, and may not be pulled",
    ),
    ("ErrImagePull", "flux is low", "ImagePullFailed", "its image 'team/model:1' cannot be pulled: flux is low"),
    ("ImagePullBackOff", "", "ImagePullFailed", "its image 'team/model:1' cannot be pulled"),
    (
        "CreateContainerConfigError",
        'container has runAsNonRoot and image will run as root (pod: "x_team(1)", container: tensorflow)',
        "RunsAsRoot",
        (
            "its image 'team/model:1' runs as root, which is not allowed: give the image a USER with a number other"
            " than 0, or ask the administrator to set one for this target"
        ),
    ),
    (
        "CreateContainerConfigError",
        "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root (pod: x)",
        "RunsAsRoot",
        (
            "its image 'team/model:1' names a user whose id the cluster cannot determine, which is not allowed: give"
            " the image a USER with a number other than 0, or ask the administrator to set one for this target"
        ),
    ),
    (
        "CreateContainerConfigError",
        "couldn't find key KEY in Secret team/keys",
        "SecretNotFound",
        "the Secret 'keys' has no 'KEY'",
    ),
    (
        "CreateContainerConfigError",
        'configmap "settings" not found',
        "ConfigMapNotFound",
        "the ConfigMap 'settings' that it refers to does not exist",
    ),
    ("CreateContainerError", "context deadline exceeded", "StartFailed", "context deadline exceeded"),
    ("RunContainerError", "", "StartFailed", "RunContainerError"),
]


@pytest.mark.parametrize(("reason", "message", "word", "text"), WAITING)
def test_a_container_that_cannot_start(reason: str, message: str, word: str, text: str) -> None:
    assert sentence(waiting(reason, message), "tfjob") == (word, f"worker-0 cannot start: {text}")


def with_event(reason: str, message: str) -> Snapshot:
    seen = waiting("ContainerCreating", "")
    return replace(seen, events=(EventView("e", "Pod", "p", seen.pods[0].uid, "Warning", reason, message, 1, 1),))


def test_what_the_newest_event_says() -> None:
    pulling = "worker-0 waits for 'team/model:1', which its node is pulling"
    assert sentence(with_event("Pulling", 'Pulling image "team/model:1"'), "tfjob") == ("PullingImage", pulling)
    assert sentence(with_event("Pulled", "done"), "tfjob") == (None, None)
    assert sentence(with_event("Unheard", "of"), "tfjob") == (None, None)
    sandbox = 'Failed to create pod sandbox: plugin type="bridge" failed (add): no IP addresses left'
    assert sentence(with_event("FailedCreatePodSandBox", sandbox), "tfjob") == (
        "NodeTrouble",
        "worker-0 cannot start: its node cannot prepare it (network, sandbox): no IP addresses left",
    )


def ended(pod_reason: str = "", pod_message: str = "", disruption: str = "", **container: object) -> Snapshot:
    """Return a TFJob that failed with its worker's pod and container so."""
    before = Recording.load("silent").snapshot()
    [pod] = before.pods
    conditions = (Condition("DisruptionTarget", True, disruption, "it had to be"),) if disruption else ()
    terminated = replace(pod.container, **container)  # type: ignore[arg-type]
    return replace(
        before,
        pods=(replace(pod, reason=pod_reason, message=pod_message, conditions=conditions, container=terminated),),
    )


NODE = "its node real-0"
ENDED = [
    (
        ended(disruption="DeletionByTaintManager"),
        "NodeLost",
        f"was removed from {NODE}, which does not answer or was closed",
    ),
    (ended(disruption="DeletionByPodGC"), "NodeLost", f"was lost with {NODE}, which is gone"),
    (ended(disruption="PreemptionByScheduler"), "Preempted", f"lost {NODE} to work of higher priority"),
    (ended(disruption="SomethingNew"), "Evicted", f"was ended by the cluster on {NODE}: it had to be"),
    (ended("NodeLost"), "NodeLost", f"was lost with {NODE}"),
    (ended("Terminated", "in response to shutdown"), "NodeShutdown", f"ended because {NODE} was shut down"),
    (
        ended("Evicted", "The node was low on resource: memory."),
        "Evicted",
        f"was evicted by {NODE}: The node was low on resource: memory",
    ),
    (
        ended("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu", state="waiting", exit_code=None),
        "RefusedByNode",
        f"was refused by {NODE}: Pod was rejected: Node didn't have enough resource: cpu",
    ),
    (
        ended(exit_code=137, reason="Error", message=""),
        "ReplicaFailed",
        "failed with exit code 137 (as after SIGKILL, by which a node also takes memory back); it wrote nothing",
    ),
    (ended(exit_code=137, reason="OOMKilled"), "OOMKilled", f"ran out of memory on {NODE} (exit code 137)"),
    (ended(exit_code=255), "ReplicaFailed", "failed with exit code 255; it wrote nothing"),
    (ended("DeadlineExceeded", state="waiting", exit_code=None), "DeadlineExceeded", "ran longer than it may"),
    (ended(state="waiting", exit_code=None), "ReplicaFailed", "failed"),
]


@pytest.mark.parametrize(("seen", "word", "text"), ENDED, ids=range(len(ENDED)))
def test_a_replica_that_ended(seen: Snapshot, word: str, text: str) -> None:
    assert sentence(seen, "tfjob") == (word, f"worker-0 {text}")


def test_an_end_of_which_nothing_is_left() -> None:
    before = Recording.load("retries").snapshot()
    assert sentence(replace(before, pods=(), events=()), "tfjob") == (
        "BackoffLimitExceeded",
        "it failed more often than runtime.retries=1 allows; the cluster did not keep how",
    )


def test_who_failed_first_is_named_and_the_others_are_counted() -> None:
    before = Recording.load("crash").snapshot()
    pod = next(pod for pod in before.pods if pod.role == "worker")
    assert pod.container.finished_ms is not None
    later = replace(pod.container, finished_ms=pod.container.finished_ms + 1000)
    pods: list[PodView] = [
        replace(pod, index=1, uid="1", container=later),
        pod,
        replace(pod, role="ps", uid="2", container=later),
    ]
    assert sentence(replace(before, pods=tuple(pods)), "tfjob") == (
        "ReplicaFailed",
        f"{CRASH}; and 2 more replicas{LAST}",
    )


def test_silence_is_only_told_after_ten_seconds() -> None:
    assert sentence(Recording.load("operator").snapshot(), "tfjob", 9_000) == (None, None)
    assert sentence(Recording.load("queue").snapshot(), "jobset", 9_000) == ("Queued", "it waits in the queue 'team-a'")
    before = Recording.load("quota.jobs").snapshot()
    own = replace(before.own, answered=False, conditions=()) if before.own else None
    assert sentence(replace(before, own=own, events=()), "indexed_jobs") == (
        "NoController",
        "the cluster does not start it: the Job controller does not answer",
    )


def refused(message: str) -> str | None:
    """Return the sentence when a controller was told this."""
    before = Recording.load("quota.jobs").snapshot()
    events = [replace(event, message=message) for event in before.events if event.reason == "FailedCreate"]
    return sentence(replace(before, events=tuple(events)), "indexed_jobs")[1]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            'Error creating: admission webhook "guard.example.org" denied the request: no names with an x',
            "the policy 'guard.example.org' of the cluster denies it: no names with an x",
        ),
        (
            'Error creating: Internal error occurred: failed calling webhook "guard.example.org": dial tcp: refused',
            "the cluster's webhook 'guard.example.org' does not answer: check that its operator runs",
        ),
        ('Error creating: pods "x" is forbidden: nobody knows', "nobody knows"),
        ("", "the cluster does not say why"),
    ],
)
def test_a_pod_that_cannot_be_made(message: str, text: str) -> None:
    assert refused(message) == f"worker-0 cannot be made: {text}"


SCHEDULER = [
    ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "0/3 nodes have nvidia.com/gpu=4 free"),
    (
        (
            "0/3 nodes are available: 2 Insufficient cpu, 3 Insufficient memory. preemption: 0/3 nodes are available: 3"
            " No preemption victims found for incoming pod."
        ),
        "0/3 nodes fit: 3 without memory free, 2 without cpu=8 free",
    ),
    (
        (
            "0/5 nodes are available: 1 node(s) had untolerated taint {team: other}, 1 node(s) were unschedulable, 3"
            " Too many pods."
        ),
        "0/5 nodes fit: 3 full: no more pods fit, 1 reserved for others (taint team), 1 closed for new work",
    ),
    ("0/1 nodes are available: 1 node(s) were in a bad mood.", "0/1 nodes fit: 1 node(s) were in a bad mood"),
    (
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        "its volume claim has no storage yet",
    ),
    ("no nodes available to schedule pods", "the cluster has no nodes"),
    ("the scheduler is on strike", "the scheduler is on strike"),
    ("", "the cluster does not say why"),
]


@pytest.mark.parametrize(("message", "text"), SCHEDULER)
def test_the_words_of_the_scheduler(message: str, text: str) -> None:
    assert why_no_node(message, {"nvidia.com/gpu": "4", "cpu": "8"}, None) == text


@given(st.text(max_size=200) | st.text("0123456789/ nodesarvilb:,.{}()'\"", max_size=400))
def test_no_message_is_too_strange(text: str) -> None:
    spec = ExperimentSpec.parse(
        {"meta": {"name": "a", "framework": "Standalone", "cmd": "b"}, "spec": {"Worker": {"replicas": 1}}}
    )
    found = [
        why_no_node(f"0/3 nodes are available: {text}", {}, {}),
        why_no_node(text, {}, None),
        images.why_no_image("ErrImagePull", text, text).sentence,
        container_start.why_not_started("CreateContainerError", text, text).sentence,
        why_not_mounted(text, spec).sentence,
        why_not_mounted(f'MountVolume.SetUp failed for volume "volume-{text}" : x', spec).sentence,
    ]
    for one in found:
        diagnosis = diagnosis_of([Trouble(Rank.NEVER, "Word", one)])
        assert diagnosis is not None
        assert diagnosis.message.isprintable()
        assert 0 < len(diagnosis.message) <= 300


@given(st.text(max_size=300), st.integers(2, 100))
def test_a_cut_text_is_one_line(text: str, longest: int) -> None:
    assert len(cut(text, longest)) <= longest
    assert cut(text, longest).isprintable() or not cut(text, longest)


def test_last_lines_are_plain_and_few() -> None:
    text = "first\n" + "\n".join(f"line {i}" for i in range(20)) + "\n\x1b[31m10%\r\x1b[32m100%\x1b[0m \udc80\n\n"
    assert last_lines(text).split("\n") == [*(f"line {i}" for i in range(11, 20)), "100% ?"]
    assert last_lines("x" * 5000) == "x" * 300
    assert last_lines("") == ""


def test_the_worst_comes_first_and_the_others_are_counted() -> None:
    waits = Trouble(Rank.WAITS, "PullingImage", "worker-3 waits")
    blocked = Trouble(Rank.BLOCKED, "Unschedulable", "worker-1 is blocked")
    never = Trouble(Rank.NEVER, "ImageNotFound", "worker-2 never starts", "its last line")
    assert diagnosis_of([]) is None
    cases = {
        (waits, waits, waits): "worker-3 waits; and 2 more replicas",
        (waits, blocked): "worker-1 is blocked",
        (
            waits,
            blocked,
            never,
        ): "worker-2 never starts; 1 more replica has another trouble; last lines:\nits last line",
        (
            blocked,
            blocked,
            never,
            never,
        ): "worker-2 never starts; and 1 more replica; 2 more replicas have other troubles; last lines:\nits last line",
    }
    for troubles, text in cases.items():
        found = diagnosis_of(troubles)
        assert found is not None
        assert found.message == text


@pytest.mark.parametrize(
    ("replicas", "generation", "told"),
    [
        ((("ps", 1), ("worker", 2)), 1, None),
        ((("ps", 1), ("worker", 5)), 1, "Worker has 5 replicas there, not 2"),
        ((("ps", 0), ("worker", 1)), 1, "Ps has 0 replicas there, not 1, Worker has 1 replica there, not 2"),
        ((("ps", 1), ("worker", 5)), 0, None),  # an order is under way
        ((), 1, None),
    ],
)
def test_another_number_of_replicas_than_was_ordered_is_shown(
    replicas: tuple[tuple[str, int], ...], generation: int, told: str | None
) -> None:
    before = Recording.load("success").snapshot()
    assert before.own is not None
    own = replace(before.own, replicas=replicas, conditions=(), finished_ms=None)
    seen = observe(
        replace(before, own=own, pods=(), generation=generation), kind=KINDS["tfjob"], now_ms=own.created_ms + 1000
    )
    assert seen.message == (told and f"somebody changed the TFJob on the cluster: {told}")
    assert seen.reason == (told and "ChangedOutside")
