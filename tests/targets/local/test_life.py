"""From start to end: exit codes, signals, reasons, and the order of what is observed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidSpec, TargetRefused
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local.target import LocalTarget
from tests.targets.local.bench import Bench, eventually, launch

ONE = {"replicas": 1, "resources": "cpu=100m"}
TWO = {"replicas": 2, "resources": "cpu=100m"}


async def test_success_is_seen_in_order(bench: Bench) -> None:
    target = await bench.target()
    order = launch("echo hello", tasks={"Worker": TWO})
    await target.ensure(order)
    end = await bench.end(order)
    assert list(dict.fromkeys(seen.status for seen in bench.of(order))) == ["Created", "Running", "Succeeded"]
    assert [(r.name, r.status, r.exit_code) for r in end.replicas] == [
        ("worker-0", "Succeeded", 0),
        ("worker-1", "Succeeded", 0),
    ]
    times = [order.accepted_ms, end.created_ms, end.running_ms, end.finished_ms]
    assert times == sorted(times, key=lambda at: at or 0)
    assert bench.log(order) == bench.log(order, "worker-1") == b"hello\n"


async def test_exit_code_and_last_lines_are_the_reason(bench: Bench) -> None:
    target = await bench.target()
    order = launch("for i in $(seq 30); do echo line $i; done; printf '10%%\\r90%%'; exit 3")
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, end.reason, end.replicas[0].exit_code) == ("Failed", "ReplicaFailed", 3)
    assert end.message is not None
    first, *lines = end.message.splitlines()
    assert first == "worker-0 failed with exit code 3; last lines:"
    assert lines == [f"line {i}" for i in range(12, 31)] + ["90%"]


async def test_a_signal_is_named(bench: Bench) -> None:
    target = await bench.target()
    order = launch("kill -SEGV $$")
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.replicas[0].signal, end.replicas[0].exit_code) == ("SIGSEGV", None)
    assert end.message == "worker-0 was killed by SIGSEGV; it wrote nothing"


async def test_a_command_that_is_not_there(bench: Bench) -> None:
    target = await bench.target()
    order = launch("no-such-program --help")
    await target.ensure(order)
    end = await bench.end(order)
    assert end.replicas[0].exit_code == 127
    assert end.message is not None
    assert "cannot run 'no-such-program'" in end.message


async def test_a_path_that_was_replaced(bench: Bench) -> None:
    target = await bench.target()
    order = launch("no-such-program", meta={"envVars": {"PATH": "/opt/bin"}})
    await target.ensure(order)
    assert "PATH was set to '/opt/bin' by envVars" in ((await bench.end(order)).message or "")


async def test_one_failed_worker_ends_all(bench: Bench) -> None:
    target = await bench.target()
    order = launch("[ $RANK = 0 ] && sleep 600; exit 4", tasks={"Worker": TWO})
    await target.ensure(order)
    end = await bench.end(order)
    assert [(r.status, r.exit_code, r.signal) for r in end.replicas] == [
        ("Stopped", None, "SIGTERM"),
        ("Failed", 4, None),
    ]
    assert bench.processes(order) == []


async def test_parameter_servers_end_with_the_workers(bench: Bench) -> None:
    target = await bench.target()
    command = "if [ $SUBMARINE_REPLICA_TYPE = Ps ]; then exec sleep 600; fi; echo $TF_CONFIG"
    order = launch(command, framework="TensorFlow", tasks={"Ps": ONE, "Worker": TWO})
    await target.ensure(order)
    end = await bench.end(order)
    assert end.status == Status.SUCCEEDED
    assert {r.name: r.status for r in end.replicas} == {
        "ps-0": "Stopped",
        "worker-0": "Succeeded",
        "worker-1": "Succeeded",
    }
    config = json.loads(bench.log(order, "worker-1"))
    assert config["task"] == {"type": "worker", "index": 1}
    assert len({*config["cluster"]["ps"], *config["cluster"]["worker"]}) == 3


async def test_a_parameter_server_that_fails_fails_all(bench: Bench) -> None:
    target = await bench.target()
    command = "if [ $SUBMARINE_REPLICA_TYPE = Ps ]; then exit 9; fi; exec sleep 600"
    order = launch(command, framework="TensorFlow", tasks={"Ps": ONE, "Worker": ONE})
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, end.message) == ("Failed", "ps-0 failed with exit code 9; it wrote nothing")


async def test_workers_may_finish_after_their_master(bench: Bench) -> None:
    target = await bench.target()
    command = "if [ $RANK = 0 ]; then exit 0; fi; sleep 0.5; echo last words"
    order = launch(command, framework="PyTorch", tasks={"Master": ONE, "Worker": ONE})
    await target.ensure(order)
    end = await bench.end(order)
    assert [r.status for r in end.replicas] == ["Succeeded", "Succeeded"]
    assert bench.log(order) == b"last words\n"


async def test_all_workers_count_if_asked_for(bench: Bench) -> None:
    target = await bench.target()
    command = "if [ $RANK = 0 ]; then exit 0; fi; sleep 0.2; exit 1"
    runtime = {"successPolicy": "AllWorkers"}
    order = launch(command, framework="PyTorch", tasks={"Master": ONE, "Worker": ONE}, runtime=runtime)
    await target.ensure(order)
    assert (await bench.end(order)).status == Status.FAILED


async def test_retries(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    mark = tmp_path / "mark"
    order = launch(f"echo try; test -e {mark} || {{ touch {mark}; exit 1; }}", runtime={"retries": 1})
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, end.replicas[0].restarts) == ("Succeeded", 1)
    assert bench.log(order) == b"try\ntry\n"


async def test_a_stop_while_it_waits_for_its_next_try(bench: Bench) -> None:
    target = await bench.target()
    order = launch("echo try; exit 1", runtime={"retries": 9})
    await target.ensure(order)
    seen = await bench.until(order, lambda seen: any(replica.restarts == 2 for replica in seen.replicas))
    assert (seen.replicas[0].status, seen.replicas[0].reason) == ("Waiting", "Restarting")
    assert (seen.replicas[0].message or "").endswith("start 3 of 10 in 2 s")
    await target.stop(order)
    end = await bench.end(order)
    assert (end.reason, end.replicas[0].status) == ("Stopped", "Stopped")
    assert bench.log(order) == b"try\ntry\n"


async def test_deadline(bench: Bench) -> None:
    target = await bench.target()
    order = launch("sleep 600", runtime={"maxRunTime": 1})
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, end.reason) == ("Failed", "DeadlineExceeded")
    assert bench.processes(order) == []


async def test_out_of_memory(bench: Bench) -> None:
    target = await bench.target()
    hog = f"{sys.executable} -c 'import time; x = bytearray(10**8); time.sleep(600)'"
    order = launch(f"{hog} & wait", tasks={"Worker": {"resources": "cpu=100m,memory=64M"}})
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.reason, end.replicas[0].signal) == ("OOMKilled", "SIGKILL")
    said = r"worker-0 ran out of memory: it used 1\d\dM of its 64M; ask for more memory"
    assert re.fullmatch(said, end.message or "")
    assert bench.processes(order) == []


async def test_a_job_in_the_background_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    order = launch(f"(until test -e {tmp_path}/go; do sleep 0.05; done; touch {tmp_path}/model) &> /dev/null &")
    await target.ensure(order)
    seen = await bench.until(order, lambda seen: seen.reason == "InBackground" and seen.message is not None)
    assert (seen.status, seen.replicas[0].status) == ("Running", "Running")
    (tmp_path / "go").touch()
    assert (await bench.end(order)).status == Status.SUCCEEDED
    assert (tmp_path / "model").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="daemons are found on Linux only")
async def test_a_daemon_that_was_ended_is_a_note(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    order = launch(f"setsid sh -c 'touch {tmp_path}/up; sleep 600; true' & until test -e {tmp_path}/up; do :; done")
    await target.ensure(order)
    end = await bench.end(order)
    assert end.status == Status.SUCCEEDED
    assert "local: worker-0: 1 process that it left running was ended" in end.notes


async def test_stop_keeps_what_there_is(bench: Bench) -> None:
    target = await bench.target()
    order = launch("echo begun; exec sleep 600")
    await target.ensure(order)
    await eventually(lambda: bench.log(order) == b"begun\n", "first line")
    await target.stop(order)
    end = await bench.end(order)
    assert (end.status, end.reason, end.replicas[0].status) == ("Failed", "Stopped", "Stopped")
    await target.stop(order)
    assert bench.log(order) == b"begun\n"


async def test_what_replicas_find(bench: Bench, tmp_path: Path) -> None:
    secrets = {"JUPYTER_TOKEN": "s", "JUPYTERHUB_API_TOKEN": "s", "JPY_SESSION_NAME": "s", "SUBMARINE_TOKEN": "s"}
    target = await bench.target(environ={"PATH": "/usr/bin:/bin", "KEPT": "yes", **secrets})
    order = launch(
        "env; pwd; which python; cat $CODE_PATH/lib/a.py",
        code={"syncMode": "inline", "files": {"lib/a.py": "x = 'ü'"}},
        meta={"envVars": {"OWN": "1"}},
        runtime={"secrets": {"API_KEY": "k"}},
    )
    await target.ensure(order)
    await bench.end(order)
    text = bench.log(order).decode()
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0].isupper())
    assert not secrets.keys() & found.keys()
    assert (found["KEPT"], found["OWN"], found["API_KEY"]) == ("yes", "1", "k")
    assert text.endswith(f"{bench.workspace(order)}/code\n{Path(sys.executable).parent}/python\nx = 'ü'")
    assert (bench.folder(order) / "plan.json").stat().st_mode & 0o077 == 0
    assert bench.data_dir.joinpath("runs").stat().st_mode & 0o077 == 0


async def test_a_job_that_clears_the_folders_above_its_own(bench: Bench) -> None:
    """What it removes is its own: no line of its log, and nothing that its supervision needs."""
    target = await bench.target()
    order = launch("echo one; rm -rf ../../../* ../../* ../*; echo two; exit 3")
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.reason, end.replicas[0].exit_code) == ("ReplicaFailed", 3)
    assert bench.log(order) == b"one\ntwo\n"


async def test_the_workspace_is_private_and_purged(bench: Bench) -> None:
    target = await bench.target()
    order = launch("pwd", code={"syncMode": "inline", "files": {"lib/a.py": ""}})
    await target.ensure(order)
    await bench.end(order)
    folder = bench.workspace(order)
    assert bench.log(order).decode() == f"{folder}/code\n"
    for path in (folder.parent.parent, folder.parent, folder, folder / "code", folder / "code/lib"):
        assert path.stat().st_mode & 0o077 == 0, path
    await target.purge(order.experiment_id, order.uid)
    assert not folder.parent.exists()


async def test_no_secret_in_any_argument_list(bench: Bench) -> None:
    target = await bench.target()
    order = launch("sleep 600", runtime={"secrets": {"API_KEY": "canary-5151"}})
    await target.ensure(order)
    await bench.status(order, Status.RUNNING)
    await eventually(lambda: len(bench.processes(order)) == 1, "one process")
    words = [word for process in (*bench.shims(order), *bench.processes(order)) for word in process.cmdline()]
    assert words
    assert not any("canary-5151" in word for word in words)
    await target.stop(order)
    await bench.end(order)


async def test_working_dir(bench: Bench, tmp_path: Path) -> None:
    target = await bench.target()
    order = launch("pwd", runtime={"workingDir": str(tmp_path)})
    await target.ensure(order)
    await bench.end(order)
    assert bench.log(order).decode().strip() == str(tmp_path)
    refused = launch("pwd", runtime={"workingDir": f"{tmp_path}/nowhere"})
    with pytest.raises(TargetRefused, match="there is no folder"):
        await target.ensure(refused)
    assert not bench.folder(refused).parent.exists()


async def test_what_has_no_meaning_here_is_said(bench: Bench) -> None:
    target = await bench.target()
    order = launch("true", environment={"image": "tf:1"}, runtime={"queue": "q"})
    await target.ensure(order)
    end = await bench.end(order)
    assert end.notes == (
        "local: environment.image 'tf:1' has no meaning here: the interpreter of the server ran it",
        "local: runtime.queue has no meaning here",
    )


@pytest.mark.parametrize(
    ("task", "more", "problem"),
    [
        ({"replicas": 5, "resources": "cpu=1"}, {}, "need cpu=5, this machine has cpu=4"),
        ({"resources": "memory=1Ti"}, {}, "memory=1Ti, this machine has memory=1Gi for"),
        ({"resources": "nvidia.com/gpu=1"}, {}, "no nvidia.com/gpu to give"),
        ({}, {"code": {"git": {"url": "https://example.org/x.git"}}}, "code.git: not supported"),
        ({"cmd": "python 'x"}, {}, "quotation mark is not closed"),
    ],
)
def test_what_can_never_run_is_refused(
    tmp_path: Path, task: dict[str, object], more: dict[str, Any], problem: str
) -> None:
    target = LocalTarget(tmp_path, cpus=4, memory=2**30)
    with pytest.raises(InvalidSpec, match=problem):
        target.check(launch("true", tasks={"Worker": task}, **more).spec)


async def test_the_plan_can_be_shown(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path, cpus=4, environ={"PATH": "/bin"})
    shown = await target.render(launch("python a.py", framework="PyTorch", tasks={"Master": ONE, "Worker": ONE}))
    assert [(replica["name"], replica["argv"]) for replica in shown] == [
        ("master-0", ["python", "a.py"]),
        ("worker-0", ["python", "a.py"]),
    ]
    assert json.dumps(shown)
    assert not (tmp_path / "runs").exists()
