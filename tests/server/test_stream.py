"""One WebSocket for a tab: rows and logs, each change once, resumed where it was."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from submarine_jupyter_server.handlers.streams import sockets
from tests.server.conftest import Call

SPEC: dict[str, Any] = {
    "meta": {"name": "quick", "framework": "Standalone", "cmd": "echo one; echo two"},
    "spec": {"Worker": {"replicas": 1, "resources": "cpu=0.1,memory=32M"}},
}
MISSING = "experiment-1647574374688-0002"


class Tab:
    """A client of the stream: what came, by channel."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket

    async def ask(self, **request: object) -> None:
        await self.socket.write_message(json.dumps(request))

    async def next(self) -> Any:
        async with asyncio.timeout(20):
            message = await self.socket.read_message()
        assert message is not None, (self.socket.close_code, self.socket.close_reason)
        if isinstance(message, bytes):
            ch, offset = struct.unpack(">Id", message[:12])
            return {"ch": ch, "offset": int(offset), "data": message[12:]}
        return json.loads(message)

    async def close(self) -> None:
        self.socket.close()
        async with asyncio.timeout(20):
            while await self.socket.read_message() is not None:
                pass

    async def until(self, true: Callable[[Any], bool]) -> list[Any]:
        found: list[Any] = []
        while not found or not true(found[-1]):
            found.append(await self.next())
        return found


Open = Callable[..., Awaitable[Tab]]


@pytest.fixture
def tab(http_server: Any, jp_serverapp: Any, jp_auth_header: dict[str, str]) -> Iterator[Open]:
    opened: list[WebSocketClientConnection] = []
    url = jp_serverapp.connection_url.replace("http", "ws", 1)

    async def open_(path: str = "experiment/stream", compression: dict[str, Any] | None = None, **headers: str) -> Tab:
        request = HTTPRequest(f"{url}api/v1/{path}", headers={**jp_auth_header, **headers})
        opened.append(await websocket_connect(request, max_message_size=2**24, compression_options=compression))
        return Tab(opened[-1])

    yield open_
    for socket in opened:
        socket.close()


async def created(call: Call, **meta: object) -> str:
    body = {**SPEC, "meta": {**SPEC["meta"], **meta}}
    found = (await call("POST", "experiment", body)).result
    return str(found["experimentId"])


def rows_of(frames: list[Any]) -> dict[str, Any]:
    """Return what a client knows after some frames."""
    known: dict[str, Any] = {}
    for frame in frames:
        known |= {row["experimentId"]: row for row in frame["rows"]}
        for gone in frame.get("gone", ()):
            known.pop(gone, None)
    return known


async def test_rows_come_compressed_and_logs_as_they_are(call: Call, tab: Open) -> None:
    made = await created(call, cmd="seq 1 20000")
    one = await tab(compression={})
    assert one.socket.headers is not None
    assert "permessage-deflate" in one.socket.headers["Sec-WebSocket-Extensions"]
    whole = "".join(f"{number}\n" for number in range(1, 20001)).encode()
    for turn in range(3):  # the compressor goes on with the context of the messages before
        await one.ask(op="rows", ch=2 * turn)
        await one.until(lambda frame: any(row["status"] == "Succeeded" for row in frame.get("rows", ())))
        await one.ask(op="log", ch=2 * turn + 1, experimentId=made, replica="worker-0", offset=0, credit=2**20)
        frames = await one.until(lambda frame: "end" in frame)
        assert b"".join(frame["data"] for frame in frames if "data" in frame) == whole


async def test_a_tab_sees_what_there_is_and_each_change(call: Call, tab: Open) -> None:
    first = await created(call, name="first", tags=["a"])
    one = await tab()
    await one.ask(op="rows", ch=7)
    [snapshot] = await one.until(lambda frame: "cursor" in frame)
    assert (snapshot["ch"], snapshot["snapshot"]) == (7, True)
    [row] = snapshot["rows"]
    assert (row["experimentId"], row["name"], row["tags"]) == (first, "first", ["a"])
    second = await created(call, name="second")
    frames = await one.until(
        lambda frame: any(row["status"] == "Succeeded" for row in frame["rows"] if row["name"] == "second")
    )
    assert "snapshot" not in frames[0]
    last = rows_of(frames)[second]
    assert (last["state"], last["ready"], last["total"], last["attempt"]) == ("Succeeded", 0, 1, 1)
    listed = {
        found["experimentId"]: found for found in (await call("GET", "experiment", params={"view": "row"})).result
    }
    assert listed[second] == last
    await call("DELETE", f"experiment/{second}")
    [*_, frame] = await one.until(lambda frame: second in frame.get("gone", ()))
    assert all(row["experimentId"] != second for row in frame["rows"])


async def test_a_row_has_what_people_noted_and_where_it_comes_from(call: Call, tab: Open) -> None:
    origin = {"notebook": "a.ipynb", "cell": "c"}
    params = {"lr": 0.1, "bs": 32, "amp": True, "word": "false"}
    sent = {**SPEC, "runtime": {"origin": origin, "params": params}}
    made = (await call("POST", "experiment", sent)).result["experimentId"]
    one = await tab()
    await one.ask(op="rows", ch=1)
    [first] = (await one.until(lambda frame: "cursor" in frame))[-1]["rows"]
    assert (first["origin"], first["params"], "note" in first) == (origin, params, False)
    assert (first["params"]["amp"], type(first["params"]["amp"])) == (True, bool)
    assert type(first["params"]["bs"]) is int
    notes = {"note": "ü" * 300, "pinned": True, "archived": True}
    await call("PATCH", f"experiment/{made}/notes", notes)
    row = rows_of(await one.until(lambda frame: rows_of([frame]).get(made, {}).get("pinned", False)))[made]
    assert (row["note"], row["archived"]) == (f"{'ü' * 200} ...", True)
    answer = await call("GET", "experiment", params={"view": "row", "archived": "true", "param.lrr": "1"})
    assert (answer.result, answer.envelope["attributes"]["note"]) == ([], "No experiment has the parameter 'lrr'.")
    [listed] = (await call("GET", "experiment", params={"view": "row", "archived": "true"})).result
    assert (listed["note"], listed["origin"]) == (row["note"], origin)


async def test_who_comes_back_gets_what_he_missed_and_no_more(call: Call, tab: Open) -> None:
    quiet = await created(call, name="quiet")
    one = await tab()
    await one.ask(op="rows", ch=1)
    frames = await one.until(lambda frame: rows_of([frame]).get(quiet, {}).get("status") == "Succeeded")
    await asyncio.sleep(0.2)
    one.socket.close()
    missed, deleted = await created(call, name="missed"), await created(call, name="deleted")
    await call("DELETE", f"experiment/{deleted}")
    two = await tab()
    await two.ask(op="rows", ch=1, after=frames[-1]["cursor"])
    frames = await two.until(lambda frame: rows_of([frame]).get(missed, {}).get("status") == "Succeeded")
    assert all("snapshot" not in frame for frame in frames)
    assert deleted in frames[0]["gone"]
    # What the tab knew, it is told again at most once: a change may have been on its way.
    assert sum(quiet in rows_of([frame]) for frame in frames) <= 1


async def test_a_row_counts_the_replicas_that_the_spec_asks_for(call: Call, tab: Open) -> None:
    sent = {
        **SPEC,
        "meta": {**SPEC["meta"], "cmd": "sleep 60"},
        "spec": {"Worker": {"replicas": 2, "resources": "cpu=10m"}},
    }
    one = await tab()
    await one.ask(op="rows", ch=1)
    made = (await call("POST", "experiment", sent)).result["experimentId"]
    frames = await one.until(lambda frame: rows_of([frame]).get(made, {}).get("ready") == 2)
    assert {row["total"] for frame in frames for row in frame["rows"]} == {2}
    patch, kind = json.dumps({"spec": {"Worker": {"replicas": 3}}}), "application/merge-patch+json"
    await call("PATCH", f"experiment/{made}", patch, headers={"Content-Type": kind})
    frames = await one.until(lambda frame: rows_of([frame]).get(made, {}).get("ready") == 3)
    assert rows_of(frames)[made]["total"] == 3
    await call("DELETE", f"experiment/{made}")


@pytest.mark.parametrize("after", ["99999999.0.0", "0.99999999.0", "0.0.9999999999999"])
async def test_a_cursor_of_another_database_begins_anew(call: Call, tab: Open, after: str) -> None:
    there = await created(call)
    one = await tab()
    await one.ask(op="rows", ch=1, after=after)
    frame = await one.next()
    assert frame["snapshot"] is True
    assert there in rows_of([frame])


async def test_a_log_comes_whole_and_is_resumed_at_any_byte(call: Call, tab: Open) -> None:
    text = "".join(f"line {number}\n" for number in range(2000))
    found = await created(call, cmd="for i in $(seq 0 1999); do echo line $i; done")
    one = await tab()
    for ch, start in enumerate((0, 1, 777, len(text) - 1)):
        await one.ask(op="log", ch=ch, experimentId=found, replica="worker-0", offset=start, credit=10_000)
        data, frame = b"", await one.next()
        while "end" not in frame:
            assert frame["offset"] == start + len(data)
            data += frame["data"]
            await one.ask(op="credit", ch=ch, bytes=len(frame["data"]))
            frame = await one.next()
        assert (frame["end"], frame["complete"]) == (len(text), True)
        assert data.decode() == text[start:]
    await one.ask(op="log", ch=9, experimentId=found, replica="worker-0", tail=5, credit=10)
    assert (await one.next())["data"] == text[-5:].encode()


async def test_no_more_than_the_credit_is_sent(call: Call, tab: Open) -> None:
    found = await created(call, cmd="head -c 100000 /dev/zero | tr '\\0' x")
    one = await tab()
    await one.ask(op="log", ch=1, experimentId=found, replica="worker-0", offset=0, credit=1000)
    got = 0
    while got < 1000:
        got += len((await one.next())["data"])
    assert got == 1000
    await one.ask(op="rows", ch=2)  # the socket is free for others meanwhile
    await one.until(lambda frame: frame["ch"] == 2 and "cursor" in frame)
    await one.ask(op="credit", ch=1, bytes=10)
    frame = (await one.until(lambda frame: frame["ch"] == 1))[-1]
    assert (frame["offset"], len(frame["data"])) == (1000, 10)


async def test_who_is_far_behind_may_skip(call: Call, tab: Open) -> None:
    found = await created(call, cmd="head -c 100000 /dev/zero | tr '\\0' x; echo; echo last")
    await _ended(call, found)
    one = await tab()
    await one.ask(op="log", ch=1, experimentId=found, replica="worker-0", offset=10, credit=100, skip=True)
    assert await one.next() == {"ch": 1, "skip": [10, 100_006 - 100]}
    frame = await one.next()
    assert (frame["offset"], frame["data"][-6:]) == (100_006 - 100, b"\nlast\n")
    assert await one.next() == {"ch": 1, "end": 100_006, "complete": True}


async def test_a_log_that_never_begins_ends(call: Call, tab: Open) -> None:
    found = await created(call, cmd="sleep 60")
    one = await tab()
    await one.ask(op="log", ch=1, experimentId=found, replica="worker-0", offset=0, credit=100)
    await call("POST", f"experiment/{found}/stop", {})
    assert (await one.next())["end"] == 0


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("", "A request is a text frame with a JSON object"),
        ("[1]", "A request is a text frame"),
        ("{" * 60_000, "A request is a text frame"),
        ('{"op": "dance", "ch": 1}', 'op: "dance" is not one of rows, log, metrics, credit, close.'),
        ('{"op": ["rows"], "ch": 1}', 'op: ["rows"] is not one of'),
        ('{"op": "rows"}', "ch: null is not a whole number"),
        ('{"op": "rows", "ch": true}', "ch: true is not a whole number"),
        ('{"op": "rows", "ch": 4294967296}', "ch: 4294967296 is not a whole number"),
        ('{"op": "rows", "ch": 1, "after": "yesterday"}', "is not a cursor of this stream"),
        ('{"op": "rows", "ch": 1, "after": 7}', "after: 7 is not a cursor"),
        ('{"op": "rows", "ch": 1, "before": "1.1"}', "\"before\" is not a field of 'rows'."),
        ('{"op": "log", "ch": 1, "experimentId": "../x", "replica": "worker-0", "credit": 1}', "is not the id of"),
        (f'{{"op": "log", "ch": 1, "experimentId": "{MISSING}", "replica": "worker-0", "credit": 1}}', "Not found"),
        (f'{{"op": "log", "ch": 1, "experimentId": "{MISSING}", "replica": 1, "credit": 1}}', "replica: 1 is not"),
        (f'{{"op": "log", "ch": 1, "experimentId": "{MISSING}", "replica": "x", "credit": -1}}', "credit: -1 is not"),
        (f'{{"op": "log", "ch": 1, "experimentId": "{MISSING}", "replica": "x", "credit": 0}}', "credit: 0 is not"),
    ],
)
async def test_a_bad_request_is_answered_and_harms_nothing(tab: Open, request_: str, words: str) -> None:
    one = await tab()
    await one.socket.write_message(request_)
    told = await one.next()
    assert words in told["error"]["message"]
    await one.ask(op="rows", ch=1)
    assert (await one.next())["ch"] == 1


async def test_a_channel_number_is_free_again_after_its_end(call: Call, tab: Open) -> None:
    found = await created(call)
    await _ended(call, found)
    one = await tab()
    for _ in range(3):
        await one.ask(op="log", ch=1, experimentId=found, replica="worker-0", offset=0, credit=100)
        await one.until(lambda frame: "end" in frame)
    await one.ask(op="rows", ch=1)
    await one.next()
    await one.ask(op="rows", ch=1)
    assert "channel 1 is in use" in (await one.next())["error"]["message"]
    await one.ask(op="close", ch=1)
    await one.ask(op="rows", ch=1)
    assert (await one.next())["snapshot"] is True


async def test_binary_and_huge_requests(tab: Open) -> None:
    one = await tab()
    await one.socket.write_message(b"{}", binary=True)
    assert "A request is a text frame" in (await one.next())["error"]["message"]
    await one.socket.write_message("x" * (64 * 1024 + 1))
    assert await one.socket.read_message() is None


async def test_the_server_says_that_it_restarts(jp_serverapp: Any, tab: Open) -> None:
    one = await tab()
    await one.ask(op="rows", ch=1)
    await one.next()
    await jp_serverapp.web_app.settings["submarine_surroundings"].sockets.close()
    assert await one.socket.read_message() is None
    assert one.socket.close_code == sockets.RESTARTING


async def test_foreign_pages_and_strangers_stay_out(
    http_server: Any, jp_serverapp: Any, jp_auth_header: dict[str, str]
) -> None:
    url = jp_serverapp.connection_url.replace("http", "ws", 1) + "api/v1/experiment/stream"
    for headers in ({}, {"Authorization": "token wrong"}):
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(url, headers=headers))
        assert refused.value.code == 403
    token = jp_auth_header["Authorization"].split()[1]
    answer = await AsyncHTTPClient().fetch(url.replace("ws", "http", 1).removesuffix("stream") + f"ping?token={token}")
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    for origin in ("https://evil.example", "null"):
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(url, headers={"Cookie": cookie, "Origin": origin}))
        assert refused.value.code == 403
    client = await websocket_connect(HTTPRequest(f"{url}?token={token}"))
    client.close()


async def test_a_plain_get_is_told_what_this_is(call: Call) -> None:
    answer = await call("GET", "experiment/stream")
    assert answer.code == 400
    assert "WebSocket" in answer.message


async def test_there_is_an_end_of_sockets(tab: Open, jp_serverapp: Any) -> None:
    jp_serverapp.web_app.settings["submarine_surroundings"].sockets.most = 2
    await tab()
    await tab()
    with pytest.raises(HTTPClientError) as refused:
        await tab()
    assert refused.value.code == 429


async def _ended(call: Call, experiment_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            if (await call("GET", f"experiment/{experiment_id}")).result["status"] in ("Succeeded", "Failed"):
                return
            await asyncio.sleep(0.02)
