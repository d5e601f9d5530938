from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.commands.grammar import Grammar
from submarine_jupyter.commands.sending.given import read_what
from submarine_jupyter.commands.sending.spec import describe
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.commands.settings import Setting, Settings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.models import ExperimentSpec

GRAMMAR = Grammar()
NOTHING = Settings()
HERE = Surroundings("/opt/my env/bin/python", "/home/me/notebooks", "digits")


def described(
    line: str,
    body: str | None = None,
    *,
    local: bool = True,
    here: Surroundings = HERE,
    settings: Settings = NOTHING,
) -> dict[str, Any]:
    options = GRAMMAR.parse(f"run {line}")
    given = read_what(options.what, options.program_words, options.cmd)
    spec = describe(options, given, body, here, settings, local=local)
    ExperimentSpec.parse(spec)
    return spec


def test_a_cell_on_this_machine_runs_under_the_kernels_interpreter_in_the_notebooks_folder() -> None:
    spec = described("", "print(1)\n")

    assert spec["meta"] == {
        "name": "digits",
        "framework": "Standalone",
        "cmd": "'/opt/my env/bin/python' \"$CODE_PATH/train.py\"",
    }
    assert spec["code"] == {"syncMode": "inline", "files": {"train.py": "# %%submarine run\nprint(1)\n"}}
    assert spec["spec"] == {"Worker": {"replicas": 1}}
    assert spec["runtime"] == {"workingDir": "/home/me/notebooks"}


def test_a_cell_elsewhere_runs_under_the_python_of_its_image() -> None:
    spec = described("--image my/image:1", "print(1)\n", local=False)

    assert spec["meta"]["cmd"] == 'python "$CODE_PATH/train.py"'
    assert spec["environment"] == {"image": "my/image:1"}
    assert "runtime" not in spec


def test_params_are_numbers_where_they_are_written_so() -> None:
    spec = described("--param lr=0.1 --param n=3 --param amp=true --param name=a=b --cmd 'python t.py --lr {{lr}}'")

    assert spec["runtime"]["params"] == {"lr": 0.1, "n": 3, "amp": True, "name": "a=b"}
    assert spec["meta"]["cmd"] == "python t.py --lr {{lr}}"


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


@pytest.mark.parametrize("line", ["", "--name x", "--cmd x --ps-resources cpu=1"])
def test_what_cannot_run_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match=r"Nothing to run|without a Ps"):
        described(line)


def test_single_resources_change_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(YAML)
    assert described("--cmd x --cpu 2 --memory 1G")["spec"]["Worker"]["resources"] == "cpu=2,memory=1G"
    assert described("--cmd x --resources cpu=1,memory=1G --gpu 1 --cpu 3")["spec"]["Worker"]["resources"] == (
        "memory=1G,cpu=3,nvidia.com/gpu=1"
    )
    spec = described(f"{path} --memory 2G")["spec"]
    assert spec["Worker"]["resources"] == "cpu=1,memory=2G"


FOUND = {"PATH": "/opt/my env/bin:/usr/bin", "PYTHONPATH": "/home/me/notebooks"}


def test_on_this_machine_the_programs_and_modules_of_the_kernel_are_found(tmp_path: Path) -> None:
    here = replace(HERE, environment=FOUND)
    (tmp_path / "own.yaml").write_text(f"{YAML}runtime: {{target: local}}".replace('A: "1"', "PATH: /mine"))

    def env(line: str, body: str | None = None, *, local: bool = True) -> Any:
        return described(line, body, local=local, here=here)["meta"].get("envVars")

    assert env("--cmd 'python train.py'") == FOUND
    assert env("--env A=1", "print(1)") == {**FOUND, "A": "1"}
    # What the user has set stays; elsewhere the folders of this machine mean nothing.
    assert env("--cmd x --env PYTHONPATH=/mine")["PYTHONPATH"] == "/mine"
    assert env(str(tmp_path / "own.yaml"))["PATH"] == "/mine"
    assert env("", "print(1)", local=False) is None


def test_a_program_of_this_folder_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my train.py").write_text("print(1)")

    spec = described("'my train.py' --param lr=1 -- --lr {{lr}} 'a b' -- x")

    assert spec["meta"]["cmd"] == "python 'my train.py' --lr '{{lr}}' 'a b' -- x"
    with pytest.raises(UsageError, match=r"add --param lr="):
        described("'my train.py' -- --lr {{lr}}")


def test_a_program_goes_along_where_its_folder_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "go.sh").write_text("echo $1")

    spec = described("lib/go.sh -- 'a b'", local=False)

    assert spec["code"] == {"syncMode": "inline", "files": {"go.sh": "echo $1"}}
    assert spec["meta"]["cmd"] == "bash \"$CODE_PATH\"/go.sh 'a b'"


def test_defaults_count_where_neither_line_nor_file_says_anything(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(YAML)
    defaults = {"cpu": "4", "memory": "8G", "image": "own:1", "target": "local", "framework": "XGBoost"}
    settings = Settings({name: Setting(value, "test") for name, value in defaults.items()})

    plain = described("--cmd x --memory 1G", settings=settings)
    filed = described(str(path), settings=settings)

    assert plain["meta"]["framework"] == "XGBoost"
    assert plain["spec"] == {"Master": {"replicas": 1, "resources": "memory=1G,cpu=4"}}
    assert plain["environment"] == {"image": "own:1"}
    assert filed["meta"]["framework"] == "TensorFlow"
    assert filed["spec"]["Worker"]["resources"] == "cpu=1,memory=8G"
    assert filed["environment"] == {"image": "some:image"}
    assert filed["runtime"]["target"] == "local"
