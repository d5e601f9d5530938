"""Orders that come twice, late, to several targets at once, or to a server that has just started."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from submarine_jupyter.errors import TargetRefused
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local.rundir.folders import RunFolders
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.targets.protocol import Observation
from tests.targets.local.bench import Bench, eventually, launch, scaled


async def test_two_targets_start_it_once(bench: Bench, tmp_path: Path) -> None:
    for number in range(5):
        file = tmp_path / str(number)
        order = launch(f"echo $MASTER_PORT >> {file}; sleep 0.1", framework="PyTorch")
        first, second = await bench.target(), await bench.target()
        await asyncio.gather(first.ensure(order), second.ensure(order))
        await bench.end(order)
        plan = json.loads((bench.folder(order) / "plan.json").read_text())
        assert file.read_text() == f"{plan['replicas'][0]['ports'][0]}\n"
        await first.close()
        await second.close()


async def test_the_same_order_fifty_times(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    order = launch(f"echo run >> {tmp_path}/runs; sleep 0.2")
    await asyncio.gather(*(target.ensure(order) for _ in range(50)))
    await bench.end(order)
    await asyncio.gather(*(target.ensure(order) for _ in range(50)))
    assert (tmp_path / "runs").read_text() == "run\n"
    await eventually(lambda: bench.shims(order) == [], "all shims are gone")
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_what_waited_in_the_queue_waits_again(bench: Bench) -> None:
    first = await bench.target(cpus=1)
    one = {"Worker": {"resources": "cpu=1"}}
    running, waiting = launch("exec sleep 600", tasks=one), launch("echo at last", tasks=one)
    await first.ensure(running)
    await first.ensure(waiting)
    await first.close()
    second = await bench.target(cpus=1)
    assert (await second.capacity())["queued"] == [waiting.experiment_id]
    await second.stop(running)
    assert (await bench.end(waiting)).status == Status.SUCCEEDED


async def test_scaling_that_was_ordered_but_not_done(bench: Bench) -> None:
    first = await bench.target()
    order = launch("exec sleep 600")
    await first.ensure(order)
    await bench.status(order, Status.RUNNING)
    await first.close()
    RunFolders(bench.data_dir).experiment(order.experiment_id).write_launch(scaled(order, Worker=2))
    second = await bench.target()
    await bench.until(order, lambda seen: sum(r.status == "Running" for r in seen.replicas) == 2)
    await second.stop(order)
    await bench.end(order)


async def test_deleted_is_for_good(bench: Bench) -> None:
    target = await bench.target()
    order = launch("exec sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await target.delete(order.experiment_id, "another uid")
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    await target.delete(order.experiment_id, order.uid)
    await target.delete(order.experiment_id, order.uid)
    await eventually(lambda: bench.processes(order) == [], "it is ended")
    with pytest.raises(TargetRefused, match="was deleted"):
        await target.ensure(order)
    [found] = (await target.inventory()).found
    assert (found.deleted, found.launch) == (True, order)
    await target.close()
    again = await bench.target()
    assert not any(seen.status.final for seen in bench.of(order))
    await again.purge(order.experiment_id, "another uid")
    assert bench.folder(order).exists()


async def test_a_delete_that_was_interrupted_goes_on(bench: Bench) -> None:
    first = await bench.target()
    order = launch("exec sleep 600")
    await first.ensure(order)
    await bench.status(order, Status.RUNNING)
    await first.close()
    RunFolders(bench.data_dir).experiment(order.experiment_id).bury()
    await bench.target()
    await eventually(lambda: bench.processes(order) == [] and bench.shims(order) == [], "it is ended")


async def test_purge_leaves_nothing_but_a_tombstone(bench: Bench) -> None:
    target = await bench.target()
    order = launch("trap '' TERM; sleep 600; sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await target.purge(order.experiment_id, order.uid)
    assert bench.processes(order) == []
    tombstone = bench.folder(order).parent / "deleted"
    assert list(tombstone.parent.iterdir()) == [tombstone]
    [found] = (await target.inventory()).found
    assert (found.launch, found.buried, found.experiment_id) == (None, True, order.experiment_id)
    await target.purge(order.experiment_id, order.uid)
    os.utime(tombstone, (1, 1))  # no copy of the database is so old
    assert (await target.inventory()).found == ()
    assert not tombstone.parent.exists()


async def test_what_was_deleted_before_it_began_never_begins(bench: Bench) -> None:
    target = await bench.target()
    order = launch("exec sleep 600")
    await target.delete(order.experiment_id, order.uid)
    [found] = (await target.inventory()).found
    assert (found.launch, found.buried, found.experiment_id) == (None, True, order.experiment_id)
    with pytest.raises(TargetRefused, match="was deleted"):
        await target.ensure(order)
    assert bench.processes(order) == []


async def test_everything_can_be_rebuilt_from_the_inventory(bench: Bench) -> None:
    target = await bench.target()
    running = launch("exec sleep 600", runtime={"secrets": {"KEY": "value"}}, meta={"tags": ["a"]})
    ended = launch("exit 2")
    for order in (running, ended):
        await target.ensure(order)
    await bench.end(ended)
    await bench.status(running, Status.RUNNING)
    damaged = bench.data_dir / "runs/experiment-1-0001"
    damaged.mkdir()
    (damaged / "experiment.json").write_text("{")
    await target.close()
    other = LocalTarget(bench.data_dir, cpus=4)
    found = {item.experiment_id: item for item in (await other.inventory()).found}
    assert [found[order.experiment_id].launch == order for order in (running, ended)] == [True, True]
    [still, over] = [found[order.experiment_id].observation for order in (running, ended)]
    assert still is not None
    assert still.status == Status.RUNNING
    assert over is not None
    assert over.replicas[0].exit_code == 2
    await other.close()
    third = await bench.target()
    await third.stop(running)
    await bench.end(running)


async def test_a_new_attempt_replaces_the_old_one(bench: Bench) -> None:
    target = await bench.target(cpus=1)
    order = launch("exec sleep 600", tasks={"Worker": {"resources": "cpu=1"}})
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    again = replace(order, attempt=2, generation=2)
    await target.ensure(again)
    await bench.status(again, Status.RUNNING)
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    assert json.loads((bench.folder(order) / "exit.json").read_text())["reason"] == "Stopped"
    await target.ensure(order)  # a late order changes nothing
    await target.stop(again)
    assert (await bench.end(again)).reason == "Stopped"
    assert bench.processes(order) == []


async def test_a_name_that_belongs_to_another_experiment(bench: Bench) -> None:
    target = await bench.target()
    order = launch("true")
    await target.ensure(order)
    with pytest.raises(TargetRefused, match="NameConflict"):
        await target.ensure(replace(order, uid="another"))
    assert (await bench.end(order)).status == Status.SUCCEEDED


async def test_an_observation_that_could_not_be_stored_comes_again(bench: Bench) -> None:
    lost: list[Observation] = []
    stored: list[Observation] = []

    async def sink(observation: Observation) -> None:
        if observation.status.final and not lost:
            lost.append(observation)
            raise OSError("the database is away")
        stored.append(observation)

    target = LocalTarget(bench.data_dir, cpus=4)
    bench.targets.append(target)
    await target.start(sink, lambda: None)
    order = launch("true")
    await target.ensure(order)
    await eventually(lambda: any(seen.status.final for seen in stored), "the end is stored")
    assert lost


async def test_a_stop_for_what_was_never_started(bench: Bench) -> None:
    target = await bench.target()
    order = launch("true")
    await target.stop(order)
    assert (await bench.end(order)).reason == "Stopped"
    await target.ensure(order)
    assert bench.log(order) == b""


async def test_files_that_somebody_removed(bench: Bench, tmp_path: Path) -> None:
    """What nobody can see any more does not go on in the dark."""
    target = await bench.target(cpus=1)
    order = launch("exec sleep 600", tasks={"Worker": {"resources": "cpu=1"}})
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    bench.folder(order).parent.rename(tmp_path / "away")
    await eventually(lambda: bench.processes(order) == [] and bench.shims(order) == [], "it is ended")
    other = launch("true", tasks={"Worker": {"resources": "cpu=1"}})
    await target.ensure(other)
    assert (await bench.end(other)).status == Status.SUCCEEDED
