"""The command line as a process of its own, against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter import SubmarineClient
from tests.live_server import TOKEN

COMMAND = [sys.executable, "-m", "submarine_jupyter.cli.main"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def env(url: str, tmp_path: Path) -> dict[str, str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith(("JUPYTER", "JPY", "SUBMARINE"))}
    return own | {"SUBMARINE_URL": url, "SUBMARINE_TOKEN": TOKEN, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}


@pytest.fixture
def run(env: dict[str, str], tmp_path: Path) -> Run:
    def carry_out(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], env={**env, **more}, cwd=tmp_path, capture_output=True, text=True, timeout=100
        )

    return carry_out


def test_the_exit_code_is_that_of_the_experiment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nprint('args', *sys.argv[1:])\nsys.exit(int(sys.argv[1]))\n")

    ran = run("run", "train.py", "--name", "good", "--", "0", "{lr}", "$HOME")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "[worker-0] args 0 {lr} $HOME\n" in ran.stdout
    assert "Succeeded in" in ran.stdout

    ran = run("run", "train.py", "--", "7")
    assert ran.returncode == 7
    assert "exit code 7" in ran.stderr
    assert "Traceback" not in ran.stderr

    assert run("run", "--cmd", "kill -9 $$").returncode == 128 + signal.SIGKILL
    number = run("run", "--cmd", "sleep 600", "--detach", "--json")
    made = json.loads(number.stdout)["experimentId"]
    assert run("wait", made, "--timeout", "1").returncode == 124
    assert run("stop", made).returncode == 0
    assert run("wait", made).returncode != 0


def test_json_is_all_that_is_on_standard_output(run: Run) -> None:
    ran = run("run", "--cmd", "echo line", "--param", "lr=0.5", "--json")
    found: dict[str, Any] = json.loads(ran.stdout)
    assert (found["status"], found["spec"]["runtime"]["params"]) == ("Succeeded", {"lr": 0.5})
    assert "[worker-0] line" in ran.stderr
    listed = json.loads(run("list", "--limit", "1", "--json").stdout)
    assert [one["experimentId"] for one in listed] == [found["experimentId"]]
    compared = json.loads(run("compare", found["experimentId"], "--json").stdout)
    assert compared["same"] == {"lr": 0.5}
    said = json.loads(run("why", found["experimentId"], "--json").stdout)["said"]
    assert said == ["Succeeded: nothing else is known"]
    refused = run("status", "experiment-1-0001", "--json")
    assert (json.loads(refused.stdout)["error"], refused.returncode) == ("NotFound", 125)


def test_every_value_has_a_json(run: Run) -> None:
    swept = run("sweep", "--cmd", "echo loss={{lr}}", "--param", "lr=2,1", "--min", "loss", "--cpu", "100m", "--json")
    sweep = json.loads(swept.stdout)
    first, second = (one["experimentId"] for one in sweep["experiments"])
    assert sweep["best"] == second
    for command in ("describe", "status", "wait"):
        assert json.loads(run(command, first, "--json").stdout)["experimentId"] == first
    assert json.loads(run("compare", "--group", sweep["name"], "--min", "loss", "--json").stdout)["best"] == "loss"
    assert json.loads(run("metrics", first, "--json").stdout)[0]["name"] == "loss"
    assert "-lr: 2" in json.loads(run("diff", first, second, "--json").stdout)["params"]
    assert json.loads(run("target", "--json").stdout)[0]["name"] == "local"
    assert json.loads(run("config", "--json").stdout)["defaults"] == []
    for line in (f"logs {first}", f"tag {first} x", f"note {first} y", f"archive {first}", "help"):
        assert json.loads(run(*line.split(), "--json").stdout)["said"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("rum",), "submarine-jupyter has no 'rum', did you mean 'run'?"),
        (("run",), "Nothing to run: submarine-jupyter run train.py"),
        (("stop",), "submarine-jupyter stop: give ids or names"),
        (("list", "--here"), "There is no notebook here"),
        (("run", "--wroker", "2"), "did you mean '--worker'"),
        (("status", "99999"), "submarine-jupyter list shows them"),
    ],
)
def test_a_mistake_is_one_line_with_a_code_of_its_own(run: Run, words: tuple[str, ...], text: str) -> None:
    ran = run(*words)
    assert (ran.returncode, ran.stdout) == (125, "")
    assert text in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert "%submarine" not in ran.stderr


def test_help_names_the_program_and_the_codes(run: Run) -> None:
    for words in ((), ("help",), ("--help",)):
        ran = run(*words)
        assert ran.stdout.startswith("submarine-jupyter COMMAND")
        assert "124 not ended in time" in ran.stdout
    assert "submarine-jupyter run train.py -- --lr 0.1" in run("run", "--help").stdout


def _heed_interrupts() -> None:
    # Where the tests run in the background of a script, the shell has them ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_the_waiting_only(env: dict[str, str], client: SubmarineClient, tmp_path: Path) -> None:
    command = [*COMMAND, "run", "--name", "interrupted", "--cmd", "echo begun; sleep 600"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, env=env, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True, preexec_fn=_heed_interrupts
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == "[worker-0] begun\n":
            break

    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=60)

    assert (process.returncode, complaints) == (130, "")
    assert "goes on. 'submarine-jupyter logs" in rest, lines
    (found,) = client.list(name="interrupted")
    assert not found.has_ended
    found.stop()


def test_defaults_of_the_folder_and_of_the_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "submarine.toml").write_text('cpu = "150m"\nmemory = "50M"\n')

    ran = run("run", "--cmd", "true", "--json", SUBMARINE_DEFAULT_CPU="100m")

    resources = json.loads(ran.stdout)["spec"]["spec"]["Worker"]["resources"]
    assert sorted(resources.split(",")) == ["cpu=100m", "memory=50M"]
    shown = run("config", SUBMARINE_DEFAULT_CPU="100m").stdout.splitlines()
    assert ["cpu", "100m", "SUBMARINE_DEFAULT_CPU"] in [line.split() for line in shown]
    assert ["memory", "50M", str(tmp_path / "submarine.toml")] in [line.split() for line in shown]
    (tmp_path / "submarine.toml").write_text("cpus = 2\n")
    ran = run("run", "--cmd", "true")
    assert ran.returncode == 125
    assert "there is no setting 'cpus', did you mean 'cpu'?" in ran.stderr
