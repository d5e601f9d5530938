"""What goes along with the code, on this machine and elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.commands.grammar import Grammar
from submarine_jupyter.commands.sending.files_along import said
from submarine_jupyter.commands.sending.given import read_what
from submarine_jupyter.commands.sending.spec import describe
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.commands.settings import Settings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.models import ExperimentSpec

GRAMMAR = Grammar()
CELL = "import helper\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"helper.py": "import pkg", "pkg/__init__.py": "", "train.py": CELL, "data/x.csv": "1"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def described(line: str, body: str | None = None, *, local: bool = True) -> dict[str, Any]:
    options = GRAMMAR.parse(f"run {line}")
    here = Surroundings("/usr/bin/python3", str(Path.cwd()), "nb")
    given = read_what(options.what, options.program_words, options.cmd)
    spec = describe(options, given, body, here, Settings(), local=local)
    ExperimentSpec.parse(spec)
    return spec


def files(line: str, body: str | None = None, *, local: bool = True) -> list[str]:
    return sorted((described(line, body, local=local).get("code") or {"files": ()})["files"])


@pytest.mark.parametrize(
    ("line", "body", "local", "names"),
    [
        ("", "import os", False, ["train.py"]),
        ("--no-local-modules", "import helper", False, ["train.py"]),
        ("", "import helper", True, ["train.py"]),
        ("--local-modules", "import helper", True, ["helper.py", "pkg/__init__.py", "train.py"]),
        ("", "import helper", False, ["helper.py", "pkg/__init__.py", "train.py"]),
        ("--files data", "import os", True, ["data/x.csv", "train.py"]),
        ("--files data helper.py", "import os", False, ["data/x.csv", "helper.py", "pkg/__init__.py", "train.py"]),
        ("train.py", None, True, []),
        ("train.py", None, False, ["helper.py", "pkg/__init__.py", "train.py"]),
        ("train.py --files 'data/*.csv'", None, True, ["data/x.csv", "train.py"]),
        ("--cmd 'python train.py --lr 1'", None, True, []),
        ("--cmd 'python -u train.py --lr 1'", None, False, ["helper.py", "pkg/__init__.py", "train.py"]),
        ("--cmd 'cat /etc/x.py ../x.py no.py'", None, False, []),
        ("--cmd 'python train.py' --files train.py", None, True, ["train.py"]),
    ],
)
def test_which_files_go_along(line: str, body: str | None, local: bool, names: list[str]) -> None:
    assert files(line, body, local=local) == names


def test_with_files_replicas_start_where_these_are() -> None:
    assert "workingDir" not in described("--files data", "import os").get("runtime", {})
    assert described("--local-modules", CELL)["runtime"]["workingDir"] == str(Path.cwd())


def test_a_file_in_the_place_of_the_script_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train.py is the name of the cell's own script"):
        described("--files train.py", "import os")


def test_a_git_repository_takes_no_files(folder: Path) -> None:
    (folder / "job.yaml").write_text(
        "meta: {name: x, framework: Standalone, cmd: 'true'}\nspec: {Worker: {}}\ncode: {git: {url: 'https://x/y'}}"
    )
    with pytest.raises(UsageError, match="cannot go along with a git repository"):
        described("job.yaml --files data")


def test_the_files_of_a_spec_stay(folder: Path) -> None:
    (folder / "job.yaml").write_text(
        "meta: {name: x, framework: Standalone, cmd: 'true'}\nspec: {Worker: {}}\n"
        "code: {syncMode: inline, files: {a.py: ''}}"
    )
    assert files("job.yaml --files data") == ["a.py", "data/x.csv"]


def test_what_goes_along_is_said() -> None:
    assert said({"a.py": "x" * 2048}) == "1 file goes along (2 KiB): a.py"
