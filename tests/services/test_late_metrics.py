"""Metrics of an experiment that ended while nobody read them are read by the next server."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import Connection, delete

from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.tables import log_position, metric, metrics_read
from submarine_jupyter_server.wire.answers.curves import curves_json
from submarine_jupyter_server.wire.queries.metrics import MetricQuery
from tests.services.conftest import ME, Client, experiment

PRINTS = """
import json
for i in range(20000):
    print('submarine-metric', json.dumps({"name": "loss", "value": i, "step": i}))
"""


def forget(tx: Connection) -> None:
    """Leave the database as a server leaves it that was killed in the moment of the end."""
    for table in (metric, log_position, metrics_read):
        tx.execute(delete(table))


@pytest.mark.parametrize("killed", [True, False])
async def test_metrics_are_read_after_a_restart(config: ServiceConfig, killed: bool) -> None:
    service = await Service.open(config)
    client = Client(service)
    code = {"syncMode": "inline", "files": {"train.py": PRINTS}}
    made = (await client.create(experiment("python3 train.py", code=code)))["experimentId"]
    await client.ended(made)
    if killed:
        await service.db.write(forget)
    await asyncio.wait_for(service.close(), 10)
    service = await Service.open(config)
    try:
        async with asyncio.timeout(60):
            while await service.db.read(metrics.unfinished):  # noqa: ASYNC110 - a database tells nobody
                await asyncio.sleep(0.05)
        [series] = json.loads(curves_json(await service.metrics.curves(ME, made, MetricQuery())))["series"]
        assert [point["step"] for point in series["points"]] == list(range(20_000))
        await service.experiments.delete(ME, made)
    finally:
        await service.close()
