"""The copy of a collection stays right whatever the API server, and all that is in between, does to its stream."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import logging
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter import backoff
from submarine_jupyter_server.targets.kubernetes.api import transport
from submarine_jupyter_server.targets.kubernetes.watch import cluster_heartbeat, decoder, health, reflector
from tests.targets.kubernetes.fault_server import (
    EXPIRED,
    Exchange,
    FaultServer,
    Script,
    answer,
    black_hole,
    cut,
    error,
    guarded,
    plain,
    raw,
    stall,
    stream,
)
from tests.targets.kubernetes.followed import PODS, View, added, bookmark, event, following, thing, view

NO_PROGRESS = (
    "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "SHORTEST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


def initial(*names: str, version: int = 1, then: tuple[object, ...] = (), end: Script | None = stall) -> Script:
    """Return a script: all objects, what happens after, and how the stream ends."""
    return stream(*added(*names, version=version), *then, end=end)


def page(version: int, *names: str, token: str = "") -> Script:
    """Return a script for one page of a list; its items do not say what they are."""
    found = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    items = [thing(name, version) for name in names]
    return answer({"kind": "PodList", "apiVersion": "v1", "metadata": found, "items": items})


async def test_begins_with_all_objects_and_follows(tmp_path: Path) -> None:
    async with FaultServer() as server:
        later = (event("ADDED", "c", 2), event("MODIFIED", "a", 3, value=7), event("DELETED", "b", 4))
        server.once("GET", PODS, initial("a", "b", then=later))
        async with following(server, tmp_path, labels="mine=yes", fields="type=Warning") as one:
            await one.reflector.wait_synced()
            await one.values(a=7, c=0)
            assert [(name, old is None, new is None) for name, old, new in one.told] == [
                ("a", True, False),
                ("b", True, False),
                ("c", True, False),
                ("a", False, False),
                ("b", False, True),
            ]
            query = server.requests[0].query
            assert 240 <= int(query.pop("timeoutSeconds")) <= 360
            assert query == {
                "watch": "1",
                "allowWatchBookmarks": "true",
                "sendInitialEvents": "true",
                "resourceVersionMatch": "NotOlderThan",
                "labelSelector": "mine=yes",
                "fieldSelector": "type=Warning",
            }
            health = one.reflector.health
            assert (health.synced, health.restarts, health.requests, health.trouble) == (True, 0, 1, None)
            assert health.last_event_age_s is not None


@pytest.mark.parametrize("end", [cut, None])
async def test_resumes_from_the_last_version(tmp_path: Path, end: Script | None) -> None:
    """Of an object or of a bookmark; half a line is none."""
    async with FaultServer() as server:
        half = json.dumps(event("MODIFIED", "a", 9, value=9)).encode()[:-7]
        server.once("GET", PODS, initial("a", then=(event("MODIFIED", "a", 5, value=1), half), end=end))
        server.once("GET", PODS, stream(bookmark(8), end=end), stream(event("MODIFIED", "a", 9, value=2), end=stall))
        async with following(server, tmp_path) as one:
            await one.values(a=2)
            assert [request.query.get("resourceVersion") for request in server.requests] == [None, "5", "8"]
            assert "sendInitialEvents" not in server.requests[1].query
            assert one.reflector.health.restarts == 2


@pytest.mark.parametrize(
    "gone",
    [
        error(410, "Expired"),
        stream(EXPIRED),
        plain(410),
        error(504, "Timeout", "Too large resource version: 5, current: 1"),
    ],
)
async def test_an_expired_version_is_read_anew_and_only_differences_are_told(tmp_path: Path, gone: Script) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", "b", "same", end=cut), gone)
        again = [event("ADDED", "a", 7, value=1), event("ADDED", "same", 7), event("ADDED", "new", 7)]
        server.once("GET", PODS, stream(*again, bookmark(9, end=True), end=stall))
        async with following(server, tmp_path) as one:
            await one.values(a=1, same=0, new=0)
            before, (a, new, b) = one.told[:3], one.told[3:]
            assert [name for name, _, _ in before] == ["a", "b", "same"]
            assert (a[0], new[0], b[0], b[2]) == ("a", "new", "b", None)


async def test_an_object_made_anew_under_its_name(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", end=cut), error(410, "Gone"))
        server.once("GET", PODS, stream(event("ADDED", "a", 7, uid="other"), bookmark(9, end=True), end=stall))
        async with following(server, tmp_path) as one:
            await server.until(lambda: one.reflector.cache.get("a") == View("a", "other", 0))
            assert one.told[1:] == [("a", View("a", "u-a", 0), View("a", "other", 0))]


async def test_nothing_is_dropped_before_the_initial_state_has_ended(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", "b", end=cut), stream(EXPIRED), stream(event("ADDED", "b", 7), end=cut))
        server.on("GET", PODS, black_hole)
        async with following(server, tmp_path) as one:
            await one.requests(4)
            assert set(one.reflector.cache) == {"a", "b"}


@pytest.mark.parametrize(
    "refusal",
    [
        error(422, "Invalid", "sendInitialEvents: Forbidden: the WatchList feature gate is disabled"),
        error(400, "BadRequest"),
        stream({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": NO_PROGRESS}}),
        error(500, "InternalError", NO_PROGRESS),
        stream(event("ADDED", "a", 1), bookmark(3), end=stall),
    ],
)
async def test_reads_pages_where_streams_do_not_begin_with_all_objects(tmp_path: Path, refusal: Script) -> None:
    """It finds out once."""
    async with FaultServer() as server:
        server.once("GET", PODS, refusal, page(5, "a", "b", token="more"), page(5, "c"), stream(EXPIRED))
        server.once("GET", PODS, page(9, "c", "d"), stream(event("DELETED", "d", 10), end=stall))
        async with following(server, tmp_path, labels="mine=yes") as one:
            await one.values(c=0)
            queries = [request.query for request in server.requests]
            assert [query.get("watch") for query in queries] == ["1", None, None, "1", None, "1"]
            assert queries[1] == {"limit": "100", "labelSelector": "mine=yes"}
            assert queries[2] == {"limit": "100", "labelSelector": "mine=yes", "continue": "more"}
            assert [queries[number]["resourceVersion"] for number in (3, 5)] == ["5", "9"]
            assert one.reflector.health.requests == 6


async def test_a_server_that_never_says_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "INITIAL_S", 0.2)
    async with FaultServer() as server:
        again = tuple(event("MODIFIED", "a", 2 + number, value=number) for number in range(200))
        server.once("GET", PODS, stream(event("ADDED", "a", 1), *again, end=stall, pause=0.02))
        server.once("GET", PODS, page(500, "a"), stream(end=stall))
        async with following(server, tmp_path) as one:
            await one.reflector.wait_synced()
            await one.values(a=0)


async def test_a_server_whose_streams_end_without_the_end_of_the_initial_state(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, stream(event("ADDED", "a", 1)), stream(event("ADDED", "a", 1)))
        server.once("GET", PODS, page(5, "a"), stream(end=stall))
        async with following(server, tmp_path) as one:
            await one.reflector.wait_synced()
            await one.requests(4)


async def test_a_server_that_hung_is_not_taken_for_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "INITIAL_S", 0.2)
    async with FaultServer() as server:
        server.once("GET", PODS, stream(end=stall), error(500, "InternalError", "etcd"), initial("a"))
        async with following(server, tmp_path) as one:
            await one.values(a=0)
            assert "sendInitialEvents" in server.requests[-1].query


async def test_items_of_a_list_say_what_they_are(tmp_path: Path) -> None:
    kinds: list[object] = []

    def project(item: dict[str, Any]) -> View:
        kinds.append((item["kind"], item["apiVersion"]))
        return view(item)

    async with FaultServer() as server:
        server.once("GET", PODS, error(422, "Invalid"), page(5, "a"), stream(end=stall))
        async with following(server, tmp_path, project=project) as one:
            await one.values(a=0)
    assert kinds == [("Pod", "v1")]


async def test_a_list_that_expires_between_two_pages(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, error(422, "Invalid"), page(5, "a", token="more"), error(410, "Expired"))
        server.once("GET", PODS, error(422, "Invalid"), page(7, "b"), stream(end=stall))
        async with following(server, tmp_path) as one:
            await one.values(b=0)


async def test_a_storm_of_410_is_no_hot_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    failed = backoff.Backoff.failed

    def noted(self: backoff.Backoff, asked_s: float | None = None) -> float:
        pauses.append(failed(self, asked_s))
        return pauses[-1]

    monkeypatch.setattr(backoff.Backoff, "failed", noted)
    async with FaultServer() as server:
        server.on("GET", PODS, stream(EXPIRED))
        async with following(server, tmp_path) as one:
            await one.requests(10)
            assert len(pauses) >= 9
            assert "410" in (one.reflector.health.trouble or "")
            server.on("GET", PODS, initial("a"))
            await one.values(a=0)
            assert one.reflector.health.trouble is None
    assert min(pauses) > 0


async def test_waits_as_long_as_the_server_says(tmp_path: Path) -> None:
    async with FaultServer() as server:
        told = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 1}}
        server.once(
            "GET", PODS, error(429, "TooManyRequests", retry_after=1), error(503, "ServiceUnavailable", retry_after=1)
        )
        server.once("GET", PODS, stream({"type": "ERROR", "object": told}), initial("a"))
        async with following(server, tmp_path) as one:
            await one.values(a=0)
            at = [request.at for request in server.to(PODS)]
            assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(at))


@pytest.mark.parametrize(
    ("refusal", "trouble"),
    [
        (error(403, "Forbidden", "no"), "no permission to watch pods in namespace ns"),
        (plain(404), "the cluster has no pods in namespace ns"),
        (
            error(500, "InternalError", "etcd"),
            "pods in namespace ns: the API server answers etcd (HTTP 500 InternalError)",
        ),
        (guarded("Bearer other", stall), "the API server does not accept the credentials of this server"),
    ],
)
async def test_refused_for_a_while(
    tmp_path: Path, refusal: Script, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was known stays, the trouble is named (in the log once), and it goes on by itself."""
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", end=cut))
        server.on("GET", PODS, refusal)
        with caplog.at_level(logging.WARNING, health.log.name):
            async with following(server, tmp_path) as one:
                await one.values(a=0)
                await one.requests(6)
                await server.until(lambda: one.reflector.health.trouble == trouble)
                assert set(one.reflector.cache) == {"a"}
                server.on("GET", PODS, stream(event("MODIFIED", "a", 8, value=1), end=stall))
                await one.values(a=1)
                assert one.reflector.health.trouble is None
        assert sum(trouble in message for message in caplog.messages) == 1


@pytest.mark.parametrize("hole", [stall, black_hole])
async def test_a_stream_that_goes_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole: Script) -> None:
    """After some objects, after none, or before the answer begins."""
    monkeypatch.setattr(reflector, "IDLE_S", 0.3)
    monkeypatch.setattr(reflector, "ANSWER_S", 0.5)
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", then=(bookmark(1),), end=hole), stream(end=hole), hole)
        server.once("GET", PODS, stream(*(bookmark(5) for _ in range(1000)), pause=0.05))
        async with following(server, tmp_path) as one:
            await one.requests(4)
            await server.until(lambda: one.reflector.health.trouble is None)
            assert server.requests[-1].query["resourceVersion"] == "1"
            assert set(one.reflector.cache) == {"a"}


@pytest.mark.skipif(sys.platform != "linux", reason="a socket filter of Linux swallows the packets")
async def test_a_connection_whose_packets_are_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's keep-alive notices it, at no request, long before the stream is silent for too long."""
    monkeypatch.setattr(transport, "_PROBES", {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2})
    async with FaultServer() as server:

        async def swallowed(exchange: Exchange) -> None:
            await stream(*added("a"))(exchange)
            exchange.done = True
            connection = exchange.writer.get_extra_info("socket")
            # One instruction of the packet filter: keep nothing.
            program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
            connection.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(program)))
            await asyncio.sleep(600)

        server.once("GET", PODS, swallowed, stream(event("MODIFIED", "a", 2, value=1), end=stall))
        async with following(server, tmp_path) as one:
            await one.values(a=1)


async def test_a_collection_without_bookmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events have none: their silence means nothing, which one stream is enough to learn."""
    monkeypatch.setattr(reflector, "IDLE_S", 0.3)
    async with FaultServer() as server:
        server.on("GET", PODS, initial("a"))
        async with following(server, tmp_path) as one:
            await one.requests(2)
            await asyncio.sleep(1)
            assert len(server.requests) == 2
            assert one.reflector.health.trouble is None


async def test_a_server_that_hangs_is_noticed_and_its_return_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the heartbeat: the stream itself would wait for a minute, and the next try too."""
    monkeypatch.setattr(cluster_heartbeat, "QUIET_S", 0.2)
    monkeypatch.setattr(cluster_heartbeat, "TICK_S", 0.1)
    monkeypatch.setattr(cluster_heartbeat, "ANSWER_S", 0.3)
    monkeypatch.setattr(cluster_heartbeat, "SPREAD_S", 0.1)
    async with FaultServer() as server:
        server.on("GET", PODS, initial("a"))
        server.on("GET", "/readyz", raw(b"ok"))
        async with following(server, tmp_path, beat=True) as one:
            await one.values(a=0)
            await server.until(lambda: len(server.to("/readyz")) > 3)
            assert len(server.to(PODS)) == 1, "a silent stream is left alone while the server answers"
            monkeypatch.setattr(backoff, "SHORTEST_S", 600.0)
            monkeypatch.setattr(backoff, "LONGEST_S", 600.0)
            server.on("GET", "/readyz", black_hole)
            await server.until(lambda: one.reflector.health.trouble is not None)
            assert one.heartbeat.away
            server.on("GET", PODS, stream(event("MODIFIED", "a", 8, value=1), end=stall))
            server.on("GET", "/readyz", error(500, "InternalError", "not yet"))
            seen = len(server.to("/readyz"))
            await server.until(lambda: len(server.to("/readyz")) > seen + 2)
            assert len(server.to(PODS)) == 1
            server.on("GET", "/readyz", raw(b"ok"))
            await one.values(a=1)
            assert not one.heartbeat.away


async def test_an_idle_server_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_heartbeat, "QUIET_S", 0.05)
    monkeypatch.setattr(cluster_heartbeat, "TICK_S", 0.02)
    watchful: list[bool] = []
    async with FaultServer() as server:
        server.on("GET", PODS, initial("a"))
        server.on("GET", "/readyz", raw(b"ok"))
        async with following(server, tmp_path, beat=True, watchful=lambda: bool(watchful)) as one:
            await one.values(a=0)
            await asyncio.sleep(0.5)
            assert len(server.requests) == 1
            watchful.append(True)
            await server.until(lambda: len(server.to("/readyz")) > 1)


@pytest.mark.parametrize("line", [b"<html>\n", b"\xff\xfe\n", b"[]\n", b'{"type": 1}\n', b"[" * 100_000 + b"\n"])
async def test_a_line_that_is_no_event(tmp_path: Path, line: bytes) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", "b", then=(line, event("DELETED", "a", 3))), initial("a", version=9))
        async with following(server, tmp_path) as one:
            await server.until(lambda: len(server.requests) > 1)
            await one.values(a=0)
            assert "sendInitialEvents" in server.requests[1].query


async def test_a_line_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "LONGEST_LINE", 100_000)
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", then=(b"x" * 60_000, b"x" * 60_000)), initial("b", version=9))
        async with following(server, tmp_path) as one:
            await one.values(b=0)


async def test_objects_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are named, others go on, what was read of them stays, and they may get well again."""

    def poisoned(kind: str, version: int) -> dict[str, Any]:
        return {"type": kind, "object": {**thing("bad", version), "value": "?"}}

    nameless = [
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "2"}}},
        {"type": "ADDED", "object": {"metadata": []}},
        {"type": "ADDED", "object": None},
        {"type": "SURPRISE", "object": thing("c", 2)},
    ]
    async with FaultServer() as server:
        first = [poisoned("ADDED", 1), event("ADDED", "a", 1), *nameless, bookmark(2, end=True)]
        then = [poisoned("MODIFIED", 3), event("MODIFIED", "a", 4, value=1), poisoned("MODIFIED", 5)]
        server.once("GET", PODS, stream(*first, *then, end=stall))
        with caplog.at_level(logging.WARNING):
            async with following(server, tmp_path) as one:
                await one.values(a=1)
                assert one.reflector.health.quarantined == ("bad",)
                server.once(
                    "GET", PODS, stream(event("MODIFIED", "bad", 6, value=3), event("MODIFIED", "a", 7), end=stall)
                )
                server.drop()
                await one.values(a=0, bad=3)
                assert not one.reflector.health.quarantined
                server.once("GET", PODS, stream(poisoned("MODIFIED", 8), event("MODIFIED", "a", 9, value=1), end=stall))
                server.drop()
                await one.values(a=1, bad=3)
                assert one.reflector.health.quarantined == ("bad",)
                server.once("GET", PODS, stream(event("DELETED", "bad", 10), end=stall))
                server.drop()
                await one.values(a=1)
                assert not one.reflector.health.quarantined
        assert sum("bad cannot be read" in message for message in caplog.messages) == 2


async def test_a_fault_of_ours_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with FaultServer() as server:
        server.once("GET", PODS, initial("a", then=(event("ADDED", "boom", 2),)))
        server.on("GET", PODS, stream(event("ADDED", "boom", 2), event("ADDED", "c", 3), end=stall))
        async with following(server, tmp_path, project=_explode) as one:
            await one.requests(3)
            assert "asserted" in (one.reflector.health.trouble or "")
            server.on("GET", PODS, stream(event("ADDED", "c", 3), end=stall))
            await one.values(a=0, c=0)
    assert any(record.exc_info for record in caplog.records)


def _explode(item: dict[str, Any]) -> View:
    assert item["metadata"]["name"] != "boom", "asserted"
    return view(item)


async def test_a_write_is_read_at_once_and_the_stream_does_not_take_it_back(tmp_path: Path) -> None:
    async with FaultServer() as server:
        go = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            for line in added("a", version=5):
                await exchange.send(json.dumps(line).encode() + b"\n")
            await go.wait()
            await stream(
                event("MODIFIED", "a", 6, value=1), event("MODIFIED", "a", 7, value=2), bookmark(8), end=stall
            )(exchange)

        server.once("GET", PODS, script)
        async with following(server, tmp_path) as one:
            await one.reflector.wait_synced()
            one.reflector.merge(thing("a", 7, value=2))
            one.reflector.merge(thing("mine", 8, value=3))
            one.reflector.merge(thing("a", 4, value=9))
            await one.values(a=2, mine=3)
            go.set()
            await asyncio.sleep(0.2)
            assert [new.value for name, _, new in one.told if name == "a" and new] == [0, 2]


async def test_reading_does_not_hold_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others get their turn while thousands of objects come as fast as they can."""
    monkeypatch.setattr(decoder, "SLICE_S", 0.0)
    turns = 0
    async with FaultServer() as server:
        lines = b"".join(json.dumps(line).encode() + b"\n" for line in added(*(f"p{i}" for i in range(2000))))
        server.once("GET", PODS, stream(lines, end=stall))
        async with following(server, tmp_path) as one:
            waiting = asyncio.create_task(one.reflector.wait_synced())
            while not waiting.done():
                await asyncio.sleep(0)
                turns += 1
            assert len(one.reflector.cache) == 2000
    assert turns >= 2000
