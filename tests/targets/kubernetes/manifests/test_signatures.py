"""Names of what belongs to an attempt cannot be taken before it is made."""

from __future__ import annotations

from dataclasses import replace

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from tests.targets.kubernetes.small_cluster import KEY, launch

OPTIONS = ClusterOptions(key=KEY)


def names(attempt: int, options: ClusterOptions = OPTIONS, experiment_id: str = "experiment-1-0001") -> set[str]:
    body = launch().spec.wire()
    body["meta"]["envVars"] = {"API_TOKEN": "canary"}
    body["code"] = {"syncMode": "inline", "files": {"train.py": "print(1)"}}
    body["spec"]["Ps"] = {"replicas": 1, "resources": "cpu=1"}
    of = replace(launch(spec=ExperimentSpec.parse(body)), attempt=attempt, experiment_id=experiment_id)
    made = render(of, kind="indexed_jobs", namespace="ns", options=options)
    return {item["metadata"]["name"] for item in made if item["kind"] != "Job"}


def test_who_knows_one_attempt_knows_no_name_of_the_next() -> None:
    first, second = names(1), names(2)
    assert len(first) == len(second) == 4
    stems = {name[: len("experiment-1-0001-0b617cea-12345678")] for name in first | second}
    assert len(stems) == 2
    assert not first & second
    assert not second & names(2, replace(OPTIONS, key=b"another"))
    assert second == names(2)


def test_the_longest_names_are_legal() -> None:
    longest = names(10**9, experiment_id=f"experiment-{'9' * 15}-{'9' * 9}")
    assert max(len(name) for name in longest) <= 253
    assert min(len(name) for name in longest) <= 63  # the Service
