"""``GET experiment/logs/{id}?search=`` as a client gets it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

from submarine_jupyter_server.handlers.admission import Surroundings
from submarine_jupyter_server.logs.search import scan
from submarine_jupyter_server.services.logs import log_search
from submarine_jupyter_server.services.logs.log_search import LogSearcher
from tests.server.conftest import Call
from tests.server.test_streams import eventually

SEGMENT = 4 * 1024 * 1024


def body(cmd: str, workers: int = 1) -> dict[str, Any]:
    worker = {"resources": "cpu=0.1,memory=16M", "replicas": workers}
    return {"meta": {"name": "search", "framework": "Standalone", "cmd": cmd}, "spec": {"Worker": worker}}


async def one_that_ended(call: Call, cmd: str, workers: int = 1) -> str:
    made = str((await call("POST", "experiment", body(cmd, workers))).result["experimentId"])
    for _ in range(800):
        if (await call("GET", f"experiment/{made}")).result["finishedTime"]:
            return made
        await asyncio.sleep(0.025)
    raise AssertionError("it never ended")


def add_bytes(folder: Path, made: str, count: int) -> None:
    """Put many bytes behind what a replica wrote."""
    log = folder / "submarine" / "runs" / made / "1" / "logs" / "worker-0"
    (log / "ended").unlink()
    for number in range(1, count // SEGMENT + 1):
        (log / f"{number * SEGMENT:020d}.log").write_bytes((b"x" * 99 + b"\n") * (SEGMENT // 100))


async def searches_of(app: ServerApp) -> LogSearcher:
    surroundings: Surroundings = app.web_app.settings["submarine_surroundings"]
    return (await surroundings.opening.service()).log_search


async def test_matches_come_with_their_place(call: Call) -> None:
    made = await one_that_ended(call, "echo start; echo an error: bad; echo end", workers=2)
    answer = await call("GET", f"experiment/logs/{made}", params={"search": "error", "context": 1})
    assert list(answer.result) == ["experimentId", "attempt", "matches"]
    assert [match["replica"] for match in answer.result["matches"]] == ["worker-0", "worker-1"]
    match = answer.result["matches"][1]
    assert match.pop("time") is not None
    assert match == {
        "podName": f"{made}-worker-1",
        "replica": "worker-1",
        "offset": 9,
        "length": 5,
        "line": "an error: bad",
        "column": 3,
        "columns": 5,
        "before": ["start"],
        "after": ["end"],
    }
    assert answer.envelope["attributes"] == {"next": "1.worker-0:24,worker-1:24"}
    one = await call("GET", f"experiment/logs/{made}", params={"search": "ERROR", "ignoreCase": "true", "limit": 1})
    assert len(one.result["matches"]) == 1
    about = one.envelope["attributes"]
    assert about == {"next": "1.worker-0:14,worker-1:0", "truncated": "limit"}
    rest = await call("GET", f"experiment/logs/{made}", params={"search": "error", "after": about["next"]})
    assert [match["replica"] for match in rest.result["matches"]] == ["worker-1"]
    only = await call("GET", f"experiment/logs/{made}", params={"search": "error", "replica": "worker-1"})
    assert len(only.result["matches"]) == 1


async def test_a_search_with_an_expression(call: Call) -> None:
    pytest.importorskip("re2")
    made = await one_that_ended(call, "echo loss=0.5; echo loss=nan")
    answer = await call("GET", f"experiment/logs/{made}", params={"search": r"loss=(nan|inf)$", "regex": "true"})
    assert [match["line"] for match in answer.result["matches"]] == ["loss=nan"]


REFUSED = [
    ({"search": ""}, "search: must not be empty."),
    ({"search": "a", "limit": "0"}, "'limit' must be a whole number from 1 to 1000"),
    ({"search": "a", "limit": "1001"}, "'limit' must be a whole number from 1 to 1000"),
    ({"search": "a", "context": "11"}, "'context' must be a whole number from 0 to 10"),
    ({"search": "a", "after": "here"}, "after: 'here' is not a position in a log."),
    ({"search": "a", "after": "2.", "attempt": "1"}, "'after' is a position in attempt 2, not in attempt 1."),
    ({"search": "a", "since": "soon"}, "'since' must be like 30s"),
    ({"search": "a", "regex": "yes"}, "'regex' must be true or false, not 'yes'."),
    ({"search": "a", "tail": "5"}, "Unknown parameter 'tail'"),
    ({"search": "a", "follow": "true"}, "Unknown parameter 'follow'"),
]


async def test_what_cannot_be_asked_for(call: Call) -> None:
    for params, why in REFUSED:
        answer = await call("GET", "experiment/logs/experiment-1-0001", params=params)
        assert (answer.code, why in answer.message) == (400, True), answer.message


async def test_what_is_not_there_cannot_be_searched(call: Call) -> None:
    unknown = await call("GET", "experiment/logs/experiment-1-0001", params={"search": "a"})
    assert (unknown.code, unknown.message) == (404, "Not found experiment.")
    made = await one_that_ended(call, "true")
    assert (await call("GET", f"experiment/logs/{made}", params={"search": "a", "attempt": "2"})).code == 404
    assert (await call("GET", f"experiment/logs/{made}", params={"search": "a", "replica": "ps-7"})).code == 404
    assert (await call("GET", f"experiment/logs/{made}", params={"search": "a"})).result["matches"] == []


async def test_what_is_not_searched_in_time_is_said(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "ANSWER_S", 0.0)
    monkeypatch.setattr(scan, "STEP_S", 0.0)
    made = await one_that_ended(call, "echo needle")
    add_bytes(tmp_path, made, SEGMENT)
    answer = await call("GET", f"experiment/logs/{made}", params={"search": "nothing"})
    about = answer.envelope["attributes"]
    assert about["truncated"] == "time"
    assert about["gaps"] == {f"{made}-worker-0": [[7, SEGMENT]]}
    while "truncated" in about:
        before = about["next"]
        monkeypatch.setattr(scan, "STEP_S", 0.05)
        answer = await call("GET", f"experiment/logs/{made}", params={"search": "nothing", "after": before})
        about = answer.envelope["attributes"]
        assert about["next"] != before
    assert about["next"] == f"1.worker-0:{2 * SEGMENT - SEGMENT % 100}"


async def test_a_search_ends_with_its_client(
    call: Call, jp_serverapp: ServerApp, jp_http_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "ANSWER_S", 1000.0)
    made = await one_that_ended(call, "echo needle")
    searches = await searches_of(jp_serverapp)
    monkeypatch.setattr(scan.LogSearch, "step", lambda self: True)  # one that would never end
    _, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
    path = f"{jp_serverapp.base_url}api/v1/experiment/logs/{made}?search=nothing"
    token = f"Authorization: token {jp_serverapp.identity_provider.token}"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{token}\r\n\r\n".encode())
    await eventually(lambda: searches.running == 1)
    writer.close()
    await eventually(lambda: searches.running == 0)


async def test_an_experiment_that_is_deleted_meanwhile_is_not_found(
    call: Call, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await one_that_ended(call, "echo needle")
    monkeypatch.setattr(log_search, "ANSWER_S", 1000.0)
    searches = await searches_of(jp_serverapp)
    deleted = asyncio.Event()
    monkeypatch.setattr(scan.LogSearch, "step", lambda self: not deleted.is_set())
    asking = asyncio.ensure_future(call("GET", f"experiment/logs/{made}", params={"search": "needle"}))
    await eventually(lambda: searches.running == 1)
    assert (await call("DELETE", f"experiment/{made}")).code == 200
    deleted.set()
    assert (await asking).code == 404


async def test_many_searches_take_turns(call: Call, jp_serverapp: ServerApp, tmp_path: Path) -> None:
    made = await one_that_ended(call, "echo needle")
    add_bytes(tmp_path, made, SEGMENT)
    asked = [call("GET", f"experiment/logs/{made}", params={"search": f"x{n}"}) for n in range(20)]
    assert [answer.code for answer in await asyncio.gather(*asked)] == [200] * 20
    assert (await searches_of(jp_serverapp)).running == 0


async def test_searches_are_limited_and_end_with_the_server(
    call: Call, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await one_that_ended(call, "echo needle")
    monkeypatch.setattr(log_search, "MAX_SEARCHES", 1)
    monkeypatch.setattr(log_search, "ANSWER_S", 1000.0)
    monkeypatch.setattr(scan.LogSearch, "step", lambda self: True)  # one that would never end
    searches = await searches_of(jp_serverapp)
    first = asyncio.ensure_future(call("GET", f"experiment/logs/{made}", params={"search": "needle"}))
    await eventually(lambda: searches.running == 1)
    second = await call("GET", f"experiment/logs/{made}", params={"search": "needle"})
    assert (second.code, second.message) == (429, "This server already carries out 1 searches, the most it allows.")
    assert second.headers["Retry-After"] == "5"
    searches.close()
    ended = await first
    assert (ended.code, ended.message) == (503, "The server is stopping.")
