"""What the target says of a start, and what it then does, with real processes."""

from __future__ import annotations

import random

import pytest

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.protocol import Launch, Verdict
from tests.targets.local.bench import Bench, eventually, launch

SMALL = {"cpus": 2, "memory": 10**9}


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_said_is_what_happens(bench: Bench, seed: int) -> None:
    """Random experiments are submitted and ended; each starts at once, or waits, as it was said before."""
    chance = random.Random(seed)
    target = await bench.target(**SMALL)
    running: list[Launch] = []
    said: set[Verdict | None] = set()
    never: list[Launch] = []
    for _ in range(14):
        if running and chance.random() < 0.4:
            gone = running.pop(chance.randrange(len(running)))
            await target.stop(gone)
            await bench.end(gone)
        order = launch("exec sleep 600", tasks={"Worker": _task(chance)})
        found = await target.forecast(order)
        await target.ensure(order)
        said.add(found.verdict)
        if found.verdict is Verdict.NOW:
            await bench.status(order, Status.CREATED)
            running.append(order)
            assert target.place(order.experiment_id) is None
            continue
        if found.verdict is Verdict.NEVER:
            never.append(order)
        place = target.place(order.experiment_id)
        assert place == found
        assert place.ahead is not None
        assert (await target.capacity())["queued"] == [*place.ahead.ids, order.experiment_id]
        running.append(order)
    assert said == set(Verdict)
    assert not any(bench.processes(order) for order in never)
    for order in running:
        await target.delete(order.experiment_id, order.uid)
    await eventually(lambda: not any(map(bench.processes, running)), "all have ended")


def _task(chance: random.Random) -> dict[str, object]:
    memory = chance.choice(("", ",memory=200M", ",memory=600M"))
    return {"replicas": chance.randint(1, 2), "resources": f"cpu={chance.choice((200, 500, 1000))}m{memory}"}


async def test_what_would_start_now_starts(bench: Bench) -> None:
    target = await bench.target(**SMALL)
    first = launch("exec sleep 600", tasks={"Worker": {"resources": "cpu=1500m,memory=600M"}})
    await target.ensure(first)
    wanted = {"replicas": 2, "resources": "cpu=1,memory=300M"}
    found = await target.forecast(launch("exec sleep 600", tasks={"Worker": wanted}))
    assert (found.verdict, found.fits) == (Verdict.WAITS, "cpu=250m,memory=200M")
    second = launch("exec sleep 600", tasks={"Worker": {**wanted, "resources": found.fits}})
    assert (await target.forecast(second)).verdict is Verdict.NOW
    await target.ensure(second)
    await bench.status(second, Status.RUNNING)
    for order in (first, second):
        await target.stop(order)
        await bench.end(order)


async def test_what_waits_on_a_machine_that_is_smaller_now_never_starts(bench: Bench) -> None:
    target = await bench.target(**SMALL)
    first, order = (launch("exec sleep 600", tasks={"Worker": {"resources": "cpu=2"}}) for _ in range(2))
    await target.ensure(first)
    await target.ensure(order)
    await target.close()
    smaller = await bench.target(cpus=1, memory=10**9)
    found = smaller.place(order.experiment_id)
    assert found is not None
    assert (found.verdict, found.fits) == (Verdict.NEVER, None)
    for each in (first, order):
        await smaller.stop(each)
        await bench.end(each)
