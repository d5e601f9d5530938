"""POST of an experiment until 200, 200 of them one after the other: TFJob, and plain Jobs."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import aiohttp

from submarine_jupyter_server.targets.kubernetes.api.paths import collection_of
from submarine_jupyter_server.targets.kubernetes.manifests import owned
from tests.benchmarks.kubernetes import objects, raw
from tests.benchmarks.kubernetes.rig import Rig, TargetServer
from tests.benchmarks.probed import loop_row
from tests.benchmarks.table import Row, percentile

ROUNDS = 200
MODELS = 50
PAUSE_S = 0.03
# What a user's cluster serves decides the kind: here, what the server may use.
KINDS = {"TFJob": ("tfjob", ["tfjob"], objects.mnist), "plain Jobs": ("indexed_jobs", ["xgboostjob"], objects.program)}
Json = dict[str, Any]


def run(rig: Rig) -> list[Row]:
    """Measure our POST in turn with the peer's, which creates the same objects with bare aiohttp."""
    rows = []
    for title, (kind, kinds, spec) in KINDS.items():
        # For a queue of Kueue it is made suspended. Else its controllers and pods would be busy with one while the
        # next is measured, on the same processors.
        body = spec({}) | {"runtime": {"queue": "bench"}}
        namespace, kubeconfig = rig.namespace()
        with rig.server(namespace, kubeconfig, kinds=kinds) as server:
            ours, theirs = asyncio.run(_in_turn(server, kind, body))
            loop = server.loop()
            models = _models(kubeconfig, namespace, kind, body)
        more = statistics.median(ours) - statistics.median(theirs)
        peer = f"raw {_both(theirs)}, kubernetes package {_both(models)}"
        rows.append(Row(f"{title}: p50 / p99", _both(ours), "raw + 4 / 40 ms", f"raw + {more:.1f} ms; {peer}"))
        rows.append(loop_row(loop, f"{title}"))
    rows.append(Row("Kubeflow SDK, train()", "no figure", "", "it needs Trainer v2, which this cluster has not"))
    return rows


async def _in_turn(server: TargetServer, kind: str, body: Json) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    async with raw.cluster(server.kubeconfig) as api, raw.ours(server.url) as mine:
        for number in range(-5, ROUNDS):
            made = objects.objects(body, kind, server.namespace, number + 1000)
            begin = time.perf_counter()
            await raw.call(mine, "POST", "/api/v1/experiment", json=body)
            ours = time.perf_counter() - begin
            await asyncio.sleep(PAUSE_S)
            begin = time.perf_counter()
            await _create(api, made)
            theirs = time.perf_counter() - begin
            await asyncio.sleep(PAUSE_S)
            if number >= 0:
                found[0].append(ours * 1000)
                found[1].append(theirs * 1000)
    return found


async def _create(api: aiohttp.ClientSession, made: list[Json]) -> None:
    first = await raw.call(api, "POST", collection_of(made[0]), params=raw.STRICT, json=made[0])
    rest = owned(made, first["metadata"]["uid"])
    await asyncio.gather(*(raw.call(api, "POST", collection_of(item), params=raw.STRICT, json=item) for item in rest))


def _models(kubeconfig: Path, namespace: str, kind: str, body: Json) -> list[float]:
    """Measure the ``kubernetes`` package; it has no model of TFJob and takes a dict for it."""
    from kubernetes import client, config

    found = []
    with config.new_client_from_config(str(kubeconfig)) as api:  # type: ignore[no-untyped-call]
        for number in range(MODELS):
            made = objects.objects(body, kind, namespace, number + 5000)
            models = [_model(api, item) for item in made] if kind != "tfjob" else []
            begin = time.perf_counter()
            if kind == "tfjob":
                custom = client.CustomObjectsApi(api)
                options: dict[str, Any] = {"field_validation": "Strict"}
                custom.create_namespaced_custom_object("kubeflow.org", "v1", namespace, "tfjobs", made[0], **options)
            else:
                _create_models(client, api, namespace, models)
            found.append((time.perf_counter() - begin) * 1000)
            time.sleep(PAUSE_S)
    return found


def _create_models(client: Any, api: Any, namespace: str, models: list[Any]) -> None:
    first, *rest = models
    core = client.CoreV1Api(api)
    calls = {
        "Job": client.BatchV1Api(api).create_namespaced_job,
        "Service": core.create_namespaced_service,
        "ConfigMap": core.create_namespaced_config_map,
    }
    owner = calls["Job"](namespace, first, field_validation="Strict")
    reference = client.V1OwnerReference(
        api_version="batch/v1", kind="Job", name=owner.metadata.name, uid=owner.metadata.uid, controller=True
    )
    for model in rest:
        model.metadata.owner_references = [reference]
        calls[model.kind](namespace, model, field_validation="Strict")


def _model(api: Any, item: Json) -> Any:
    # What deserialize, whose arguments have changed, calls in all versions.
    return api._ApiClient__deserialize(item, f"V1{item['kind']}")


def _both(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} / {percentile(values, 0.99):.0f} ms"
