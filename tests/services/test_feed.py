"""The feed of events: whoever comes, at any moment, is told the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tornado.ioloop import IOLoop

from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.reported import events
from tests.services.conftest import ME, Client, end, experiment


async def told(client: Client, after: int | None, experiment_id: str) -> list[tuple[str, str, str]]:
    """Read the stream of an experiment to its end; return id, event and status of each message."""
    async with asyncio.timeout(20):
        stream = client.service._feed.stream(after, experiment_id)
        messages = [message async for message in stream if message]
    return [(message.id, message.event, json.loads(message.data)["status"]) for message in messages]


async def finished(client: Client) -> str:
    made = await client.create(experiment("true"))
    await client.ended(made["experimentId"])
    return str(made["experimentId"])


async def test_the_history_of_what_has_ended_ends(client: Client) -> None:
    experiment_id = await finished(client)
    found = await told(client, None, experiment_id)
    assert [event for _, event, _ in found] == ["accepted", "status", "status", "status", "end"]
    assert found[-1][2] == "Succeeded"


async def test_what_ended_long_ago_is_told_though_its_events_are_purged(client: Client) -> None:
    experiment_id = await finished(client)
    await client.service.db.write(lambda tx: events.purge(tx, 2**62))
    found = await told(client, None, experiment_id)
    assert [(event, status) for _, event, status in found] == [("status", "Succeeded"), ("end", "Succeeded")]
    assert [event for _, event, _ in await told(client, int(found[0][0]), experiment_id)] == ["end"]


async def test_whoever_resumes_after_the_last_event_is_told_the_end(client: Client) -> None:
    experiment_id = await finished(client)
    last = int((await told(client, None, experiment_id))[-1][0])
    for after in (last, last + 10):
        assert [(event, status) for _, event, status in await told(client, after, experiment_id)] == [
            ("end", "Succeeded")
        ]


@pytest.mark.parametrize("purged", ["events", "experiment"])
async def test_what_is_deleted_ends_at_once(client: Client, purged: str) -> None:
    experiment_id = await finished(client)
    await client.experiments.delete(ME, experiment_id)
    if purged == "events":
        await client.service.db.write(lambda tx: events.purge(tx, 2**62))
    else:
        await client.service.db.write(lambda tx: experiments.forget(tx, experiment_id))
    found = await told(client, None, experiment_id)
    assert [(event, status) for _, event, status in found] == [("deleted", "Deleted"), ("end", "Deleted")]


async def test_a_stream_that_is_open_hears_what_follows(client: Client) -> None:
    made = await client.create(experiment("sleep 60"))
    reading = asyncio.create_task(told(client, None, made["experimentId"]))
    await client.until(made["experimentId"], lambda found: found["status"] == "Running")
    assert not reading.done()
    await client.experiments.stop(ME, made["experimentId"])
    assert (await reading)[-1][1:] == ("end", "Failed")


class TestListenerThatFails:
    @pytest.fixture
    def client(self, config: ServiceConfig, io_loop: IOLoop) -> Iterator[Client]:
        def refuse(data: dict[str, object]) -> None:
            raise ValueError("not by this schema")

        service: Service = io_loop.run_sync(lambda: Service.open(replace(config, emit=refuse)))
        yield Client(service)
        io_loop.run_sync(lambda: end(service))

    async def test_does_not_end_the_feed(self, client: Client) -> None:
        for _ in range(2):
            experiment_id = await finished(client)
            assert (await told(client, None, experiment_id))[-1][1:] == ("end", "Succeeded")
