from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import Forbidden, InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.wire.specs import (
    SpecReader,
    body_hash,
    merge_patch,
    named,
    patched,
    source_id,
    stored,
)

BODY: dict[str, Any] = {"meta": {"name": "x", "framework": "PyTorch", "cmd": "a"}, "spec": {"Worker": {}}}


@pytest.fixture
def reader(tmp_path: Path) -> SpecReader:
    local = LocalTarget(tmp_path, namespaces=("default", "team"))
    return SpecReader({"local": local, "lab": LocalTarget(tmp_path, name="lab", namespaces=("lab-1",))}, "local")


def with_meta(**changes: object) -> dict[str, object]:
    return {**BODY, "meta": {**BODY["meta"], **changes}}


def test_the_effective_namespace_is_filled_in(reader: SpecReader) -> None:
    assert reader.read(BODY)[0].meta.namespace == "default"
    assert reader.read(with_meta(namespace="team"))[0].meta.namespace == "team"
    assert reader.read({**BODY, "runtime": {"target": "lab"}})[0].meta.namespace == "lab-1"


def test_a_namespace_of_others_is_forbidden_not_replaced(reader: SpecReader) -> None:
    with pytest.raises(Forbidden, match="'kube-system' is not one of the namespaces of target 'local': default, team"):
        reader.read(with_meta(namespace="kube-system"))
    with pytest.raises(Forbidden, match="'default' is not one of the namespaces of target 'lab': lab-1"):
        reader.read({**with_meta(namespace="default"), "runtime": {"target": "lab"}})


def test_an_experiment_stays_where_it_is_when_the_default_target_changes(reader: SpecReader) -> None:
    assert reader.read(with_meta(namespace="lab-1"), target="lab")[0].meta.namespace == "lab-1"
    assert reader.read(BODY, target="lab")[1] == "lab"


def test_a_body_is_turned_into_all_that_follows_from_it_at_once(reader: SpecReader) -> None:
    code = {"syncMode": "inline", "files": {"a.py": '{"meta":{"experimentId":null'}}
    body = {**with_meta(name='{"meta":{"experimentId":null', envVars={"TOKEN": "canary"}), "code": code}
    found = reader.accept({**body, "runtime": {"target": "lab"}})
    assert (found.target, found.spec.meta.namespace, found.texts.namespace) == ("lab", "lab-1", "lab-1")
    assert found.digest == body_hash({"runtime": {"target": "lab"}, **body})
    assert named(found.texts, "experiment-1-0001") == stored(found.spec, "experiment-1-0001")
    assert "canary" not in found.texts.wire_spec


def test_an_unknown_target_is_named_with_the_known_ones(reader: SpecReader) -> None:
    with pytest.raises(InvalidSpec, match=r"runtime.target: unknown target 'moon'; the targets are local, lab"):
        reader.read({**BODY, "runtime": {"target": "moon"}})
    with pytest.raises(InvalidSpec, match="unknown target 'gone'"):
        reader.read(BODY, target="gone")


# The examples of RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_that_of_the_rfc(target: object, patch: object, result: object) -> None:
    assert merge_patch(target, patch) == result


def test_bodies_that_mean_the_same_have_the_same_digest() -> None:
    assert body_hash({"a": 1, "b": [1, 2]}) == body_hash({"b": [1, 2], "a": 1})
    assert body_hash({"a": 1}) != body_hash({"a": 2})


def test_the_source_of_a_copied_spec_is_found_in_any_body() -> None:
    assert source_id({"meta": {"experimentId": "experiment-1-0001"}}) == "experiment-1-0001"
    others: list[object] = [None, [], {"meta": None}, {"meta": {"experimentId": 5}}]
    assert [source_id(body) for body in others] == [None] * 4


def test_a_part_that_is_sent_as_the_whole_is_told_how_to_be_a_part() -> None:
    old = ExperimentSpec.parse(BODY)
    part = {"spec": {"Worker": {"replicas": 2}}}
    with pytest.raises(InvalidSpec, match=r"meta: Field required .*application/merge-patch\+json"):
        patched(old, part, merge=False)
    assert ExperimentSpec.parse(patched(old, part, merge=True)).spec["Worker"].replicas == 2
    assert patched(old, BODY, merge=False) is BODY
