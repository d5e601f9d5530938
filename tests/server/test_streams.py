"""Server-sent events as a client gets them: framing, resuming, slow readers, the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_server.auth import IdentityProvider, User
from jupyter_server.serverapp import ServerApp

from submarine_jupyter_server.handlers.admission import Surroundings
from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.streams import sse

TALK = "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done"


def spec(cmd: str, name: str = "stream") -> dict[str, Any]:
    return {
        "meta": {"name": name, "framework": "Standalone", "cmd": cmd},
        "spec": {"Worker": {"resources": "cpu=0.1,memory=16M"}},
    }


@dataclass
class Stream:
    """A client that reads one stream line by line."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    async def line(self) -> str:
        """Return the next line of the body (chunked coding taken off)."""
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 20)).decode()
            assert line, "the stream was cut"
            if line == "0\r\n":
                raise EOFError
            if not line.endswith("\r\n"):
                return line[:-1]

    async def event(self) -> dict[str, str]:
        """Return the next event; comments are passed over."""
        found: dict[str, str] = {}
        while True:
            line = await self.line()
            if not line and found:
                return found
            name, _, value = line.partition(": ")
            if name and name != ":":
                found[name] = f"{found[name]}\n{value}" if name in found else value


Open = Callable[..., Any]


@pytest.fixture
def open_stream(http_server: Any, jp_http_port: int, jp_serverapp: ServerApp) -> Open:
    """Open a stream: ``async with open_stream("v1/experiment/events", **headers) as stream``."""

    @asynccontextmanager
    async def connect(path: str, **headers: str) -> AsyncIterator[Stream]:
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port, limit=2**20)
        lines = [
            f"GET {jp_serverapp.base_url}api/{path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: token {jp_serverapp.identity_provider.token}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join((*lines, "", "")).encode())
        stream = Stream(reader, writer)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode().split("\r\n")
        stream.status = int(head[0].split()[1])
        stream.headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in head[1:])}
        try:
            yield stream
        finally:
            writer.close()

    return connect


def streams_of(app: ServerApp) -> sse.Streams:
    surroundings: Surroundings = app.web_app.settings["submarine_surroundings"]
    return surroundings.streams


async def eventually(true: Callable[[], bool]) -> None:
    for _ in range(1600):
        if true():
            return
        await asyncio.sleep(0.025)
    raise AssertionError("it never became true")


async def run(call: Any, cmd: str) -> str:
    made = (await call("POST", "experiment", spec(cmd))).result
    return str(made["experimentId"])


async def ended(call: Any, experiment_id: str) -> str:
    for _ in range(800):
        status = (await call("GET", f"experiment/{experiment_id}")).result["status"]
        if status in ("Succeeded", "Failed"):
            return str(status)
        await asyncio.sleep(0.05)
    raise AssertionError("it never ended")


async def test_the_changes_of_one_experiment_from_the_first_to_the_end(call: Any, open_stream: Open) -> None:
    experiment_id = await run(call, "true")
    async with open_stream(f"v1/experiment/{experiment_id}/events") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.headers
        seen: list[dict[str, str]] = []
        while not seen or seen[-1]["event"] != "end":
            seen.append(await stream.event())
        with pytest.raises(EOFError):
            await stream.line()
    statuses = [json.loads(event["data"])["status"] for event in seen]
    assert statuses[0] == "Accepted"
    assert statuses[-1] == "Succeeded"
    ids = [int(event["id"]) for event in seen[:-1]]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("by", ["header", "query"])
async def test_a_stream_goes_on_after_the_last_event_that_was_seen(call: Any, open_stream: Open, by: str) -> None:
    experiment_id = await run(call, "true")
    await ended(call, experiment_id)
    async with open_stream(f"v1/experiment/{experiment_id}/events") as stream:
        first, second = await stream.event(), await stream.event()
    header = {"Last_Event_ID": first["id"]} if by == "header" else {}
    query = "" if by == "header" else f"?lastEventId={first['id']}"
    async with open_stream(f"v1/experiment/{experiment_id}/events{query}", **header) as stream:
        assert await stream.event() == second


async def test_all_changes_from_now_on(call: Any, open_stream: Open) -> None:
    await run(call, "true")
    async with open_stream("v1/experiment/events") as stream:
        later = await run(call, "true")
        while json.loads((event := await stream.event())["data"])["experimentId"] != later:
            pass
        assert json.loads(event["data"])["status"] == "Accepted"


async def test_a_quiet_stream_has_a_heartbeat(call: Any, open_stream: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    await call("GET", "experiment")
    monkeypatch.setattr("submarine_jupyter_server.feed.event_feed.HEARTBEAT_S", 0.05)
    async with open_stream("v1/experiment/events") as stream:
        assert [await stream.line() for _ in range(6)] == [":", ""] * 3


async def test_a_log_is_followed_to_its_end_and_resumed(call: Any, open_stream: Open) -> None:
    experiment_id = await run(call, TALK)
    path = f"v1/experiment/logs/{experiment_id}?follow=true"
    seen: list[dict[str, str]] = []
    async with open_stream(path) as stream:
        while not any(event["event"] == "log" for event in seen):
            seen.append(await stream.event())
    assert await ended(call, experiment_id) == "Succeeded"
    async with open_stream(path, Last_Event_ID=seen[-1]["id"]) as stream:
        while seen[-1]["event"] != "end":
            seen.append(await stream.event())
    text = json.dumps([json.loads(event["data"]) for event in seen if event["event"] == "log"])
    assert [text.count(f"line {number}") for number in range(1, 6)] == [1] * 5
    end = json.loads(seen[-1]["data"])
    assert (end["status"], end["complete"]) == ("Succeeded", True)


async def test_a_client_that_leaves_ends_its_stream(call: Any, open_stream: Open, jp_serverapp: ServerApp) -> None:
    await call("GET", "experiment")
    async with open_stream("v1/experiment/events") as stream:
        assert await stream.line() == ":"
        assert len(streams_of(jp_serverapp)) == 1
    await eventually(lambda: len(streams_of(jp_serverapp)) == 0)


async def test_a_server_that_stops_ends_all_streams_cleanly(
    call: Any, open_stream: Open, jp_serverapp: ServerApp
) -> None:
    await call("GET", "experiment")
    async with open_stream("v1/experiment/events") as stream:
        await stream.line()
        await stream.line()
        await jp_serverapp.cleanup_extensions()
        with pytest.raises(EOFError):
            await stream.line()
    assert len(streams_of(jp_serverapp)) == 0


async def test_there_are_only_so_many_streams(call: Any, open_stream: Open, jp_serverapp: ServerApp) -> None:
    await call("GET", "experiment")
    streams_of(jp_serverapp).most = 2
    async with open_stream("v1/experiment/events"), open_stream("v1/experiment/events"):
        answer = await call("GET", "experiment/events")
        assert (answer.code, answer.envelope["status"]) == (429, "TOO_MANY_REQUESTS")
        assert answer.headers["Retry-After"]
    await eventually(lambda: len(streams_of(jp_serverapp)) == 0)
    async with open_stream("v1/experiment/events") as stream:
        assert stream.status == 200


class Named(IdentityProvider):
    """Tells callers apart by a header."""

    def get_user(self, handler: Any) -> User:
        return User(handler.request.headers.get("X-Name", "nobody"))


@pytest.mark.parametrize("server_config", [{"ServerApp": {"identity_provider_class": Named}}])
async def test_one_of_many_users_cannot_take_all_streams(call: Any, open_stream: Open, jp_serverapp: ServerApp) -> None:
    streams_of(jp_serverapp).each = 2
    ada, bob = {"X_Name": "ada"}, {"X_Name": "bob"}
    async with open_stream("v1/experiment/events", **ada), open_stream("v1/experiment/events", **ada):
        answer = await call("GET", "experiment/events", headers={"X-Name": "ada"})
        assert (answer.code, answer.message) == (429, "You have 2 open streams on this server already.")
        async with open_stream("v1/experiment/events", **bob) as stream:
            assert stream.status == 200


@dataclass(frozen=True)
class Note:
    id: str
    event: str
    data: str


Serve = Callable[[AsyncIterator[Note | None]], Awaitable[None]]


@pytest.fixture
def serve(jp_serverapp: ServerApp) -> Callable[[Callable[[], AsyncIterator[Note | None]]], None]:
    """Serve a stream of the test's own at ``api/test/stream``."""

    def register(messages: Callable[[], AsyncIterator[Note | None]]) -> None:
        class Own(SubmarineHandler):
            async def get(self) -> None:
                await self.stream(messages())

        pattern = jp_serverapp.base_url + "api/test/stream"
        rule = (pattern, Own, {"name": "submarine_jupyter"})
        jp_serverapp.web_app.add_handlers(".*$", [rule])  # type: ignore[no-untyped-call]

    return register


async def test_a_client_that_takes_nothing_costs_nothing_and_is_closed(
    serve: Any, open_stream: Open, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    async def endless() -> AsyncIterator[Note | None]:
        nonlocal made
        while True:
            made += 1
            yield Note(str(made), "log", "x" * 65536)

    serve(endless)
    monkeypatch.setattr(sse, "STALL_SECONDS", 0.5)
    async with open_stream("test/stream") as stream:
        assert stream.status == 200
        await eventually(lambda: made > 3 and len(streams_of(jp_serverapp)) == 0)
        assert made * 65536 < 32 * 2**20  # what the sockets hold, and no more


async def test_data_of_many_lines_is_one_event(serve: Any, open_stream: Open) -> None:
    async def one() -> AsyncIterator[Note | None]:
        yield Note("7", "log", "a\nb\r\nc\rd\u2028e\n")
        yield None
        yield Note("8", "log", "")

    serve(one)
    async with open_stream("test/stream") as stream:
        assert await stream.event() == {"id": "7", "event": "log", "data": "a\nb\nc\nd\u2028e\n"}
        assert await stream.event() == {"id": "8", "event": "log", "data": ""}


async def test_an_error_in_the_middle_is_an_event(serve: Any, open_stream: Open) -> None:
    from submarine_jupyter.errors import Unavailable

    async def broken() -> AsyncIterator[Note | None]:
        yield Note("1", "log", "x")
        raise Unavailable("The disk is gone.", hint="Find it.")

    serve(broken)
    async with open_stream("test/stream") as stream:
        await stream.event()
        event = await stream.event()
        assert event["event"] == "error"
        assert json.loads(event["data"]) == {
            "message": "The disk is gone.",
            "hint": "Find it.",
            "error": "Unavailable",
        }
        with pytest.raises(EOFError):
            await stream.line()


async def test_a_fault_in_the_middle_is_an_event_and_in_the_log(
    serve: Any, open_stream: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> AsyncIterator[Note | None]:
        yield Note("1", "log", "x")
        raise KeyError("a secret")

    serve(broken)
    async with open_stream("test/stream") as stream:
        await stream.event()
        event = await stream.event()
        assert event["event"] == "error"
        told = json.loads(event["data"])
        assert told["message"] == "The server failed."
        with pytest.raises(EOFError):
            await stream.line()
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info is not None
    assert "KeyError" in str(record.exc_info[0])
    assert record.getMessage().split()[1] in told["hint"]


async def test_followers_that_come_around_the_end_are_all_told(call: Any, open_stream: Open) -> None:
    """Some come before, some at and some after the end: each gets the last state and the end."""
    experiment_id = await run(call, "echo hello; sleep 0.3")

    async def follow(after: float) -> list[dict[str, str]]:
        await asyncio.sleep(after)
        seen: list[dict[str, str]] = []
        async with open_stream(f"v1/experiment/logs/{experiment_id}?follow=true") as stream:
            while not seen or seen[-1]["event"] != "end":
                seen.append(await stream.event())
        return seen

    order = ["Accepted", "Created", "Running", "Succeeded"]
    for seen in await asyncio.gather(*(follow(number / 25) for number in range(30))):
        events = [(event["event"], json.loads(event["data"])) for event in seen if event["event"] != "partial"]
        states = [data["status"] for event, data in events if event == "state"]
        assert states == sorted(states, key=order.index)
        assert states[-1] == events[-1][1]["status"] == "Succeeded"
        first = next(number for number, (event, _) in enumerate(events) if event == "log")
        assert events[first - 1][1]["status"] in ("Running", "Succeeded")
        assert events[first][1]["lines"] == ["hello"]


async def test_what_is_sent_can_be_raw_bytes_but_never_a_page(call: Any, open_stream: Open) -> None:
    experiment_id = await run(call, "printf '<html><script>alert(1)</script>'")
    await ended(call, experiment_id)
    whole = await call("GET", f"experiment/logs/{experiment_id}", params={"format": "raw"})
    assert whole.text == "<html><script>alert(1)</script>"
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert whole.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    part = await call(
        "GET", f"experiment/logs/{experiment_id}", params={"format": "raw"}, headers={"Range": "bytes=1-4"}
    )
    assert (part.code, part.text) == (206, "html")
    assert part.headers["Content-Range"].startswith("bytes 1-4/")
    beyond = await call(
        "GET", f"experiment/logs/{experiment_id}", params={"format": "raw"}, headers={"Range": "bytes=99-"}
    )
    assert (beyond.code, beyond.envelope["status"]) == (416, "REQUESTED_RANGE_NOT_SATISFIABLE")
    file = await call("GET", f"experiment/logs/{experiment_id}", params={"download": "true", "replica": "worker-0"})
    assert f"{experiment_id}-worker-0.log" in file.headers["Content-Disposition"]
    assert file.headers["Content-Disposition"].startswith("attachment")
