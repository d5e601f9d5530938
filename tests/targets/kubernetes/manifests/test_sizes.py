"""What is small enough is not measured closely, and nothing too large passes for small by that."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from string import ascii_letters
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.manifests import sizes
from submarine_jupyter_server.targets.kubernetes.manifests.recognition import metadata
from submarine_jupyter_server.targets.protocol import Launch

texts = st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from(["", "<>&", "name"])
parts = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.just("mountPath"), inner, max_size=4),
)


@given(parts, st.sampled_from(["v1", "kubeflow.org/v1"]))
def test_no_byte_of_an_object_counts_for_more_than_is_assumed(spec: Any, version: str) -> None:
    item = {"apiVersion": version, "kind": "Anything", "spec": spec}
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    counted = sizes.counted(item, text)
    assert len(text.encode()) <= counted <= sizes.MOST_PER_BYTE * len(text.encode())


def test_a_spec_that_cannot_be_compressed_is_measured(launch_of_spec: Callable[..., Launch]) -> None:
    meta = {"name": "mnist", "namespace": "default", "framework": "Standalone", "cmd": "true"}
    spec = launch_of_spec({"meta": meta, "environment": {}, "spec": {"Worker": {}}}).spec.wire()
    digits, letters = random.Random(1), f"{ascii_letters}+/"
    for length in (1_000, 130_000, 139_000, 150_000, 160_000, 400_000):
        spec["meta"]["cmd"] = "".join(digits.choices(letters, k=length))
        size = len(metadata.pack(spec))
        assert metadata.excess(spec) == (size if size > metadata.SPEC_LIMIT else 0)
