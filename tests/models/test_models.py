from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.code_files import BINARY, encoded
from submarine_jupyter.spec.vocabulary import FRAMEWORKS

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def minimal(**changes: Any) -> dict[str, Any]:
    meta = {"name": "x", "framework": "PyTorch", "cmd": "true"}
    return {"meta": meta, "environment": {}, "spec": {"Worker": {}}, **changes}


@pytest.mark.parametrize("verb", ["post", "patch"])
def test_the_documents_request_becomes_the_documents_answer(verb: str) -> None:
    answered = golden(f"{verb}.response")["result"]["spec"]
    spec = ExperimentSpec.parse(golden(f"{verb}.request")).wire()
    spec["meta"]["experimentId"] = answered["meta"]["experimentId"]
    # Compared as text: keys, their order, nulls and formats.
    assert json.dumps(spec, indent=1) == json.dumps(answered, indent=1)


@pytest.mark.parametrize("name", ["post", "list", "get", "patch", "delete"])
def test_an_answered_spec_can_be_sent_back(name: str) -> None:
    result = golden(f"{name}.response")["result"]
    spec = (result[0] if isinstance(result, list) else result)["spec"]
    assert json.dumps(ExperimentSpec.parse(spec).wire()) == json.dumps(spec)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (minimal(foo=1), "foo: unknown field"),
        (minimal(spec={"Worker": {"cpu": 1}}), "spec.Worker.cpu: unknown field"),
        (
            minimal(spec={"Worker": {"resources": "cpu=x"}}),
            "spec.Worker.resources: 'cpu=x' is not a quantity",
        ),
        (
            minimal(spec={"Worker": {"replicas": 0}}),
            "spec.Worker.replicas: Input should be greater than or equal to 1",
        ),
        (
            minimal(spec={"Worker": {"replicas": "two"}}),
            "spec.Worker.replicas: Input should be a valid integer",
        ),
        (minimal(spec={"worker": {}, "WORKER": {}}), "spec: Worker is given twice"),
        (
            minimal(spec={"Ps": {}}),
            "Unrecognized replica type name: Ps, it should be Master,Worker for PyTorch",
        ),
        (minimal(spec={"Master": {"replicas": 2}}), "spec.Master.replicas: there can be only one Master"),
        (minimal(spec={}), "spec: Dictionary should have at least 1 item"),
        (minimal(meta={"name": "x", "framework": "Torch", "cmd": "a"}), "Unsupported framework name: Torch"),
        (minimal(meta={"name": "x", "framework": "PyTorch"}), "meta.cmd: nothing to run for Worker"),
        (minimal(meta={"name": " ", "framework": "PyTorch", "cmd": "a"}), "meta.name: must be printable"),
        (
            minimal(meta={"name": "x", "framework": "PyTorch", "cmd": "a\0b"}),
            "meta.cmd: must not contain a NUL",
        ),
        (
            minimal(meta={"name": "x", "framework": "PyTorch", "cmd": "a", "envVars": {"A=B": "1"}}),
            "'A=B' is not a variable",
        ),
        (minimal(meta={"name": "x", "framework": "PyTorch", "cmd": "\ud800"}), "meta.cmd: must be valid Unicode"),
        (minimal(code={"syncMode": "inline", "files": {"\udfff": ""}}), "must be valid Unicode"),
        (minimal(code={"syncMode": "hdfs"}), "code.syncMode"),
        (minimal(code={"syncMode": "inline", "files": {"../x": ""}}), "'../x' is not a relative file name"),
        (minimal(code={"syncMode": "inline", "files": {"/etc/x": ""}}), "'/etc/x' is not a relative file name"),
        (minimal(code={"syncMode": "inline", "files": {"a": "x" * 600_000}}), "more than 512 KiB"),
        (minimal(code={"syncMode": "inline", "files": {"a": encoded(bytes(600_000))}}), "more than 512 KiB"),
        (minimal(code={"syncMode": "inline", "files": {"a": f"{BINARY}A"}}), "code.files: 'a' is not base64 after"),
        (minimal(code={"syncMode": "inline", "files": {"a": f"{BINARY}QU FB"}}), "code.files: 'a' is not base64 after"),
        (
            minimal(code={"git": {"url": "--upload-pack=touch x"}}),
            "code.git.url: is not a repository address",
        ),
        (minimal(runtime={"gpu": 1}), "runtime.gpu: unknown field"),
        ([], "Input should be a valid dictionary"),
        (None, "Input should be a valid dictionary"),
    ],
)
def test_each_problem_names_its_path(body: object, problem: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ExperimentSpec.parse(body)
    assert problem in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        ExperimentSpec.parse(minimal(foo=1, spec={"Worker": {"resources": "cpu=x", "replicas": -1}}))
    assert len(caught.value.problems) == 3


def test_names_are_taken_in_any_case_and_answered_in_one() -> None:
    spec = ExperimentSpec.parse(
        {
            "meta": {"name": "x", "framework": "tensorFLOW", "cmd": "a"},
            "spec": {"PS": {}, "worker": {"replicas": 2}},
        }
    )
    assert spec.meta.framework == "TensorFlow"
    assert list(spec.spec) == ["Ps", "Worker"]
    assert spec.spec["Worker"].replicas == 2


def test_numbers_and_booleans_become_the_text_that_was_written() -> None:
    spec = ExperimentSpec.parse(
        minimal(meta={"name": 5, "framework": "PyTorch", "cmd": "a", "envVars": {"A": 1, "B": True, "C": 0.5}})
    )
    assert spec.meta.name == "5"
    assert spec.meta.env_vars == {"A": "1", "B": "true", "C": "0.5"}


def test_null_env_vars_and_tags_are_empty() -> None:
    spec = ExperimentSpec.parse(
        minimal(meta={"name": "x", "framework": "PyTorch", "cmd": "a", "envVars": None, "tags": None})
    )
    assert (spec.meta.env_vars, spec.meta.tags) == ({}, [])


def test_what_was_not_set_stays_out_of_the_answer() -> None:
    wire = ExperimentSpec.parse(minimal()).wire()
    assert list(wire) == ["meta", "environment", "spec", "code"]
    wire = ExperimentSpec.parse(minimal(runtime={"target": "local"})).wire()
    assert wire["runtime"] == {"target": "local"}
    assert "files" not in ExperimentSpec.parse(minimal(code={"git": {"url": "https://h/r"}})).wire()["code"]


def test_a_roles_own_settings_win() -> None:
    spec = ExperimentSpec.parse(
        {
            "meta": {"name": "x", "framework": "PyTorch", "cmd": "all", "envVars": {"A": "1", "B": "1"}},
            "environment": {"image": "base"},
            "spec": {"Master": {"cmd": "own", "image": "special", "envVars": {"B": "2"}}, "Worker": {}},
            "runtime": {"secrets": {"C": "3"}},
        }
    )
    assert (spec.command("Master"), spec.command("Worker")) == ("own", "all")
    assert (spec.image("Master"), spec.image("Worker")) == ("special", "base")
    assert spec.env("Master") == {"A": "1", "B": "2", "C": "3"}
    assert spec.env("Worker") == {"A": "1", "B": "1", "C": "3"}


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
env = st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), text, max_size=3)
resources = st.sampled_from([None, "cpu=1", "cpu=500m,memory=1Gi", "memory=1024M,cpu=2,nvidia.com/gpu=1"])
task = st.fixed_dictionaries(
    {"replicas": st.integers(1, 1000), "resources": resources},
    optional={"cmd": st.just("run me"), "envVars": env, "image": text, "name": text},
)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    framework = draw(st.sampled_from(sorted(FRAMEWORKS)))
    extra = [role for role in FRAMEWORKS[framework] if role not in ("Chief", "Master", "Worker")]
    roles = ["Worker", *draw(st.lists(st.sampled_from(extra), unique=True) if extra else st.just([]))]
    meta = {"name": "n", "framework": framework, "cmd": "x" + draw(text), "envVars": draw(env)}
    return {
        "meta": meta | {"tags": draw(st.lists(st.just("tag")))},
        "environment": {"image": draw(st.none() | text)},
        "spec": {role: draw(task) for role in roles},
        "code": draw(st.sampled_from([None, {"syncMode": "inline", "files": {"a/b.py": "x"}}])),
    }


@given(specs())
def test_get_then_patch_is_the_identity(body: dict[str, Any]) -> None:
    once = ExperimentSpec.parse(body).wire()
    again = ExperimentSpec.parse(json.loads(json.dumps(once))).wire()
    assert json.dumps(again) == json.dumps(once)
