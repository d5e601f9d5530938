"""An object says how an experiment ended until somebody has stored that; only then it gets its time to live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.api.paths import own_collection
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, render, time_to_live
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef
from tests.cluster.api import ApiError, wait
from tests.cluster.cluster import Cluster

LaunchOf = Callable[..., Launch]
ENDS = ("Succeeded", "Completed", "Complete", "Failed")


def body(kind: str, *, code: str = "0", **runtime: Any) -> dict[str, Any]:
    framework = KINDS[kind].frameworks[0]
    return {
        "meta": {"name": "x", "framework": framework, "cmd": "run", "envVars": {"FAKE_EXIT_CODE": code}},
        "environment": {"image": "busybox"},
        "spec": {"Master" if framework == "XGBoost" else "Worker": {}},
        "runtime": {"ttlAfterFinished": 0, **runtime},
    }


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_made_with_a_time_to_live(kind: str, launch_of_spec: LaunchOf) -> None:
    made = render(launch_of_spec(body(kind)), kind=kind, namespace="space", options=ClusterOptions())
    assert "ttl" not in str(made[0]["spec"]).lower()


@pytest.mark.parametrize(
    ("own", "option", "expected"), [(None, 60, 60), (None, None, None), (0, 60, 0), (7, None, 7), (None, 0, 0)]
)
def test_the_experiment_decides_before_the_administrator(
    own: int | None, option: int | None, expected: int | None, launch_of_spec: LaunchOf
) -> None:
    launch = launch_of_spec(body("jobset", ttlAfterFinished=own))
    ref = ObjectRef("JobSet", "space", launch.experiment_id, "")
    patch = time_to_live(launch, ref, ClusterOptions(ttl_after_finished=option))
    assert (None if patch is None else patch.body["spec"]["ttlSecondsAfterFinished"]) == expected


def ended(found: Json) -> bool:
    conditions = found.get("status", {}).get("conditions") or ()
    return any(item["type"] in ENDS and item["status"] == "True" for item in conditions)


def test_the_cluster_removes_what_has_ended_once_it_is_told_when(
    cluster: Cluster, fake_namespace: str, launch_of_spec: LaunchOf
) -> None:
    running: dict[str, tuple[str, Launch]] = {}
    for number, (kind, code) in enumerate((kind, code) for kind in KINDS for code in "01"):
        launch = launch_of_spec(body(kind, code=code), experiment_id=f"experiment-1647574374688-{number:04d}")
        own = render(launch, kind=kind, namespace=fake_namespace, options=ClusterOptions())[0]
        collection = own_collection(kind, fake_namespace)
        cluster.api.create(collection, own)
        running[f"{collection}/{own['metadata']['name']}"] = kind, launch
    for path, (kind, launch) in running.items():
        wait(f"the end of {path}", lambda path=path: ended(cluster.api.get(path)))  # type: ignore[misc]
        ref = ObjectRef(KINDS[kind].kind, fake_namespace, path.rpartition("/")[2], "")
        patch = time_to_live(launch, ref, ClusterOptions())
        assert patch is not None
        assert (patch.api_version, patch.name) == (KINDS[kind].api_version, ref.name)
        cluster.api.patch(path, patch.body)
    for path in running:
        wait(f"no {path}", lambda path=path: gone(cluster, path))  # type: ignore[misc]


def gone(cluster: Cluster, path: str) -> bool:
    try:
        cluster.api.get(path)
    except ApiError as error:
        return error.status == 404
    return False
