"""What the server wants: ``plan.json``, which says how things should be and is read again whenever it changes."""

from __future__ import annotations

import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")

LEADER = "leader"  # its success is the success of the experiment
WORKER = "worker"  # where there is no leader, all of them must succeed
HELPER = "helper"  # serves the others, and is ended with them
MAX_BYTES = 256 * 1024 * 1024
MAX_S = 1e10


class Item:
    """One replica as it should run; another ``incarnation`` of the same name is another process."""

    def __init__(self, data: Any) -> None:
        self.name = _get(data, "name", str)
        self.role = _get(data, "role", str)
        self.index = _get(data, "index", int)
        self.incarnation = _get(data, "incarnation", int)
        self.duty = _get(data, "duty", str)
        self.argv: list[str] = [_of(text, str) for text in _get(data, "argv", list)]
        self.env: dict[str, str] = {_of(name, str): _of(text, str) for name, text in _get(data, "env", dict).items()}
        self.cwd = _get(data, "cwd", str)
        self.held_ports: list[int] = [_of(port, int) for port in _get(data, "held_ports", list)]
        self.memory_bytes = _maybe(data, "memory_bytes", int)
        self.memory = _maybe(data, "memory", str)
        self.path_replaced: bool = bool(data.get("path_replaced"))  # plans of older servers do not say
        if not self.argv or "/" in self.name or self.name in ("", ".", ".."):
            raise ValueError(f"replica {self.name!r} has no command or an impossible name")


class Stop:
    """The order to end everything, and why."""

    def __init__(self, data: Any) -> None:
        self.reason = _get(data, "reason", str)
        self.message = _get(data, "message", str)
        self.grace_s = _seconds(data, "grace_s")


class Plan:
    """All of ``plan.json``; times in seconds, sizes in bytes. Raises ValueError if it is not what it should be."""

    def __init__(self, data: Any) -> None:
        self.experiment_id = _get(data, "experiment_id", str)
        self.uid = _get(data, "uid", str)
        self.attempt = _get(data, "attempt", int)
        self.generation = _get(data, "generation", int)
        self.replicas = [Item(item) for item in _get(data, "replicas", list)]
        self.stop = Stop(data["stop"]) if data.get("stop") is not None else None
        self.grace_s = _seconds(data, "grace_s")
        self.linger_s = _seconds(data, "linger_s")
        self.max_run_time_s = None if data.get("max_run_time_s") is None else _seconds(data, "max_run_time_s")
        self.retries = _get(data, "retries", int)
        self.log_cap_bytes = _get(data, "log_cap_bytes", int)

    @property
    def marker(self) -> str:
        """The start of the variable that marks every process of this attempt."""
        return f"SUBMARINE_JUPYTER_REPLICA={self.uid}/{self.attempt}/"


class PlanFile:
    """Reads ``plan.json`` again when it was replaced."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/plan.json"
        self._stamp = (0, 0)

    def changed(self) -> Plan | None:
        """Return the plan if it is another one than last time. Raises OSError or ValueError if it cannot be read.

        What cannot be understood is complained about once, until there is another one.
        """
        fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            stamp = (status.st_ino, status.st_mtime_ns)
            if stamp == self._stamp:
                return None
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
                self._stamp = stamp
                raise ValueError("it is not a file, or is too large for a plan")
            with open(fd, "rb", closefd=False) as file:
                text = file.read(MAX_BYTES)
        finally:
            os.close(fd)
        self._stamp = stamp
        try:
            return Plan(json.loads(text))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def _get(data: Any, name: str, kind: type[T]) -> T:
    if not isinstance(data, dict) or name not in data:
        raise ValueError(f"there is no {name!r}")
    return _of(data[name], kind)


def _maybe(data: Any, name: str, kind: type[T]) -> T | None:
    return None if data.get(name) is None else _of(data[name], kind)


def _of(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{str(value)[:80]!r} is not a {kind.__name__}")
    return value


def _seconds(data: Any, name: str) -> float:
    value = _get(data, name, object)
    if not isinstance(value, (int, float)) or not 0 <= value <= MAX_S:  # also not a number
        raise ValueError(f"{name!r} is no time in seconds: {str(value)[:80]}")
    return float(value)
