from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from submarine_jupyter.magics.describing import Surroundings, describe, read_spec
from submarine_jupyter.magics.grammar import Grammar
from submarine_jupyter.models import ExperimentSpec

GRAMMAR = Grammar()
HERE = Surroundings("/opt/my env/bin/python", "/home/me/notebooks", "digits")


def described(line: str, body: str | None = None, *, local: bool = True) -> dict[str, Any]:
    options = GRAMMAR.parse(f"run {line}")
    options.loaded = read_spec(options.spec) if options.spec else None
    spec = describe(options, body, HERE, local=local)
    ExperimentSpec.parse(spec)
    return spec


def test_a_cell_on_this_machine_runs_under_the_kernels_interpreter_in_the_notebooks_folder() -> None:
    spec = described("", "print(1)\n")

    assert spec["meta"] == {
        "name": "digits",
        "framework": "Standalone",
        "cmd": "'/opt/my env/bin/python' \"$CODE_PATH/train.py\"",
    }
    assert spec["code"] == {"syncMode": "inline", "files": {"train.py": "print(1)\n"}}
    assert spec["spec"] == {"Worker": {"replicas": 1}}
    assert spec["runtime"] == {"workingDir": "/home/me/notebooks"}


def test_a_cell_elsewhere_runs_under_the_python_of_its_image() -> None:
    spec = described("--image my/image:1", "print(1)\n", local=False)

    assert spec["meta"]["cmd"] == 'python "$CODE_PATH/train.py"'
    assert spec["environment"] == {"image": "my/image:1"}
    assert "runtime" not in spec


def test_all_options() -> None:
    spec = described(
        "--name n --framework xgboost --master 1 --worker 2 --resources cpu=1 --worker-resources cpu=2 --env A=1"
        " --tag t --namespace ns --target local --cmd 'python x.py' --max-run-time 1m"
    )

    assert spec["meta"] == {
        "name": "n",
        "framework": "XGBoost",
        "cmd": "python x.py",
        "namespace": "ns",
        "envVars": {"A": "1"},
        "tags": ["t"],
    }
    assert spec["spec"] == {
        "Master": {"replicas": 1, "resources": "cpu=1"},
        "Worker": {"replicas": 2, "resources": "cpu=2"},
    }
    assert spec["runtime"] == {"target": "local", "maxRunTime": 60, "workingDir": "/home/me/notebooks"}


@pytest.mark.parametrize(
    ("framework", "role"),
    [("PyTorch", "Master"), ("XGBoost", "Master"), ("TensorFlow", "Worker"), ("Standalone", "Worker")],
)
def test_without_a_number_there_is_one_replica_of_the_role_that_leads(framework: str, role: str) -> None:
    assert described(f"--framework {framework} --cmd x")["spec"] == {role: {"replicas": 1}}


YAML = """
meta: {name: file, framework: TensorFlow, cmd: python a.py, envVars: {A: "1", B: "2"}, tags: [one]}
environment: {image: "some:image"}
spec:
  ps: {replicas: 1, resources: "cpu=1"}
  Worker: {replicas: 2, resources: "cpu=1"}
"""


def test_a_file_is_taken_and_options_change_it(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(YAML)

    spec = described(f"{path} --name mine --worker 3 --ps 0 --env B=3 --tag two --resources cpu=2")

    assert spec["meta"]["name"] == "mine"
    assert spec["meta"]["envVars"] == {"A": "1", "B": "3"}
    assert spec["meta"]["tags"] == ["one", "two"]
    assert spec["environment"] == {"image": "some:image"}
    assert spec["spec"] == {"Worker": {"replicas": 3, "resources": "cpu=2"}}


def test_a_json_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(
        '{"meta": {"name": "j", "framework": "Standalone", "cmd": "x"}, "spec": {"Worker": {"replicas": 1}}}'
    )

    assert described(str(path), local=False) == {
        "meta": {"name": "j", "framework": "Standalone", "cmd": "x"},
        "spec": {"Worker": {"replicas": 1}},
    }


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("no.yaml", None, "cannot be read: No such file"),
        ("a.json", "{", "is no JSON"),
        ("a.yaml", "a: [", "is no YAML"),
        ("a.yaml", "- a", "is no spec"),
        ("b.yaml", "meta: 3", "is no spec"),
        ("c.yaml", "\xff", "cannot be read"),
    ],
)
def test_a_file_that_is_no_spec(name: str, content: str | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode("latin-1"))

    with pytest.raises(UsageError, match=text) as caught:
        described(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["", "--name x", "--cmd x --ps-resources cpu=1"])
def test_what_cannot_run_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match=r"Nothing to run|without a Ps"):
        described(line)


def test_the_name_is_that_of_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/My digits.ipynb")
    assert Surroundings.of_this_kernel().name == "My digits"

    monkeypatch.setenv("JPY_SESSION_NAME", "Console 1-3a7b")
    assert Surroundings.of_this_kernel().name == "notebook"
