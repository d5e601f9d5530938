"""Whatever the files of an attempt hold, reading them says so, and what is observed can be stored."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.targets.local.attempts.attempt_status import AttemptStatus, Life, ended, inspect, observe
from submarine_jupyter_server.targets.local.run import AttemptRun, Run
from submarine_jupyter_server.targets.local.rundir import contents
from submarine_jupyter_server.targets.local.rundir.files import Unreadable, read_json
from submarine_jupyter_server.targets.local.rundir.folders import Attempt, RunFolders
from submarine_jupyter_server.targets.local.shim.processes.identity import here
from submarine_jupyter_server.targets.local.supervision.adoption import adopt
from submarine_jupyter_server.targets.local.supervision.report import report
from tests.targets.local.bench import launch

HERE = {**here(1), "hostname": "me", "machine_id": "m"}
REPLICA = {
    "name": "worker-0", "role": "Worker", "index": 0, "status": "Running", "exit_code": None, "signal": None,
    "reason": None, "message": None, "pid": 2**30, "ticks": 1, "restarts": 0, "started_ms": 1, "finished_ms": None,
}  # fmt: skip
STATE = {
    "experiment_id": "experiment-1-0001", "uid": "u", "attempt": 1, "generation": 1, "status": "Running",
    "reason": None, "message": None, "created_ms": 1, "running_ms": 1, "finished_ms": None, "replicas": [REPLICA],
    "descendants": [[2**30, 1]], "notes": [],
}  # fmt: skip
ITEM = {
    "name": "worker-0", "role": "Worker", "index": 0, "incarnation": 1, "duty": "worker", "argv": ["true"], "env": {},
    "cwd": "/", "cpu": 1, "memory_bytes": None, "memory": None, "ports": [], "held_ports": [],
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "started": {**HERE, "pid": 2**30, "ticks": 1},
    "state.json": STATE,
    "exit.json": STATE | {"status": "Failed", "finished_ms": 2},
    "plan.json": {name: STATE[name] for name in ("experiment_id", "uid", "attempt", "generation")}
    | {"replicas": [ITEM], "stop": None, "grace_s": 1.0},
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def changed(draw: st.DrawFn) -> dict[str, bytes]:
    """Return good files of which one or two have another value somewhere, or none, or are no JSON at all."""
    found = {name: json.loads(json.dumps(data)) for name, data in GOOD.items()}
    for name in draw(st.lists(st.sampled_from(list(GOOD)), max_size=2, unique=True)):
        data = found[name]
        if "replicas" in data and draw(st.booleans()):
            data = data["replicas"][0]
        key = draw(st.sampled_from(list(data)))
        if draw(st.booleans()):
            data[key] = draw(values)
        else:
            del data[key]
    files = {name: json.dumps(data).encode() for name, data in found.items()}
    for name in draw(st.lists(st.sampled_from(list(GOOD)), max_size=2, unique=True)):
        if draw(st.booleans()):
            del files[name]
        else:
            files[name] = draw(st.binary(max_size=40))
    return files


@given(changed())
@settings(max_examples=300, deadline=None)
def test_any_content(files: dict[str, bytes]) -> None:
    order = launch("true")
    with tempfile.TemporaryDirectory() as data:
        folder = RunFolders(Path(data)).experiment("experiment-1-0001")
        attempt = folder.attempt(1)
        attempt.path.mkdir(parents=True)
        for name, content in files.items():
            (attempt.path / name).write_bytes(content)
        run = AttemptRun(order, attempt)
        run.read_plan()
        run.status = inspect(attempt, HERE)
        assert run.held().cpu >= 0
        seen = report(Run(run, folder), HERE, None)
        assert json.loads(json.dumps(str(seen.message)).encode())
        (seen.message or "").encode()
        assert all(abs(at or 0) < 2**63 for at in (seen.created_ms, seen.running_ms, seen.finished_ms, seen.at_ms))
        assert seen.status.final == (run.status.life is Life.ENDED)
        try:
            found = adopt(folder)
        except Unreadable:
            found = None
        assert found is None or found.unreadable is not None


@pytest.mark.parametrize("name", list(GOOD))
def test_what_we_write_is_good(name: str) -> None:
    assert contents.problem(name, GOOD[name]) is None


def test_an_end_that_the_server_writes_is_good() -> None:
    end = ended(launch("true"), STATE, "Stopped", "it was stopped")
    assert contents.problem("exit.json", end) is None
    assert [replica["status"] for replica in end["replicas"]] == ["Failed"]


def test_replicas_of_what_has_ended_have_ended() -> None:
    state = GOOD["exit.json"]
    order = launch("true", tasks={"Worker": {"replicas": 2, "resources": "cpu=1"}})
    seen = observe(order, AttemptStatus(Life.ENDED, state), HERE)
    assert [(replica.status, replica.pid) for replica in seen.replicas] == [("Failed", None), ("Stopped", None)]


@pytest.mark.parametrize(
    ("started", "silent_s", "life"),
    [
        ({}, 0, Life.LOST),
        ({"pid_namespace": 1}, 0, Life.CONTAINER_GONE),
        ({"boot_id": "x"}, 0, Life.REBOOTED),
        ({"boot_id": "x", "hostname": "renamed"}, 0, Life.ELSEWHERE),
        ({"boot_id": "x", "hostname": "renamed"}, 15, Life.REBOOTED),
        ({"boot_id": "x", "hostname": "renamed", "machine_id": "other"}, 99, Life.ELSEWHERE),
        ({"boot_id": "x", "machine_id": "other"}, 99, Life.ELSEWHERE),
        ({"boot_id": "x", "machine_id": ""}, 0, Life.REBOOTED),
        ({"boot_id": "x", "hostname": "renamed", "machine_id": ""}, 99, Life.ELSEWHERE),
    ],
)
def test_where_it_ran(tmp_path: Path, started: dict[str, Any], silent_s: float, life: Life) -> None:
    attempt = Attempt(tmp_path / "runs/experiment-1-0001/1")
    attempt.path.mkdir(parents=True)
    (attempt.path / "started").write_text(json.dumps(GOOD["started"] | started))
    (attempt.path / "lock").touch()
    assert inspect(attempt, HERE, silent_s).life is life


def test_what_is_in_the_way_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert read_json(path, 100) is None
    path.write_text(json.dumps({"a": "b" * 200}))
    with pytest.raises(Unreadable, match="it is larger than"):
        read_json(path, 100)
    path.write_text("[" * 10**5)
    with pytest.raises(Unreadable, match=r"state\.json cannot be read: .* \(repair the file, or stop"):
        read_json(path, 10**6)
