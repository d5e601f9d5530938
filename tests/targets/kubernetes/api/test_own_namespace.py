"""The namespace of a target that configures none is the one its connection will have."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.api.own_namespace import own_namespace


def kubeconfig(path: Path, current: str | None, **namespaces: str | None) -> str:
    """Write a kubeconfig with a context for each namespace."""
    common: dict[str, Any] = {"cluster": "c", "user": "u"}
    contexts = [{"name": k, "context": common | ({"namespace": v} if v else {})} for k, v in namespaces.items()]
    clusters = [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}]
    users = [{"name": "u", "user": {"token": "t"}}]
    found: dict[str, Any] = {"contexts": contexts, "clusters": clusters, "users": users}
    path.write_text(json.dumps(found | ({"current-context": current} if current else {})))
    return str(path)


@pytest.mark.parametrize("context", [None, "one", "two", "three"])
async def test_it_is_what_the_package_finds_in_several_files(tmp_path: Path, context: str | None) -> None:
    first = kubeconfig(tmp_path / "first", "one", one="team-a", two=None)
    second = kubeconfig(tmp_path / "second", "three", one="hidden", three="team-c")
    paths = os.pathsep.join((first, str(tmp_path / "none"), second))
    async with await Cluster.connect(kubeconfig=paths, context=context) as cluster:
        assert own_namespace(paths, context, in_cluster=False) == cluster.namespace


@pytest.mark.parametrize(
    "text", ["", "[", "contexts: 7", "a: b", '{"current-context": "x", "contexts": [{"name": "x"}]}']
)
def test_a_file_that_names_none_means_the_default(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert own_namespace(str(tmp_path / "file"), None, in_cluster=False) == "default"


def test_a_file_that_is_not_there_means_the_default(tmp_path: Path) -> None:
    assert own_namespace(str(tmp_path / "none"), None, in_cluster=False) == "default"


def test_in_a_pod_it_is_that_of_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("team-a\n")
    assert own_namespace(None, None, in_cluster=True, of_pod=tmp_path / "namespace") == "team-a"
    assert own_namespace(None, None, in_cluster=True, of_pod=tmp_path / "none") == "default"
