"""Code reaches a container as it is."""

from __future__ import annotations

from collections.abc import Callable

from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from submarine_jupyter_server.targets.protocol import Launch


def test_files_that_are_empty_are_files_too(launch_of_spec: Callable[..., Launch]) -> None:
    body = {
        "meta": {"name": "x", "framework": "Standalone", "cmd": "true"},
        "environment": {"image": "busybox"},
        "spec": {"Worker": {}},
        "code": {"syncMode": "inline", "files": {"__init__.py": "", "lib/__init__.py": ""}},
    }
    job, files = render(launch_of_spec(body), kind="indexed_jobs", namespace="space", options=ClusterOptions())
    assert files["data"] == {"file-0": "", "file-1": ""}
    [_, volume] = job["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == files["metadata"]["name"]
