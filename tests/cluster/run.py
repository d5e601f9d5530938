"""What one run of the cluster owns: a folder, ports, processes. Written down, so that another process can end it."""

import json
import os
import secrets
import shutil
import socket
import tempfile
import threading
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.cluster import cache
from tests.cluster.processes import Process

PORTS = range(20_000, 32_000)  # below the ports that the kernel hands out, so nobody gets them by chance


@dataclass(slots=True)
class Run:
    """One run. `owner` ends it when it ends itself (a test session); without one it lasts until `down`."""

    directory: Path
    kubernetes: str
    node: bool  # with a real node
    owner: Process | None
    ports: dict[str, int]
    processes: dict[str, Process] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The name that everything of this run carries."""
        return self.directory.name

    def path(self, *parts: str) -> Path:
        """Return a path in the folder of the run."""
        return self.directory.joinpath(*parts)

    def folder(self, *parts: str) -> Path:
        """Return a folder in the folder of the run, made if it is not there."""
        path = self.path(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def record(self, name: str, process: Process) -> Process:
        """Write down that a process belongs to the run."""
        with self._lock:
            self.processes[name] = process
            self.save()
        return process

    def ended(self) -> list[str]:
        """Return the names of the processes that do not run any more."""
        with self._lock:
            return [name for name, process in self.processes.items() if not process.alive()]

    def last_words(self, name: str) -> str:
        """Return the end of a log."""
        log = self.path("logs", f"{name}.log")
        return f"--- {log.name}\n{log.read_text()[-1500:]}" if log.exists() else ""

    def listens(self, name: str) -> bool:
        """Whether something listens on a port; `OSError` if not."""
        with socket.create_connection(("127.0.0.1", self.ports[name]), timeout=1):
            return True

    def save(self) -> None:
        """Write down what the run owns."""
        state = {
            "kubernetes": self.kubernetes,
            "node": self.node,
            "owner": self.owner and asdict(self.owner),
            "ports": self.ports,
            "processes": {name: asdict(process) for name, process in self.processes.items()},
        }
        draft = self.path("state.json.new")
        draft.write_text(json.dumps(state, indent=1))
        draft.replace(self.path("state.json"))

    def abandoned(self) -> bool:
        """Whether the test session that this run was made for is gone."""
        return self.owner is not None and not self.owner.alive()


def create(kubernetes: str, owner: Process | None, ports: list[str], *, node: bool) -> Run:
    """Make the folder of a new run and reserve a free port for each name."""
    with locked():
        taken = {port for run in existing() for port in run.ports.values()}
        free = (port for port in PORTS if port not in taken and _is_free(port))
        directory = Path(tempfile.gettempdir(), f"{_prefix()}{secrets.token_hex(3)}")
        directory.mkdir(mode=0o700)
        run = Run(directory, kubernetes, node, owner, {name: next(free) for name in ports})
        run.save()
    return run


def existing() -> list[Run]:
    """Return this user's runs."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{_prefix()}*/state.json")):
        with suppress(FileNotFoundError):  # it has just gone
            if path.stat().st_uid == os.getuid():
                found.append(_load(path))
    return found


def locked() -> AbstractContextManager[None]:
    """Hold the lock for changing which runs there are."""
    return cache.locked(Path(tempfile.gettempdir()))


def forget(run: Run) -> None:
    """Remove the folder of a run, and with it the record that the run exists."""
    shutil.rmtree(run.directory)


def _load(path: Path) -> Run:
    state = json.loads(path.read_text())
    owner = Process(**state["owner"]) if state["owner"] else None
    processes = {name: Process(**process) for name, process in state["processes"].items()}
    return Run(path.parent, state["kubernetes"], state["node"], owner, state["ports"], processes)


def _prefix() -> str:
    return f"submarine-cluster-{os.getuid()}-"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does: TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
