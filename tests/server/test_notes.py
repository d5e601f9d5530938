"""What people note about experiments, through real HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.conftest import Call

BODY = {
    "meta": {"name": "noted", "framework": "Standalone", "cmd": "true", "tags": ["night"]},
    "spec": {"Worker": {"resources": "cpu=10m"}},
}


async def made(call: Call) -> str:
    return str((await call("POST", "experiment", BODY)).result["experimentId"])


async def listed(call: Call, **params: str) -> list[str]:
    return [item["experimentId"] for item in (await call("GET", "experiment", params=params)).result]


async def summary(call: Call, name: str) -> dict[str, Any]:
    found = (await call("GET", "experiment", params={"view": "summary", "archived": "any"})).result
    [detail] = [item["detail"] for item in found if item["experimentId"] == name]
    return {key: detail[key] for key in ("note", "pinned", "archived") if key in detail}


async def test_a_note_is_kept_shown_and_taken_away(call: Call) -> None:
    name = await made(call)
    assert await summary(call, name) == {}
    answer = await call("PATCH", f"experiment/{name}/notes", {"note": "**best** so far, lr 5%", "pinned": True})
    assert {key: answer.result["detail"][key] for key in ("note", "pinned")} == {
        "note": "**best** so far, lr 5%",
        "pinned": True,
    }
    assert await summary(call, name) == {"note": "**best** so far, lr 5%", "pinned": True}
    # What is left out stays.
    answer = await call("PATCH", f"experiment/{name}/notes", {"pinned": False})
    assert await summary(call, name) == {"note": "**best** so far, lr 5%"}
    assert await listed(call, q="BEST 5%") == await listed(call, q="best") == [name]
    assert await listed(call, q="worst") == []
    for gone in (None, ""):
        await call("PATCH", f"experiment/{name}/notes", {"note": "x"})
        await call("PATCH", f"experiment/{name}/notes", {"note": gone})
        assert await summary(call, name) == {}
    # A plain answer is that of the document.
    assert "detail" not in (await call("GET", f"experiment/{name}")).result


async def test_what_is_archived_leaves_the_default_list(call: Call) -> None:
    first, second, third = [await made(call) for _ in range(3)]
    await call("PATCH", f"experiment/{second}/notes", {"archived": True})
    await call("PATCH", f"experiment/{third}/notes", {"pinned": True})
    for filters in ({}, {"tag": "night"}, {"name": "noted"}, {"sort": "-name"}, {"sort": "-param.lr"}, {"q": "noted"}):
        assert await listed(call, **filters) == [third, first], filters
        assert await listed(call, **filters, archived="true") == [second], filters
        assert await listed(call, **filters, archived="any") == [third, second, first], filters
        assert await listed(call, **filters, pinned="true") == [third], filters
        assert await listed(call, **filters, pinned="false", archived="any") == [second, first], filters
    page = await call("GET", "experiment", params={"tag": "night", "limit": "1"})
    cursor = page.envelope["attributes"]["nextCursor"]
    assert await listed(call, tag="night", limit="1", cursor=cursor) == [first]
    assert (await call("GET", f"experiment/{second}")).result["experimentId"] == second
    assert [log["experimentId"] for log in (await call("GET", "experiment/logs")).result] == [third, first]
    await call("PATCH", f"experiment/{second}/notes", {"archived": False})
    assert await listed(call) == [third, second, first]


async def test_others_hear_of_it_once(call: Call) -> None:
    name = await made(call)
    for _ in range(400):
        if (await call("GET", f"experiment/{name}")).result["status"] == "Succeeded":
            break
        await asyncio.sleep(0.05)
    for _ in range(2):
        answer = await call("PATCH", f"experiment/{name}/notes", {"note": "done"})
    events = [event["type"] for event in answer.result["detail"]["events"]]
    assert events.count("notes") == 1
    assert answer.result["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"nota": "x"}, "nota: unknown field"),
        ({"note": ["x"]}, "note: Input should be a valid string"),
        ({"note": "x" * 10_001}, "note: has 10,001 characters, and 10,000 at most are kept"),
        ({"note": "a\0b"}, "note: must not contain a NUL"),
        ({"pinned": "yes"}, "pinned: Input should be a valid boolean"),
        ({"archived": None}, "archived: Input should be a valid boolean"),
        (b"", "Invalid experiment notes. The body is empty."),
        (b"[1]", "Invalid experiment notes. The body is not an object"),
    ],
)
async def test_what_is_no_note_is_named(call: Call, body: Any, problem: str) -> None:
    name = await made(call)
    answer = await call("PATCH", f"experiment/{name}/notes", body, headers={"Content-Type": "application/json"})
    assert (answer.code, problem in answer.message) == (400, True), answer.message
    assert await summary(call, name) == {}


async def test_what_is_not_there_has_no_notes(call: Call) -> None:
    assert (await call("PATCH", "experiment/experiment-1-0001/notes", {"note": "x"})).code == 404
    name = await made(call)
    await call("PATCH", f"experiment/{name}/notes", {"note": "x"})
    await call("DELETE", f"experiment/{name}", params={"purge": "true"})
    assert (await call("PATCH", f"experiment/{name}/notes", {"note": "x"})).code == 404
    refused = await call("GET", "experiment", params={"archived": "maybe"})
    assert (refused.code, refused.message) == (400, "'archived' must be true, false, any, not 'maybe'.")


async def test_a_list_of_long_notes_is_no_larger_than_one_of_long_specs(call: Call) -> None:
    names = [await made(call) for _ in range(3)]
    for name in names:
        await call("PATCH", f"experiment/{name}/notes", {"note": "ü" * 10_000})
    found = (await call("GET", "experiment", params={"view": "summary"})).result
    assert [item["detail"]["note"] for item in found] == ["ü" * 10_000] * 3
