"""Ten thousand pods shaped like ours: of TFJobs, as the operator makes them, 5 KB each.

They stay pending, for the scheduler they name does not exist: so neither scheduler nor nodes work on them meanwhile.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import time
from typing import Any

from submarine_jupyter_server.targets.kubernetes.manifests.kinds.kubeflow import INDEX_LABEL
from tests.benchmarks.kubernetes import objects, raw
from tests.benchmarks.kubernetes.rig import Rig

Json = dict[str, Any]
CONNECTIONS = 32
WORKERS = 8


def ensure(rig: Rig, count: int) -> str:
    """Return a namespace with at least so many pods."""
    namespace, there = rig.pods or (rig.namespace()[0], 0)
    if there < count:
        print(f"  {count - there} pods are made", file=sys.stderr, flush=True)
        begin = time.monotonic()
        asyncio.run(_make(rig, namespace, range(there, count)))
        print(f"  in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        rig.pods = (namespace, count)
    return namespace


async def _make(rig: Rig, namespace: str, numbers: range) -> None:
    model = _model(namespace)
    left = iter(numbers)
    async with raw.cluster(rig.cluster.kubeconfig, CONNECTIONS) as api:
        path = f"/api/v1/namespaces/{namespace}/pods"

        async def make() -> None:
            for number in left:
                await raw.call(api, "POST", path, json=_pod(model, number))

        await asyncio.gather(*(make() for _ in range(CONNECTIONS)))


def _model(namespace: str) -> Json:
    job = objects.objects(objects.mnist({}), "tfjob", namespace, 0)[0]
    template = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": copy.deepcopy(template["metadata"]), "spec": template["spec"]}
    pod["metadata"]["labels"] |= {INDEX_LABEL: "0", "training.kubeflow.org/job-role": "worker"}
    pod["metadata"]["labels"]["training.kubeflow.org/job-name"] = job["metadata"]["name"]
    pod["spec"] |= {"schedulerName": "nobody", "restartPolicy": "Never"}
    everyone = {
        "worker": [f"{job['metadata']['name']}-worker-{index}.{namespace}.svc:2222" for index in range(WORKERS)]
    }
    task = {"cluster": everyone, "task": {"type": "worker", "index": 0}, "environment": "cloud"}
    pod["spec"]["containers"][0]["env"].append({"name": "TF_CONFIG", "value": json.dumps(task)})
    return pod


def _pod(model: Json, number: int) -> Json:
    experiment, index = f"experiment-9-{number // WORKERS + 1:04d}", str(number % WORKERS)
    pod = copy.deepcopy(model)
    labels = pod["metadata"]["labels"]
    for label in labels:
        if labels[label].startswith("experiment-"):
            labels[label] = experiment
    labels[INDEX_LABEL] = index
    pod["metadata"] |= {"name": f"{experiment}-worker-{index}"}
    return pod
