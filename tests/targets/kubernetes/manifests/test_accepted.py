"""What we accept, a real cluster takes: the largest and oddest that is legal, of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from submarine_jupyter_server.targets.kubernetes.api.paths import collection_of
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, render
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster

LaunchOf = Callable[..., Launch]
LONGEST_ID = f"experiment-{10**15 - 1}-{10**9 - 1}"
QUANTITIES = [
    "cpu=1000000,memory=1Ei",
    "cpu=0.001,memory=1M",
    "cpu=1m,memory=1000000.5",
    "cpu=.5,memory=1e6",
    "cpu=5.,memory=0.000001T",
    "cpu=1.0005,ephemeral-storage=1Ei",
    "cpu=1k,ephemeral-storage=1000000",
    "memory=1024Pi,hugepages-2Mi=4Mi,hugepages-1Gi=1Gi",
    "cpu=1,nvidia.com/gpu=1000000",
    "nvidia.com/gpu=0,amd.com/gpu=1k",
    f"example.com/{'x' * 54}=1",
    "x.io/requests.gpu=1,a.b/limits.x=1000m",
]
FOLDERS = ["//two", "/code/other", "/dev/shm", "/etc", "/a b", "/ü,=;$(X)", f"/{'x' * 255}", "/" + "y/" * 2047]
VOLUMES: list[dict[str, Any]] = [
    *({"mountPath": place, "emptyDir": {}} for place in FOLDERS),
    {"mountPath": "/v1", "emptyDir": {"sizeLimit": "4096"}},
    {"mountPath": "/v2", "emptyDir": {"sizeLimit": "1Ei", "medium": "Memory"}},
    {"mountPath": "/v3", "persistentVolumeClaim": "a." * 126 + "a", "subPath": f"a//b/{'x' * 255}/ü"},
    {"mountPath": "/v3/in", "configMap": "a." * 126 + "a", "subPath": "."},
    {"mountPath": "/v4", "secret": "1", "readOnly": True},
]
TOLERATIONS: list[dict[str, Any]] = [
    {"operator": "Exists"},
    {"key": f"{'a.' * 126}a/{'x' * 63}", "operator": "Equal", "value": "y" * 63},
    {"key": "a", "operator": "Exists", "value": "", "effect": "NoExecute", "tolerationSeconds": -(10**9)},
    {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10**9},
    {"key": "", "operator": "Exists"},
]
RUNTIME: dict[str, Any] = {
    "maxRunTime": 10**9,
    "retries": 100,
    "workingDir": f"/{'x' * 255}",
    "nodeSelector": {f"{'a.' * 126}a/{'x' * 63}": "y" * 63, "empty": ""},
    "tolerations": TOLERATIONS,
    "volumes": [{"name": "v", **volume} for volume in VOLUMES],
}
NAMES = ["A" * 240, "_", "a.b", "a-b", "a..b", "a."]
CODE = {"syncMode": "inline", "files": {"a/b": "", "a b/c": "x", "é" * 127: "\1", "$(X)": "", "-": "", "m/a:b": ""}}


def parts() -> Iterator[dict[str, Any]]:
    """Yield what is given to one experiment each, beside its roles."""
    yield {"runtime": RUNTIME, "code": CODE}
    yield {"runtime": {"retries": 0, "queue": "a.b", "secrets": {f"S{name}"[:240]: "x" for name in NAMES}}}
    many = [{"name": "v", "mountPath": f"/v{i}", "emptyDir": {}} for i in range(100)]
    yield {"runtime": {"volumes": many}, "code": {"syncMode": "inline", "files": {f"f{i}": "" for i in range(500)}}}
    yield {"code": {"syncMode": "inline", "files": {"large": "é" * (256 * 1024)}}}
    yield {"environment": {"image": "Host.io:65535/" + "a/" * 100 + "b:" + "t" * 128 + "@sha512:" + "0" * 128}}


def roles(asked: list[str]) -> list[dict[str, Any]]:
    """Return the variables and commands that roles are given, then what they ask for."""
    given: list[dict[str, Any]] = [
        {"envVars": dict.fromkeys(NAMES, "$(X) $$ ü")},
        {"envVars": {f"V{i}": "" for i in range(1000)}},
        {"envVars": {"A": "$" * (128 * 1024 - 3)}},
        {"envVars": {f"T{i}_TOKEN": "x" * 100_000 for i in range(10)}},
        {"cmd": f"echo '{'$' * 100_000}'"},
        {"cmd": "echo " + "x " * 50_000},
    ]
    return [*given, *({"resources": text} for text in asked)]


def bodies(framework: str) -> Iterator[dict[str, Any]]:
    """Yield experiments of a framework: each of the parts once, and each of the roles once."""
    names = {"TensorFlow": ("Ps", "Worker", "Chief", "Evaluator"), "Standalone": ("Worker",)}
    of_role = names.get(framework, ("Master", "Worker"))
    left, more = roles(QUANTITIES), list(parts())
    while left or more:
        yield {
            "meta": {"name": "n" * 255, "framework": framework, "cmd": "run", "tags": ["ü" * 255] * 100},
            "environment": {"image": "busybox"},
            "spec": {role: left.pop(0) if left else {} for role in of_role},
            **(more.pop(0) if more else {}),
        }


def made(kind: str, namespace: str, make: LaunchOf) -> Iterator[Json]:
    """Yield the objects of experiments of a kind: of plain Jobs, whose pods are looked at too, of all there are."""
    framework = {"indexed_jobs": "PyTorch"}.get(kind, KINDS[kind].frameworks[0])
    options = ClusterOptions(key=b"key", instance="x" * 63, target="y" * 63)
    for body in islice(bodies(framework), None if kind == "indexed_jobs" else 1):
        if kind == "indexed_jobs" and body.get("runtime", {}).get("queue"):
            body["spec"].pop("Master")
        launch = make(body, experiment_id=LONGEST_ID, attempt=10**9, owner="ü" * 255)
        yield from render(launch, kind=kind, namespace=namespace, options=options)


def test_what_we_accept_the_cluster_takes(cluster: Cluster, fake_namespace: str, launch_of_spec: LaunchOf) -> None:
    def refused(item: Json) -> str | None:
        rehearsal = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = cluster.api.http.post(collection_of(item), params=rehearsal, json=item)
        return None if answer.is_success else str(ApiError(answer))[:1000]

    with ThreadPoolExecutor(4) as threads:
        items = (item for kind in KINDS for item in made(kind, fake_namespace, launch_of_spec))
        answers = list(threads.map(refused, items))
    assert [text for text in answers if text] == []
    assert len(answers) > 30
