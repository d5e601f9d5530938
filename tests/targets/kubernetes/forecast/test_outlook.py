"""What is said before a start holds wherever a scheduler puts the pods, and says no more than is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.models import ExperimentSpec, RuntimeSpec
from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import Node
from submarine_jupyter_server.targets.kubernetes.capacity.pod_requests import Amounts
from submarine_jupyter_server.targets.kubernetes.forecast.nodes import on_nodes
from submarine_jupyter_server.targets.kubernetes.forecast.outlook import Facts, outlook
from submarine_jupyter_server.targets.kubernetes.forecast.pods import PodSet, pod_sets, written
from submarine_jupyter_server.targets.kubernetes.forecast.queues import Queue
from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict
from tests.kubernetes.server import spec

Json = dict[str, Any]
ANY = RuntimeSpec()


def node(free: str, room: str = "cpu=8,memory=16Gi,pods=10", *taints: str, **labels: str) -> Node:
    """Return a node; each of ``taints`` is the key of one that keeps pods out."""
    keeps_out = tuple({"key": key, "effect": "NoSchedule"} for key in taints)
    return Node(of(room), of(room) | of(free), labels, keeps_out)


def of(text: str) -> Amounts:
    return {name: quantity(amount) for name, amount in (part.split("=") for part in text.split(","))}


def pods(text: str, count: int = 1, role: str = "Worker") -> PodSet:
    asked = of(text)
    return PodSet(role, count, asked, asked)


small = st.builds(
    lambda cpu, memory: {"cpu": Decimal(cpu), "memory": Decimal(memory)}, st.integers(0, 4), st.integers(0, 4)
)
sets = st.lists(
    st.builds(lambda count, each: PodSet("Worker", count, each, {}), st.integers(1, 3), small), min_size=1, max_size=3
)
nodes = st.lists(
    st.builds(
        lambda cpu, memory, count: Node(
            {name: Decimal(9) for name in ("cpu", "memory", "pods")},
            {"cpu": Decimal(cpu), "memory": Decimal(memory), "pods": Decimal(count)}, {}, (),
        ),
        st.integers(0, 9), st.integers(0, 9), st.integers(0, 4),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(sets, nodes, st.randoms(use_true_random=False))
def test_wherever_a_scheduler_puts_them_it_is_as_it_was_said(
    wanted: list[PodSet], there: list[Node], chance: Any
) -> None:
    found = on_nodes(wanted, there, ANY)
    waiting = [each.requests | {"pods": Decimal(1)} for each in wanted for _ in range(each.count)]
    chance.shuffle(waiting)
    free = [dict(each.free or {}) for each in there]
    placed = 0
    for asked in waiting:
        fitting = [room for room in free if all(room[name] >= amount for name, amount in asked.items())]
        if fitting:
            room = chance.choice(fitting)
            room.update({name: room[name] - amount for name, amount in asked.items()})
            placed += 1
    if found.verdict is Verdict.NOW:
        assert placed == len(waiting)
    elif found.verdict is not None:
        assert placed < len(waiting)


RESERVED = "nodes that have room are reserved for others (by a taint), and it may have to wait"


@pytest.mark.parametrize(
    ("wanted", "there", "runtime", "verdict", "why"),
    [
        ([pods("cpu=2")], [node("cpu=2")], ANY, Verdict.NOW, "the nodes have room for it"),
        ([pods("cpu=2")], [node("cpu=1"), node("cpu=1")], ANY, Verdict.WAITS, "no node has cpu=2 free"),
        ([pods("cpu=2")], [node("pods=0")], ANY, Verdict.WAITS, "no node has cpu=2 free"),
        (
            [pods("cpu=2,memory=1Gi", 3)], [node("cpu=4"), node("cpu=1")], ANY, Verdict.WAITS,
            "the nodes have room for 2 of 3 Workers with cpu=2,memory=1Gi",
        ),
        (
            [pods("cpu=16")], [node("cpu=1")], ANY, Verdict.NEVER,
            "a Worker asks for cpu=16, and no node of the cluster has so much",
        ),
        (
            [pods("cpu=4", role="Ps"), pods("cpu=1", 4)], [node("cpu=4"), node("cpu=4")], ANY, None,
            "the nodes have room for it only if the cluster distributes its replicas well",
        ),
        ([pods("cpu=2")], [node("cpu=1"), node("cpu=8", "cpu=8,pods=9", "gpu")], ANY, None, RESERVED),
        (
            [pods("cpu=2")], [node("cpu=1"), node("cpu=8", "cpu=8,pods=9", "gpu")],
            RuntimeSpec.model_validate({"tolerations": [{"key": "gpu", "operator": "Exists"}]}),
            Verdict.NOW, "the nodes have room for it",
        ),
        (
            [pods("cpu=2")], [node("cpu=1"), node("cpu=1", "cpu=8,pods=9", "gpu")], ANY, Verdict.WAITS,
            "no node has cpu=2 free",
        ),
        (
            [pods("cpu=2")], [node("cpu=8", zone="a")], RuntimeSpec.model_validate({"nodeSelector": {"zone": "b"}}),
            Verdict.NEVER, "the cluster has no nodes that take pods as runtime.nodeSelector wants them (zone=b)",
        ),
        (
            [pods("cpu=2")], [node("cpu=1")], RuntimeSpec(priority="high"), None,
            "no node has cpu=2 free; whether others make room for its priority is not known",
        ),
        (
            [PodSet("Worker", 1, {"ephemeral-storage": Decimal(1)}, {})], [node("cpu=1")], ANY, None,
            "how much ephemeral-storage the nodes have is not known",
        ),
    ],
)  # fmt: skip
def test_what_nodes_have_room_for(
    wanted: list[PodSet], there: list[Node], runtime: RuntimeSpec, verdict: Verdict | None, why: str
) -> None:
    assert on_nodes(wanted, there, runtime) == Forecast(verdict, why)


def quota(name: str = "q", used: Json | None = None, **hard: str) -> Json:
    named = {what.replace("_", "."): amount for what, amount in hard.items()}
    return {"metadata": {"name": name}, "spec": {}, "status": {"hard": named, "used": used or {}}}


USED_UP = "the quota 'q' of the namespace is used up"
ROOMY = (node("cpu=8,memory=16Gi"),)


@pytest.mark.parametrize(
    ("quotas", "verdict", "why"),
    [
        ([quota(requests_cpu="2")], Verdict.NOW, "the nodes have room for it"),
        (
            [quota(used={"requests.cpu": "1500m"}, requests_cpu="2")], Verdict.WAITS,
            f"{USED_UP} (requests.cpu: 1500m of 2 used, it asks for 1); with cpu=500m it would start now",
        ),
        (
            [quota(limits_memory="100M")], Verdict.NEVER,
            "it asks for more than the quota 'q' of the namespace has (limits.memory: 1Gi of 100M)",
        ),
        (
            [quota(used={"pods": "3"}, pods="3")], Verdict.WAITS,
            f"{USED_UP} (pods: 3 of 3 used, it asks for 1)",
        ),
        ([quota() | {"status": {"hard": {"count/jobs.batch": "1"}}}], Verdict.NOW, "the nodes have room for it"),
        (
            [quota(used={"cpu": "2"}, cpu="2") | {"spec": {"scopes": ["BestEffort"]}}], None,
            f"{USED_UP} (cpu: 2 of 2 used, it asks for 1), if that quota applies to it",
        ),
        (None, None, "this server may not list the quotas of its namespace (docs/deploy/role.yaml)"),
    ],
)  # fmt: skip
def test_what_quotas_have_room_for(quotas: list[Json] | None, verdict: Verdict | None, why: str) -> None:
    found = outlook(Facts(ANY, ROOMY, quotas), [pods("cpu=1,memory=1Gi")])
    assert (found.verdict, found.why) == (verdict, why)


def test_a_quota_wants_each_pod_to_say_what_it_asks_for() -> None:
    found = outlook(Facts(ANY, ROOMY, [quota(limits_memory="1Gi")]), [pods("cpu=1")])
    assert found == Forecast(None, "under the quota 'q' each pod has to say its memory")


def queue(
    behind: Json | None = None, local: Json | None = None, flavors: tuple[Json, ...] = ({},), **more: Any
) -> Queue:
    """Return a queue of two cores of which one is taken, and what is different."""
    resources = [{"name": "cpu", "nominalQuota": "2"}, {"name": "memory", "nominalQuota": "4Gi"}]
    group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "f", "resources": resources}]}
    reserved = [{"name": "f", "resources": [{"name": "cpu", "total": "1"}]}]
    status = {"flavorsReservation": reserved, "pendingWorkloads": 0}
    whole = {"spec": {"namespaceSelector": {}, "resourceGroups": [group]} | (behind or {}), "status": status | more}
    return Queue("team", {"spec": {"clusterQueue": "c"} | (local or {})}, whole, flavors)


ROLE = "(docs/deploy/capacity-clusterrole.yaml)"
HAS = "the queue 'team' has quota for it"


@pytest.mark.parametrize(
    ("asked", "there", "verdict", "why"),
    [
        ("cpu=1,memory=1Gi", queue(), Verdict.NOW, HAS),
        ("cpu=2", queue(), Verdict.WAITS, "it waits in the queue 'team': 1 cpu more has to become free"),
        ("cpu=3", queue(), Verdict.NEVER, "it asks for 3 cpu, and the queue 'team' never has more than 2"),
        (
            "cpu=1,nvidia.com/gpu=1", queue(), Verdict.NEVER,
            "it asks for nvidia.com/gpu, and the queue 'team' has none at all",
        ),
        ("cpu=1", queue(pendingWorkloads=2), None, f"{HAS}, but 2 wait there already"),
        (
            "cpu=1", queue(local={"stopPolicy": "Hold"}), Verdict.WAITS,
            "an administrator has stopped the queue 'team': it waits until that is over",
        ),
        (
            "cpu=1", queue({"stopPolicy": "HoldAndDrain"}), Verdict.WAITS,
            "an administrator has stopped 'c', the ClusterQueue of the queue 'team': it waits until that is over",
        ),
        (
            "cpu=1", queue(conditions=[{"type": "Active", "status": "False"}]), Verdict.WAITS,
            "'c', the ClusterQueue of the queue 'team', is stopped or set up only in part: it waits until that is over",
        ),
        ("cpu=1", Queue("team", None), Verdict.NEVER, "there is no queue 'team' in this namespace"),
        (
            "cpu=1", Queue("team", None, kept=False), Verdict.NEVER,
            "it would wait in the queue 'team', but this cluster has no queues (no Kueue)",
        ),
        (
            "cpu=1", Queue("team", {"spec": {"clusterQueue": "c"}}), Verdict.NEVER,
            "the queue 'team' leads nowhere: its ClusterQueue 'c' does not exist",
        ),
        (
            "cpu=1", Queue("team", None, unread="localqueues"), None,
            f"whether the queue 'team' has room is not known: this server may not get localqueues {ROLE}",
        ),
        (
            "cpu=1", queue({"cohort": "all"}), None,
            "the queue 'team' shares its quota with others (all), and whether there is room is not known",
        ),
        (
            "cpu=1", queue({"namespaceSelector": {"matchLabels": {}}}), None,
            "whether the queue 'team' takes anything of this namespace is not known",
        ),
        (
            "cpu=1", queue({"admissionChecks": ["a"]}), None,
            f"{HAS}, but lets it in only once the cluster has checked it",
        ),
        (
            "cpu=1", queue(flavors=({"spec": {"nodeTaints": [{"key": "x"}]}},)), None,
            f"{HAS}, but which nodes it gives is known only once it starts",
        ),
        (
            "cpu=1", queue(flavors=({"spec": {"nodeLabels": {"zone": "a"}}},)), Verdict.NEVER,
            "the cluster has no nodes that take pods as runtime.nodeSelector wants them (zone=a)",
        ),
    ],
)  # fmt: skip
def test_what_a_queue_has_room_for(asked: str, there: Queue, verdict: Verdict | None, why: str) -> None:
    found = outlook(Facts(ANY, ROOMY, [], there), [pods(asked)])
    assert (found.verdict, found.why.partition("; with ")[0]) == (verdict, why)


def test_who_may_make_room_is_not_guessed() -> None:
    runtime = RuntimeSpec(priority="high")
    waits = "it waits in the queue 'team': 1 cpu more has to become free"
    found = outlook(Facts(runtime, ROOMY, [], queue({"preemption": {"withinClusterQueue": "Never"}})), [pods("cpu=2")])
    assert found.verdict is Verdict.WAITS
    found = outlook(
        Facts(runtime, ROOMY, [], queue({"preemption": {"withinClusterQueue": "LowerPriority"}})), [pods("cpu=2")]
    )
    assert found == Forecast(None, f"{waits}; whether others make room for its priority is not known", Ahead(0))


def test_what_is_ahead_in_a_queue_is_counted_and_ours_is_named() -> None:
    found = outlook(Facts(ANY, ROOMY, [], queue(pendingWorkloads=3), ("one", "two")), [pods("cpu=2")])
    assert found.ahead == Ahead(3, ("one", "two"))


def test_the_least_that_would_start_is_of_cpu_and_memory_together_where_both_lack() -> None:
    there = (node("cpu=3,memory=3Gi"),)
    found = outlook(Facts(ANY, there, []), [pods("cpu=4,memory=4Gi")])
    assert (found.verdict, found.fits) == (Verdict.WAITS, "cpu=2,memory=2Gi")
    assert found.why == "no node has cpu=4,memory=4Gi free; with cpu=2,memory=2Gi it would start now"


def test_the_pods_of_an_experiment() -> None:
    made = ExperimentSpec.parse(spec("TensorFlow", {"ps": 1, "worker": 2}, resources="cpu=500m,memory=64M"))
    both = {"cpu": Decimal("0.5"), "memory": Decimal(64_000_000)}
    assert pod_sets(made, cpu_limit=False) == [
        PodSet("Ps", 1, both, {"memory": both["memory"]}),
        PodSet("Worker", 2, both, {"memory": both["memory"]}),
    ]


@pytest.mark.parametrize(
    ("name", "amount", "text"),
    [
        ("cpu", "2", "2"), ("cpu", "0.25", "250m"), ("cpu", "1.5", "1500m"), ("memory", "64000000", "64M"),
        ("memory", "1073741824", "1Gi"), ("memory", "1536000000", "1536M"), ("memory", "10", "10"),
        ("nvidia.com/gpu", "8", "8"),
    ],
)  # fmt: skip
def test_amounts_are_written_as_people_do(name: str, amount: str, text: str) -> None:
    assert written(name, Decimal(amount)) == text
