"""The queue, and more or fewer replicas while an experiment runs."""

from __future__ import annotations

from submarine_jupyter.models import Status
from tests.targets.local.bench import Bench, eventually, launch, scaled

WORKERS = {"replicas": 2, "resources": "cpu=1"}


async def test_all_replicas_wait_together(bench: Bench) -> None:
    target = await bench.target(cpus=3)
    first = launch("exec sleep 600", tasks={"Worker": WORKERS})
    second = launch("echo mine", tasks={"Worker": WORKERS})
    third = launch("echo small", tasks={"Worker": {"resources": "cpu=1"}})
    for order in (first, second, third):
        await target.ensure(order)
    await bench.end(third)  # it fits beside the first, and does not wait for the second
    waits = await bench.until(second, lambda seen: seen.reason == "Queued")
    assert waits.status == Status.ACCEPTED
    assert waits.message is not None
    assert waits.message.startswith("waiting for ")
    assert waits.message.endswith("position 1 in the queue")
    assert first.experiment_id in waits.message
    assert [replica.status for replica in waits.replicas] == ["Waiting", "Waiting"]
    capacity = await target.capacity()
    assert capacity["cpu"] == {"total": 3, "used": 2, "free": 1}
    assert capacity["queued"] == [second.experiment_id]
    await target.stop(first)
    assert (await bench.end(second)).status == Status.SUCCEEDED
    assert (await target.capacity())["queued"] == []


async def test_what_waits_can_be_stopped(bench: Bench) -> None:
    target = await bench.target(cpus=1)
    first, second = launch("exec sleep 600"), launch("echo never", tasks={"Worker": {"resources": "cpu=1"}})
    await target.ensure(first)
    await target.ensure(second)
    await target.stop(second)
    end = await bench.end(second)
    assert (end.status, end.reason, end.replicas[0].status) == ("Failed", "Stopped", "Stopped")
    assert bench.log(second) == b""
    await target.stop(first)
    await bench.end(first)


async def test_scale_up_and_down(bench: Bench) -> None:
    target = await bench.target(cpus=4)
    order = launch("echo $RANK of $WORLD_SIZE; exec sleep 600", tasks={"Worker": WORKERS})
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await eventually(lambda: len(bench.processes(order)) == 2, "two processes")
    before = {process.pid for process in bench.processes(order)}
    up = scaled(order, Worker=4)
    await target.ensure(up)
    await target.ensure(up)
    await bench.until(order, lambda seen: sum(r.status == "Running" for r in seen.replicas) == 4)
    await eventually(lambda: before < {process.pid for process in bench.processes(order)}, "the first two go on")
    await eventually(lambda: bench.log(order, "worker-3") == b"3 of 4\n", "the new one knows its rank")
    down = scaled(up, Worker=1)
    await target.ensure(down)
    seen = await bench.until(order, lambda seen: sum(r.status == "Running" for r in seen.replicas) == 1)
    assert {r.name: r.reason for r in seen.replicas if r.status == "Stopped"} == {
        f"worker-{i}": "ScaledDown" for i in (1, 2, 3)
    }
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    assert (await target.capacity())["cpu"] == {"total": 4, "used": 1, "free": 3}
    again = scaled(down, Worker=2)
    await target.ensure(again)
    await eventually(lambda: bench.log(order, "worker-1") == b"1 of 2\n1 of 2\n", "the second life of worker-1")
    await target.stop(again)
    await bench.end(order)


async def test_more_replicas_wait_while_the_others_run(bench: Bench) -> None:
    target = await bench.target(cpus=3)
    other = launch("exec sleep 600", tasks={"Worker": {"resources": "cpu=1"}})
    order = launch("exec sleep 600", tasks={"Worker": {"replicas": 1, "resources": "cpu=1"}})
    await target.ensure(other)
    await target.ensure(order)
    await target.ensure(scaled(order, Worker=3))
    seen = await bench.until(order, lambda seen: seen.reason == "Queued")
    assert seen.status == Status.RUNNING
    assert seen.message is not None
    assert seen.message.startswith("more replicas: waiting for 1 of 2 cpu")
    assert [replica.status for replica in seen.replicas] == ["Running", "Waiting", "Waiting"]
    await target.stop(other)
    await bench.until(order, lambda seen: sum(r.status == "Running" for r in seen.replicas) == 3)
    await target.stop(order)
    await bench.end(order)


async def test_success_after_scaling_down(bench: Bench) -> None:
    """Who was sent home does not count."""
    target = await bench.target()
    order = launch(
        "[ $RANK = 0 ] && { while ! test -e ../ready; do sleep 0.02; done; exit 0; }; exec sleep 600",
        tasks={"Worker": WORKERS},
    )
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await target.ensure(scaled(order, Worker=1))
    await bench.until(order, lambda seen: any(r.status == "Stopped" for r in seen.replicas))
    (bench.workspace(order) / "ready").touch()
    assert (await bench.end(order)).status == Status.SUCCEEDED
