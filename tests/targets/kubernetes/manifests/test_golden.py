"""The objects of whole experiments, beside what they should be; UPDATE_GOLDEN=1 writes them again."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, owned, render
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import SPEC, unpack
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.own_record import record
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

HERE = Path(__file__).parent
DOCUMENT = Path(__file__).parents[3] / "models" / "golden" / "post.request.json"

PYTORCH = {
    "meta": {
        "name": "resnet",
        "framework": "PyTorch",
        "cmd": 'torchrun train.py --data $DATA --lr {{lr}} --note "{{note}}"',
        "envVars": {"DATA": "/data/imagenet"},
    },
    "environment": {"image": "registry.example.org:5000/team/torch@sha256:" + "0123456789abcdef" * 4},
    "spec": {
        "Master": {"resources": "cpu=4,memory=8Gi,nvidia.com/gpu=1"},
        "Worker": {"replicas": 2, "resources": "cpu=4,memory=8Gi,nvidia.com/gpu=1"},
    },
    "runtime": {
        "params": {"lr": 0.1, "batch-size": 64, "amp": True, "note": "costs 5$ (`id`) $(HOME)"},
        "queue": "team-a",
        "workingDir": "/workspace",
        "volumes": [
            {"name": "data", "mountPath": "/data", "persistentVolumeClaim": "imagenet", "readOnly": True},
            {"name": "shm", "mountPath": "/dev/shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        ],
    },
}
XGBOOST = {
    "meta": {"name": "iris", "framework": "XGBoost", "cmd": "python main.py --eta {{eta}} --name {{name}}"},
    "environment": {"image": "python:3.12-slim"},
    "spec": {"Master": {"resources": "cpu=500m,memory=1Gi"}, "Worker": {"replicas": 2, "resources": "cpu=1500m"}},
    "code": {
        "syncMode": "inline",
        "files": {"main.py": "import lib.data\nprint('$HOME `id` $(id)')\n", "lib/data.py": "", "Ünï cödé.txt": "✓"},
    },
    "runtime": {"params": {"eta": 1e-05, "name": "$(JOB_ID) it's ✓"}},
}
STANDALONE = {
    "meta": {"name": "hello", "framework": "standalone", "cmd": "echo $HOSTNAME has PID $$; sleep 1"},
    "environment": {"image": "busybox"},
    "spec": {"Worker": {}},
}
EVERYTHING = {
    "meta": {
        "name": "Everything, <b>with</b> all=that/there is ✓",
        "framework": "TensorFlow",
        "cmd": "python train.py",
        "envVars": {"HF_TOKEN": "canary-meta", "PLAIN": "$(HF_TOKEN) costs 5$"},
        "tags": ["a,b=c", "../../x"],
    },
    "environment": {"image": "tensorflow/tensorflow:2.16.1"},
    "spec": {
        "Ps": {"replicas": 2, "resources": "cpu=1,memory=1024M"},
        "Worker": {
            "replicas": 3,
            "resources": "cpu=2, memory=2Gi, nvidia.com/gpu=2",
            "image": "tensorflow/tensorflow:2.16.1-gpu",
            "cmd": "exec python train.py --worker | tee log",
            "envVars": {"HF_TOKEN": "canary-worker", "PLAIN": "another"},
        },
        "Evaluator": {},
    },
    "code": {"syncMode": "inline", "files": {"train.py": "print('hello')\n"}},
    "runtime": {
        "target": "kubernetes",
        "maxRunTime": 3600,
        "retries": 2,
        "ttlAfterFinished": 600,
        "queue": "team-a",
        "priority": "high",
        "nodeSelector": {"topology.kubernetes.io/zone": "eu-1a", "gpu": "a100"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "team", "value": "a", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "volumes": [
            {"name": "data", "mountPath": "/data/", "persistentVolumeClaim": "data", "subPath": "run/1"},
            {"name": "settings", "mountPath": "/etc/settings", "configMap": "settings"},
            {"name": "certs", "mountPath": "/etc/certs", "secret": "certs", "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch", "emptyDir": {}},
        ],
        "secrets": {"DATABASE": "canary-runtime"},
        "serviceAccount": "trainer",
        "successPolicy": "AllWorkers",
        "workingDir": "/elsewhere",
        "metrics": ["loss"],
        "params": {"lr": 0.1},
    },
}
BODIES: dict[str, Any] = {
    "document": json.loads(DOCUMENT.read_text()),
    "pytorch": PYTORCH,
    "xgboost": XGBOOST,
    "standalone": STANDALONE,
    "everything": EVERYTHING,
}
CASES = [
    ("document", "tfjob"),
    ("document", "jobset"),
    ("document", "indexed_jobs"),
    ("pytorch", "pytorchjob"),
    ("pytorch", "jobset"),
    ("pytorch", "indexed_jobs"),
    ("xgboost", "xgboostjob"),
    ("xgboost", "jobset"),
    ("xgboost", "indexed_jobs"),
    ("standalone", "jobset"),
    ("standalone", "indexed_jobs"),
    ("everything", "tfjob"),
    ("everything", "jobset"),
    ("everything", "indexed_jobs"),
]


def objects(case: str, kind: str, launch: Launch) -> list[Json]:
    if kind == "indexed_jobs" and launch.spec.runtime is not None:
        launch.spec.runtime.queue = None  # nothing would admit them as a whole
    options = ClusterOptions(image_pull_secrets=("registry",)) if case == "everything" else ClusterOptions()
    return render(launch, kind=kind, namespace="default", options=options)


@pytest.mark.parametrize(("case", "kind"), CASES)
def test_objects(case: str, kind: str, launch_of_spec: Callable[..., Launch]) -> None:
    found = objects(case, kind, launch_of_spec(BODIES[case]))
    readable = copy.deepcopy(found)
    # Compressed text differs between versions of zlib.
    notes = readable[0]["metadata"]["annotations"]
    notes[SPEC] = unpack(notes[SPEC])
    golden = HERE / "golden" / f"{case}.{kind}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(readable, indent=1, ensure_ascii=False) + "\n")
    assert readable == json.loads(golden.read_text())


@pytest.mark.parametrize(("case", "kind"), CASES)
def test_the_first_object_is_the_record_and_owns_the_rest(
    case: str, kind: str, launch_of_spec: Callable[..., Launch]
) -> None:
    launch = launch_of_spec(BODIES[case], attempt=3, generation=7)
    first, *rest = objects(case, kind, launch)
    ref = ObjectRef(first["kind"], "default", first["metadata"]["name"], "")
    kept = record(first["metadata"]["annotations"], ref, launch.experiment_id)
    assert (kept.experiment_id, kept.uid, kept.owner, kept.name) == (
        launch.experiment_id,
        launch.uid,
        launch.owner,
        launch.name,
    )
    assert (kept.attempt, kept.generation, kept.accepted_ms) == (3, 7, launch.accepted_ms)
    assert {role: task.replicas for role, task in kept.spec.spec.items()} == {
        role: task.replicas for role, task in launch.spec.spec.items()
    }
    adopted = owned([first, *rest], "uid-of-the-cluster")
    assert [item["metadata"]["name"] for item in adopted] == [item["metadata"]["name"] for item in rest]
    for item in adopted:
        [reference] = item["metadata"]["ownerReferences"]
        assert reference["uid"] == "uid-of-the-cluster"
        assert (reference["kind"], reference["name"]) == (first["kind"], first["metadata"]["name"])
        # Kueue would take a controller's children for its own workload.
        assert "controller" not in reference
    for item in rest:
        with pytest.raises(ValueError, match="the record has no"):
            record(item["metadata"]["annotations"], ref, launch.experiment_id)
