"""What can be seen of an attempt from its files, and what it means."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum, auto

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.base import Launch, Observation, ReplicaState
from submarine_jupyter_server.targets.contract import members

from .planning import notes
from .rundir import Attempt, Json


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


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the files of an attempt."""

    life: Life
    state: Json | None = None  # state.json, or exit.json once it is there
    host: str = ""


def look(attempt: Attempt, here: Json) -> Sight:
    """Look at an attempt; ``here`` is the identity of this machine. Blocks."""
    # In this order: "started" is written by who holds the lock, "exit.json" before it is let go.
    started = attempt.read("started")
    supervised = attempt.is_supervised()
    if not attempt.path.exists():
        return Sight(Life.VANISHED)
    ended = attempt.read("exit.json")
    if ended is not None:
        return Sight(Life.ENDED, ended)
    state = attempt.read("state.json")
    if started is None:
        return Sight(Life.ALIVE if supervised else Life.UNSTARTED, state)
    host = started["hostname"]
    if started["boot_id"] != here["boot_id"]:
        return Sight(Life.REBOOTED if host == here["hostname"] else Life.ELSEWHERE, state, host)
    if supervised:
        return Sight(Life.ALIVE, state, host)
    same = started["pid_namespace"] == here["pid_namespace"]
    return Sight(Life.LOST if same else Life.CONTAINER_GONE, state, host)


def observe(launch: Launch, sight: Sight, here: Json) -> Observation:
    """Return what a sight means for the experiment."""
    state = sight.state or {"status": "Created"}
    reason, message = state.get("reason"), state.get("message")
    if sight.life is Life.ELSEWHERE:
        reason = "UnknownHere"
        message = f"it was started on {sight.host}, and this is {here['hostname']}: it is left alone"
    return Observation(
        experiment_id=launch.experiment_id,
        uid=launch.uid,
        attempt=launch.attempt,
        generation=state.get("generation", launch.generation),
        status=Status(state["status"]),
        at_ms=state.get("finished_ms") or state.get("running_ms") or now_ms(),
        reason=reason,
        message=message,
        replicas=_replicas(launch, state, sight.host),
        notes=(*notes(launch.spec), *state.get("notes", ())),
        created_ms=state.get("created_ms"),
        running_ms=state.get("running_ms"),
        finished_ms=state.get("finished_ms"),
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
        replicas=_replicas(launch, {}, ""),
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


def now_ms() -> int:
    """Return Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _replicas(launch: Launch, state: Json, host: str) -> tuple[ReplicaState, ...]:
    """Return all replicas: those the shim knows, then those that wait for their start."""
    known = [
        ReplicaState(
            name=replica["name"],
            role=replica["role"],
            index=replica["index"],
            status=replica["status"],
            exit_code=replica["exit_code"],
            signal=replica["signal"],
            reason=replica["reason"],
            message=replica["message"],
            node=host or None,
            pid=replica["pid"],
            restarts=replica["restarts"],
            started_ms=replica["started_ms"],
            finished_ms=replica["finished_ms"],
        )
        for replica in state.get("replicas", [])
    ]
    names = {replica.name for replica in known}
    status = "Stopped" if state.get("finished_ms") else "Waiting"
    rest = [
        ReplicaState(name=member.name, role=member.role, index=member.index, status=status)
        for member in members(launch.spec)
        if member.name not in names
    ]
    return (*known, *rest)
