"""The stream of a server of its own process that is killed: no row and no byte is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.live_server import TOKEN, LiveServer
from tests.server.test_stream import Tab
from tests.server.test_stream_points import points_of

LINES = 400
WRITE = f"for i in $(seq 1 {LINES}); do echo line $i; sleep 0.01; done"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path)
    server.start()
    try:
        assert server.wait_ready()
        yield server
    finally:
        server.kill()
        server.http.close()


async def opened(server: LiveServer) -> Tab:
    headers = {"Authorization": f"token {TOKEN}"}
    return Tab(await websocket_connect(HTTPRequest(f"{server.url}/stream".replace("http", "ws", 1), headers=headers)))


def submitted(server: LiveServer, name: str, cmd: str) -> str:
    task = {"Worker": {"replicas": 1, "resources": "cpu=0.1,memory=32M"}}
    body = {"meta": {"name": name, "framework": "Standalone", "cmd": cmd}, "spec": task}
    return str(server.result("POST", json=body)["experimentId"])


def test_a_server_that_is_killed_costs_no_row_and_no_byte(live: LiveServer) -> None:
    asyncio.run(_killed(live))


async def _killed(live: LiveServer) -> None:
    quiet, busy = submitted(live, "quiet", "true"), submitted(live, "busy", WRITE)
    live.ended(quiet)
    tab = await opened(live)
    await tab.ask(op="rows", ch=1)
    await tab.ask(op="log", ch=2, experimentId=busy, replica="worker-0", offset=0, credit=16 * 1024 * 1024)
    data, cursor = b"", ""
    while data.count(b"\n") < LINES // 4 or not cursor:
        frame = await tab.next()
        if frame["ch"] == 1:
            cursor = frame.get("cursor", cursor)
        else:
            assert frame["offset"] == len(data)
            data += frame["data"]
    live.kill()
    await tab.close()
    live.start()
    assert live.wait_ready()
    new = submitted(live, "new", "true")
    tab = await opened(live)
    await tab.ask(op="rows", ch=1, after=cursor)
    await tab.ask(op="log", ch=2, experimentId=busy, replica="worker-0", offset=len(data), credit=16 * 1024 * 1024)
    states, ended = {busy: "", new: ""}, False
    while not ended or set(states.values()) != {"Succeeded"}:
        frame = await tab.next()
        if "end" in frame:
            assert (frame["end"], frame["complete"]) == (len(data), True)
            ended = True
        elif frame["ch"] == 2:
            assert frame["offset"] == len(data)
            data += frame["data"]
        else:
            assert "snapshot" not in frame
            states |= {row["experimentId"]: row["state"] for row in frame["rows"] if row["experimentId"] in states}
    assert data.decode() == "".join(f"line {number}\n" for number in range(1, LINES + 1))
    await tab.close()


def test_a_server_that_is_killed_costs_no_point(live: LiveServer) -> None:
    asyncio.run(_killed_among_points(live))


async def _killed_among_points(live: LiveServer) -> None:
    busy = submitted(live, "busy", f"for i in $(seq 1 {LINES}); do echo loss=$i step=$i; sleep 0.01; done")
    ask = {"op": "metrics", "ch": 1, "experiments": [busy], "points": 10_000, "credit": 16 * 1024 * 1024}
    tab = await opened(live)
    await tab.ask(**ask)
    steps: list[int] = []
    cursor = ""
    while len(steps) < LINES // 4:
        frame = await tab.next()
        steps += points_of(frame)
        cursor = frame.get("cursor", "")
    live.kill()
    await tab.close()
    live.start()
    assert live.wait_ready()
    tab = await opened(live)
    # Without a cursor its snapshot was not whole: then it begins anew.
    await tab.ask(**ask, **({"after": cursor} if cursor else {}))
    steps = steps if cursor else []
    while len(steps) < LINES:
        frame = await tab.next()
        assert "snapshot" not in frame or not cursor
        steps += points_of(frame)
    assert steps == list(range(1, LINES + 1))
    await tab.close()


def test_two_servers_of_one_data_directory_tell_the_same(live: LiveServer, tmp_path: Path) -> None:
    second = LiveServer(tmp_path / "second", f"--SubmarineExtension.data_dir={live.data}")
    second.folder.mkdir()
    second.start()
    try:
        assert second.wait_ready()
        asyncio.run(_of_both(live, second))
    finally:
        second.kill()
        second.http.close()


async def _of_both(live: LiveServer, second: LiveServer) -> None:
    tabs = [await opened(live), await opened(second)]
    for tab in tabs:
        await tab.ask(op="rows", ch=1)
        await tab.until(lambda frame: "cursor" in frame)
    made = submitted(second, "by the second", "true")
    for tab in tabs:
        frames = await tab.until(lambda frame: any(row["state"] == "Succeeded" for row in frame["rows"]))
        assert all("snapshot" not in frame for frame in frames)
        assert {row["experimentId"] for frame in frames for row in frame["rows"]} == {made}
        await tab.close()
