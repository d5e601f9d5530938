"""End what can be ended, and say what cannot: processes of another user, or such that hang in the kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.targets.local.shim.attempt import Attempt, item, number_in, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes are below one")
NOBODY = 65534
IMPATIENT = "import shim.ending as e; e.GIVE_UP_S = 0.3"
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


@pytest.fixture
def sudo(attempt: Attempt) -> Iterator[Path]:
    """A program that nobody may run, and that becomes another user for good, as sudo does."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("only root can make such a program")
    folder = Path("/tmp") / f"submarine-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        program = folder / "become"
        shutil.copy(setpriv, program)
        program.chmod(0o4755)
        for path in (attempt.path, *attempt.path.parents):
            if path.owner() == "root" and path != Path("/") and path != Path("/tmp"):
                path.chmod(0o755)
        os.chown(attempt.path, NOBODY, NOBODY)
        os.chown(attempt.path.parent, NOBODY, NOBODY)
        become = [str(program), "--reuid=0", "--regid=0", "--clear-groups"]
        if subprocess.run([*AS_NOBODY, *become, "true"], capture_output=True).returncode:
            pytest.skip("programs do not change their user here")
        yield program
    finally:
        shutil.rmtree(folder)
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] == ["sleep", "6543"]:
                process.kill()


def test_a_daemon_of_another_user_is_left_alone_and_named(attempt: Attempt, sudo: Path, tmp_path: Path) -> None:
    command = f"setsid {sudo} --reuid=0 --regid=0 --clear-groups sleep 6543 & echo $! > {attempt.path}/pid; sleep 0.3"
    attempt.start(item("worker-0", command), before=IMPATIENT, words=AS_NOBODY, grace_s=0.2)
    end = attempt.end()
    pid = number_in(attempt.path / "pid")
    assert end["status"] == "Succeeded"
    assert end["message"] == f"1 process of another user could not be ended: pid {pid}"
    assert psutil.Process(pid).cmdline() == ["sleep", "6543"]
    assert attempt.complaints() == ""


def test_a_replica_of_another_user_can_be_stopped_all_the_same(attempt: Attempt, sudo: Path) -> None:
    command = ["/bin/sh", "-c", f"exec {sudo} --reuid=0 --regid=0 --clear-groups sleep 6543"]
    mine = item("worker-1", "exec sleep 600")
    attempt.start(item("worker-0", command), mine, before=IMPATIENT, words=AS_NOBODY)
    attempt.until(lambda: attempt.replica()["pid"] and psutil.Process(attempt.replica()["pid"]).uids().real == 0)
    pid = attempt.replica()["pid"]
    attempt.stop(0.2)
    end = attempt.end()
    assert (end["status"], end["reason"]) == ("Failed", "Stopped")
    assert end["message"] == f"it was stopped; 1 process of another user could not be ended: pid {pid}"
    assert [replica["status"] for replica in end["replicas"]] == ["Stopped", "Stopped"]
    assert psutil.pid_exists(pid)


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """A disk on which whoever writes hangs in the kernel, as on one of a dead server."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or shutil.which("fsfreeze") is None:
        pytest.skip("only root can freeze a disk")
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True).returncode:
        pytest.skip("there are no loop devices")
    (folder / "file").touch()
    if subprocess.run(["fsfreeze", "-f", str(folder)], capture_output=True).returncode:
        subprocess.run(["umount", str(folder)], check=True)
        pytest.skip("it cannot be frozen")
    yield folder
    subprocess.run(["fsfreeze", "-u", str(folder)], check=True)
    until(lambda: not subprocess.run(["umount", str(folder)], capture_output=True).returncode, lambda: "nobody writes")


def test_what_hangs_in_the_kernel_is_named(attempt: Attempt, frozen: Path) -> None:
    attempt.start(item("worker-0", f"echo $$; exec dd if=/dev/zero of={frozen}/file count=1"), before=IMPATIENT)
    attempt.until(lambda: attempt.log().strip())
    pid = int(attempt.log())
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_DISK_SLEEP, lambda: "it hangs")
    attempt.stop(0.2)
    end = attempt.end()
    assert (end["reason"], end["replicas"][0]["status"]) == ("Stopped", "Stopped")
    assert end["message"] == f"it was stopped; 1 process could not be ended, hanging in the kernel: pid {pid}"
