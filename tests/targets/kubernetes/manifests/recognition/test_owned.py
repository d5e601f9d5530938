"""What has the name of an object of ours is taken for it only if it is the one we would have made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, is_same, owned, render
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch

Change = Callable[[Json], object]
OWNER = "57b3cbe5-7db4-4a3a-9b06-b3d0e4a1c3f1"
BODY: dict[str, Any] = {
    "meta": {"name": "x", "framework": "TensorFlow", "cmd": "run", "envVars": {"A_TOKEN": "canary"}},
    "environment": {"image": "busybox"},
    "spec": {"Ps": {}, "Worker": {"replicas": 2}},
    "code": {"syncMode": "inline", "files": {"main.py": "print(1)"}},
}
# What the API server of Kubernetes 1.33 adds.
STAMPS = {"uid": "5d3f", "resourceVersion": "7", "creationTimestamp": "2026-11-28T07:00:00Z", "managedFields": []}
SERVICE = {
    "clusterIPs": ["None"],
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "sessionAffinity": "None",
    "type": "ClusterIP",
}


@pytest.fixture(scope="module")
def made(launch_of_spec: Callable[..., Launch]) -> dict[str, Json]:
    """Return the objects that an own object owns, by what they are for."""
    options = ClusterOptions(key=b"key")
    rest = owned(render(launch_of_spec(BODY), kind="indexed_jobs", namespace="space", options=options), OWNER)
    found = {}
    for item in rest:
        maps = "code" if "-code-" in item["metadata"]["name"] else "cluster"
        found[maps if item["kind"] == "ConfigMap" else item["kind"]] = item
    return found


def stored(item: Json) -> Json:
    """Return an object as the API server answers it."""
    found = copy.deepcopy(item)
    found["metadata"] |= STAMPS
    if found["kind"] == "Service":
        found["spec"] |= SERVICE
        for port in found["spec"]["ports"]:
            port |= {"protocol": "TCP", "targetPort": port["port"]}
    return found


@pytest.mark.parametrize("what", ["Service", "code", "cluster", "Job"])
def test_what_we_made_is_the_same(what: str, made: dict[str, Json]) -> None:
    assert is_same(made[what], stored(made[what]))


def test_a_secret_is_never_believed(made: dict[str, Json]) -> None:
    assert not is_same(made["Secret"], stored(made["Secret"]))


def test_an_own_object_is_known_by_its_token(launch_of_spec: Callable[..., Launch]) -> None:
    launches = [launch_of_spec(BODY, uid=f"{letter}b617cea-81fa-40b6-bbff-da3e400d2be4") for letter in "01"]
    one, other = (
        render(launch, kind="tfjob", namespace="space", options=ClusterOptions(key=b"key"))[0] for launch in launches
    )
    assert is_same(one, stored(one))
    assert not is_same(one, stored(other))
    unsigned = render(launches[0], kind="tfjob", namespace="space", options=ClusterOptions())[0]
    assert not is_same(unsigned, stored(unsigned))


CHANGES: dict[str, tuple[tuple[str, ...], Change]] = {
    "another owner": (
        ("Service", "code", "cluster", "Job"),
        lambda found: found["metadata"]["ownerReferences"][0].update(uid="another"),
    ),
    "a second owner": (
        ("Service", "code", "cluster", "Job"),
        lambda found: found["metadata"]["ownerReferences"].append({"uid": "another"}),
    ),
    "no owner": (("Service", "code", "cluster", "Job"), lambda found: found["metadata"].pop("ownerReferences")),
    "other text": (("code", "cluster"), lambda found: found["data"].update({next(iter(found["data"])): "x"})),
    "more text": (("code", "cluster"), lambda found: found["data"].update(x="x")),
    "no text": (("code", "cluster"), lambda found: found.pop("data")),
    "bytes": (("code", "cluster"), lambda found: found.update(binaryData={"x": "eA=="})),
    "text that can change": (("code",), lambda found: found.pop("immutable")),
    "other pods": (("Service",), lambda found: found["spec"].update(selector={"app": "theirs"})),
    "more pods": (("Service",), lambda found: found["spec"].pop("selector")),
    "other ports": (("Service",), lambda found: found["spec"]["ports"][0].update(port=1)),
    "an address": (("Service",), lambda found: found["spec"].update(clusterIP="10.0.0.1")),
    "another host": (("Service",), lambda found: found["spec"].update(type="ExternalName", externalName="a.b")),
    "outside": (("Service",), lambda found: found["spec"].update(externalIPs=["192.0.2.1"])),
    "another token": (
        ("Job",),
        lambda found: found["metadata"]["annotations"].update({"submarine.apache.org/token": "é\ud800"}),
    ),
    "no token": (("Job",), lambda found: found["metadata"]["annotations"].pop("submarine.apache.org/token")),
    "no annotations": (("Job",), lambda found: found["metadata"].pop("annotations")),
}


@pytest.mark.parametrize(("what", "how"), [(what, how) for how in CHANGES for what in CHANGES[how][0]])
def test_anything_else_is_not(what: str, how: str, made: dict[str, Json]) -> None:
    found = stored(made[what])
    CHANGES[how][1](found)
    assert not is_same(made[what], found)
