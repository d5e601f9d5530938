"""A plan is what it should be, or a ValueError."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from submarine_jupyter_server.targets.local.shim.exchange.plan import Plan, PlanFile
from tests.targets.local.shim.attempt import Json, item

GOOD: Json = {
    "experiment_id": "experiment-1-0001",
    "uid": "uid",
    "attempt": 1,
    "generation": 1,
    "replicas": [item("worker-0", "true")],
    "stop": {"reason": "Stopped", "message": "it was stopped", "grace_s": 1},
    "grace_s": 1.5,
    "linger_s": 30,
    "max_run_time_s": None,
    "retries": 0,
    "log_cap_bytes": 2**30,
}
values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_a_good_plan() -> None:
    plan = Plan(GOOD)
    assert (plan.replicas[0].argv, plan.replicas[0].path_replaced) == (["/bin/sh", "-c", "true"], False)
    assert plan.stop is not None
    assert plan.stop.grace_s == 1.0
    assert plan.marker == "SUBMARINE_JUPYTER_REPLICA=uid/1/"


@given(some.sampled_from(["", "replicas", "stop"]), some.sampled_from([*GOOD, *item("a-0", ""), "reason"]), values)
def test_anything_else_is_a_value_error(where: str, name: str, value: Any) -> None:
    data: Json = json.loads(json.dumps(GOOD))
    inner = data if not where else data["replicas"][0] if where == "replicas" else data["stop"]
    inner[name] = value
    with contextlib.suppress(ValueError):
        plan = Plan(data)
        assert 0 <= plan.grace_s < float("inf")
        assert all(one.argv for one in plan.replicas)
    for other in (value, [value], {name: value}):
        with pytest.raises(ValueError, match="is no"):
            Plan(other)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1", "true s", '"1"', "null"])
def test_a_time_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(ValueError, match=r"seconds|Expecting"):
        Plan(json.loads(json.dumps(GOOD).replace('"grace_s": 1.5', f'"grace_s": {text}')))


@pytest.mark.parametrize("name", ["", ".", "..", "../../x", "a/b"])
def test_the_name_of_a_replica_becomes_a_folder(name: str) -> None:
    with pytest.raises(ValueError, match="impossible name"):
        Plan(GOOD | {"replicas": [item("worker-0", "true") | {"name": name}]})


def test_it_is_read_when_it_was_replaced(tmp_path: Path) -> None:
    path, file = tmp_path / "plan.json", PlanFile(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        file.changed()
    path.write_text(json.dumps(GOOD))
    assert file.changed() is not None
    assert file.changed() is None
    draft = tmp_path / "draft"
    draft.write_text("[" * 200_000)
    draft.replace(path)
    with pytest.raises(ValueError, match="nested too deeply"):
        file.changed()
    assert file.changed() is None  # it is complained about once
    draft.symlink_to(path)
    draft.replace(path)
    with pytest.raises(OSError, match="symbolic links"):
        file.changed()
    path.unlink()
    path.mkdir()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ValueError, match="it is not a file"):
        file.changed()
    assert len(os.listdir("/dev/fd")) == before
