"""What a container really gets: the manifests are read as a kubelet reads them, and their commands are run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch
from submarine_jupyter_server.targets.replica_environment import environment
from submarine_jupyter_server.targets.replicas import Member, members

LaunchOf = Callable[..., Launch]
SPACE: dict[str, Any] = {"namespace": "space", "options": ClusterOptions()}
PORTS = {"TensorFlow": 2222, "PyTorch": 23456, "XGBoost": 9999, "Standalone": 23456}
# What the Training Operator 1.9 adds, from its sources (SetClusterSpec, setPodEnv).
RANKS = {"MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK"}
TORCHRUN = {"PET_NPROC_PER_NODE", "PET_NNODES", "PYTHONUNBUFFERED"}
OPERATOR: dict[str, set[str]] = {
    "tfjob": {"TF_CONFIG"},
    "pytorchjob": RANKS | TORCHRUN | {"PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NODE_RANK"},
    "xgboostjob": RANKS | {"WORKER_PORT", "WORKER_ADDRS", "PYTHONUNBUFFERED"},
}
CASES: list[tuple[str, dict[str, int], tuple[str, ...]]] = [
    ("TensorFlow", {"Ps": 2, "Worker": 3, "Chief": 1, "Evaluator": 1}, ("tfjob", "jobset", "indexed_jobs")),
    ("TensorFlow", {"Worker": 1}, ("tfjob", "jobset", "indexed_jobs")),
    ("PyTorch", {"Master": 1, "Worker": 3}, ("pytorchjob", "jobset", "indexed_jobs")),
    ("PyTorch", {"Worker": 2}, ("pytorchjob", "jobset", "indexed_jobs")),
    ("PyTorch", {"Master": 1}, ("pytorchjob", "jobset", "indexed_jobs")),
    ("XGBoost", {"Master": 1, "Worker": 2}, ("xgboostjob", "jobset", "indexed_jobs")),
    ("XGBoost", {"Master": 1}, ("xgboostjob", "jobset", "indexed_jobs")),
    ("XGBoost", {"Worker": 2}, ("jobset", "indexed_jobs")),
    ("Standalone", {"Worker": 3}, ("jobset", "indexed_jobs")),
    ("Standalone", {"Worker": 1}, ("jobset", "indexed_jobs")),
]


def expand(text: str, known: dict[str, str]) -> str:
    """Expand as k8s.io/kubernetes/third_party/forked/golang/expansion does."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replaced, text)


def templates(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield the role and pod template of everything that makes pods."""
    for item in objects:
        spec: Json = item.get("spec", {})
        found = [spec["template"]] if item["kind"] == "Job" else []
        found += [job["template"]["spec"]["template"] for job in spec.get("replicatedJobs", [])]
        for key, replicas in spec.items():
            if key.endswith("ReplicaSpecs"):
                found += [part["template"] for part in replicas.values()]
        for template in found:
            yield template["metadata"]["labels"]["submarine.apache.org/role"], template


def container_of(objects: list[Json], role: str) -> Json:
    [template] = [template for name, template in templates(objects) if name == role.lower()]
    [container] = template["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def variables(objects: list[Json], container: Json, index: int) -> dict[str, str]:
    """Return the environment as a kubelet makes it (makeEnvironmentVariables)."""
    stored: Json = {item["metadata"]["name"]: item.get("data") or item.get("stringData") for item in objects}
    found: dict[str, str] = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            value = str(index)
        elif source:
            [reference] = source.values()
            value = stored[reference["name"]][reference["key"]]
        else:
            value = expand(variable["value"], found)
        found[variable["name"]] = value
    return found


def started(objects: list[Json], container: Json, index: int) -> dict[str, str]:
    """Run the container's command, which prints its environment."""
    env = variables(objects, container, index)
    argv = [expand(word, env) for word in container["command"]]
    output = subprocess.run(argv, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, check=True).stdout
    return dict(line.split("=", 1) for line in output.decode().split("\0") if line)


def address(kind: str, framework: str, launch: Launch, *, alone: bool) -> Callable[[Member], tuple[str, int]]:
    stem = f"{launch.experiment_id}-{launch.uid[:8]}"

    def find(member: Member) -> tuple[str, int]:
        experiment_id = launch.experiment_id
        if alone:
            return "localhost", PORTS[framework]
        host = {
            "tfjob": f"{experiment_id}-{member.name}.space.svc",
            "jobset": f"{experiment_id}-{member.role.lower()}-0-{member.index}.{stem}.space.svc",
            "indexed_jobs": f"{experiment_id}-{member.name}.{stem}.space.svc",
        }.get(kind, f"{experiment_id}-{member.name}")
        return host, PORTS[framework]

    return find


def body(framework: str, counts: dict[str, int], **more: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "x", "framework": framework, "cmd": "env -0", **more},
        "environment": {"image": "x"},
        "spec": {role: {"replicas": count, "resources": "cpu=2"} for role, count in counts.items()},
    }


def as_json(values: dict[str, str]) -> dict[str, Any]:
    return {name: json.loads(value) if name == "TF_CONFIG" else value for name, value in values.items()}


@pytest.mark.parametrize(
    ("framework", "counts", "kind"), [(name, counts, kind) for name, counts, kinds in CASES for kind in kinds]
)
def test_every_replica_has_the_environment_of_the_contract(
    framework: str, counts: dict[str, int], kind: str, launch_of_spec: LaunchOf
) -> None:
    launch = launch_of_spec(body(framework, counts))
    objects = render(launch, kind=kind, **SPACE)
    for member in members(launch.spec):
        find = address(kind, framework, launch, alone=sum(counts.values()) == 1)
        contract = environment(launch.spec, launch.experiment_id, member, find)
        left_to_operator = OPERATOR.get(kind, set()) if len(members(launch.spec)) > 1 or kind != "tfjob" else set()
        if kind == "pytorchjob" and "Master" not in counts:
            left_to_operator = TORCHRUN
        if kind == "xgboostjob" and counts == {"Master": 1}:
            left_to_operator = left_to_operator - {"WORKER_PORT", "WORKER_ADDRS"}
        found = started(objects, container_of(objects, member.role), member.index)
        ours = {name: value for name, value in contract.items() if name not in left_to_operator}
        assert as_json({name: found[name] for name in ours}) == as_json(ours)
        assert not left_to_operator & set(found)
        # The operator's are, by name, just what is missing.
        assert left_to_operator <= set(contract)


@pytest.mark.parametrize(("framework", "counts"), [(name, counts) for name, counts, _ in CASES if len(counts) > 1])
def test_the_addresses_of_plain_jobs_are_the_host_names_of_their_pods(
    framework: str, counts: dict[str, int], launch_of_spec: LaunchOf
) -> None:
    launch = launch_of_spec(body(framework, counts))
    objects = render(launch, kind="indexed_jobs", **SPACE)
    [service] = [item for item in objects if item["kind"] == "Service"]
    jobs = {item["metadata"]["labels"]["submarine.apache.org/role"]: item for item in objects if item["kind"] == "Job"}
    for member in members(launch.spec):
        job = jobs[member.role.lower()]
        subdomain = job["spec"]["template"]["spec"]["subdomain"]
        assert subdomain == service["metadata"]["name"]
        assert service["spec"]["selector"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
        host, port = address("indexed_jobs", framework, launch, alone=False)(member)
        assert host == f"{job['metadata']['name']}-{member.index}.{subdomain}.space.svc"
        [opened] = job["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert opened["containerPort"] == port


def test_a_replica_that_starts_later_reads_the_new_number(launch_of_spec: LaunchOf) -> None:
    old = render(launch_of_spec(body("TensorFlow", {"Ps": 1, "Worker": 2})), kind="indexed_jobs", **SPACE)
    new = render(launch_of_spec(body("TensorFlow", {"Ps": 1, "Worker": 3})), kind="indexed_jobs", **SPACE)
    assert container_of(old, "Worker") == container_of(new, "Worker")
    later = variables(new, container_of(old, "Worker"), 2)
    assert len(json.loads(later["TF_CONFIG"])["cluster"]["worker"]) == 3


@given(
    text=st.text(
        alphabet=st.sampled_from("$()` \\'\"aé✓\n{}A_") | st.characters(codec="utf-8", exclude_characters="\0")
    ),
    secret=st.text(alphabet="$()aé\n"),
)
def test_values_reach_the_process_as_written(text: str, secret: str, launch_of_spec: LaunchOf) -> None:
    env_vars = {"A": "known", "TEXT": text, "MY_TOKEN": secret}
    launch = launch_of_spec(body("PyTorch", {"Master": 1, "Worker": 2}, envVars=env_vars))
    for kind in ("pytorchjob", "jobset", "indexed_jobs"):
        objects = render(launch, kind=kind, **SPACE)
        found = variables(objects, container_of(objects, "Worker"), 0)
        assert found["TEXT"] == text
        assert found["MY_TOKEN"] == secret


@pytest.mark.parametrize(
    "cmd",
    [
        "printf %s 'cost $HOME and `echo EXECUTED` $(echo x) $$ $é'",
        "printf '%s|' \"$SUBMARINE_REPLICA_TYPE\" $(echo inner) $((1+1)); printf $?",
        "sh -c 'printf %s \"$0 $1\"' '$(RANK)' '$$'",
    ],
)
@pytest.mark.parametrize("kind", ["pytorchjob", "jobset", "indexed_jobs"])
def test_commands_run_as_a_shell_runs_them(cmd: str, kind: str, launch_of_spec: LaunchOf) -> None:
    launch = launch_of_spec(body("PyTorch", {"Master": 1, "Worker": 2}, cmd=cmd))
    objects = render(launch, kind=kind, **SPACE)
    container = container_of(objects, "Worker")
    env = {"PATH": "/usr/bin:/bin", **variables(objects, container, 1), "RANK": "2"}
    argv = [expand(word, env) for word in container["command"]]
    ran = subprocess.run(argv, env=env, capture_output=True, check=True).stdout
    expected = subprocess.run(["/bin/sh", "-c", cmd], env=env, capture_output=True, check=True).stdout
    assert ran == expected
    assert ran


def test_a_task_overrides_and_who_it_is_cannot_be_overridden(launch_of_spec: LaunchOf) -> None:
    experiment = body("Standalone", {"Worker": 2}, envVars={"A": "meta", "JOB_ID": "mine", "RANK": "9"})
    experiment["spec"]["Worker"]["envVars"] = {"A": "task"}
    launch = launch_of_spec(experiment)
    objects = render(launch, kind="indexed_jobs", **SPACE)
    found = started(objects, container_of(objects, "Worker"), 1)
    assert (found["A"], found["RANK"], found["JOB_ID"]) == ("task", "9", launch.experiment_id)


def test_each_role_has_its_own_secret(launch_of_spec: LaunchOf) -> None:
    experiment = body("TensorFlow", {"Ps": 1, "Worker": 1, "Evaluator": 1}, envVars={"MY_TOKEN": "all", "PLAIN": "no"})
    experiment["spec"]["Worker"]["envVars"] = {"MY_TOKEN": "worker"}
    experiment["spec"]["Evaluator"]["envVars"] = {"worker.MY_TOKEN": "evaluator", "PLAIN": "still no"}
    experiment["runtime"] = {"secrets": {"PLAIN": "hidden"}}
    launch = launch_of_spec(experiment)
    objects = render(launch, kind="tfjob", **SPACE)
    for role in launch.spec.spec:
        found = variables(objects, container_of(objects, role), 0)
        assert launch.spec.env(role).items() <= found.items()
        assert found["PLAIN"] == "hidden"


def test_addresses_that_no_process_can_be_given_are_refused(launch_of_spec: LaunchOf) -> None:
    launch = launch_of_spec(body("TensorFlow", {"Ps": 1000, "Worker": 1000}))
    for kind in ("jobset", "indexed_jobs"):
        with pytest.raises(InvalidSpec, match=r"TF_CONFIG, .* ask for fewer replicas"):
            render(launch, kind=kind, **SPACE)
