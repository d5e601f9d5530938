"""An experiment has attempts; all that have not ended count, are stopped, and keep the next one waiting."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.targets.local.supervision import settling
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.targets.protocol import Launch, Observation
from tests.targets.local.bench import Bench, eventually, launch

ONE = {"Worker": {"resources": "cpu=1"}}


def newer(order: Launch, cmd: str) -> Launch:
    """Return the next attempt, which runs something else."""
    wire = order.spec.wire()
    wire["meta"]["cmd"] = cmd
    return replace(order, spec=ExperimentSpec.parse(wire), attempt=order.attempt + 1, generation=order.generation + 1)


def commands(bench: Bench, order: Launch) -> list[str]:
    """Return what the processes of an experiment run."""
    return sorted(" ".join(process.cmdline()) for process in bench.processes(order))


async def test_an_old_attempt_keeps_its_place_until_it_is_gone(bench: Bench) -> None:
    """On a full machine the next in the queue does not start beside it, and the new attempt goes on in its place."""
    target = await bench.target(cpus=1, grace_s=2.0)
    first = launch("trap '' TERM; while true; do sleep 0.1; done", tasks=ONE)
    queued = launch("exec sleep 600", tasks=ONE)
    await target.ensure(first)
    await bench.status(first, Status.RUNNING)
    await eventually(lambda: bench.processes(first) != [], "it runs")
    await target.ensure(queued)
    second = newer(first, "exec sleep 500")
    await target.ensure(second)
    waits = await bench.until(second, lambda seen: seen.reason == "Replacing")
    assert waits.message == "attempt 1 is being ended before this one starts"
    assert bench.processes(queued) == []
    await bench.status(second, Status.RUNNING)
    await eventually(lambda: commands(bench, second) == ["sleep 500"], "only the new attempt runs")
    assert bench.processes(queued) == []
    await target.stop(second)
    await bench.end(second)
    await bench.status(queued, Status.RUNNING)
    await target.delete(queued.experiment_id, queued.uid)
    await eventually(lambda: bench.processes(queued) == [], "it is ended")


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("way", ["stop", "delete"])
async def test_stop_and_delete_end_every_attempt(bench: Bench, way: str, restart: bool) -> None:
    target = await bench.target(cpus=1, grace_s=0.5)
    first = launch("trap '' TERM; while true; do sleep 0.1; done", tasks=ONE)
    await target.ensure(first)
    await bench.status(first, Status.RUNNING)
    second = newer(first, "exec sleep 500")
    await target.ensure(second)
    if restart:
        await target.close()
        target = await bench.target(cpus=1, grace_s=0.5)
    if way == "stop":
        await target.stop(second)
        assert (await bench.end(second)).reason == "Stopped"
        assert bench.processes(first) == []
    else:
        await target.delete(first.experiment_id, first.uid)
    await eventually(lambda: bench.processes(first) == [] and bench.shims(second) == [], "all is ended")
    await eventually(lambda: target._supervision.runs == {}, "nothing is left to care for")
    assert (await target.capacity())["cpu"]["used"] == 0  # type: ignore[index]


async def test_a_stop_for_an_attempt_that_was_never_heard_of(bench: Bench) -> None:
    """The order to begin it was replaced by the one to stop it."""
    target = await bench.target()
    first = launch("exec sleep 600")
    await target.ensure(first)
    await bench.status(first, Status.RUNNING)
    second = newer(first, "exec sleep 500")
    await target.stop(second)
    end = await bench.end(second)
    assert (end.attempt, end.reason) == (2, "Stopped")
    assert bench.processes(first) == []
    await target.ensure(second)
    assert bench.processes(second) == []


async def test_a_new_attempt_while_the_old_one_is_just_ending(bench: Bench) -> None:
    """Whoever is told of the end may take his time; an order that comes meanwhile is not lost."""
    telling, may_go_on = asyncio.Event(), asyncio.Event()
    seen: list[Observation] = []

    async def sink(observation: Observation) -> None:
        seen.append(observation)
        if observation.status.final and observation.attempt == 1:
            telling.set()
            await may_go_on.wait()

    target = LocalTarget(bench.data_dir, cpus=1)
    bench.targets.append(target)
    await target.start(sink, lambda: None)
    first = launch("true", tasks=ONE)
    await target.ensure(first)
    await asyncio.wait_for(telling.wait(), 30)
    second = newer(first, "echo again")
    ordered = asyncio.create_task(target.ensure(second))
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.wait_for(ordered, 30)
    await eventually(lambda: any(s.attempt == 2 and s.status is Status.SUCCEEDED for s in seen), "the second ends")
    assert bench.log(second) == b"again\n"


async def test_an_attempt_that_does_not_end_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs in the kernel, as far as this target can tell: SIGKILL reaches nobody."""
    monkeypatch.setattr(settling, "send", lambda *_: True)
    monkeypatch.setattr(settling, "PATIENCE_S", 0.5)
    monkeypatch.setattr(settling, "ONE_BEAT_S", 0.0)
    monkeypatch.setattr("submarine_jupyter_server.targets.local.supervision.report.PATIENCE_S", 0.5)
    target = await bench.target(cpus=1, grace_s=0.2)
    first = launch("exec sleep 600", tasks=ONE)
    await target.ensure(first)
    await bench.status(first, Status.RUNNING)
    [shim] = bench.shims(first)
    shim.suspend()
    second = newer(first, "exec sleep 500")
    await target.ensure(second)
    seen = await bench.until(second, lambda seen: seen.reason == "DoesNotEnd")
    assert (seen.message or "").startswith("attempt 1 does not end: ")
    begun = time.monotonic()
    with pytest.raises(TargetUnavailable, match="attempt 1 does not end"):
        await target.ensure(second)
    assert time.monotonic() - begun < 10
    assert commands(bench, first) == ["sleep 600"]
    assert (await target.capacity())["cpu"]["used"] == 1  # type: ignore[index]
    shim.resume()
    await bench.status(second, Status.RUNNING)
    await eventually(lambda: commands(bench, second) == ["sleep 500"], "only the new attempt runs")


steps = st.lists(
    st.sampled_from(["new attempt", "stop", "natural end", "restart", "delete", "wait"]), min_size=2, max_size=6
)


@given(steps=steps)
@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_in_any_order(steps: list[str], bench: Bench, jp_asyncio_loop: asyncio.AbstractEventLoop) -> None:
    """Every process belongs to the attempt that is told, nothing that ended has one, and the capacity is theirs."""
    jp_asyncio_loop.run_until_complete(_in_any_order(bench, steps))


async def _in_any_order(bench: Bench, steps: list[str]) -> None:
    target = await bench.target(cpus=2, grace_s=0.3)
    order = launch("while ! test -e go; do sleep 0.05; done", tasks=ONE)
    other = launch("exec sleep 600", tasks={"Worker": {"resources": "cpu=2"}})
    await target.ensure(order)
    await target.ensure(other)
    stopped = deleted = ended = False
    for step in steps:
        # After its end the other experiment has the machine, and a new attempt would wait for that.
        if step == "new attempt" and not (stopped or deleted or ended):
            order = newer(order, f"while ! test -e go; do sleep 0.0{order.attempt + 5}; done")
            await target.ensure(order)
        elif step == "stop" and not deleted:
            stopped = True
            await target.stop(order)
        elif step == "natural end":
            ended = True
            (bench.workspace(order) / "work").mkdir(parents=True, exist_ok=True)
            (bench.workspace(order) / "work/go").touch()
        elif step == "delete":
            deleted = True
            await target.delete(order.experiment_id, order.uid)
        elif step == "restart":
            await target.close()
            target = await bench.target(cpus=2, grace_s=0.3)
        else:
            await asyncio.sleep(0.1)
    if not deleted:
        (bench.workspace(order) / "work").mkdir(parents=True, exist_ok=True)
        (bench.workspace(order) / "work/go").touch()
        assert (await bench.end(order)).attempt == order.attempt
    await eventually(lambda: bench.processes(order) == [], "no process is left")
    await bench.status(other, Status.RUNNING)
    assert (await target.capacity())["cpu"]["used"] == 2  # type: ignore[index]
    await target.delete(other.experiment_id, other.uid)
    await eventually(lambda: bench.processes(other) == [] and target._supervision.runs == {}, "all is ended")
    assert (await target.capacity())["cpu"]["used"] == 0  # type: ignore[index]
    await target.close()
