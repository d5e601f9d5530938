"""What is told of an experiment in a queue: from the words of Kueue 0.19, with its feature gate and without."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import SENTENCE
from submarine_jupyter_server.targets.kubernetes.state.status import observe
from submarine_jupyter_server.targets.kubernetes.state.views import Condition, Place, WorkloadView
from tests.targets.kubernetes.recordings import Recording

MINUTE = 60_000
BEFORE = Recording.load("queue").snapshot()
assert BEFORE.own is not None
NOW = BEFORE.own.created_ms + MINUTE
AT = f"{datetime.fromtimestamp(NOW / 1000).astimezone():%H:%M}"
PREEMPTED = (
    "Preempted to accommodate a workload (UID: cdac32a9-3c5b-4a2f-9a0e-2d9c1d0f7b11, JobUID: "
    "0f2b7a33-9f1c-4a57-8a44-6a2b8e1c9d20) due to prioritization in the ClusterQueue; preemptor path: /team; preemptee "
    "path: /team"
)


def told(*conditions: Condition, place: Place | None = None, now_ms: int = NOW) -> tuple[str | None, str | None]:
    assert BEFORE.own is not None
    workload = WorkloadView("w", BEFORE.own.uid, "team-a", conditions)
    found = observe(replace(BEFORE, workload=workload, place=place), kind=KINDS["jobset"], now_ms=now_ms)
    return found.reason, found.message


def unreserved(message: str, reason: str = "Pending") -> Condition:
    return Condition("QuotaReserved", False, reason, message, NOW)


def fits_not(*reasons: str) -> str:
    return f"couldn't assign flavors to pod set worker: {', '.join(reasons)}"


def unused(resource: str = "cpu", flavor: str = "default", more: str = "1") -> str:
    return f"insufficient unused quota for {resource} in flavor {flavor}, {more} more needed"


def too_much(before: str, asked: str, most: str, resource: str = "cpu", flavor: str = "default") -> str:
    request = f"previously considered podsets requests ({before}) + current podset request ({asked})"
    return f"insufficient quota for {resource} in flavor {flavor}, {request} > maximum capacity ({most})"


def evicted(reason: str, message: str = "", *, status: bool = True) -> Condition:
    return Condition("Evicted", status, reason, message, NOW)


MISSING = "there is no queue 'team-a' in this namespace"
ELSEWHERE = "the queue 'team-a' takes nothing from this namespace"
PUT_OUT = "an administrator has taken it out of the queue 'team-a'"
ONE_MORE = "it waits in the queue 'team-a': 1 cpu more has to become free"
ROOM = "it waits in the queue 'team-a': 1 of lower priority makes room for it"
OVERLAP = "Workload has overlapping preemption targets with another workload"
NO_MACHINES = "the queue 'team-a' has no machines of the kind that it asks for: "
LET_IN = "the queue 'team-a' has let it in, and it starts soon"
WAITS = "it waits in the queue 'team-a'"
STOPPED = "an administrator has stopped the queue 'team-a': it waits until that is over"
REQUEUED = Condition("Requeued", True, "Preempted")
GATE = {  # the reason with the feature gate, by what it is without
    "missing": ("Inadmissible", "Misconfigured"),
    "stopped": ("Inadmissible", "Suspended"),
    "much": ("Pending", "ExceedsMaxQuota"),
    "flavor": ("Pending", "NoMatchingFlavor"),
    "out": ("Pending", "Deactivated"),
    "waits": ("Pending", "WaitingForQuota"),
}
UNRESERVED = [
    ("missing", "LocalQueue team-a doesn't exist", "NoQueue", MISSING),
    ("missing", "LocalQueue team-a is terminating or missing", "NoQueue", MISSING),
    (
        "missing",
        "ClusterQueue all doesn't exist",
        "NoQueue",
        "the queue 'team-a' leads nowhere: its ClusterQueue 'all' does not exist",
    ),
    ("missing", "Workload namespace doesn't match ClusterQueue selector", "NoQueue", ELSEWHERE),
    ("out", "The workload is deactivated", "Deactivated", PUT_OUT),
    ("stopped", "LocalQueue team-a is inactive", "QueueStopped", STOPPED),
    ("stopped", "LocalQueue team-a is stopped", "QueueStopped", STOPPED),
    (
        "stopped",
        "ClusterQueue all is stopped",
        "QueueStopped",
        "an administrator has stopped 'all', the ClusterQueue of the queue 'team-a': it waits until that is over",
    ),
    (
        "stopped",
        "ClusterQueue all is inactive",
        "QueueStopped",
        "'all', the ClusterQueue of the queue 'team-a', is stopped or set up only in part: it waits until that is over",
    ),
    (
        "much",
        fits_not(too_much("0", "2", "1")),
        "QueueTooSmall",
        "it asks for 2 cpu, and the queue 'team-a' never has more than 1",
    ),
    (
        "much",
        f"{fits_not(too_much('2Gi', '10Gi', '8Gi', 'memory'))}; {fits_not(unused())}",
        "QueueTooSmall",
        "it asks for 12Gi memory, and the queue 'team-a' never has more than 8Gi",
    ),
    (
        "much",
        fits_not(too_much("0", "9", "4", flavor="spot"), too_much("0", "9", "8", flavor="sure")),
        "QueueTooSmall",
        "it asks for 9 cpu, and the queue 'team-a' never has more than 8",
    ),
    (
        "flavor",
        fits_not("resource nvidia.com/gpu unavailable in ClusterQueue"),
        "QueueTooSmall",
        "it asks for nvidia.com/gpu, and the queue 'team-a' has none at all",
    ),
    (
        "flavor",
        fits_not("flavor h100 doesn't match node affinity"),
        "QueueUnfit",
        NO_MACHINES + fits_not("flavor h100 doesn't match node affinity"),
    ),
    ("waits", fits_not(unused()), "Queued", ONE_MORE),
    ("waits", fits_not(too_much("0", "9", "4", flavor="spot"), unused(flavor="sure")), "Queued", ONE_MORE),
    ("waits", fits_not("flavor h100 doesn't match node affinity", unused()), "Queued", ONE_MORE),
    ("waits", f"{fits_not(unused())}. Pending the preemption of 1 workload(s)", "Queued", ROOM),
    ("waits", OVERLAP, "Queued", f"{WAITS}: {OVERLAP}"),
]


@pytest.mark.parametrize("gate", [0, 1], ids=["default", "gate"])
@pytest.mark.parametrize(("what", "message", "word", "text"), UNRESERVED, ids=[case[1][:60] for case in UNRESERVED])
def test_why_a_queue_gives_no_quota(what: str, message: str, word: str, text: str, gate: int) -> None:
    assert told(unreserved(message, GATE[what][gate])) == (word, text)


OUT = [
    ("Deactivated", "The workload is deactivated", "Deactivated", PUT_OUT),
    (
        "Deactivated",
        "The workload is deactivated due to exceeding the maximum number of re-queuing retries",
        "Deactivated",
        "Kueue has taken it out of the queue 'team-a': exceeding the maximum number of re-queuing retries",
    ),
    ("LocalQueueStopped", "The LocalQueue is stopped", "QueueStopped", STOPPED),
    (
        "ClusterQueueStopped",
        "The ClusterQueue is stopped",
        "QueueStopped",
        "an administrator has stopped the ClusterQueue of the queue 'team-a': it waits until that is over",
    ),
]


@pytest.mark.parametrize(("reason", "message", "word", "text"), OUT)
def test_what_was_put_out_does_not_wait_until_that_is_over(reason: str, message: str, word: str, text: str) -> None:
    assert told(evicted(reason, message)) == (word, text)
    assert told(evicted(reason, message), unreserved(message), Condition("Requeued", False, reason)) == (word, text)
    assert told(evicted(reason, message), unreserved("LocalQueue team-a is inactive"))[0] == word
    again = Condition("Requeued", True, "LocalQueueRestarted")
    assert told(evicted(reason, message), unreserved(fits_not(unused())), again)[0] == "Queued"


AGAIN = [
    ("Preempted", f"it gave way at {AT} to one of higher priority"),
    ("PodsReadyTimeout", f"it gave its place back at {AT}, because its replicas were not ready in time"),
    ("AdmissionCheck", f"it lost its place at {AT} to a check of the cluster"),
    ("NodeFailures", f"it lost its place at {AT}, because a node failed"),
    ("Novelty", f"it lost its place at {AT} (Novelty)"),
]


@pytest.mark.parametrize(("reason", "text"), AGAIN)
def test_what_lost_its_place_waits_again(reason: str, text: str) -> None:
    conditions = [evicted(reason, PREEMPTED), REQUEUED, Condition("Preempted", True, "InClusterQueue", PREEMPTED)]
    place = Place(1, 4, 1)
    for message in (PREEMPTED, fits_not(unused())):
        said = told(*conditions, unreserved(message), place=place)
        assert said == ("Queued", f"{text}, and waits in the queue 'team-a', place 1 of 4")


def test_what_is_not_read_yet_is_not_missing() -> None:
    for unread, word in ((True, "Queued"), (False, "NoQueue")):
        assert observe(replace(BEFORE, unread=unread), kind=KINDS["jobset"], now_ms=NOW).reason == word


def test_an_earlier_day_is_named() -> None:
    _, message = told(evicted("Preempted"), REQUEUED, now_ms=NOW + 48 * 60 * MINUTE)
    at = datetime.fromtimestamp(NOW / 1000).astimezone()
    assert message == f"it gave way at {at:%H:%M on %Y-%m-%d} to others, and waits in the queue 'team-a'"


def test_that_it_lost_its_place_once_is_the_past_when_it_has_one_again() -> None:
    reserved = Condition("QuotaReserved", True, "QuotaReserved")
    assert told(reserved, evicted("QuotaReserved", f"Previously: {PREEMPTED}", status=False)) == ("Queued", LET_IN)


def test_it_has_its_place_and_waits_for_a_check() -> None:
    reserved = Condition("QuotaReserved", True, "QuotaReserved")
    unchecked = Condition("Admitted", False, "UnsatisfiedAdmissionChecks", "The workload has not all checks ready")
    text = "the queue 'team-a' lets it in once the cluster has checked it: The workload has not all checks ready"
    assert told(reserved, unchecked) == ("Queued", text)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(2, 5, 2), ", place 2 of 5"),
        (Place(2, None, 2), ", place 2"),
        (Place(2, 5, 8), ", place 2 of 5 (8 with the other queues that share its quota)"),
    ],
)
def test_the_place(place: Place, text: str) -> None:
    assert told(place=place) == ("Queued", f"{WAITS}{text}")
    missing = unreserved(fits_not(unused(more="500m")))
    assert told(missing, place=place) == ("Queued", f"{WAITS}{text}: 500m cpu more has to become free")
    assert told(unreserved(fits_not(too_much("0", "2", "1"))), place=place)[0] == "QueueTooSmall"


WORDS = st.sampled_from(
    [
        "LocalQueue {a",
        "ClusterQueue }",
        "is stopped",
        "doesn't exist",
        fits_not(too_much("x", "1" * 400, "{0}")),
        PREEMPTED,
    ]
)
CONDITIONS = st.builds(
    Condition,
    st.sampled_from(["QuotaReserved", "Evicted", "Admitted", "Preempted", "Requeued"]),
    st.booleans(),
    st.sampled_from(["", "Pending", "Inadmissible", "Misconfigured", "Suspended", "Deactivated", "Preempted", "{"]),
    st.lists(WORDS | st.text(max_size=40), max_size=4).map(" ".join),
    st.none() | st.just(NOW),
)


@given(st.lists(CONDITIONS, max_size=6))
def test_whatever_it_says_becomes_one_short_sentence_without_uids(conditions: list[Condition]) -> None:
    word, text = told(*conditions)
    assert word
    assert text
    assert len(text) <= SENTENCE
    assert "cdac32a9" not in text


@pytest.mark.parametrize("code", [None, 143])
def test_what_gave_way_was_not_started_again(code: int | None) -> None:
    before = Recording.load("crash.jobset").snapshot()
    pod = next(pod for pod in before.pods if pod.replica == "worker-0")
    assert before.own is not None
    ended = replace(pod.container, exit_code=code, state="terminated" if code else "running", reason="", message="")
    old = replace(pod, phase="Running", gone=True, gave_way=True, uid="1", container=ended, deleted_ms=1)
    runs = replace(ended, state="running", exit_code=None, finished_ms=None)
    new = replace(pod, phase="Running", uid="2", container=runs, created_ms=pod.created_ms + 1)
    goes_on = replace(before, own=replace(before.own, conditions=(), finished_ms=None), events=(), jobs=())
    for pods, status in (((old,), "Waiting"), ((old, new), "Running")):
        found = observe(replace(goes_on, pods=pods), kind=KINDS["jobset"], now_ms=NOW)
        assert (found.reason, found.message, found.notes) == (None, None, ())
        replica = next(item for item in found.replicas if item.name == "worker-0")
        assert (replica.status, replica.restarts) == (status, 0)


def test_a_gang_that_is_started_again_goes_on_running() -> None:
    before = Recording.load("crash.jobset").snapshot()
    assert before.own is not None
    again = (Condition("RestartingJobSet", True, "DefaultFailurePolicy", "first failed job: worker-0", NOW),)
    own = replace(before.own, conditions=again, finished_ms=None)
    found = observe(replace(before, own=own, pods=(), events=()), kind=KINDS["jobset"], now_ms=NOW)
    assert found.status == "Running"
