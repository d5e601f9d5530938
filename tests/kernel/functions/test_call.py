from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.functions.call import OWN, spec_of, where
from submarine_jupyter.functions.pickling import pickled
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.code_files import decoded


def call(folder: Path, *, local: bool, **how: Any) -> dict[str, Any]:
    on = where(how.pop("replicas", {"worker": 1}), **how)
    here = Surroundings("/usr/bin/python3", str(folder), "nb", {"PATH": "/usr/bin"})
    content = pickled(len, ("abc",), {})
    spec = spec_of("len", content, on, here, local=local, call="c", key=b"k" * 32, group={"name": "g"})
    ExperimentSpec.parse(spec)
    return spec


def test_a_call_elsewhere_brings_what_it_needs(tmp_path: Path) -> None:
    spec = call(tmp_path, local=False, image="my/image:1", gpu=1, memory="4G", target="prod", max_run_time=60)

    assert spec["meta"]["cmd"] == 'python "$CODE_PATH/submarine_call.py"'
    assert spec["environment"] == {"image": "my/image:1"}
    assert spec["spec"] == {"Worker": {"replicas": 1, "resources": "memory=4G,nvidia.com/gpu=1"}}
    assert "PATH" not in spec["meta"]["envVars"]
    assert "workingDir" not in spec["runtime"]
    for name, text in spec["code"]["files"].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(decoded(text))
    program = (
        f"import sys; sys.path.append({str(tmp_path / OWN)!r}); import cloudpickle; from submarine_jupyter import "
    )
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", f"{program}log_metric; log_metric('a', 1)"], check=False)
    assert ran.returncode == 0


def test_a_call_on_this_machine_runs_as_the_notebook_does(tmp_path: Path) -> None:
    spec = call(tmp_path, local=True, env={"A": "1"})

    assert spec["meta"]["cmd"] == '/usr/bin/python3 "$CODE_PATH/submarine_call.py"'
    assert sorted(spec["code"]["files"]) == ["submarine_call.pickle", "submarine_call.py"]
    assert spec["runtime"]["workingDir"] == str(tmp_path)
    assert (spec["meta"]["envVars"]["PATH"], spec["meta"]["envVars"]["A"]) == ("/usr/bin", "1")


@pytest.mark.parametrize(
    ("replicas", "leader"),
    [
        ({"worker": 3}, "worker-0"),
        ({"ps": 1, "worker": 2, "chief": 1}, "chief-0"),
        ({"master": 1, "worker": 1}, "master-0"),
    ],
)
def test_the_value_is_that_of_the_replica_that_leads(replicas: dict[str, int], leader: str) -> None:
    assert where(replicas).leader == leader


def test_a_key_is_a_secret_and_no_variable(tmp_path: Path) -> None:
    spec = call(tmp_path, local=True)

    assert spec["runtime"]["secrets"] == {"SUBMARINE_CALL_KEY": (b"k" * 32).hex()}
    assert "SUBMARINE_CALL_KEY" not in spec["meta"]["envVars"]


def test_a_module_that_is_too_large_is_named(tmp_path: Path) -> None:
    (tmp_path / "len.py").write_text("x = 1\n" * 100_000)

    with pytest.raises(UsageError, match=r"512 KiB can: len.py has 586 KiB"):
        call(tmp_path, local=False)
