"""What is a credential, by its name or by its value, reaches the cluster in a Secret and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS, ClusterOptions, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import SPEC, unpack
from submarine_jupyter_server.targets.protocol import Launch

CANARY = "canary31337"
CREDENTIALS = {
    "DB_PASS": CANARY,
    "PGPASS": CANARY,
    "DATABASE_URL": f"postgresql://user:{CANARY}@db.example.org/x",
    "BROKER": f"redis://:{CANARY}@host:6379/0",
    "MIRROR": f"http://user:{CANARY}/x#y?z@host",
    "REPOSITORY": f"https://{CANARY}{CANARY}@host/a.git",
    "CONNECTION": f"Server=db;User=sa;Password={CANARY};",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_credential_is_in_the_secret_only(name: str, kind: str, launch_of_spec: Callable[..., Launch]) -> None:
    framework = KINDS[kind].frameworks[0]
    role = "Master" if framework == "XGBoost" else "Worker"
    body = {
        "meta": {"name": "x", "framework": framework, "cmd": "run", "envVars": {name: CREDENTIALS[name]}},
        "environment": {"image": "busybox"},
        "spec": {role: {"envVars": {f"OTHER_{name}": CREDENTIALS[name]}}},
    }
    objects = render(launch_of_spec(body), kind=kind, namespace="space", options=ClusterOptions())
    [secret] = [item for item in objects if item["kind"] == "Secret"]
    assert list(secret["stringData"].values()) == [CREDENTIALS[name]] * 2
    record = unpack(objects[0]["metadata"]["annotations"][SPEC])
    assert CANARY not in json.dumps([record, *(item for item in objects if item["kind"] != "Secret")])
