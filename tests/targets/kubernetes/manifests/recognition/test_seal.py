"""Only the very object that we made passes for ours, whatever somebody writes into another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import SPEC, UID
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.seal import (
    SEAL,
    TOKEN,
    has_token,
    is_sealed,
    seal,
    token,
)
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

LaunchOf = Callable[..., Launch]
KEY = bytes(range(32))
REF = ObjectRef("Job", "space", "experiment-1647574374688-0002-worker", "57b3cbe5-7db4-4a3a-9b06-b3d0e4a1c3f1")
WHOSE = (REF.name.removesuffix("-worker"), "lab", "cluster")
PLACES = ("kind", "namespace", "name", "uid")
BODY = {
    "meta": {"name": "x", "framework": "TensorFlow", "cmd": "run"},
    "environment": {"image": "busybox"},
    "spec": {"Ps": {}, "Worker": {"replicas": 2}},
}
# Also text that UTF-8 has no bytes for.
texts = st.text(max_size=20) | st.text(st.characters(categories=["Cs"]), max_size=2)
anything = st.none() | st.integers() | st.booleans() | st.lists(texts) | st.dictionaries(texts, texts) | texts


@pytest.fixture(scope="module")
def launch(launch_of_spec: LaunchOf) -> Launch:
    return launch_of_spec(BODY)


@pytest.fixture(scope="module")
def notes(launch: Launch) -> dict[str, str]:
    """Return the annotations of an object of ours that has been sealed."""
    made = render(launch, kind="indexed_jobs", namespace="space", options=ClusterOptions(key=KEY))
    found: dict[str, str] = made[0]["metadata"]["annotations"]
    return found | {SEAL: seal(KEY, found, REF, *WHOSE)}


def test_what_we_made_is_ours(notes: dict[str, str], launch: Launch) -> None:
    assert has_token(KEY, notes, launch, REF)
    assert is_sealed(KEY, notes, REF, *WHOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_pods_come_from_bears_its_own_token(kind: str, launch_of_spec: LaunchOf) -> None:
    framework = KINDS[kind].frameworks[0]
    body = BODY | {"meta": {"name": "x", "framework": framework, "cmd": "run", "envVars": {"A_TOKEN": "canary"}}}
    if framework != "TensorFlow":
        body["spec"] = {"Master": {}, "Worker": {}}
    launch = launch_of_spec(body)
    made = render(launch, kind=kind, namespace="space", options=ClusterOptions(key=KEY))
    tokens = []
    for item in made:
        meta = item["metadata"]
        ref = ObjectRef(item["kind"], "space", meta["name"], "")
        ours = has_token(KEY, meta["annotations"], launch, ref)
        assert ours == (item["kind"] == KINDS[kind].kind) == (TOKEN in meta["annotations"])
        tokens += [meta["annotations"][TOKEN]] if ours else []
    assert len(set(tokens)) == len(tokens) == (2 if kind == "indexed_jobs" else 1)


def test_without_a_key_nothing_is_signed_and_nothing_is_ours(launch: Launch, notes: dict[str, str]) -> None:
    for item in render(launch, kind="indexed_jobs", namespace="space", options=ClusterOptions()):
        assert TOKEN not in item["metadata"]["annotations"]
    forged = notes | {TOKEN: token(b"", launch, REF.kind, REF.namespace, REF.name)}
    forged[SEAL] = seal(b"", forged, REF, *WHOSE)
    assert not has_token(b"", forged, launch, REF)
    assert not is_sealed(b"", forged, REF, *WHOSE)


def test_the_key_is_not_shown() -> None:
    assert repr(KEY) not in repr(ClusterOptions(key=KEY))


@given(data=st.data())
def test_the_record_of_one_object_is_not_that_of_another(data: st.DataObject, notes: dict[str, str]) -> None:
    place = data.draw(st.sampled_from(PLACES))
    other = replace(REF, **{place: data.draw(texts.filter(lambda text: text != getattr(REF, place)))})
    assert not is_sealed(KEY, notes, other, *WHOSE)
    whose = list(WHOSE)
    number = data.draw(st.integers(0, 2))
    whose[number] = data.draw(texts.filter(lambda text: text != WHOSE[number]))
    assert not is_sealed(KEY, notes, REF, *whose)
    assert not is_sealed(data.draw(st.binary().filter(lambda key: key != KEY)), notes, REF, *WHOSE)


@given(data=st.data())
def test_no_part_of_a_record_can_change(data: st.DataObject, notes: dict[str, str]) -> None:
    part = data.draw(st.sampled_from(sorted(notes.keys() - {TOKEN})))
    assert not is_sealed(KEY, {name: text for name, text in notes.items() if name != part}, REF, *WHOSE)
    changed: dict[str, Any] = notes | {part: data.draw(anything.filter(lambda value: value != notes[part]))}
    assert not is_sealed(KEY, changed, REF, *WHOSE)


@given(data=st.data())
def test_a_token_is_of_one_attempt_and_one_object(data: st.DataObject, notes: dict[str, str], launch: Launch) -> None:
    text = data.draw(texts.filter(lambda text: text not in (launch.experiment_id, launch.uid)))
    assert not has_token(KEY, notes, replace(launch, experiment_id=text), REF)
    assert not has_token(KEY, notes, replace(launch, uid=text), REF)
    number = data.draw(st.integers().filter(lambda number: number != launch.attempt))
    assert not has_token(KEY, notes, replace(launch, attempt=number), REF)
    place = data.draw(st.sampled_from(PLACES[:-1]))
    other = replace(REF, **{place: data.draw(texts.filter(lambda text: text != getattr(REF, place)))})
    assert not has_token(KEY, notes, launch, other)
    changed = notes | {TOKEN: data.draw(anything.filter(lambda value: value != notes[TOKEN]))}
    assert not has_token(KEY, changed, launch, REF)


@given(left=texts, right=texts, moved=st.integers(1, 5))
def test_text_cannot_move_from_one_part_to_the_next(left: str, right: str, moved: int, launch: Launch) -> None:
    whole, cut = left + right, min(moved, len(left + right))
    if whole[:cut] != left:
        made = [token(KEY, launch, kind, name, "x") for kind, name in ((left, right), (whole[:cut], whole[cut:]))]
        assert made[0] != made[1]


def test_a_token_is_no_seal_and_a_seal_no_token(notes: dict[str, str], launch: Launch) -> None:
    swapped = notes | {TOKEN: notes[SEAL], SEAL: notes[TOKEN]}
    assert not has_token(KEY, swapped, launch, REF)
    assert not is_sealed(KEY, swapped, REF, *WHOSE)


@pytest.mark.parametrize("name", [SPEC, UID, SEAL, TOKEN])
def test_a_huge_annotation_is_no_error(name: str, notes: dict[str, str], launch: Launch) -> None:
    assert not is_sealed(KEY, notes | {name: "x" * 2**20}, REF, *WHOSE) or name == TOKEN
    assert not has_token(KEY, notes | {TOKEN: "é" * 2**20}, launch, REF)
