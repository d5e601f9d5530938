"""What the server wants: ``plan.json``, which says how things should be and is read again whenever it changes."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LEADER = "leader"  # its success is the success of the experiment
WORKER = "worker"  # where there is no leader, all of them must succeed
HELPER = "helper"  # serves the others, and is ended with them


class Item:
    """One replica as it should run; another ``incarnation`` of the same name is another process."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.name: str = data["name"]
        self.role: str = data["role"]
        self.index: int = data["index"]
        self.incarnation: int = data["incarnation"]
        self.duty: str = data["duty"]
        self.argv: list[str] = data["argv"]
        self.env: dict[str, str] = data["env"]
        self.cwd: str = data["cwd"]
        self.held_ports: list[int] = data["held_ports"]
        self.memory_bytes: int | None = data["memory_bytes"]
        self.memory: str | None = data["memory"]


class Stop:
    """The order to end everything, and why."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.reason: str = data["reason"]
        self.message: str = data["message"]
        self.grace_s: float = data["grace_s"]


class Plan:
    """All of ``plan.json``; times in seconds, sizes in bytes."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.experiment_id: str = data["experiment_id"]
        self.uid: str = data["uid"]
        self.attempt: int = data["attempt"]
        self.generation: int = data["generation"]
        self.replicas = [Item(item) for item in data["replicas"]]
        self.stop = Stop(data["stop"]) if data["stop"] else None
        self.grace_s: float = data["grace_s"]
        self.linger_s: float = data["linger_s"]
        self.max_run_time_s: float | None = data["max_run_time_s"]
        self.retries: int = data["retries"]
        self.log_cap_bytes: int = data["log_cap_bytes"]

    @property
    def marker(self) -> str:
        """The start of the variable that marks every process of this attempt."""
        return f"SUBMARINE_JUPYTER_REPLICA={self.uid}/{self.attempt}/"


class PlanFile:
    """Reads ``plan.json`` again when it was replaced."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/plan.json"
        self._seen = (0, 0)

    def changed(self) -> Plan | None:
        """Return the plan if it is another one than last time. Raises OSError or ValueError if it cannot be read."""
        with open(self._path, "rb") as file:
            stat = os.fstat(file.fileno())
            seen = (stat.st_ino, stat.st_mtime_ns)
            if seen == self._seen:
                return None
            plan = Plan(json.loads(file.read()))
        self._seen = seen
        return plan
