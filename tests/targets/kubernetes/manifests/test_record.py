"""The record on an experiment's own object is read with suspicion: anybody in the namespace can write there."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.targets.base import Launch
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, launch_of, render
from submarine_jupyter_server.targets.kubernetes.manifests.metadata import SPEC, pack, unpack

BODY: dict[str, Any] = {
    "meta": {"name": "✓ a,b=c/../", "framework": "Standalone", "cmd": "run", "envVars": {"A_KEY": "canary"}},
    "environment": {"image": "busybox"},
    "spec": {"Worker": {"replicas": 2}},
    "code": {"syncMode": "inline", "files": {"a.py": "print(1)"}},
}


def test_a_launch_is_found_again_without_secrets_and_without_the_text_of_its_code(
    launch_of_spec: Callable[..., Launch],
) -> None:
    launch = launch_of_spec(BODY, owner="Änn <ann@example.org>", attempt=2, generation=5)
    found = launch_of(render(launch, kind="indexed_jobs", namespace="space", options=ClusterOptions())[0])
    assert (found.owner, found.name, found.attempt, found.generation) == (launch.owner, BODY["meta"]["name"], 2, 5)
    assert found.spec.meta.env_vars == {"A_KEY": "******"}
    assert found.spec.code is not None
    assert found.spec.code.files == {"a.py": ""}
    assert found.spec.spec == launch.spec.spec


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


SPOILED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "not base64": lambda: "not base64 ✓",
    "not gzip": lambda: encoded(b"not gzip"),
    "deep": lambda: encoded(gzip.compress(b"[" * 100_000)),
    "a list": lambda: encoded(gzip.compress(b"[]")),
    "no spec": lambda: encoded(gzip.compress(b'{"meta": {}}')),
    "cut off": lambda: encoded(gzip.compress(json.dumps({"a": 1}).encode())[:-9]),
    "a bomb": lambda: encoded(gzip.compress(b" " * 100_000_000 + b"{}")),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_record_is_a_value_error(how: str, launch_of_spec: Callable[..., Launch]) -> None:
    launch = launch_of_spec(BODY)
    found = copy.deepcopy(render(launch, kind="indexed_jobs", namespace="space", options=ClusterOptions())[0])
    found["metadata"]["annotations"][SPEC] = SPOILED[how]()
    with pytest.raises(ValueError, match="record") as caught:
        launch_of(found)
    assert not isinstance(caught.value, InvalidSpec)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="record"):
        unpack(base64.b64encode(data).decode())


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_packing_and_unpacking(values: dict[str, str | int]) -> None:
    assert unpack(pack({"code": None, **{f"x{key}": value for key, value in values.items()}})) == {
        "code": None,
        **{f"x{key}": value for key, value in values.items()},
    }
