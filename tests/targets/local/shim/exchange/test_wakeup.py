"""What wakes the shim."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.targets.local.shim.attempt import PACKAGE

PROGRAM = f"""
import os, select, signal, sys
sys.path.append({str(PACKAGE.parent)!r})
from shim.exchange.wakeup import Wakeup
wakeup = Wakeup(sys.argv[1])
def readable(fd): return bool(select.select([fd], [], [], 0)[0])
"""


def run(folder: Path, program: str) -> str:
    """Run a program beside a ``wakeup``; it changes the signals of its process for good."""
    words = [sys.executable, "-I", "-S", "-c", PROGRAM + program, str(folder)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_signals(tmp_path: Path) -> None:
    program = """
print(wakeup.terminated, wakeup.child_died, readable(wakeup._reader))
os.kill(os.getpid(), signal.SIGTERM)
if os.fork() == 0: os._exit(0)
os.wait()
print(wakeup.terminated, wakeup.child_died, readable(wakeup._reader))
print(wakeup.read(), readable(wakeup._reader))
"""
    assert run(tmp_path, program) == "False False False\nTrue True True\nFalse False\n"


def test_calls(tmp_path: Path) -> None:
    program = """
for words in (b"\\n", b"stop\\n", b"\\n"):
    with open(sys.argv[1] + "/ctl", "wb") as ctl: ctl.write(words)
    print(readable(wakeup.ctl), wakeup.read(), wakeup.stop_ordered)
"""
    assert run(tmp_path, program) == "True True False\nTrue True True\nTrue True True\n"


def test_what_is_no_fifo_wakes_nobody(tmp_path: Path) -> None:
    (tmp_path / "ctl").write_text("stop\n" * 100)
    assert run(tmp_path, "print(wakeup.ctl, wakeup.read(), wakeup.stop_ordered)") == "-1 False False\n"
    (tmp_path / "ctl").unlink()
    os.symlink("/dev/zero", tmp_path / "ctl")
    assert run(tmp_path, "print(wakeup.ctl)") == "-1\n"


def test_it_sleeps_until_something_comes(tmp_path: Path) -> None:
    program = """
reader, writer = os.pipe()
print(wakeup.wait([reader], 0))
os.write(writer, b"x")
print(wakeup.wait([reader], -1) == [reader])
os.read(reader, 1)
os.kill(os.getpid(), signal.SIGTERM)
print(wakeup.wait([reader], -1), wakeup.terminated)
"""
    assert run(tmp_path, program) == "[]\nTrue\n[] True\n"
