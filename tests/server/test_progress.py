"""How far a run is, from what its code prints to rows and details, through real processes, HTTP and a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from submarine_jupyter.client.answers import Progress
from tests.server.conftest import Call
from tests.server.test_stream import Open, rows_of, tab

__all__ = ["tab"]

CODE = """
import os, sys, time
from submarine_jupyter.tracking import progress
def wait(name):
    while not os.path.exists(os.path.join(sys.argv[1], name)):
        time.sleep(0.02)
sys.stderr.write("\\r 10%|#         | 1/10 [00:01<00:09,  1.00it/s]")
sys.stderr.flush()
wait("one")
for done in range(201):
    progress(done, 500)
wait("two")
"""


async def until(call: Call, name: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await call("GET", f"experiment/{name}", params={"view": "full"})).result
            if true(found):
                return found
            await asyncio.sleep(0.05)


def percent(row: dict[str, Any]) -> float | None:
    found: float | None = row.get("progress", {}).get("percent")
    return found


async def test_from_a_bar_to_a_row(call: Call, tab: Open, tmp_path: Path) -> None:
    meta = {"name": "moves", "framework": "Standalone", "cmd": f"python train.py {tmp_path}"}
    sent = {
        "meta": meta,
        "spec": {"Worker": {"resources": "cpu=10m"}},
        "code": {"syncMode": "inline", "files": {"train.py": CODE}},
    }
    one = await tab()
    await one.ask(op="rows", ch=1)
    made = (await call("POST", "experiment", sent)).result["experimentId"]
    frames = await one.until(lambda frame: percent(rows_of([frame]).get(made, {})) is not None)
    assert "progress" not in next(rows_of([frame])[made] for frame in frames if made in rows_of([frame]))
    row = rows_of(frames)[made]
    moved = row["progress"].pop("movedTime")
    assert row["progress"] == {"percent": 10.0, "etaSeconds": 9, "source": "tqdm"}
    detail = (await until(call, made, lambda _: True))["detail"]
    assert detail["progress"].pop("stalledSeconds") >= 0
    assert detail["progress"] == {"percent": 10.0, "etaSeconds": 9, "source": "tqdm", "movedTime": moved}
    (tmp_path / "one").touch()
    frames = await one.until(lambda frame: percent(rows_of([frame]).get(made, {})) == 40)
    assert rows_of(frames)[made]["progress"]["source"] == "tracking"
    [listed] = (await call("GET", "experiment", params={"view": "row"})).result
    assert listed == rows_of(frames)[made]
    (tmp_path / "two").touch()
    ended = await until(call, made, lambda found: found["status"] == "Succeeded")
    found = Progress.read(ended["detail"]["progress"])
    # It said 40 %, and no more.
    assert found == Progress(40.0, None, "tracking", "", None)
    assert str(found) == "40 %"
    plain = (await call("POST", "experiment", {**sent, "meta": {**meta, "cmd": "true"}})).result["experimentId"]
    ended = await until(call, plain, lambda found: found["status"] == "Succeeded")
    assert "progress" not in ended["detail"]
