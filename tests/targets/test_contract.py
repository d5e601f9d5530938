"""The environment of replicas and the splitting of commands."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.contract import Member, command, environment, listens, members


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


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("python train.py --rate=0.01", ["python", "train.py", "--rate=0.01"]),
        ("python -c 'print(1); import os'", ["python", "-c", "print(1); import os"]),
        ('python "a b" c', ["python", "a b", "c"]),
        ("python $CODE_PATH/t.py", ["/bin/sh", "-c", "exec python $CODE_PATH/t.py"]),
        ("python t.py > log 2>&1", ["/bin/sh", "-c", "exec python t.py > log 2>&1"]),
        ("A=1 python t.py", ["/bin/sh", "-c", "A=1 python t.py"]),
        ("cd x && python t.py", ["/bin/sh", "-c", "cd x && python t.py"]),
        ("python t.py | tee x", ["/bin/sh", "-c", "python t.py | tee x"]),
        ("exit 3", ["/bin/sh", "-c", "exit 3"]),
        ("cd $HOME", ["/bin/sh", "-c", "cd $HOME"]),
    ],
)
def test_command(text: str, argv: list[str]) -> None:
    assert command(text) == argv


def test_an_open_quotation_mark_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="quotation mark is not closed"):
        command("python it's")


@given(st.text(alphabet="ab =,:%^@+-_./\t'\"", min_size=1, max_size=20))
def test_a_plain_command_is_split_as_a_shell_does_it(rest: str) -> None:
    try:
        argv = command(f"printf {rest}".replace("printf ", "printargs ", 1))
    except InvalidSpec:
        return
    assert argv[0] == "printargs"
    script = f"""printargs() {{ for arg; do printf '%s\\0' "$arg"; done; }}; printargs {rest}"""
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert argv[1:] == shell.stdout.split("\0")[:-1]


@given(st.text(alphabet="ab'\" $;|&<>()`\\*?#~\n", max_size=20))
def test_what_is_split_has_no_shell_syntax(text: str) -> None:
    try:
        argv = command(f"prog {text}")
    except InvalidSpec:
        return
    if argv[0] != "/bin/sh":
        shell = subprocess.run(
            ["/bin/sh", "-c", f"prog() {{ printf '%s\\0' \"$@\"; }}; prog {text}"], capture_output=True, text=True
        )
        assert argv[1:] == shell.stdout.split("\0")[:-1] or not argv[1:]
