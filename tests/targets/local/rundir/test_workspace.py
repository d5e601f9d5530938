"""The folders of an attempt: for each error of making them, whether it is a refusal or may pass."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetRefused
from submarine_jupyter_server.targets.local.rundir import workspace
from submarine_jupyter_server.targets.local.rundir.folders import Attempt
from submarine_jupyter_server.targets.local.rundir.workspace import prepare, refuse, working_dir
from submarine_jupyter_server.targets.protocol import Launch
from tests.targets.local.bench import launch

PERMANENT = {"EEXIST", "EILSEQ", "EINVAL", "EISDIR", "ELOOP", "ENAMETOOLONG", "ENOTDIR"}
OF_A_FOLDER = PERMANENT | {"EACCES", "EPERM", "ENOENT"}
EVERY = sorted(set(errno.errorcode.values()))


def inline(**files: str) -> Launch:
    return launch("true", code={"syncMode": "inline", "files": files})


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path / "runs" / "experiment-1-0001" / "1")


@pytest.mark.parametrize("name", EVERY)
def test_each_error_of_writing_code_is_refused_or_may_pass(
    name: str, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise OSError(getattr(errno, name), "no")

    monkeypatch.setattr(workspace, "_write", fails)
    with pytest.raises(TargetRefused if name in PERMANENT else OSError, match="no"):
        prepare(inline(a="x"), attempt)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="is_dir raises nothing there")
@pytest.mark.parametrize("name", sorted(set(EVERY) - {"ENOENT", "ENOTDIR", "EBADF", "ELOOP"}))
def test_each_error_of_a_persons_folder_is_refused_or_may_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> os.stat_result:
        raise OSError(getattr(errno, name), "no")

    order = launch("true", runtime={"workingDir": "/somewhere"})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_dir", fails)
        with pytest.raises(TargetRefused if name in OF_A_FOLDER else OSError, match="no"):
            working_dir(order.spec)


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("~nosuchuser/x", "has no home folder for '~nosuchuser/x'"),
        ("relative", "'relative' must be an absolute path"),
        ("/nope", "there is no folder '/nope'"),
        ("/etc/passwd", "there is no folder '/etc/passwd'"),
        ("/etc/passwd/x", "there is no folder '/etc/passwd/x'"),
        ("/" + "x" * 300, "File name too long|there is no folder"),
        ("/tmp" + "/x" * 2000, "File name too long|there is no folder"),
    ],
)
def test_a_folder_in_which_nothing_can_start_is_refused_before_anything_is_written(
    folder: str, problem: str, attempt: Attempt
) -> None:
    order = launch("true", runtime={"workingDir": folder})
    for check in (refuse, prepare):
        with pytest.raises(TargetRefused, match=problem):
            check(order, attempt)
    assert not attempt.workspace.exists()


def test_a_loop_of_links_is_no_folder(tmp_path: Path, attempt: Attempt) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(TargetRefused, match="workingDir"):
        refuse(launch("true", runtime={"workingDir": str(tmp_path / "a")}), attempt)


def test_a_path_that_is_too_long_below_this_data_directory_is_refused(tmp_path: Path) -> None:
    deep = Attempt(tmp_path / "/".join(["d" * 200] * 17) / "runs" / "experiment-1-0001" / "1")
    for check in (refuse, prepare):
        with pytest.raises(TargetRefused, match="longer than a path can be"):
            check(inline(**{"/".join(["x" * 200] * 4): "x"}), deep)


def test_a_file_with_an_interpreter_can_be_run_and_others_stay_as_they_are(attempt: Attempt) -> None:
    prepare(inline(**{"run.sh": "#!/bin/sh\necho hi\n", "lib/a.py": "x = 1\r\n"}), attempt)
    script, module = (attempt.workspace / "code" / name for name in ("run.sh", "lib/a.py"))
    assert os.access(script, os.X_OK)
    assert script.stat().st_mode & 0o777 == 0o755
    assert not module.stat().st_mode & 0o111
    assert module.read_bytes() == b"x = 1\r\n"
    assert script.parent.stat().st_mode & 0o777 == 0o700


def test_the_folder_for_tensorboard_is_there_at_once(attempt: Attempt) -> None:
    prepare(launch("true"), attempt)
    assert (attempt.workspace / "tensorboard").is_dir()
    assert (attempt.workspace / "work").is_dir()
