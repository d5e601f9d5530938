"""What cannot run on a cluster is refused before anything is made, each problem with its path."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, refuse
from submarine_jupyter_server.targets.protocol import Launch

LaunchOf = Callable[..., Launch]


def problems(body: dict[str, Any], make: LaunchOf, kind: str = "indexed_jobs") -> list[str]:
    try:
        refuse(make(body).spec, kind=kind, options=ClusterOptions())
    except InvalidSpec as error:
        return error.problems
    return []


def body(framework: str = "Standalone", **parts: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "x", "framework": framework, "cmd": "run"},
        "environment": {"image": "busybox"},
        "spec": {"Worker": {}},
        **parts,
    }


def volume(**fields: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", "mountPath": "/data", "emptyDir": {}, **fields}]}


@pytest.mark.parametrize(
    ("runtime", "problem"),
    [
        ({"queue": "Team A"}, "runtime.queue: 'Team A' is not a valid name in Kubernetes (lower case letters, digits,"),
        ({"queue": "a" * 64}, "runtime.queue: '"),
        ({"priority": "-high"}, "runtime.priority: '-high' is not a valid name"),
        ({"serviceAccount": "a/b"}, "runtime.serviceAccount: 'a/b' is not a valid name"),
        ({"workingDir": "here"}, "runtime.workingDir: 'here' is not an absolute path"),
        ({"nodeSelector": {"a b": "c"}}, "runtime.nodeSelector: 'a b' is not the key of a label"),
        ({"nodeSelector": {"a": "c,d"}}, "runtime.nodeSelector.a: 'c,d' is not the value of a label"),
        ({"tolerations": [{"value": "x"}]}, "runtime.tolerations.0.operator: must be Exists where there is no key"),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]},
            "runtime.tolerations.0.value: has no meaning with operator Exists",
        ),
        ({"tolerations": [{"key": "a", "tolerationSeconds": 1}]}, "runtime.tolerations.0.tolerationSeconds: has a mea"),
        (volume(emptyDir=None), "runtime.volumes.0: give one of persistentVolumeClaim, configMap, secret and emptyDir"),
        (volume(secret="s"), "runtime.volumes.0: give one of"),
        (volume(emptyDir=None, secret="../s"), "runtime.volumes.0: '../s' is not a valid name in Kubernetes"),
        (volume(emptyDir={"path": "/"}), "runtime.volumes.0.emptyDir.path: unknown field"),
        (volume(emptyDir={"medium": "HugePages"}), "runtime.volumes.0.emptyDir.medium: must be Memory"),
        (volume(emptyDir={"sizeLimit": "big"}), "runtime.volumes.0.emptyDir.sizeLimit: 'big' is not a quantity"),
        (volume(mountPath="data"), "runtime.volumes.0.mountPath: 'data' is not an absolute path"),
        (volume(mountPath="/a/../b"), "runtime.volumes.0.mountPath: '/a/../b' is not an absolute path"),
        (volume(mountPath="/"), "runtime.volumes.0.mountPath: nothing can be mounted at '/'"),
        (volume(mountPath="/a:b"), "runtime.volumes.0.mountPath: nothing can be mounted at '/a:b'"),
        (volume(mountPath="/proc"), "runtime.volumes.0.mountPath: nothing can be mounted at '/proc'"),
        (volume(mountPath="/sys/fs/"), "runtime.volumes.0.mountPath: nothing can be mounted at '/sys/fs'"),
        (volume(mountPath="//proc"), "runtime.volumes.0.mountPath: nothing can be mounted at '/proc'"),
        (volume(mountPath="//"), "runtime.volumes.0.mountPath: nothing can be mounted at '/'"),
        (volume(mountPath="/./dev/x"), "runtime.volumes.0.mountPath: nothing can be mounted at '/dev/x'"),
        (volume(mountPath=f"/{'x' * 256}"), f"runtime.volumes.0.mountPath: '/{'x' * 79}...' is too long: a name has"),
        (volume(mountPath="/ü" * 2048), f"runtime.volumes.0.mountPath: '{'/ü' * 40}...' is too long: a name has"),
        (volume(subPath="x" * 256), f"runtime.volumes.0.subPath: '/{'x' * 79}...' is too long"),
        ({"workingDir": f"/{'x' * 256}"}, f"runtime.workingDir: '/{'x' * 79}...' is too long"),
        (volume(emptyDir={"sizeLimit": "0"}), "runtime.volumes.0.emptyDir.sizeLimit: '0' leaves no room for a file"),
        (volume(emptyDir={"sizeLimit": "1m"}), "runtime.volumes.0.emptyDir.sizeLimit: '1m' leaves no room for a file"),
        (
            {"volumes": [volume(mountPath="/x")["volumes"][0], volume(mountPath="//x")["volumes"][0]]},
            "runtime.volumes.1.mountPath: something else is mounted at '/x'",
        ),
        (volume(mountPath="/dev"), "runtime.volumes.0.mountPath: nothing can be mounted at '/dev'"),
        (volume(emptyDir={"sizeLimit": "1e30"}), "runtime.volumes.0.emptyDir.sizeLimit: '1e30' is more than any mach"),
        (
            {"priority": "system-node-critical"},
            "runtime.priority: 'system-node-critical' is reserved for the cluster's own part",
        ),
        (volume(subPath="../x"), "runtime.volumes.0.subPath: '/../x' is not an absolute path"),
        (volume(subPath="/x"), "runtime.volumes.0.subPath: must be relative"),
        (
            {"volumes": [volume()["volumes"][0], volume(mountPath="/data/")["volumes"][0]]},
            "runtime.volumes.1.mountPath: something else is mounted at '/data'",
        ),
    ],
)
def test_runtime(runtime: dict[str, Any], problem: str, launch_of_spec: LaunchOf) -> None:
    assert [found[: len(problem)] for found in problems(body(runtime=runtime), launch_of_spec)] == [problem]


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"environment": {}}, "environment.image: give the container image to run; this cluster has no default"),
        ({"environment": {"image": "a b"}}, "environment.image: 'a b' is not the name of a container image"),
        ({"environment": {"image": "--privileged"}}, "environment.image: '--privileged' is not the name"),
        ({"spec": {"Worker": {"image": "UPPER"}}}, "spec.Worker.image: 'UPPER' is not the name of a container image"),
        ({"spec": {"Worker": {"resources": "gpu=1"}}}, "spec.Worker.resources: unknown resource 'gpu', did you m"),
        ({"spec": {"Worker": {"resources": "a..b/gpu=1"}}}, "spec.Worker.resources: 'a..b/gpu': is not a name for a"),
        ({"spec": {"Worker": {"resources": "kubernetes.io/x=1"}}}, "spec.Worker.resources: 'kubernetes.io/x': is not"),
        ({"environment": {"image": "a/" * 128 + "b"}}, "environment.image: 'a/a/"),
        ({"environment": {"image": "a" * 64}}, "environment.image: 'aaa"),
        ({"environment": {"image": "x@sha256:" + "0" * 32}}, "environment.image: 'x@sha256:000"),
        ({"environment": {"image": "x@md5:" + "0" * 32}}, "environment.image: 'x@md5:000"),
        (
            {"spec": {"Worker": {"resources": "hugepages-2Mi=2Mi,nvidia.com/gpu=1"}}},
            "spec.Worker.resources: hugepages-2Mi needs memory or cpu beside it",
        ),
        ({"spec": {"Worker": {"cmd": "python it's"}}}, "meta.cmd: a quotation mark is not closed"),
        ({"spec": {"Worker": {"envVars": {"A" * 241: ""}}}}, f"envVars.{'A' * 80}...: the name is too long"),
        ({"code": {"git": {"url": "https://host/repo.git"}}}, "code.git: not supported on Kubernetes yet"),
    ],
)
def test_roles(parts: dict[str, Any], problem: str, launch_of_spec: LaunchOf) -> None:
    assert [found[: len(problem)] for found in problems(body(**parts), launch_of_spec)] == [problem]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"..data/x": ""}, "code.files: '..data/x' cannot be mounted"),
        ({"a:b": ""}, "code.files: 'a:b' cannot be mounted"),
        ({"ü" * 200: ""}, "code.files: 'üüü"),
        ({"a/b": "", "a": ""}, "code.files: 'a' cannot be both a file and a folder of 'b'"),
        ({f"{i}.py": "" for i in range(501)}, "code.files: more than 500 files"),
    ],
)
def test_code(files: dict[str, str], problem: str, launch_of_spec: LaunchOf) -> None:
    inline = body(code={"syncMode": "inline", "files": files})
    assert [found[: len(problem)] for found in problems(inline, launch_of_spec)] == [problem]


def test_a_volume_cannot_hide_the_code(launch_of_spec: LaunchOf) -> None:
    inline = body(code={"syncMode": "inline", "files": {"a/b.py": ""}}, runtime=volume(mountPath="/code/a/"))
    assert problems(inline, launch_of_spec) == ["runtime.volumes.0.mountPath: something else is mounted at '/code/a'"]


@pytest.mark.parametrize("place", ["/code/a/x", "/code/main.py/x", "//code/a/x/y"])
def test_nothing_can_be_mounted_within_the_code(place: str, launch_of_spec: LaunchOf) -> None:
    inline = body(code={"syncMode": "inline", "files": {"a/b.py": "", "main.py": ""}}, runtime=volume(mountPath=place))
    [problem] = problems(inline, launch_of_spec)
    assert problem.endswith("', which cannot be changed")
    beside = body(code={"syncMode": "inline", "files": {"a/b.py": ""}}, runtime=volume(mountPath="/code/other/x"))
    assert problems(beside, launch_of_spec) == []


def test_nothing_can_be_mounted_within_a_part_of_a_config_map(launch_of_spec: LaunchOf) -> None:
    part = volume(mountPath="/etc/app", subPath="lib", configMap="c", emptyDir=None)["volumes"][0]
    inside = volume(mountPath="/etc/app/cache")["volumes"][0]
    for order in ([part, inside], [inside, part]):
        [problem] = problems(body(runtime={"volumes": order}), launch_of_spec)
        assert problem.endswith(".mountPath: '/etc/app/cache' is within '/etc/app', which cannot be changed")
    whole = {**part, "subPath": None}
    assert problems(body(runtime={"volumes": [whole, inside]}), launch_of_spec) == []


LARGE = {f"V{i}": "x" * 100_000 for i in range(10)}
TOO_LARGE: dict[str, tuple[str, dict[str, Any], str]] = {
    "variables of many roles": (
        "tfjob",
        body("TensorFlow", spec={role: {"envVars": LARGE} for role in ("Ps", "Worker")}),
        "spec: as a TFJob of the cluster it has",
    ),
    "signs that are stored as six": (
        "tfjob",
        body("TensorFlow", spec={"Worker": {"envVars": {f"V{i}": "<" * 100_000 for i in range(3)}}}),
        "spec: as a TFJob of the cluster it has",
    ),
    "doubled signs": (
        "indexed_jobs",
        body(spec={"Worker": {"envVars": {f"V{i}": "$" * 100_000 for i in range(10)}}}),
        "spec: as a Job of the cluster it has",
    ),
    "secret variables": (
        "jobset",
        body(
            "TensorFlow",
            spec={
                role: {"envVars": {f"{name}_TOKEN": text for name, text in LARGE.items()}} for role in ("Ps", "Worker")
            },
        ),
        "runtime.secrets: the values of all secret variables together have 2,000,000 bytes",
    ),
    "control characters": (
        "indexed_jobs",
        body(code={"syncMode": "inline", "files": {"a": "\1" * 500_000}}),
        "code.files: as a ConfigMap of the cluster it has",
    ),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_what_no_cluster_can_keep_is_refused(what: str, launch_of_spec: LaunchOf) -> None:
    kind, large, problem = TOO_LARGE[what]
    [found] = problems(large, launch_of_spec, kind)
    assert found.startswith(problem)
    assert "a cluster stores" in found


def test_too_many_replicas_for_one_variable_are_refused_before_anything_is_made(launch_of_spec: LaunchOf) -> None:
    many = body("TensorFlow", spec={"Ps": {"replicas": 1000}, "Worker": {"replicas": 1000}})
    [problem] = problems(many, launch_of_spec)
    assert "ask for fewer replicas" in problem


@pytest.mark.parametrize(
    ("kind", "framework", "parts", "problem"),
    [
        ("tfjob", "PyTorch", {}, "meta.framework: a TFJob runs TensorFlow, not PyTorch"),
        ("xgboostjob", "Standalone", {}, "meta.framework: a XGBoostJob runs XGBoost, not Standalone"),
        ("xgboostjob", "XGBoost", {}, "spec.Master: an XGBoostJob must have one"),
        (
            "tfjob",
            "TensorFlow",
            {"spec": {"Worker": {"replicas": 2, "envVars": {"TF_CONFIG": "{}"}}}},
            "envVars.TF_CONFIG: a TFJob sets it itself; leave it out",
        ),
        (
            "pytorchjob",
            "PyTorch",
            {"spec": {"Master": {}}, "runtime": {"secrets": {"MASTER_PORT": "1"}}},
            "envVars.MASTER_PORT: a PyTorchJob sets it itself; leave it out",
        ),
        (
            "tfjob",
            "TensorFlow",
            {"spec": {"Chief": {}, "Worker": {}}, "runtime": {"successPolicy": "AllWorkers"}},
            "runtime.successPolicy: a TFJob with a Chief succeeds when that one does; leave it out",
        ),
    ],
)
def test_what_a_kind_cannot_express(
    kind: str, framework: str, parts: dict[str, Any], problem: str, launch_of_spec: LaunchOf
) -> None:
    found = problems(body(framework, **parts), launch_of_spec, kind)
    assert [text[: len(problem)] for text in found] == [problem]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", [{"Worker": {"replicas": 3}}, {"Master": {}}, {"Master": {}, "Worker": {}}])
def test_a_queue_admits_all_or_nothing(kind: str, spec: dict[str, Any], launch_of_spec: LaunchOf) -> None:
    framework = KINDS[kind].frameworks[0] if kind != "indexed_jobs" else "PyTorch"
    for queue, options in (("team-a", ClusterOptions()), (None, ClusterOptions(queue="team-b"))):
        launch = launch_of_spec(body(framework, spec=spec, runtime={"queue": queue, "retries": 0}))
        try:
            refuse(launch.spec, kind=kind, options=options)
            found = []
        except InvalidSpec as error:
            found = [text for text in error.problems if text.startswith("runtime.queue")]
        if kind == "indexed_jobs" and len(spec) > 1:
            [text] = found
            assert f"'{queue or 'team-b'}' would admit Master and Worker one by one" in text
            assert text.endswith("whole, or leave runtime.queue out" if queue else "as a whole")
        else:
            assert found == []


def test_a_spec_must_fit_in_the_annotations(launch_of_spec: LaunchOf) -> None:
    noise = random.Random(1).randbytes(150_000).hex()
    found = problems(
        body(
            meta={
                **body()["meta"],
                "envVars": {"N1": noise[:100_000], "N2": noise[100_000:200_000], "N3": noise[200_000:]},
            }
        ),
        launch_of_spec,
    )
    assert len(found) == 1
    assert found[0].endswith("KiB compressed exceed what a cluster stores with an object")


def test_large_code_is_kept_in_its_config_map_only(launch_of_spec: LaunchOf) -> None:
    noise = random.Random(1).randbytes(250_000).hex()
    assert problems(body(code={"syncMode": "inline", "files": {"a.txt": noise}}), launch_of_spec) == []


def test_all_problems_are_told_at_once(launch_of_spec: LaunchOf) -> None:
    found = problems(
        body("XGBoost", environment={}, runtime={"queue": "A", "priority": "B"}), launch_of_spec, "xgboostjob"
    )
    assert [problem.split(":")[0] for problem in found] == [
        "spec.Master",
        "environment.image",
        "runtime.queue",
        "runtime.priority",
    ]


def test_the_shared_memory_of_a_container_may_be_a_volume(launch_of_spec: LaunchOf) -> None:
    assert problems(body(runtime=volume(mountPath="/dev/shm", emptyDir={"medium": "Memory"})), launch_of_spec) == []


def test_no_pod_has_more_than_a_hundred_volumes(launch_of_spec: LaunchOf) -> None:
    many = [volume(mountPath=f"/v{i}")["volumes"][0] for i in range(101)]
    assert problems(body(runtime={"volumes": many}), launch_of_spec) == [
        "runtime.volumes: List should have at most 100 items after validation, not 101"
    ]
