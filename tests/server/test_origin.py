"""Where experiments come from, and the same cell run again, through real HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.conftest import Call, Response

ORIGIN = {"notebook": "work/Ünï train.ipynb", "cell": "c-1"}
MERGE = {"Content-Type": "application/merge-patch+json"}


def body(cmd: str = "sleep 60", origin: dict[str, Any] | None = ORIGIN, **meta: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "cell", "framework": "Standalone", "cmd": cmd, **meta},
        "spec": {"Worker": {"resources": "cpu=10m"}},
        **({"runtime": {"origin": origin}} if origin else {}),
    }


async def post(call: Call, sent: dict[str, Any], **headers: str) -> Response:
    return await call("POST", "experiment", sent, params={"ifNotRunning": "true"}, headers=headers)


def seen(answer: Response) -> tuple[str, bool]:
    """Return the id, and whether it was there already."""
    return answer.result["experimentId"], answer.envelope["attributes"].get("attached", False)


async def until(call: Call, name: str, *statuses: str) -> None:
    for _ in range(1200):
        if (await call("GET", f"experiment/{name}")).result["status"] in statuses:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} is not {statuses}")


async def test_experiments_of_a_notebook_are_listed(call: Call) -> None:
    first = (await call("POST", "experiment", body("true"))).result
    assert first["spec"]["runtime"] == {"origin": ORIGIN}
    other = (await call("POST", "experiment", body("true", {"notebook": "other.ipynb"}))).result
    assert other["spec"]["runtime"] == {"origin": {"notebook": "other.ipynb"}}
    plain = (await call("POST", "experiment", body("true", None))).result

    async def found(notebook: str) -> list[str]:
        answer = await call("GET", "experiment", params={"notebook": notebook})
        return [item["experimentId"] for item in answer.result]

    assert await found(ORIGIN["notebook"]) == [first["experimentId"]]
    assert await found("other.ipynb") == [other["experimentId"]]
    assert await found("none.ipynb") == []
    # Where something comes from is nothing that runs: it may be said later, and starts nothing anew.
    change = {"runtime": {"origin": {"notebook": "other.ipynb", "cell": "x"}}}
    for name in (plain["experimentId"], first["experimentId"]):
        answer = await call("PATCH", f"experiment/{name}", change, headers=MERGE, params={"view": "full"})
        assert answer.result["detail"]["attempt"] == 1
    assert await found("other.ipynb") == [plain["experimentId"], other["experimentId"], first["experimentId"]]


async def test_the_same_cell_attaches_while_it_runs(call: Call) -> None:
    name, attached = seen(await post(call, body()))
    assert not attached
    for _ in range(2):
        assert seen(await post(call, body())) == (name, True)
    await until(call, name, "Running")
    answer = await post(call, body())
    assert (seen(answer), answer.result["status"]) == ((name, True), "Running")
    # Scaled, or with another name, it is still what the cell asks for.
    await call(
        "PATCH", f"experiment/{name}", {"spec": {"Worker": {"replicas": 2}}, "meta": {"name": "new"}}, headers=MERGE
    )
    assert seen(await post(call, body())) == (name, True)
    others = [body("sleep 61"), body(origin={**ORIGIN, "cell": "c-2"}), body(origin={**ORIGIN, "notebook": "b.ipynb"})]
    made = [seen(await post(call, other)) for other in others]
    assert len({name, *(one for one, _ in made)}) == 4
    assert not any(attached for _, attached in made)
    # Who does not ask for it gets another one.
    another = (await call("POST", "experiment", body())).result["experimentId"]
    assert another != name
    await call("DELETE", f"experiment/{another}")
    # What is stopped, has ended or runs something else by now is not what the cell asks for.
    await call("POST", f"experiment/{name}/stop")
    second, attached = seen(await post(call, body()))
    assert (attached, second == name) == (False, False)
    await call("PATCH", f"experiment/{second}", {"meta": {"cmd": "sleep 62"}}, headers=MERGE)
    third, attached = seen(await post(call, body()))
    assert not attached
    assert seen(await post(call, body())) == (third, True)
    await call("DELETE", f"experiment/{third}")
    assert not seen(await post(call, body()))[1]


async def test_many_at_once_make_one(call: Call) -> None:
    answers = await asyncio.gather(*(post(call, body()) for _ in range(8)))
    found = [seen(answer) for answer in answers]
    assert len({name for name, _ in found}) == 1
    assert sorted(attached for _, attached in found) == [False, *[True] * 7]
    assert len((await call("GET", "experiment")).result) == 1


async def test_a_key_says_the_same_again(call: Call) -> None:
    name, _ = seen(await post(call, body()))
    first = await post(call, body(), **{"Idempotency-Key": "again"})
    assert seen(first) == (name, True)
    await call("POST", f"experiment/{name}/stop")
    await until(call, name, "Failed")
    second = await post(call, body(), **{"Idempotency-Key": "again"})
    assert second.result == first.result
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (await post(call, body("true"), **{"Idempotency-Key": "again"})).code == 422


@pytest.mark.parametrize(
    ("origin", "problem"),
    [
        (None, "runtime.origin: ifNotRunning needs the notebook and the cell"),
        ({"notebook": "a.ipynb"}, "ifNotRunning needs the notebook and the cell"),
        ({"cell": "x"}, "runtime.origin.notebook: Field required"),
        ({"notebook": "", "cell": "x"}, "runtime.origin.notebook: "),
        ({"notebook": "a\nb", "cell": "x"}, "runtime.origin.notebook: must be printable text"),
        ({"notebook": "a" * 1025, "cell": "x"}, "runtime.origin.notebook: "),
        ({"notebook": "a", "cell": "x" * 256}, "runtime.origin.cell: "),
        ({"notebook": "a", "kernel": "x"}, "runtime.origin.kernel: unknown field"),
    ],
)
async def test_an_origin_that_is_none_is_named(call: Call, origin: Any, problem: str) -> None:
    answer = await post(call, body(origin=origin))
    assert (answer.code, problem in answer.message) == (400, True), answer.message
    assert (await call("GET", "experiment")).result == []
