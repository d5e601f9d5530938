"""Whatever a file of a run directory holds, only that experiment is set aside; it can be stopped and deleted."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.protocol import Launch
from tests.targets.local.bench import Bench, eventually, launch
from tests.targets.local.spoil import FILES, KINDS, spoil

CLOSE_S = 5.0


def file_of(bench: Bench, order: Launch, name: str) -> Path:
    folder = bench.folder(order)
    return (folder.parent if name == "experiment.json" else folder) / name


def nothing_runs(bench: Bench, order: Launch) -> bool:
    return bench.processes(order) == [] and bench.shims(order) == []


async def close(bench: Bench) -> None:
    """Close all targets, and see that nothing that hangs holds them up."""
    begun = time.monotonic()
    await bench.close()
    assert time.monotonic() - begun < CLOSE_S


@pytest.mark.parametrize("name", FILES)
async def test_what_runs(bench: Bench, name: str) -> None:
    """The next server finds it so, while another experiment runs on; everything comes to an end that is told."""
    first = await bench.target(cpus=40)
    victims = {kind: launch("exec sleep 600") for kind in KINDS}
    other = launch("while ! test -e go; do sleep 0.05; done; exit 3", tasks={"Worker": {"resources": "cpu=1"}})
    for order in (*victims.values(), other):
        await first.ensure(order)
    for order in (*victims.values(), other):
        await bench.status(order, Status.RUNNING)
    await close(bench)
    bench.seen.clear()
    for kind, order in victims.items():
        spoil(file_of(bench, order, name), kind)
    second = await bench.target(cpus=40)
    (bench.workspace(other) / "work/go").touch()
    end = await bench.end(other)
    assert end.replicas[0].exit_code == 3
    found = await second.inventory()
    assert {order.experiment_id for order in victims.values()} <= found.unknown | {
        item.experiment_id for item in found.found
    }
    for order in victims.values():
        assert not any(seen.status.final and seen.reason == "Unreadable" for seen in bench.of(order))
        await second.stop(order)
    for kind, order in victims.items():
        assert (await bench.end(order)).status == Status.FAILED, kind
        await eventually(partial(nothing_runs, bench, order), "it is ended")
        await second.delete(order.experiment_id, order.uid)
        await second.purge(order.experiment_id, order.uid)
        assert os.listdir(bench.folder(order).parent) == ["deleted"]
    capacity = await second.capacity()
    assert capacity["cpu"] == {"total": 40, "used": 0, "free": 40}
    await close(bench)


@pytest.mark.parametrize("name", FILES)
async def test_what_has_ended(bench: Bench, name: str) -> None:
    first = await bench.target(cpus=40)
    victims = {kind: launch("exit 4") for kind in KINDS}
    for order in victims.values():
        await first.ensure(order)
    for order in victims.values():
        await bench.end(order)
    await close(bench)
    bench.seen.clear()
    for kind, order in victims.items():
        (bench.folder(order) / "seen").unlink(missing_ok=True)
        spoil(file_of(bench, order, name), kind)
    second = await bench.target(cpus=4)
    other = launch("true", tasks={"Worker": {"resources": "cpu=4"}})
    await second.ensure(other)
    assert (await bench.end(other)).status == Status.SUCCEEDED
    for kind, order in victims.items():
        await second.stop(order)
        end = await bench.end(order)
        known = "ReplicaFailed" if name != "exit.json" else "SupervisorLost" if kind == "missing" else "Stopped"
        assert (end.status, end.reason) == ("Failed", known), kind
        if name == "exit.json" and kind != "missing":
            assert any(seen.reason == "Unreadable" and name in (seen.message or "") for seen in bench.of(order)), kind
    await close(bench)


@pytest.mark.parametrize("name", ["state.json", "exit.json", "started", "lock"])
async def test_its_owner_reads_what_is_wrong(bench: Bench, name: str) -> None:
    """A job that spoils its own supervision, under the eyes of the server."""
    target = await bench.target()
    order = launch("exec sleep 600")
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    spoil(bench.folder(order) / name, "fifo")
    if name == "lock":
        [shim] = bench.shims(order)
        spoil(bench.folder(order) / "started", "fifo")
        shim.kill()
    seen = await bench.until(order, lambda seen: seen.reason in ("Unreadable", "SupervisorLost"))
    assert seen.status == Status.RUNNING
    assert "cannot be read: it is not a regular file" in (seen.message or "")
    await target.stop(order)
    assert (await bench.end(order)).status == Status.FAILED
    assert bench.processes(order) == []


async def test_news_that_are_no_fifo(bench: Bench) -> None:
    (bench.data_dir / "runs").mkdir()
    (bench.data_dir / "runs/.news").write_text("copied")
    target = await bench.target()
    order = launch("true")
    await target.ensure(order)
    assert (await bench.end(order)).status == Status.SUCCEEDED


async def test_runs_that_cannot_be_listed(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    (bench.data_dir / "runs").rename(tmp_path / "away")
    with pytest.raises(TargetUnavailable, match="cannot be listed"):
        await target.inventory()
    (tmp_path / "away").rename(bench.data_dir / "runs")
    assert (await target.inventory()).found == ()
