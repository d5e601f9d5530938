"""Whatever a person writes, the objects stay harmless, valid and free of secrets."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.spec import code_files
from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter.spec.vocabulary import FRAMEWORKS, LEADERS
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, owned, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import SPEC, unpack
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch

LaunchOf = Callable[..., Launch]
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
CONFIG_KEY = re.compile(r"(?!\.\.)[-._a-zA-Z0-9]{1,253}")
# All names made from it must still fit.
LONGEST_ID = f"experiment-{10**15 - 1}-{10**9 - 1}"
FORBIDDEN = {
    "hostPath",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPort",
    "hostUsers",
    "hostAliases",
    "privileged",
    "procMount",
    "add",
    "sysctls",
    "shareProcessNamespace",
    "initContainers",
    "ephemeralContainers",
    "nodeName",
    "runtimeClassName",
    "lifecycle",
    "seLinuxOptions",
    "finalizers",
    "generateName",
}


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 19).flatmap(lambda number: good if number else bad)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
words = mostly(st.sampled_from(["a", "team-a", "a.b-c", "x" * 63]), texts)
names = mostly(st.text("ABCabc_.-", min_size=1, max_size=12).map("V".__add__), st.sampled_from(["JOB_ID", "RANK"]))
env_vars = st.dictionaries(names | st.just("MY_TOKEN"), texts | st.just("canary-31337 $(x)"), max_size=4)
counts = st.sampled_from([1, 2, 1000])
sizes = mostly(
    st.sampled_from(["cpu=1", "memory=1024M,nvidia.com/gpu=1", "cpu=500m, memory=1Gi", ""]),
    st.just("kubernetes.io/gpu=1"),
)
tasks = st.fixed_dictionaries({}, optional={"resources": sizes, "envVars": env_vars, "image": words.map(str.lower)})
sources = mostly(
    st.sampled_from([{"persistentVolumeClaim": "pvc"}, {"secret": "s"}, {"configMap": "c"}, {"emptyDir": {}}]),
    st.sampled_from([{"configMap": "C!"}, {}, {"emptyDir": {"medium": "?"}}]),
)
places = mostly(
    st.sampled_from(["/data", "/data/more/", "/code/x", "/dev/shm"]), st.sampled_from(["/", "/x:y"]) | texts
)
volumes = st.builds(
    lambda place, source, rest: {"name": "v", "mountPath": place, **source, **rest},
    places,
    sources,
    st.fixed_dictionaries({}, optional={"subPath": mostly(st.just("a/b"), texts), "readOnly": st.booleans()}),
)
tolerations = st.fixed_dictionaries({"key": words}, optional={"value": words, "effect": st.just("NoExecute")})
runtimes = st.fixed_dictionaries(
    {},
    optional={
        "maxRunTime": st.integers(1, 10**9),
        "retries": st.integers(0, 100),
        "ttlAfterFinished": st.integers(0, 10**9),
        "queue": words,
        "priority": words,
        "serviceAccount": words,
        "workingDir": mostly(st.just("/work"), texts),
        "nodeSelector": st.dictionaries(words, words, max_size=2),
        "tolerations": st.lists(tolerations, max_size=2),
        "volumes": st.lists(volumes, max_size=2),
        "secrets": st.dictionaries(names, st.just("canary-31337 runtime"), max_size=3),
        "successPolicy": st.just("AllWorkers"),
    },
)
file_names = mostly(st.sampled_from(["a.py", "lib/ü.py", "lib/b c.py", "$(x)"]), st.sampled_from(["a.py/b", "..x"]))
contents = st.one_of(texts, st.binary(max_size=20).map(code_files.encoded))
files = st.dictionaries(file_names, contents, min_size=1, max_size=3)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    framework = draw(st.sampled_from(sorted(FRAMEWORKS)))
    roles = draw(st.sets(st.sampled_from(FRAMEWORKS[framework]))) | draw(mostly(st.just({"Worker"}), st.just(set())))
    body = {
        "meta": {
            "name": draw(texts.map(lambda text: "x" + "".join(filter(str.isprintable, text)))),
            "framework": framework,
            "cmd": "run " + draw(mostly(st.just("a 'b c' $(d) `e` $$"), texts)),
            "envVars": draw(env_vars),
        },
        "environment": {"image": draw(words)},
        "spec": {role: draw(tasks) | {"replicas": 1 if role in LEADERS else draw(counts)} for role in roles},
    }
    if draw(st.booleans()):
        body["runtime"] = draw(runtimes)
    if draw(st.booleans()):
        body["code"] = {"syncMode": "inline", "files": draw(files)}
    return body


def rendered(
    body: dict[str, Any], owner: str, make: LaunchOf, options: ClusterOptions
) -> Iterator[tuple[str, Launch, list[Json]]]:
    """Yield the objects of every kind that takes it."""
    for name, kind in KINDS.items():
        if body["meta"]["framework"] not in kind.frameworks:
            continue
        try:
            launch = make(body, owner=owner, experiment_id=LONGEST_ID, attempt=10**9)
            objects = render(launch, kind=name, namespace="space", options=options)
        except InvalidSpec:
            event(f"{name} refused")
        else:
            event(f"{name} rendered")
            yield name, launch, objects


def every(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield key, part
            yield from every(part)
    elif isinstance(value, list):
        for part in value:
            yield from every(part)


def templates(objects: list[Json]) -> Iterator[Json]:
    for item in objects:
        for key, part in every(item.get("spec")):
            if key == "template" and "containers" in part["spec"]:
                yield part


def pod_names(kind: str, launch: Launch) -> Iterator[str]:
    for role, task in launch.spec.spec.items():
        middle, suffix = {"jobset": ("-0", "-abcde"), "indexed_jobs": ("", "-abcde")}.get(kind, ("", ""))
        yield f"{launch.experiment_id}-{role.lower()}{middle}-{task.replicas - 1}{suffix}"


def subdomains(objects: list[Json]) -> Iterator[str]:
    for item in objects:
        for key, part in every(item.get("spec")):
            if key == "subdomain":
                yield part


@given(body=bodies(), owner=texts)
def test_whatever_is_rendered_is_harmless_and_valid(body: dict[str, Any], owner: str, launch_of_spec: LaunchOf) -> None:
    for kind, launch, objects in rendered(body, owner, launch_of_spec, ClusterOptions()):
        check_objects(kind, launch, objects)


def test_the_longest_id_is_one() -> None:
    assert is_id(LONGEST_ID)
    assert not is_id(f"{LONGEST_ID}0")


def check_objects(kind: str, launch: Launch, objects: list[Json]) -> None:
    json.dumps(objects, ensure_ascii=False, allow_nan=False).encode()
    for template in templates(objects):
        check_pod(template["spec"])
    for item in objects:
        plain = item["kind"] in ("ConfigMap", "Secret")  # their names are nobody's label and no host's
        assert (CONFIG_KEY if plain else LABEL).fullmatch(item["metadata"]["name"])
    for name in [*pod_names(kind, launch), *subdomains(objects)]:
        assert LABEL.fullmatch(name), name
    assert len({(item["kind"], item["metadata"]["name"]) for item in objects}) == len(objects)
    for holder in [*objects, *templates(objects)]:
        assert all(LABEL_VALUE.fullmatch(value) for value in holder["metadata"]["labels"].values())
        user_text = {launch.name, launch.owner} - {launch.experiment_id, "", "1", "false"}
        queue = {launch.spec.runtime.queue} if launch.spec.runtime else set()
        assert not (user_text - queue) & set(holder["metadata"]["labels"].values())
    for item in objects:
        assert all(CONFIG_KEY.fullmatch(key) for key in (item.get("data") or item.get("stringData") or {}))
    check_references(objects, launch)


def check_pod(spec: Json) -> None:
    used = {key for key, _ in every({key: part for key, part in spec.items() if key != "nodeSelector"})}
    assert not used & FORBIDDEN
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = spec["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    asked = container.get("resources", {})
    assert asked.get("limits") == asked.get("requests")
    mounted = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
    assert len(set(mounted)) == len(mounted)
    assert {mount["name"] for mount in container.get("volumeMounts", [])} == {
        volume["name"] for volume in spec.get("volumes", [])
    }


def check_references(objects: list[Json], launch: Launch) -> None:
    """What pods refer to is there: in the objects, or something of the user's."""
    there = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    for template in templates(objects):
        for variable in template["spec"]["containers"][0]["env"]:
            for key, kind, data in (("secretKeyRef", "Secret", "stringData"), ("configMapKeyRef", "ConfigMap", "data")):
                if reference := variable.get("valueFrom", {}).get(key):
                    assert reference["key"] in there[kind, reference["name"]][data]
        for volume in template["spec"].get("volumes", []):
            if volume["name"] == "code-files":
                source = volume["configMap"]
                stored = there["ConfigMap", source["name"]]
                found: dict[str, bytes] = {key: text.encode() for key, text in stored["data"].items()}
                found |= {key: base64.b64decode(text) for key, text in stored.get("binaryData", {}).items()}
                assert launch.spec.code is not None
                sent = {name: code_files.decoded(text) for name, text in (launch.spec.code.files or {}).items()}
                assert {item["path"]: found[item["key"]] for item in source["items"]} == sent


@settings(deadline=None)
@given(body=bodies())
def test_no_secret_value_is_outside_of_a_secret(body: dict[str, Any], launch_of_spec: LaunchOf) -> None:
    body["meta"]["envVars"] = {name: value for name, value in body["meta"]["envVars"].items() if "TOKEN" in name}
    for task in body["spec"].values():
        task["envVars"] = {"DB_PASSWORD": "canary-31337 task"}
    for _, _, objects in rendered(body, "ann", launch_of_spec, ClusterOptions()):
        record = unpack(objects[0]["metadata"]["annotations"][SPEC])
        assert "canary-31337" not in json.dumps([item for item in objects if item["kind"] != "Secret"] + [record])
        [secret] = [item for item in objects if item["kind"] == "Secret"]
        assert "canary-31337 task" in secret["stringData"].values()


@given(st.lists(st.sampled_from(["1", "a", "experiment-1-0001"]), min_size=1))
def test_owned_leaves_the_objects_alone(parts: list[str]) -> None:
    objects = [{"apiVersion": "v1", "kind": "A", "metadata": {"name": name}} for name in parts]
    before = json.dumps(objects)
    assert len(owned(objects, "uid")) == len(parts) - 1
    assert json.dumps(objects) == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ClusterOptions(run_as_user=None), {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}),
        (ClusterOptions(run_as_user=0), {"seccompProfile": {"type": "RuntimeDefault"}}),
    ],
)
def test_an_administrator_can_let_images_decide(
    options: ClusterOptions, expected: Json, launch_of_spec: LaunchOf
) -> None:
    body = {
        "meta": {"name": "x", "framework": "Standalone", "cmd": "true"},
        "environment": {"image": "x"},
        "spec": {"Worker": {"resources": "cpu=1,memory=1Gi"}},
    }
    [job] = render(launch_of_spec(body), kind="indexed_jobs", namespace="space", options=options)
    assert job["spec"]["template"]["spec"]["securityContext"] == expected


def test_an_administrator_can_leave_cpu_without_a_limit(launch_of_spec: LaunchOf) -> None:
    body = {
        "meta": {"name": "x", "framework": "Standalone", "cmd": "true"},
        "spec": {"Worker": {"resources": "cpu=1,memory=1Gi"}},
    }
    options = ClusterOptions(cpu_limit=False, image="busybox")
    [job] = render(launch_of_spec(body), kind="indexed_jobs", namespace="space", options=options)
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "busybox"
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
