"""Specs and the objects they become, for us and for our peers."""

from __future__ import annotations

import time
import uuid
from typing import Any

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from submarine_jupyter_server.targets.protocol import Launch
from tests.benchmarks.kubernetes.rig import IMAGE
from tests.kubernetes.server import spec

Json = dict[str, Any]
ENDS = {"FAKE_EXIT_CODE": "0"}
"""Let fake pods succeed after a second, also those of operators."""
STAYS = {"FAKE_EXIT_CODE": "never"}
"""Let fake pods run until they are deleted."""


def mnist(env: dict[str, str]) -> Json:
    """Return the example of the API document: a parameter server and a worker."""
    command = "python /var/tf_mnist/mnist_with_summaries.py --log_dir=/train/log --learning_rate=0.01 --batch_size=150"
    variables = {"ENV_1": "ENV1", **env}
    resources = "cpu=1,memory=1024M"
    return spec("TensorFlow", {"ps": 1, "worker": 1}, command, name="mnist", resources=resources, env=variables)


def program(env: dict[str, str], workers: int = 1) -> Json:
    """Return an experiment of plain workers: one Indexed Job, whatever operators there are."""
    return spec("Standalone", {"worker": workers}, name="program", env=env)


def objects(body: Json, kind: str, namespace: str, number: int) -> list[Json]:
    """Return what our server would make of a spec; the first owns the rest."""
    parsed = ExperimentSpec.parse(body)
    parsed.meta.namespace = namespace
    launch = Launch(
        f"experiment-9-{number:04d}", str(uuid.uuid4()), "bench", "bench", parsed, 1, 1, time.time_ns() // 1_000_000
    )
    return render(launch, kind=kind, namespace=namespace, options=ClusterOptions(image=IMAGE, instance="bench"))
