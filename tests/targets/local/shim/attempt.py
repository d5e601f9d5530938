"""One attempt with a shim of its own, and no server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from submarine_jupyter_server.targets.local import shim

Json = dict[str, Any]
PATIENCE_S = 40.0
PACKAGE = Path(shim.__file__).parent
RUN = "import sys; sys.path.append({place!r}); {before}\nfrom shim.start import main\nsys.exit(main(sys.argv[1]))"


def item(name: str, command: str | list[str], **more: Any) -> Json:
    """Return a replica of a plan; a text is for the shell."""
    role, _, index = name.rpartition("-")
    return {
        "name": name,
        "role": role.capitalize(),
        "index": int(index),
        "incarnation": 1,
        "duty": "worker",
        "argv": ["/bin/sh", "-c", command] if isinstance(command, str) else command,
        "env": {"PATH": os.environ["PATH"], "SUBMARINE_JUPYTER_REPLICA": f"uid/1/{name}"},
        "cwd": "/",
        "held_ports": [],
        "memory_bytes": None,
        "memory": None,
    } | more


class Attempt:
    """The folder of an attempt and the shim that works in it."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "runs/experiment-1-0001/1"
        self.path.mkdir(parents=True)
        self.plan: Json = {}
        self.shim: subprocess.Popen[bytes] | None = None

    def write(self, *items: Json, **more: Any) -> None:
        """Write the plan."""
        self.plan = {
            "experiment_id": "experiment-1-0001",
            "uid": "uid",
            "attempt": 1,
            "generation": 1,
            "replicas": list(items),
            "stop": None,
            "grace_s": 1.0,
            "linger_s": 30.0,
            "max_run_time_s": None,
            "retries": 0,
            "log_cap_bytes": 2**30,
        } | more
        self._replace()

    def _replace(self) -> None:
        draft = self.path / "draft"
        draft.write_text(json.dumps(self.plan))
        draft.replace(self.path / "plan.json")

    def start(
        self, *items: Json, before: str = "", words: tuple[str, ...] = (), failpoint: str = "", **more: Any
    ) -> None:
        """Write the plan and start the shim, below the program ``words``; ``before`` is done in it first."""
        if items:
            self.write(*items, **more)
        program = RUN.format(place=str(PACKAGE.parent), before=before)
        with open(self.path / "shim.log", "ab") as log:
            self.shim = subprocess.Popen(
                [*words, sys.executable, "-I", "-S", "-c", program, str(self.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "SUBMARINE_FAILPOINT": failpoint},
                start_new_session=True,
            )

    def stop(self, grace_s: float = 1.0) -> None:
        """Order the end of all."""
        self.plan["stop"] = {"reason": "Stopped", "message": "it was stopped", "grace_s": grace_s}
        self._replace()
        self.call()

    def call(self) -> None:
        """Have the shim look at the plan."""
        fd = os.open(self.path / "ctl", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"\n")
        os.close(fd)

    def state(self) -> Json:
        """Return what was published last, nothing before the first time."""
        try:
            data: Json = json.loads((self.path / "state.json").read_text())
        except FileNotFoundError:
            return {"replicas": [], "status": None, "reason": None, "message": None, "descendants": []}
        return data

    def replica(self, name: str = "worker-0") -> Json:
        """Return what was published last of a replica."""
        return next(
            (r for r in self.state()["replicas"] if r["name"] == name), {"status": None, "message": None, "pid": None}
        )

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        until(holds, lambda: f"{self.state()}\n{self.complaints()}")

    def end(self) -> Json:
        """Wait for the end of the shim; return how everything ended."""
        assert self.shim is not None
        self.shim.wait(PATIENCE_S)
        data: Json = json.loads((self.path / "exit.json").read_text())
        return data

    def log(self, name: str = "worker-0") -> str:
        """Return what a replica wrote."""
        return b"".join(path.read_bytes() for path in sorted((self.path / "logs" / name).glob("*.log"))).decode()

    def complaints(self) -> str:
        """Return what the shim wrote."""
        return (self.path / "shim.log").read_text()

    def close(self) -> None:
        """End what is left."""
        if self.shim is not None and self.shim.poll() is None:
            below = psutil.Process(self.shim.pid).children(recursive=True)
            self.shim.send_signal(signal.SIGCONT)
            self.shim.kill()
            self.shim.wait()
            for process in below:
                process.kill()


def until(holds: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"not in time: {what()}"
        time.sleep(0.02)


def number_in(path: Path) -> int:
    """Return the number in a file, 0 as long as there is none."""
    return int(path.read_text() or 0) if path.exists() else 0


def lives(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ignored_for_good() -> set[int]:
    """Return the signals that the C library keeps to itself and this process ignores: make(1) hands them on so."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            mask = int(line.split()[1], 16)
            return {number for number in (32, 33) if mask >> (number - 1) & 1}
    return set()
