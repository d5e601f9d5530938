"""What the files of an attempt say, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum, auto
from pathlib import Path

from submarine_jupyter.models import Status
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.targets.local.rundir.files import Json, Unreadable
from submarine_jupyter_server.targets.local.rundir.folders import Attempt, Lock
from submarine_jupyter_server.targets.protocol import Launch, Observation, ReplicaState
from submarine_jupyter_server.targets.replicas import members

from .orphans import lives
from .planning import notes

_REPLICA = tuple(field.name for field in fields(ReplicaState) if field.name != "node")
SILENCE_S = 15.0  # how long a shim may give no sign of life; it gives one every 5 s


class Life(Enum):
    """How an attempt is, as far as its shim is concerned."""

    UNSTARTED = auto()  # there is no shim, and never was one that started anything
    ALIVE = auto()
    ENDED = auto()
    LOST = auto()  # the shim died, and could not write down how it ended
    CONTAINER_GONE = auto()
    REBOOTED = auto()
    ELSEWHERE = auto()  # on another machine that shares this folder
    VANISHED = auto()  # somebody removed its files
    UNREADABLE = auto()  # it may be any of these


@dataclass(frozen=True, slots=True)
class AttemptStatus:
    """What the files of an attempt say; ``trouble`` is what is wrong with one that matters."""

    life: Life
    state: Json | None = None  # state.json, or exit.json once it is there
    host: str = ""
    trouble: str | None = None
    pid: int | None = None  # of the shim, where that is known


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is cheap to see of an attempt: when two are equal, there is no news."""

    lock: Lock
    beat_ns: int  # changes while the shim lives
    files: tuple[object, ...]


def pulse(attempt: Attempt) -> Pulse:
    """Return the pulse of an attempt. Blocks; raises Unreadable."""
    held, beat = attempt.lock_state()
    return Pulse(held, beat, tuple(_stamp(attempt.path / name) for name in ("started", "state.json", "exit.json")))


def _stamp(path: Path) -> object:
    try:
        stat = path.lstat()
    except OSError as error:
        return error.errno
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def inspect(attempt: Attempt, here: Json, silent_s: float = 0.0) -> AttemptStatus:
    """Read what an attempt's files say. Blocks.

    ``here`` is the identity of this machine; ``silent_s`` are the seconds since the shim's last sign of life. What
    cannot be read decides nothing: an end is only found where one is written, a loss only where nothing lives.
    """
    try:
        return _inspect(attempt, here, silent_s)
    except Unreadable as error:
        return AttemptStatus(Life.UNREADABLE, _state(attempt)[0], trouble=str(error))


def _inspect(attempt: Attempt, here: Json, silent_s: float) -> AttemptStatus:
    if not attempt.there:
        return AttemptStatus(Life.VANISHED)
    # In this order: "started" is written by who holds the lock, "exit.json" before it is let go.
    started, trouble = _try(attempt, "started")
    held, _ = attempt.lock_state()
    alive = held is Lock.HELD or (started is not None and _lives_here(started, here))
    ended, unreadable = _try(attempt, "exit.json")
    if ended is not None:
        return AttemptStatus(Life.ENDED, ended)
    state, damaged = _state(attempt)
    trouble = unreadable or trouble or damaged if alive else unreadable or trouble
    if started is None:
        if alive:
            return AttemptStatus(Life.ALIVE, state, trouble=trouble)
        if trouble is None and attempt.has("state.json"):
            trouble = str(Unreadable(attempt.path / "started", "it is missing"))
        return AttemptStatus(Life.UNREADABLE if trouble else Life.UNSTARTED, state, trouble=trouble)
    host = started["hostname"]
    if unreadable and not alive:
        return AttemptStatus(Life.UNREADABLE, state, host, trouble)
    life = _life(started, here, held, alive, silent_s)
    return AttemptStatus(life, state, host, trouble if life is Life.ALIVE else None, started["pid"])


def _life(started: Json, here: Json, held: Lock, alive: bool, silent_s: float) -> Life:
    if started["boot_id"] != here["boot_id"]:
        same_name = started["hostname"] == here["hostname"]
        known, own = started.get("machine_id"), here["machine_id"]
        if not (known == own if known and own else same_name):
            return Life.ELSEWHERE
        # Machines that were made from one image may have one id, and share this folder: only silence proves a reboot.
        proven = same_name or (held is not Lock.HELD and silent_s >= SILENCE_S)
        return Life.REBOOTED if proven else Life.ELSEWHERE
    if alive:
        return Life.ALIVE
    return Life.LOST if started["pid_namespace"] == here["pid_namespace"] else Life.CONTAINER_GONE


def _lives_here(started: Json, here: Json) -> bool:
    same = all(started[name] == here[name] for name in ("boot_id", "pid_namespace"))
    return same and lives(started["pid"], started["ticks"])


def _try(attempt: Attempt, name: str) -> tuple[Json | None, str | None]:
    try:
        return attempt.read(name), None
    except Unreadable as error:
        return None, str(error)


def _state(attempt: Attempt) -> tuple[Json | None, str | None]:
    """Return ``state.json``, which counts as none where it cannot be read: the other files decide."""
    return _try(attempt, "state.json")


def observe(launch: Launch, found: AttemptStatus, here: Json) -> Observation:
    """Return what the status of an attempt means for the experiment."""
    state = found.state or {"status": "Created"}
    status = Status(state["status"])
    if status.final and found.life is not Life.ENDED:
        status = Status.RUNNING  # the end is what exit.json says
    reason, message = state.get("reason"), state.get("message")
    if found.life is Life.ELSEWHERE:
        reason = "UnknownHere"
        message = f"it was started on {found.host}, and this is {here['hostname']}: it is left alone"
    finished = state.get("finished_ms") if status.final else None
    return Observation(
        experiment_id=launch.experiment_id,
        uid=launch.uid,
        attempt=launch.attempt,
        generation=state.get("generation", launch.generation),
        status=status,
        at_ms=finished or state.get("running_ms") or now_ms(),
        reason=reason,
        message=message,
        replicas=_replicas(launch, state, found.host, final=status.final),
        notes=(*notes(launch.spec), *state.get("notes", ())),
        created_ms=state.get("created_ms"),
        running_ms=state.get("running_ms"),
        finished_ms=finished,
    )


def waiting(launch: Launch, reason: str, message: str) -> Observation:
    """Return the observation of an experiment that is not started yet."""
    return Observation(
        experiment_id=launch.experiment_id,
        uid=launch.uid,
        attempt=launch.attempt,
        generation=launch.generation,
        status=Status.ACCEPTED,
        at_ms=now_ms(),
        reason=reason,
        message=message,
        replicas=_replicas(launch, {}, "", final=False),
        notes=notes(launch.spec),
    )


def ended(launch: Launch, state: Json | None, reason: str, message: str) -> Json:
    """Return the ``exit.json`` of an attempt whose end no shim wrote down."""
    now = now_ms()
    replicas = [dict(replica) for replica in (state or {}).get("replicas", [])]
    for replica in replicas:
        if replica["status"] in ("Running", "Waiting"):
            status = "Failed" if replica["status"] == "Running" else "Stopped"
            replica.update(status=status, reason=reason, pid=None, finished_ms=now)
    return {
        "experiment_id": launch.experiment_id,
        "uid": launch.uid,
        "attempt": launch.attempt,
        "generation": (state or {}).get("generation", launch.generation),
        "status": "Failed",
        "reason": reason,
        "message": message,
        "created_ms": (state or {}).get("created_ms"),
        "running_ms": (state or {}).get("running_ms"),
        "finished_ms": now,
        "replicas": replicas,
    }


def _replicas(launch: Launch, state: Json, host: str, *, final: bool) -> tuple[ReplicaState, ...]:
    """Return all replicas: those the shim knows, then those that wait; all ended if it is ``final``."""
    known = [
        ReplicaState(node=host or None, **{name: replica[name] for name in _REPLICA})
        for replica in state.get("replicas", [])
    ]
    names = {replica.name for replica in known}
    rest = [
        ReplicaState(name=member.name, role=member.role, index=member.index, status="Waiting")
        for member in members(launch.spec)
        if member.name not in names
    ]
    everyone = (*known, *rest)
    return tuple(map(_ended, everyone)) if final else everyone


def _ended(replica: ReplicaState) -> ReplicaState:
    """Return a replica as it is after the end of its experiment."""
    if replica.status in ("Waiting", "Running"):
        return replace(replica, status="Failed" if replica.status == "Running" else "Stopped", pid=None)
    return replace(replica, pid=None)
