"""Whatever a body holds, it is a spec or an InvalidSpec with sentences: never another error, and never slowly."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest, InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.parsing import parse_json, parse_yaml
from submarine_jupyter_server.masking.masks import mask, restore

FULL: dict[str, Any] = {
    "meta": {
        "experimentId": "experiment-1-0001",
        "name": "x",
        "namespace": "default",
        "framework": "TensorFlow",
        "cmd": "python t.py",
        "envVars": {"A": "1"},
        "tags": ["t"],
    },
    "environment": {
        "name": "e",
        "dockerImage": "i",
        "image": "i",
        "description": "d",
        "kernelSpec": {"name": "k", "channels": ["c"], "condaDependencies": ["c"], "pipDependencies": ["p"]},
    },
    "spec": {
        "Worker": {"replicas": 1, "resources": "cpu=1", "name": "n", "image": "i", "cmd": "c", "envVars": {"B": "2"}}
    },
    "code": {
        "syncMode": "git",
        "git": {"url": "https://h/r", "branch": "b", "username": "u", "password": "p", "trustCerts": True},
        "files": None,
    },
    "runtime": {
        "target": "local",
        "maxRunTime": 1,
        "retries": 1,
        "ttlAfterFinished": 1,
        "queue": "q",
        "priority": "p",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 1}],
        "volumes": [
            {"name": "v", "mountPath": "/x", "subPath": "s", "readOnly": True, "emptyDir": {"sizeLimit": "1G"}}
        ],
        "secrets": {"S": "s"},
        "serviceAccount": "s",
        "successPolicy": "AllWorkers",
        "workingDir": "/w",
        "metrics": ["loss={loss}"],
        "params": {"lr": 0.1, "n": 1, "on": True, "text": "a"},
        "origin": {"notebook": "n.ipynb", "cell": "c"},
    },
}
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value of a body."""
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


def value_at(path: Path) -> Any:
    """Return what the full body has at a place."""
    found: Any = FULL
    for key in path:
        found = found[key]
    return found


def put(path: Path, value: Any) -> Any:
    """Return the full body with another value at a place."""
    if not path:
        return value
    body = copy.deepcopy(FULL)
    holder: Any = body
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return body


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


def check(problems: list[str]) -> None:
    assert problems
    assert all(problems)
    assert sum(map(len, problems)) < 20_000


PLACES = list(places(FULL))
HOSTILE_NUMBERS = [0, -1, 2, 10**18, -(10**18), 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")]
HOSTILE_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\ud800",
        "a\udfff",
        "\u202e",
        "\n",
        "\r\n",
        "''",
        "# x",
        "$A",
        "é" * 300,
        "x" * 1_000_000,
    ),
    *("a" * 140_000, "..", "../x", "/", "~x", "\\", "https://[::1", "https://u:p@[", "git@", "cpu=1e30", "memory=1m"),
    *("cpu=", "=", ",", "1e5", "../" * 1000, "\"'", "'", "[", "{", "******"),
]
HOSTILE_SHAPES = [
    *(
        None,
        True,
        False,
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"A": None},
        {"\0": "x"},
        {"\ud800": "x"},
        {"a": "", "a/b": ""},
    ),
    *({"x" * 300: "x"}, {"A": {"B": "C"}}, ["x"] * 500, deep(30), deep(300), {"apiVersion": 1, "kind": []}),
]
HOSTILE = st.sampled_from([*HOSTILE_NUMBERS, *HOSTILE_TEXTS, *HOSTILE_SHAPES])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PLACES), HOSTILE | ANYTHING)
@example(("meta", "envVars"), {"\ud800": "x"})  # a message that repeats it cannot be encoded
@example(("runtime", "params"), {"\ud800": 1})
def test_whatever_stands_at_any_place_is_read_or_refused(path: Path, value: Any) -> None:
    try:
        spec = ExperimentSpec.parse(put(path, value))
    except InvalidSpec as error:
        check(error.problems)
        return
    wire = spec.wire()
    assert ExperimentSpec.parse(wire).wire() == wire
    assert "\\u0000" not in json.dumps(wire)
    json.dumps(wire).encode()
    assert restore(mask(wire), wire) == wire


@given(st.sampled_from([path for path in PLACES if path and isinstance(value_at(path), str)]), st.text(max_size=5))
def test_a_nul_in_any_text_is_refused_by_its_path(path: Path, text: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ExperimentSpec.parse(put(path, f"{value_at(path)}\0{text}"))
    name = next(str(key) for key in reversed(path) if isinstance(key, str))
    assert any(name in problem for problem in caught.value.problems), caught.value.problems


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"[" * 100_000)
@example(b"{" * 100_000)
@example(b'{"a":' * 20_000)
@example(b"a: " * 20_000)
@example(b"- " * 60_000)
@example(b"? " * 60_000)
@example(b"a: &a [*a]")
@example(b"\xff\xfe\x00")
@example(b"%YAML 9.9\n---\na: 1")
@example(b"!!python/object:os.system x")
@example(b"9" * 100_000)
@example(b'"\\ud800"')
@example(b"1e999999999")
@example(b"a: '\x07'")
def test_whatever_bytes_come_are_read_or_refused(body: bytes) -> None:
    for parse in (parse_json, parse_yaml):
        try:
            json.dumps(parse(body)).encode()
        except InvalidRequest as error:
            check([error.message])
