"""A file is read by the rules of REST, and whatever it holds: a spec or one sentence."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from submarine_jupyter.commands.grammar import Grammar
from submarine_jupyter.commands.sending.given import Given, read_what
from submarine_jupyter.commands.sending.spec import describe
from submarine_jupyter.commands.sending.spec_file import MAX_BYTES, checked, read_spec
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.commands.settings import Setting, Settings
from submarine_jupyter.errors import InvalidSpec, UsageError
from submarine_jupyter.models import ExperimentSpec

HERE = Surroundings("/bin/python", "/notes", "notes", {"PATH": "/bin", "PYTHONPATH": "/notes"})
SETTINGS = Settings({name: Setting(name, "test") for name in ("cpu", "image", "target", "namespace")})
OPTIONS = (
    "",
    "--cmd x",
    "--env A=1 --tag t --image i --worker 2 --cmd x",
    "--resources cpu=1 --ps 0 --worker-resources cpu=2 --target local --max-run-time 5 --namespace n",
)


def run(value: object, line: str) -> None:
    """Do what ``run`` does with the content of a file, as far as the server's door."""
    options = Grammar().parse(f"run spec.yaml {line}")
    with contextlib.suppress(UsageError, InvalidSpec):
        made = Given(spec=checked("spec.yaml", value))
        spec = describe(options, made, None, HERE, SETTINGS, local=True)
        ExperimentSpec.parse(json.loads(json.dumps(spec)))


META = ["name", "framework", "cmd", "envVars", "env_vars", "tags"]
PARTS = ["meta", "spec", "environment", "runtime", "code", "image", "apiVersion", "kind", "syncMode", "files"]
ROLES = ["Worker", "worker", "Ps", "Master", "replicas", "resources"]
RUNTIME = ["target", "workingDir", "working_dir", "maxRunTime", "max_run_time"]
KEYS = st.sampled_from([*META, *PARTS, *ROLES, *RUNTIME, "A"])
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "PyTorch", "local", "inline"])
VALUES = st.recursive(
    LEAVES | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5)
)
MADE = st.fixed_dictionaries({"meta": VALUES, "spec": VALUES}, optional={"environment": VALUES, "runtime": VALUES})


@given(MADE | VALUES, st.sampled_from(OPTIONS))
@example({"meta": {"envVars": ["A=1"]}, "spec": {}}, OPTIONS[2])
@example({"meta": {"tags": "nightly"}}, OPTIONS[2])
@example({"environment": "image"}, OPTIONS[2])
@example({"runtime": "local"}, OPTIONS[3])
@example({"spec": {"Worker": 3}}, OPTIONS[2])
@example({"meta": None, "spec": {"Worker": None}, "runtime": None}, OPTIONS[2])
def test_any_value_with_any_options_is_a_spec_or_is_refused(value: Any, line: str) -> None:
    run(value, line)


@given(st.text(max_size=200) | VALUES.map(yaml.safe_dump), st.sampled_from([".yaml", ".yml", ".json", ""]))
@example("1: x", ".yaml")
@example("a: !!binary aGk=", ".yaml")
@example("a: &x [*x]", ".yaml")
@example("[" * 9999, ".json")
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str, ending: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UsageError):
        run(read_spec(str(path)), OPTIONS[2])


def test_values_are_what_was_written(tmp_path: Path) -> None:
    written = {
        "COUNTRY": "NO", "ANSWER": "yes", "FLAG": "on", "PYVER": "3.10", "LR": "1.0e-4", "STEPS": "1_000",
        "OCT": "010", "HEX": "0x1F", "TIME": "12:30:00", "DAY": "2024-05-01",
    }  # fmt: skip
    path = tmp_path / "job.yaml"
    path.write_text("meta:\n  envVars:\n" + "".join(f"    {name}: {text}\n" for name, text in written.items()))

    assert read_spec(str(path))["meta"]["envVars"] == written


def test_snake_case_is_one_name_with_camel_case() -> None:
    spec = checked("x", {"meta": {"env_vars": {"A": "1"}}, "runtime": {"working_dir": "/w"}})
    assert spec == {"meta": {"envVars": {"A": "1"}}, "runtime": {"workingDir": "/w"}}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("no.yaml", None, "no.yaml cannot be read: No such file"),
        ("a.json", "{", "a.json cannot be read: Line 1, column 2"),
        ("a.yaml", "a: [", "a.yaml cannot be read: Line 2"),
        ("a.yaml", "- a", "is not a spec"),
        ("b.yaml", "meta: 3", "meta must have names and values, not '3'"),
        ("c.yaml", "\xff", "Byte 0 is not UTF-8"),
        ("d.yaml", "spec: {Worker: 3}", r"spec.Worker must have names and values: {replicas: 3}, not '3'"),
        ("e.yaml", "meta: {tags: nightly}", r"meta.tags must be a list: \[nightly\]"),
        ("f.yaml", "meta: {a: 1, a: 2}", "'a' is given twice"),
        ("g.yaml", "apiVersion: kubeflow.org/v1\nkind: PyTorchJob", r"is a Kubernetes manifest \(PyTorchJob\)"),
        ("h.yaml", "meta: {env_vars: {}, envVars: {}}", "the same name twice"),
        ("i.yaml", "#" * (MAX_BYTES + 1), "larger than 1024 KiB"),
    ],
)
def test_a_file_that_is_no_spec(name: str, content: str | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode("latin-1"))

    with pytest.raises(UsageError, match=text) as caught:
        read_spec(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    for path in (tmp_path / "fifo.yaml", tmp_path, Path("/dev/zero")):
        with pytest.raises(UsageError, match="it is not a file"):
            read_spec(str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        read_spec("~nobody-of-this-name/x.yaml")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("train.py", "There is no program 'train.py' in this folder"),
        ("here.py --cmd x", "Give the program or --cmd, not both"),
        ("notes.ipynb", "is a notebook, not a spec"),
        ("hello --cmd echo", "quote all of it: --cmd 'echo hello'"),
        ("hello", "to run a command: --cmd 'hello'"),
        ("gone.yaml", "gone.yaml cannot be read"),
        ("spec.yaml -- --lr 1", "What stands behind -- are the words of a program"),
    ],
)
def test_what_names_neither_a_program_nor_a_spec(
    line: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").touch()
    (tmp_path / "spec.yaml").write_text("meta: {}")
    options = Grammar().parse(f"run {line}")
    with pytest.raises(UsageError, match=text):
        read_what(options.what, options.program_words, options.cmd)
