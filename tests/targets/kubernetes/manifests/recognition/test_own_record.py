"""The record on an experiment's own object is read with suspicion: anybody in the namespace can write there."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import (
    ACCEPTED,
    ATTEMPT,
    GENERATION,
    NAME,
    OWNER,
    SPEC,
    pack,
    unpack,
)
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.own_record import record
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

BODY: dict[str, Any] = {
    "meta": {"name": "✓ a,b=c/../", "framework": "Standalone", "cmd": "run", "envVars": {"A_KEY": "canary"}},
    "environment": {"image": "busybox"},
    "spec": {"Worker": {"replicas": 2}},
    "code": {"syncMode": "inline", "files": {"a.py": "print(1)"}},
}


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
def test_a_spoiled_record_is_a_value_error(how: str, notes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="record") as caught:
        record(notes | {SPEC: SPOILED[how]()}, REF, ID)
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


ID = "experiment-1647574374688-0002"
REF = ObjectRef("Job", "space", f"{ID}-worker", "57b3cbe5-7db4-4a3a-9b06-b3d0e4a1c3f1")


@pytest.fixture(scope="module")
def notes(launch_of_spec: Callable[..., Launch]) -> dict[str, str]:
    """Return the annotations of an own object in namespace ``space``."""
    launch = launch_of_spec(BODY | {"meta": BODY["meta"] | {"namespace": "space"}}, owner="Änn", attempt=2)
    made = render(launch, kind="indexed_jobs", namespace="space", options=ClusterOptions())
    found: dict[str, str] = made[0]["metadata"]["annotations"]
    return found


def test_a_record_agrees_with_its_object(notes: dict[str, str]) -> None:
    found = record(notes, REF, ID)
    assert (found.experiment_id, found.owner, found.attempt, found.generation) == (ID, "Änn", 2, 1)
    assert found.spec.meta.env_vars == {"A_KEY": "******"}
    assert found.spec.code is not None
    assert found.spec.code.files == {"a.py": ""}


@pytest.mark.parametrize("kind", KINDS)
def test_the_own_object_has_the_name_that_is_expected(kind: str, launch_of_spec: Callable[..., Launch]) -> None:
    framework = KINDS[kind].frameworks[0]
    sets: list[dict[str, Any]] = [{"Worker": {}}, {"Master": {}, "Worker": {}}]
    for roles in sets:
        body = BODY | {"meta": {"name": "x", "framework": framework, "cmd": "run"}, "spec": roles}
        try:
            first = render(launch_of_spec(body), kind=kind, namespace="default", options=ClusterOptions())[0]
        except InvalidSpec:
            continue  # not every kind can do without a master
        ref = ObjectRef(first["kind"], "default", first["metadata"]["name"], "")
        assert record(first["metadata"]["annotations"], ref, ID).name == "x"


FOREIGN: dict[str, tuple[ObjectRef, str]] = {
    "another name": (replace(REF, name=f"{ID}-copy"), ID),
    "the name of another kind": (replace(REF, kind="JobSet"), ID),
    "another namespace": (replace(REF, namespace="elsewhere"), ID),
    "another id": (REF, "experiment-1647574374688-0003"),
    "the name and id of another": (replace(REF, name="../x"), "../x"),
    "an id no counter reaches": (REF, "experiment-1647574374688-" + "9" * 20),
    "an id of other digits": (REF, "experiment-1647574374688-٠٠٠٢"),
}


@pytest.mark.parametrize("how", FOREIGN)
def test_a_record_on_another_object_is_not_read(how: str, notes: dict[str, str]) -> None:
    ref, experiment_id = FOREIGN[how]
    with pytest.raises(ValueError, match=r"the record names|not the id"):
        record(notes, ref, experiment_id)


NUMBERS = ["", "0", "-1", "1e3", "1.0", " 1", "1\n", "٣", "x", "True", "1000000001", "1" + "0" * 30, "9" * 5000]


@pytest.mark.parametrize("name", [ATTEMPT, GENERATION, ACCEPTED])
@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_out_of_range_is_not_read(name: str, text: str, notes: dict[str, str]) -> None:
    if name == ACCEPTED and text in ("0", "1000000001"):
        assert record(notes | {name: text}, REF, ID).accepted_ms == int(text)
        return
    with pytest.raises(ValueError, match="record's"):
        record(notes | {name: text}, REF, ID)


@given(data=st.data())
def test_whatever_is_written_is_read_or_a_value_error(data: st.DataObject, notes: dict[str, str]) -> None:
    part = data.draw(st.sampled_from(sorted(notes)))
    text = data.draw(st.text() | st.integers() | st.none() | st.sampled_from(["x" * 300_000, "\ud800", "\0"]))
    try:
        found = record(notes | {part: text}, REF, ID)
    except InvalidSpec:
        pytest.fail("what is wrong with a record is no problem of a request")
    except ValueError as error:
        event("refused" if len(str(error)) < 1000 else pytest.fail("it says so at length"))
    else:
        assert part in (OWNER, NAME) or text == notes[part] or part in (ATTEMPT, GENERATION, ACCEPTED)
        assert max(found.attempt, found.generation, found.accepted_ms) < 2**53
