"""What cannot be run says why, in words that help."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.targets.local.shim.attempt import Attempt, Json, item


def run(attempt: Attempt, argv: list[str], **more: object) -> tuple[int, str]:
    """Run one replica; return its exit code and what it wrote."""
    attempt.start(item("worker-0", argv, **more))
    end: Json = attempt.end()
    return end["replicas"][0]["exit_code"], attempt.log()


def script(folder: Path, text: bytes, mode: int = 0o700) -> str:
    path = folder / "run.sh"
    path.write_bytes(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"#!/bin/sh\r\necho hi\r\n", "its interpreter '/bin/sh\\r' does not exist: the script has Windows line ends"),
        (b"#!/opt/nowhere/python -u\nx = 1\n", "its interpreter '/opt/nowhere/python' (first line, #!) does not exist"),
    ],
)
def test_an_interpreter_that_is_not_there(attempt: Attempt, tmp_path: Path, text: bytes, said: str) -> None:
    code, log = run(attempt, [script(tmp_path, text)])
    assert code == 127
    assert said in log
    assert "No such file" not in log


def test_the_same_by_a_name_in_path(attempt: Attempt, tmp_path: Path) -> None:
    script(tmp_path, b"#!/bin/sh\r\necho hi\r\n")
    code, log = run(attempt, ["run.sh"], env={"PATH": f"/nowhere:{tmp_path}"})
    assert (code, "Windows line ends" in log) == (127, True)


def test_a_script_without_an_interpreter_is_for_the_shell(attempt: Attempt, tmp_path: Path) -> None:
    path = script(tmp_path, b'echo "$1 $#"\n')
    assert run(attempt, [path, "one", "two"]) == (0, "one 2\n")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/bin/true").exists(), reason="needs a program")
@pytest.mark.parametrize(
    ("head", "said"), [(b"\x7fELF\0\0rubbish", "not a program for this system"), (b"", "is empty")]
)
def test_no_program(attempt: Attempt, tmp_path: Path, head: bytes, said: str) -> None:
    code, log = run(attempt, [script(tmp_path, head)])
    assert (code, said in log) == (126, True), log


def test_not_executable(attempt: Attempt, tmp_path: Path) -> None:
    path = script(tmp_path, b"#!/bin/sh\n", 0o600)
    code, log = run(attempt, [path])
    assert (code, f"the file is not executable: chmod +x {path}" in log) == (126, True), log


def test_a_folder(attempt: Attempt, tmp_path: Path) -> None:
    code, log = run(attempt, [str(tmp_path)])
    assert (code, "it is a folder" in log) == (126, True), log


def test_a_folder_that_cannot_be_entered(attempt: Attempt, tmp_path: Path) -> None:
    code, log = run(attempt, ["true"], cwd=f"{tmp_path}/gone")
    assert code == 127
    assert "the folder cannot be entered: No such file or directory" in log


def test_not_in_path(attempt: Attempt) -> None:
    code, log = run(attempt, ["no-such-program"], env={"PATH": "/usr/bin:/bin"})
    assert code == 127
    assert "cannot run 'no-such-program'" in log
    assert "no program of that name in PATH (/usr/bin:/bin)" in log


def test_not_in_a_path_that_was_set(attempt: Attempt) -> None:
    code, log = run(attempt, ["python"], env={"PATH": "/opt/bin"}, path_replaced=True)
    assert code == 127
    assert "PATH was set to '/opt/bin' by envVars" in log


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of Linux")
@pytest.mark.parametrize(
    ("argv", "env", "said"),
    [
        (["true", "x" * 150_000], {}, "argument 1 of the command has 150000 bytes"),
        (["true"], {"BIG": "x" * 150_000}, "the variable BIG has 150004 bytes"),
        (["true", *(["x" * 100_000] * 60)], {}, "command and variables have 6000"),
    ],
)
def test_too_large(attempt: Attempt, argv: list[str], env: dict[str, str], said: str) -> None:
    code, log = run(attempt, argv, env={"PATH": os.environ["PATH"], **env})
    assert (code, said in log) == (126, True), log[-300:]


@pytest.mark.parametrize(
    ("argv", "env"), [(["true", "a\0b"], {}), (["true", "\ud800"], {}), (["true"], {"A=B": "c"}), (["\ud800"], {})]
)
def test_what_is_no_text_for_the_system(attempt: Attempt, argv: list[str], env: dict[str, str]) -> None:
    """Never a silent 127."""
    code, log = run(attempt, argv, env={"PATH": os.environ["PATH"], **env})
    assert (code, "submarine: cannot run" in log) == (126, True), log
