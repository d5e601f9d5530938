"""Commands of containers, run as a container would run them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions, render
from submarine_jupyter_server.targets.protocol import Launch


def container(cmd: str, make: Callable[..., Launch], **more: Any) -> dict[str, Any]:
    meta = {"name": "x", "framework": "Standalone", "cmd": cmd}
    launch = make({"meta": meta, "environment": {"image": "x"}, "spec": {"Worker": {}}, **more})
    [job, *_] = render(launch, kind="indexed_jobs", namespace="default", options=ClusterOptions())
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


def words(cmd: str, make: Callable[..., Launch]) -> list[str]:
    """Return the command as a kubelet starts it: it takes ``$$`` for ``$``."""
    return [word.replace("$$", "$") for word in container(cmd, make)["containers"][0]["command"]]


def programs(folder: Path, *names: str) -> str:
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def test_a_plain_command_needs_no_shell(launch_of_spec: Callable[..., Launch]) -> None:
    assert words("python t.py --x 'a b'", launch_of_spec) == ["python", "t.py", "--x", "a b"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_container_decides_which_shell_reads_the_command(
    tmp_path: Path, launch_of_spec: Callable[..., Launch]
) -> None:
    argv = words('if [ -n "$BASH_VERSION" ]; then echo bash; else echo sh; fi', launch_of_spec)
    for names, printed in ((("sh", "bash"), "bash"), (("sh",), "sh")):
        folder = tmp_path / printed
        folder.mkdir()
        env = {"PATH": programs(folder, *names)}
        assert subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.strip() == printed


def test_scripts_among_the_files_can_be_executed(launch_of_spec: Callable[..., Launch]) -> None:
    code = {"syncMode": "inline", "files": {"run.sh": "#!/bin/sh\n", "a.py": "x"}}
    [_, files] = container("./run.sh", launch_of_spec, code=code)["volumes"]
    assert [item.get("mode") for item in files["configMap"]["items"]] == [0o755, None]
