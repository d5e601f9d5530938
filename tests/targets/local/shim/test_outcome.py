"""What an end means, for a replica and for the experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.shim.exchange.plan import Item, Plan
from submarine_jupyter_server.targets.local.shim.outcome import interim, judge, settle
from submarine_jupyter_server.targets.local.shim.replica.life import Replica
from submarine_jupyter_server.targets.local.shim.replica.log_files import Archive
from tests.targets.local.shim.attempt import item


def replica(folder: Path, name: str = "worker-0", duty: str = "worker") -> Replica:
    return Replica(Item(item(name, "true", duty=duty, memory="1Gi")), Archive(str(folder / name), 2**20))


def plan(retries: int) -> Plan:
    return Plan(
        {"experiment_id": "experiment-1-0001", "uid": "uid", "attempt": 1, "generation": 1, "replicas": []}
        | {"grace_s": 1, "linger_s": 1, "retries": retries, "log_cap_bytes": 2**20, "max_run_time_s": None}
    )


@pytest.mark.parametrize("exit_code", [0, 1, None])
@pytest.mark.parametrize("retry", [True, False])
def test_what_was_done_to_it_comes_first(tmp_path: Path, exit_code: int | None, retry: bool) -> None:
    one = replica(tmp_path)
    one.exit_code, one.ending = exit_code, True
    settle(one, plan(3), retry=retry)
    assert (one.status, one.restarts) == ("Stopped", 0)
    one.out_of_memory, one.memory_used = True, 3 * 2**29
    settle(one, plan(3), retry=retry)
    assert (one.status, one.reason, one.restarts) == ("Failed", "OOMKilled", 0)
    assert one.message == "worker-0 ran out of memory: it used 1.5Gi of its 1Gi; ask for more memory"


def test_pauses_double_up_to_a_minute(tmp_path: Path) -> None:
    one = replica(tmp_path)
    one.exit_code = 1
    pauses = []
    for _ in range(2000):
        settle(one, plan(2000), retry=True)
        pauses.append(int((one.message or "").split()[-2]))
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(pauses[8:]) == {60}
    settle(one, plan(2000), retry=True)
    assert (one.status, one.reason) == ("Failed", "ReplicaFailed")


def test_who_leads_decides(tmp_path: Path) -> None:
    leader, worker, helper = (replica(tmp_path, f"{duty}-0", duty) for duty in ("leader", "worker", "helper"))
    every = [leader, worker, helper]
    assert judge(every) is None
    leader.status = "Succeeded"
    verdict = judge(every)
    assert verdict is not None
    assert verdict.status == "Succeeded"
    verdict = judge([worker, helper])
    assert verdict is None
    helper.status, helper.reason, helper.finished_ms = "Failed", "ReplicaFailed", 5
    worker.status, worker.reason, worker.finished_ms = "Failed", "OOMKilled", 5
    verdict = judge([helper, worker])
    assert verdict is not None
    assert (verdict.status, verdict.reason) == ("Failed", "OOMKilled")


def test_what_an_experiment_is_doing_while_no_command_runs(tmp_path: Path) -> None:
    first, second = replica(tmp_path), replica(tmp_path, "worker-1")
    assert interim([first, second]) == (None, None)
    first.restart_in(60, "start 5 of 9 in 60 s")
    second.restart_in(2, "start 2 of 9 in 2 s")
    assert interim([first, second]) == ("Restarting", "start 2 of 9 in 2 s")
    second.pid = 1
    assert interim([first, second]) == (None, None)
    helper = replica(tmp_path, "ps-0", "helper")
    helper.pid = 1
    second.exited, second.behind, second.message = True, 1, "it goes on"
    assert interim([first, second, helper]) == ("InBackground", "it goes on")
    assert interim([first, second]) == ("InBackground", "it goes on")
