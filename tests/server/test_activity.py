"""A server that ends when it is idle stays as long as an experiment lives."""

from __future__ import annotations

import asyncio

from jupyter_server.serverapp import ServerApp

from tests.server.conftest import Call

BODY = {"meta": {"name": "n", "framework": "Standalone", "cmd": "sleep 600"}, "spec": {"Worker": {"replicas": 1}}}


async def until(app: ServerApp, *, busy: bool) -> None:
    for _ in range(500):
        if bool(app.extension_manager.any_activity()) is busy:  # type: ignore[no-untyped-call]
            return
        await asyncio.sleep(0.02)
    raise AssertionError(busy)


async def test_an_experiment_is_activity_until_it_ends(call: Call, jp_serverapp: ServerApp) -> None:
    await until(jp_serverapp, busy=False)

    experiment = (await call("POST", "experiment", BODY)).result["experimentId"]
    await until(jp_serverapp, busy=True)

    await call("POST", f"experiment/{experiment}/stop")
    await until(jp_serverapp, busy=False)
