"""The metric channel of the stream: what there is, then each new point once, no faster than it is drawn."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.conftest import Call
from tests.server.test_stream import MISSING, Open, Tab, _ended, created
from tests.server.test_stream import tab as tab  # a fixture

LIVE = "for i in $(seq 1 40); do echo loss=$i acc=0.5 step=$i; sleep 0.05; done"
MANY = "for i in $(seq 1 3000); do echo loss=$((i * 7919 % 3001)) step=$i; done"
PLENTY = 16 * 1024 * 1024


def points_of(frame: dict[str, Any], name: str = "loss") -> list[int]:
    """Return the steps of a frame's points."""
    assert "error" not in frame, frame
    return [point[0] for one in frame["series"] if one["name"] == name for point in one["points"]]


async def follow(one: Tab, *ids: str, ch: int = 1, credit: int = PLENTY, **more: object) -> None:
    await one.ask(op="metrics", ch=ch, experiments=list(ids), credit=credit, **more)


async def whole(call: Call, experiment_id: str) -> list[dict[str, Any]]:
    """Return the series of an experiment once all is read."""
    await _ended(call, experiment_id)
    async with asyncio.timeout(30):
        while True:
            answer = await call("GET", f"experiment/{experiment_id}/metrics")
            if "incomplete" not in answer.envelope["attributes"]:
                series: list[dict[str, Any]] = answer.result["series"]
                return series


async def test_what_there_is_then_each_new_point_once(call: Call, tab: Open) -> None:
    found, other = await created(call, cmd=LIVE), await created(call, cmd="echo loss=7 step=99")
    await whole(call, other)
    one = await tab()
    await follow(one, found, other, ch=5)
    frames = await one.until(lambda frame: "cursor" in frame)
    assert all(frame["ch"] == 5 and frame["snapshot"] for frame in frames)
    while (frames[-1].get("snapshot") or 40 not in points_of(frames[-1])) and points_of(frames[-1])[-1:] != [40]:
        frames.append(await one.next())
    series = await whole(call, found)
    by_name: dict[str, list[Any]] = {}
    for frame in frames:
        for curve in frame["series"]:
            if curve["experimentId"] == found:
                assert (curve["attempt"], curve["replica"]) == (1, "worker-0")
                by_name.setdefault(curve["name"], []).extend(curve["points"])
    assert {name: [point[:2] for point in points] for name, points in by_name.items()} == {
        curve["name"]: [[point["step"], point["value"]] for point in curve["points"]] for curve in series
    }
    assert sum(points_of(frame).count(99) for frame in frames) == 1
    assert sum("snapshot" not in frame for frame in frames) >= 1
    assert all(type(point[2]) is int for point in by_name["loss"])


async def test_names_and_as_few_points_as_are_drawn(call: Call, tab: Open) -> None:
    found = await created(call, cmd=f"echo acc=0.1 step=1; {MANY}")
    [_, loss] = await whole(call, found)
    one = await tab()
    await follow(one, found, names=["loss"], points=100)
    frames = await one.until(lambda frame: "cursor" in frame)
    assert {curve["name"] for frame in frames for curve in frame["series"]} == {"loss"}
    points = [point for frame in frames for curve in frame["series"] for point in curve["points"]]
    assert len(points) <= 100
    values = [point["value"] for point in loss["points"]]
    assert (min(point[1] for point in points), max(point[1] for point in points)) == (min(values), max(values))
    assert (points[0][0], points[-1][0]) == (1, 3000)


async def test_who_comes_back_gets_what_came_meanwhile(call: Call, tab: Open) -> None:
    found = await created(call, cmd=LIVE)
    one = await tab()
    await follow(one, found)
    frames = await one.until(lambda frame: "cursor" in frame and len(points_of(frame)) > 0)
    steps = [step for frame in frames for step in points_of(frame)]
    one.socket.close()
    two = await tab()
    await follow(two, found, after=frames[-1]["cursor"])
    while len(steps) < 40:
        frame = await two.next()
        assert "snapshot" not in frame
        steps += points_of(frame)
    assert steps == list(range(1, 41))


@pytest.mark.parametrize("after", ["1.1", "9999999999999.1"])
async def test_a_cursor_of_another_database_begins_anew(call: Call, tab: Open, after: str) -> None:
    found = await created(call, cmd="echo loss=1 step=1")
    await whole(call, found)
    one = await tab()
    await follow(one, found, after=after)
    frames = await one.until(lambda frame: "cursor" in frame)
    assert all(frame["snapshot"] for frame in frames)
    assert [step for frame in frames for step in points_of(frame)] == [1]


async def test_who_is_far_behind_gets_few_points_anew(call: Call, tab: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await created(call, cmd=LIVE)
    one = await tab()
    await follow(one, found)
    cursor = (await one.until(lambda frame: "cursor" in frame and len(points_of(frame)) > 0))[-1]["cursor"]
    await whole(call, found)
    monkeypatch.setattr("submarine_jupyter_server.services.streams.points._FAR", 2)
    two = await tab()
    await follow(two, found, points=4, after=cursor)
    frames = await two.until(lambda frame: "cursor" in frame)
    assert all(frame["snapshot"] for frame in frames)
    steps = [step for frame in frames for step in points_of(frame)]
    assert (len(steps) <= 4, steps[0], steps[-1]) == (True, 1, 40)


async def test_frames_come_while_there_is_credit(call: Call, tab: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submarine_jupyter_server.services.streams.points.MOST_AT_ONCE", 100)
    found = await created(call, cmd=MANY)
    await whole(call, found)
    one = await tab()
    await follow(one, found, credit=1, points=10_000)
    first = await one.next()
    await one.ask(op="rows", ch=2)  # the socket is free for others meanwhile
    others = await one.until(lambda frame: frame["ch"] == 2 and "cursor" in frame)
    assert all(frame["ch"] == 2 for frame in others)
    steps = points_of(first)
    assert len(steps) == 100
    while len(steps) < 3000:
        await one.ask(op="credit", ch=1, bytes=len(json.dumps(first)))
        steps += points_of(await one.next())
    assert steps == list(range(1, 3001))


async def test_a_new_attempt_is_another_curve(call: Call, tab: Open) -> None:
    found = await created(call, cmd="echo loss=1 step=1; sleep 60")
    one = await tab()
    await follow(one, found)
    frames = await one.until(lambda frame: points_of(frame) == [1])
    headers = {"Content-Type": "application/merge-patch+json"}
    change = {"meta": {"cmd": "echo loss=2 step=2"}}
    assert (await call("PATCH", f"experiment/{found}", change, headers=headers)).code == 200
    frames = await one.until(lambda frame: points_of(frame) == [2])
    assert frames[-1]["series"][0]["attempt"] == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"experiments": []}, "experiments: name one at least"),
        ({"experiments": "x"}, 'experiments: "x" is not a list of at most 100 texts.'),
        ({"experiments": ["../x"]}, 'experiments: "../x" is not the id of an experiment.'),
        ({"experiments": [MISSING] * 101}, "is not a list of at most 100 texts."),
        ({"experiments": [MISSING]}, "Not found experiment."),
        ({"experiments": [MISSING], "names": [1]}, "names: [1] is not a list"),
        ({"experiments": [MISSING], "points": 3}, "points: 3 is not a whole number from 4 to 10000."),
        ({"experiments": [MISSING], "credit": 0}, "credit: 0 is not"),
        ({"experiments": [MISSING], "after": 7}, "after: 7 is not a cursor of points."),
        ({"experiments": [MISSING], "after": "x"}, "is not a cursor of points; leave it out"),
        ({"experiments": [MISSING], "replica": "x"}, "\"replica\" is not a field of 'metrics'."),
    ],
)
async def test_a_bad_request_is_answered(tab: Open, more: dict[str, Any], words: str) -> None:
    one = await tab()
    await one.ask(**{"op": "metrics", "ch": 1, "credit": 1000, **more})
    assert words in (await one.next())["error"]["message"]
