"""``?at=`` and ``?merged=true`` of ``GET experiment/logs/{id}`` as a client gets them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.server.conftest import Call
from tests.server.test_log_search import one_that_ended

TWICE = "echo first; sleep 0.4; echo second"


async def test_a_moment_becomes_a_place(call: Call) -> None:
    made = await one_that_ended(call, TWICE, workers=2)
    lines = (await call("GET", f"experiment/logs/{made}", params={"merged": "true"})).result["lines"]
    second = max(line["time"] for line in lines)
    answer = await call("GET", f"experiment/logs/{made}", params={"at": second})
    assert list(answer.result) == ["experimentId", "attempt", "replicas"]
    assert [one["replica"] for one in answer.result["replicas"]] == ["worker-0", "worker-1"]
    late = [one for one in answer.result["replicas"] if one["time"] == second]
    assert [(one["offset"], one["end"]) for one in late] == [(6, 13)] * len(late)
    position = answer.envelope["attributes"]["next"]
    following = await call(
        "GET",
        f"experiment/logs/{made}",
        params={"follow": "true", "lastEventId": position},
    )
    assert '"second"' in following.text
    assert '"first"' not in following.text
    past = await call("GET", f"experiment/logs/{made}", params={"at": "1d"})
    assert [one["offset"] for one in past.result["replicas"]] == [0, 0]
    future = await call("GET", f"experiment/logs/{made}", params={"at": "2999-01-01T00:00:00Z", "replica": "worker-1"})
    assert [(one["offset"], one["time"]) for one in future.result["replicas"]] == [(13, None)]


async def test_the_lines_of_all_replicas_come_in_order(call: Call) -> None:
    made = await one_that_ended(call, TWICE, workers=2)
    answer = await call("GET", f"experiment/logs/{made}", params={"merged": "true"})
    assert list(answer.result) == ["experimentId", "attempt", "lines"]
    lines = answer.result["lines"]
    assert [list(line) for line in lines] == [["replica", "offset", "time", "line"]] * 4
    assert sorted((line["replica"], line["line"]) for line in lines) == [
        ("worker-0", "first"), ("worker-0", "second"), ("worker-1", "first"), ("worker-1", "second"),
    ]  # fmt: skip
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert times == sorted(times)
    assert answer.envelope["attributes"] == {"first": "1.worker-0:0,worker-1:0", "next": "1.worker-0:13,worker-1:13"}
    newest = await call("GET", f"experiment/logs/{made}", params={"merged": "true", "limit": 1})
    assert newest.result["lines"] == lines[-1:]
    about = newest.envelope["attributes"]
    assert about["truncated"] is True
    older = await call("GET", f"experiment/logs/{made}", params={"merged": "true", "before": about["first"]})
    assert older.result["lines"] == lines[:-1]
    first = older.envelope["attributes"]["first"]
    again = await call("GET", f"experiment/logs/{made}", params={"merged": "true", "after": first, "limit": 3})
    assert again.result["lines"] == lines[:3]
    late = await call("GET", f"experiment/logs/{made}", params={"merged": "true", "at": lines[-1]["time"]})
    assert late.result["lines"][-1] == lines[-1]
    assert len(late.result["lines"]) < 4


async def test_logs_without_times_are_named(call: Call, tmp_path: Path) -> None:
    made = await one_that_ended(call, "echo line", workers=2)
    (tmp_path / "submarine" / "runs" / made / "1" / "logs" / "worker-1" / "times.idx").unlink()
    answer = await call("GET", f"experiment/logs/{made}", params={"merged": "true"})
    assert [line["replica"] for line in answer.result["lines"]] == ["worker-0"]
    assert answer.envelope["attributes"]["untimed"] == [f"{made}-worker-1"]
    place = await call("GET", f"experiment/logs/{made}", params={"at": "1d"})
    assert [one["offset"] for one in place.result["replicas"]] == [0, None]
    assert place.envelope["attributes"] == {"next": "1.worker-0:0"}


REFUSED = [
    ({"at": ""}, "'at' must be a time."),
    ({"at": "noon"}, "'at' must be like 30s"),
    ({"at": "1d", "tail": "3"}, "Unknown parameter 'tail'"),
    ({"merged": "yes"}, "'merged' must be true or false"),
    ({"merged": "true", "tail": "3"}, "Unknown parameter 'tail'"),
    ({"merged": "true", "limit": "10001"}, "'limit' must be a whole number from 1 to 10000"),
    ({"merged": "true", "before": "1.", "after": "1."}, "only one can be given"),
    ({"merged": "true", "since": "1d", "after": "1."}, "'since' goes with 'before', or alone."),
    ({"merged": "true", "before": "2.", "attempt": "1"}, "'before' is a position in attempt 2, not in attempt 1."),
]


async def test_what_cannot_be_asked_for(call: Call) -> None:
    for params, why in REFUSED:
        answer = await call("GET", "experiment/logs/experiment-1-0001", params=params)
        assert (answer.code, why in answer.message) == (400, True), answer.message


async def test_what_is_not_there(call: Call) -> None:
    for params in ({"at": "1d"}, {"merged": "true"}):
        assert (await call("GET", "experiment/logs/experiment-1-0001", params=params)).code == 404
    made = await one_that_ended(call, "true")
    assert (await call("GET", f"experiment/logs/{made}", params={"merged": "true", "attempt": "2"})).code == 404
    assert (await call("GET", f"experiment/logs/{made}", params={"merged": "true"})).result["lines"] == []
