"""The environment of replicas and the splitting of commands."""

from __future__ import annotations

import json
from typing import Any

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.replica_environment import Environments, environment
from submarine_jupyter_server.targets.replicas import Member, listens, members


def spec(framework: str, tasks: dict[str, int], **more: Any) -> ExperimentSpec:
    body = {
        "meta": {"name": "x", "framework": framework, "cmd": "run", **more.pop("meta", {})},
        "spec": {role: {"replicas": count, **more.get(role, {})} for role, count in tasks.items()},
    }
    return ExperimentSpec.parse(body)


def address(member: Member) -> tuple[str, int]:
    return f"host-{member.name}", 2222


def env(experiment: ExperimentSpec, role: str, index: int) -> dict[str, str]:
    return environment(experiment, "experiment-1-0001", Member(role, index), address)


def test_every_replica_knows_who_it_is() -> None:
    found = env(spec("Standalone", {"Worker": 2}), "Worker", 1)
    assert found["JOB_ID"] == found["SUBMARINE_EXPERIMENT_ID"] == "experiment-1-0001"
    assert (found["SUBMARINE_REPLICA_TYPE"], found["SUBMARINE_REPLICA_INDEX"]) == ("Worker", "1")
    assert found["PYTHONUNBUFFERED"] == "1"
    assert (found["RANK"], found["WORLD_SIZE"], found["MASTER_ADDR"]) == ("1", "2", "host-worker-0")


def test_tf_config() -> None:
    found = env(spec("TensorFlow", {"Worker": 2, "Ps": 1, "Chief": 1, "Evaluator": 1}), "Ps", 0)
    assert json.loads(found["TF_CONFIG"]) == {
        "cluster": {
            "chief": ["host-chief-0:2222"],
            "ps": ["host-ps-0:2222"],
            "worker": ["host-worker-0:2222", "host-worker-1:2222"],
        },
        "task": {"type": "ps", "index": 0},
        "environment": "cloud",
    }
    assert "MASTER_ADDR" not in found


def test_one_tensorflow_replica_is_no_cluster() -> None:
    alone = spec("TensorFlow", {"Worker": 1})
    assert "TF_CONFIG" not in env(alone, "Worker", 0)
    assert not listens(alone, Member("Worker", 0))


def test_pytorch_ranks() -> None:
    experiment = spec("PyTorch", {"Worker": 2, "Master": 1})
    assert [env(experiment, m.role, m.index)["RANK"] for m in members(experiment)] == ["0", "1", "2"]
    found = env(experiment, "Worker", 1)
    assert (found["MASTER_ADDR"], found["MASTER_PORT"], found["WORLD_SIZE"]) == ("host-master-0", "2222", "3")
    assert (found["PET_NNODES"], found["PET_NODE_RANK"], found["PET_MASTER_ADDR"]) == ("3", "2", "host-master-0")
    assert [listens(experiment, m) for m in members(experiment)] == [True, False, False]


def test_pytorch_without_master_meets_at_the_first_worker() -> None:
    found = env(spec("PyTorch", {"Worker": 2}), "Worker", 1)
    assert (found["MASTER_ADDR"], found["RANK"]) == ("host-worker-0", "1")


def test_xgboost() -> None:
    found = env(spec("XGBoost", {"Worker": 2, "Master": 1}), "Worker", 0)
    assert found["WORKER_ADDRS"] == "host-worker-0,host-worker-1"
    assert (found["MASTER_ADDR"], found["RANK"], found["WORLD_SIZE"]) == ("host-master-0", "1", "3")
    assert (found["DMLC_TRACKER_URI"], found["DMLC_TASK_ID"]) == ("host-master-0", "1")


def test_the_user_has_the_last_word_but_not_on_who_it_is() -> None:
    meta = {"envVars": {"OMP_NUM_THREADS": "7", "JOB_ID": "mine"}}
    found = env(spec("Standalone", {"Worker": 1}, meta=meta, Worker={"resources": "cpu=1500m"}), "Worker", 0)
    assert "OMP_NUM_THREADS" not in found
    assert found["JOB_ID"] == "experiment-1-0001"


def test_threads_follow_the_cores_asked_for() -> None:
    assert (
        env(spec("Standalone", {"Worker": 1}, Worker={"resources": "cpu=1500m"}), "Worker", 0)["OMP_NUM_THREADS"] == "2"
    )
    assert "OMP_NUM_THREADS" not in env(spec("Standalone", {"Worker": 1}), "Worker", 0)


def test_a_single_replica_has_ranks_too_and_is_where_it_listens() -> None:
    alone = spec("Standalone", {"Worker": 1})
    found = env(alone, "Worker", 0)
    assert (found["RANK"], found["WORLD_SIZE"], found["LOCAL_RANK"], found["LOCAL_WORLD_SIZE"]) == ("0", "1", "0", "1")
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("host-worker-0", "2222")
    assert listens(alone, Member("Worker", 0))


def test_each_replica_is_alone_on_its_machine() -> None:
    for framework in ("PyTorch", "XGBoost", "Standalone"):
        found = env(spec(framework, {"Worker": 3}), "Worker", 2)
        assert (found["RANK"], found["LOCAL_RANK"], found["LOCAL_WORLD_SIZE"]) == ("2", "0", "1")


def test_lightgbm_finds_all_addresses_in_the_order_of_ranks() -> None:
    found = env(spec("XGBoost", {"Worker": 2, "Master": 1}), "Worker", 1)
    assert found["SUBMARINE_ADDRESSES"] == "host-master-0:2222,host-worker-0:2222,host-worker-1:2222"
    assert found["SUBMARINE_PORT"] == "2222"


def test_workers_that_share_a_port_are_told_it() -> None:
    experiment = spec("XGBoost", {"Worker": 2, "Master": 1})
    made = Environments(experiment, "experiment-1-0001", address, workers=(["a", "b"], 77))
    found = made.of(Member("Worker", 1))
    assert (found["WORKER_ADDRS"], found["WORKER_PORT"], found["SUBMARINE_PORT"]) == ("a,b", "77", "2222")


def test_the_work_grows_with_the_replicas_no_faster() -> None:
    asked: list[Member] = []

    def counting(member: Member) -> tuple[str, int]:
        asked.append(member)
        return address(member)

    experiment = spec("TensorFlow", {"Worker": 1000, "Ps": 1000})
    made = Environments(experiment, "experiment-1-0001", counting)
    for member in members(experiment):
        made.of(member)
    assert len(asked) == 2000
