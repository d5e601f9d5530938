"""What of a kernel its experiments find."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from submarine_jupyter.commands.sending.surroundings import Surroundings, environment
from submarine_jupyter.errors import UsageError


def test_the_programs_of_the_kernel_come_first(tmp_path: Path) -> None:
    python = str(tmp_path / "bin" / "python")

    found = environment(python, str(tmp_path), "/notes", {"PATH": f"/usr/bin:{tmp_path}/bin:/bin"})

    assert found == {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "PYTHONPATH": "/notes"}


def test_the_environment_is_the_interpreters_whatever_was_inherited(tmp_path: Path) -> None:
    of_the_server = {"VIRTUAL_ENV": "/server", "CONDA_PREFIX": "/opt/conda", "PYTHONPATH": "/lib:/notes"}
    plain, virtual, conda = (tmp_path / name for name in ("plain", "virtual", "conda"))
    for path in (plain, virtual, conda / "conda-meta"):
        path.mkdir(parents=True)
    (virtual / "pyvenv.cfg").touch()

    def found(prefix: Path) -> dict[str, str]:
        return environment("", str(prefix), "/notes", of_the_server)

    assert found(plain) == {"VIRTUAL_ENV": "", "CONDA_PREFIX": "/opt/conda", "PYTHONPATH": "/notes:/lib"}
    assert found(virtual)["VIRTUAL_ENV"] == str(virtual)
    assert (found(conda)["VIRTUAL_ENV"], found(conda)["CONDA_PREFIX"]) == ("", str(conda))


def test_a_folder_that_no_path_can_name_is_left_out() -> None:
    assert "PYTHONPATH" not in environment("", "/usr", "/a:b", {})


def test_the_name_is_that_of_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/My digits.ipynb")
    assert Surroundings.of_this_kernel().name == "My digits"

    monkeypatch.setenv("JPY_SESSION_NAME", "Console 1-3a7b")
    assert Surroundings.of_this_kernel().name == "notebook"


def test_a_folder_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(UsageError, match="folder of this kernel no longer exists"):
        Surroundings.of_this_kernel()
    os.chdir(tmp_path)
