"""What happens to experiments when the server, the shim or the machine dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.models import Status
from submarine_jupyter_server.process.failpoints import SHIM_NAMES
from submarine_jupyter_server.targets.protocol import Launch
from tests.targets.local.bench import Bench, eventually, launch
from tests.targets.local.shim.attempt import lives

SERVE = Path(__file__).with_name("serve.py")
SERVER_NAMES = ("rundir_created", "plan_written", "shim_spawn_before", "shim_spawn_after")


def serve(bench: Bench, order: Launch, failpoint: str = "") -> subprocess.Popen[str]:
    """Start a server in a process of its own that gives an order; return it once it has, or died on the way."""
    server = subprocess.Popen(
        [sys.executable, str(SERVE), str(bench.data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "SUBMARINE_FAILPOINT": failpoint},
        start_new_session=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(asdict(replace(order, spec=None)) | {"spec": order.spec.wire()}))  # type: ignore[arg-type]
    server.stdin.close()
    server.stdout.readline()
    server.stdout.close()
    return server


def kill_group(server: subprocess.Popen[str]) -> None:
    """Kill a server and all processes of its group, as an out-of-memory killer or a closed terminal would."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def edit(path: Path, **values: Any) -> None:
    """Change values in a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


async def test_a_killed_server_loses_nothing(bench: Bench) -> None:
    order = launch("for i in 1 2 3 4; do echo line $i; sleep 0.2; done; exit 7")
    server = await asyncio.to_thread(serve, bench, order)
    kill_group(server)
    await bench.target()
    end = await bench.end(order)
    assert end.replicas[0].exit_code == 7
    assert bench.log(order) == b"line 1\nline 2\nline 3\nline 4\n"
    assert [seen.status for seen in bench.of(order)][-2:] == ["Running", "Failed"]


async def test_what_ends_while_nobody_looks_is_told_once(bench: Bench) -> None:
    order = launch("echo done; exit 7")
    server = await asyncio.to_thread(serve, bench, order)
    kill_group(server)
    await eventually(lambda: (bench.folder(order) / "exit.json").exists(), "the end")
    (bench.folder(order) / "seen").unlink(missing_ok=True)  # the killed server may just have been told
    first = await bench.target()
    assert (await bench.end(order)).replicas[0].exit_code == 7
    await first.close()
    count = len(bench.seen)
    await bench.target()
    assert len(bench.seen) == count


@pytest.mark.parametrize("failpoint", [*SERVER_NAMES, *SHIM_NAMES])
async def test_death_at_any_point_starts_nothing_twice(bench: Bench, tmp_path: Path, failpoint: str) -> None:
    """The server dies with it at the same moment; the next one brings every experiment to one end."""
    runs = tmp_path / "runs.txt"
    order = launch(f"echo run >> {runs}; sleep 0.3")
    server = await asyncio.to_thread(serve, bench, order, f"{failpoint}:kill")
    if failpoint in SHIM_NAMES:
        await eventually(lambda: bench.shims(order) == [] or failpoint == "shim_spawned", "the shim died")
        kill_group(server)
        (bench.folder(order) / "seen").unlink(missing_ok=True)  # it may have seen the end before its own
    assert server.wait() in (137, -signal.SIGKILL)
    target = await bench.target()
    end = await bench.end(order)
    times = runs.read_text().count("run") if runs.exists() else 0
    if failpoint in ("shim_started", "shim_running", "shim_exit_before"):
        assert (end.status, end.reason) == ("Failed", "SupervisorLost")
        assert times <= 1
    else:
        assert (end.status, times) == ("Succeeded", 1)
    await target.ensure(order)
    assert (runs.read_text().count("run") if runs.exists() else 0) == times
    assert bench.processes(order) == []
    await eventually(lambda: bench.shims(order) == [], "all shims are gone")


async def test_a_killed_shim_leaves_no_orphans(bench: Bench) -> None:
    target = await bench.target()
    order = launch("echo begun; setsid -f sleep 600; (trap '' TERM; sleep 600; true) & sleep 600; true")
    await target.ensure(order)
    await eventually(lambda: len(bench.processes(order)) >= 5, "all run")
    innocent = await asyncio.create_subprocess_exec(
        "sleep", "600", env={"SUBMARINE_JUPYTER_REPLICA": "another/1/worker-0", "PATH": os.defpath}
    )
    [shim] = bench.shims(order)
    shim.kill()
    end = await bench.end(order)
    assert (end.status, end.reason, end.replicas[0].status) == ("Failed", "SupervisorLost", "Failed")
    assert end.message is not None
    assert end.message.startswith("its supervisor died; ")
    assert bench.processes(order) == []
    assert (bench.folder(order) / "logs/worker-0/ended").exists()
    assert bench.log(order) == b"begun\n"
    assert innocent.returncode is None
    innocent.kill()
    await innocent.wait()

    async def is_idle() -> bool:
        return (await target.capacity())["running"] == 0

    await eventually(is_idle, "its place is free, some moments after its end was reported")


async def test_a_killed_shim_leaves_no_daemon_that_hides(bench: Bench) -> None:
    """Without the mark in its environment, it is known from what its supervisor had written down."""
    target = await bench.target()
    order = launch("setsid env -i sh -c 'echo $$; exec sleep 600' & exec sleep 600")
    await target.ensure(order)
    await eventually(lambda: bench.log(order).strip().isdigit(), "the daemon says who it is")
    pid = int(bench.log(order))
    state = bench.folder(order) / "state.json"
    await eventually(lambda: pid in dict(json.loads(state.read_text())["descendants"]), "it is known")
    [shim] = bench.shims(order)
    shim.kill()
    assert (await bench.end(order)).reason == "SupervisorLost"
    assert not lives(pid)


async def test_after_a_reboot_nothing_is_signalled(bench: Bench) -> None:
    first = await bench.target()
    order = launch("exec sleep 600")
    await first.ensure(order)
    await bench.status(order, Status.RUNNING)
    await first.close()
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    [shim], [process] = bench.shims(order), bench.processes(order)
    shim.suspend()
    edit(bench.folder(order) / "started", boot_id="another")
    (bench.folder(order) / "lock").unlink()  # a lock does not survive a boot
    await bench.target()
    end = await bench.end(order)
    assert (end.status, end.reason) == ("Failed", "HostRebooted")
    assert process.is_running()
    process.kill()
    shim.kill()


async def test_what_runs_on_another_machine_is_left_alone(bench: Bench) -> None:
    first = await bench.target()
    order = launch("exec sleep 600")
    await first.ensure(order)
    await bench.status(order, Status.RUNNING)
    await first.close()
    edit(bench.folder(order) / "started", boot_id="another", hostname="far-away")
    second = await bench.target()
    seen = await bench.until(order, lambda seen: seen.reason == "UnknownHere")
    assert seen.status == Status.RUNNING
    assert seen.message is not None
    assert "started on far-away" in seen.message
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    await second.stop(order)  # its own shim sees the order in the shared folder
    assert (await bench.end(order)).reason == "Stopped"
