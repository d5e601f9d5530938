"""Bring one attempt on: start its shim, see to it that an ordered end comes, and write down an end that no shim wrote.

An order to end has a time limit. A shim that was stopped is woken; one that does not follow is killed, and what it
leaves behind is ended here. All of this blocks.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace

from submarine_jupyter_server.targets.local.attempts import launcher
from submarine_jupyter_server.targets.local.attempts.attempt_status import (
    SILENCE_S,
    AttemptStatus,
    Life,
    ended,
    inspect,
)
from submarine_jupyter_server.targets.local.attempts.orphans import lives, send, sweep
from submarine_jupyter_server.targets.local.run import AttemptRun, order_end
from submarine_jupyter_server.targets.local.rundir.files import Json

MAX_SPAWNS = 10
PATIENCE_S = 5.0  # for a silent shim, after the grace time
LONG_PATIENCE_S = 60.0  # for one that gives signs of life
ONE_BEAT_S = 6.0
KILLED_S = 2.0
_LOST = (Life.LOST, Life.REBOOTED, Life.CONTAINER_GONE)


def settle(attempt: AttemptRun, here: Json, grace_s: float) -> None:
    """Inspect an attempt, and do what its state asks for; ``grace_s`` is for the end of one that was replaced."""
    if attempt.plan is None:
        attempt.read_plan()
    if attempt.replaced and attempt.stop is None:
        order_end(attempt, "Stopped", "replaced by a new attempt", grace_s)
    status = _inspect(attempt, here)
    if status.life is Life.ALIVE and attempt.stop is not None:
        status = _press(attempt, status, here)
    if _act(attempt, status):
        status = _inspect(attempt, here)
    attempt.status = status


def _inspect(attempt: AttemptRun, here: Json) -> AttemptStatus:
    status = inspect(attempt.folder, here, attempt.silent_s)
    if status.life is Life.UNREADABLE and launcher.shims(attempt.folder):
        return replace(status, life=Life.ALIVE)
    return status


def _act(attempt: AttemptRun, status: AttemptStatus) -> bool:
    """Do what the status of an attempt asks for; return whether that changed the files."""
    if status.life in _LOST or (status.life is Life.UNREADABLE and attempt.stop is not None):
        return _bury(attempt, status)
    if status.life is Life.ELSEWHERE and attempt.stop is not None and _waited_s(attempt) > SILENCE_S + PATIENCE_S:
        order = attempt.stop
        message = f"{order['message']}; it was started on {status.host}, which reports nothing"
        return attempt.folder.finish(ended(attempt.launch, status.state, order["reason"], message))
    if status.life is Life.UNSTARTED and not launcher.is_starting(attempt.folder):
        return _start(attempt)
    return False


def _start(attempt: AttemptRun) -> bool:
    order = attempt.stop
    if order is not None:
        return attempt.folder.finish(ended(attempt.launch, None, order["reason"], order["message"]))
    if attempt.plan is None:
        return False
    if attempt.spawns >= MAX_SPAWNS:
        why = launcher.complaint(attempt.folder)
        message = f"its supervisor ended {attempt.spawns} times before it could start anything: {why}"
        return attempt.folder.finish(ended(attempt.launch, None, "SupervisorFailed", message))
    attempt.spawns += 1
    launcher.spawn(attempt.folder)
    return False


def _waited_s(attempt: AttemptRun) -> float:
    """Return the seconds since the grace time of an order to end was over."""
    order = attempt.stop or {"grace_s": 0.0}
    return time.monotonic() - attempt.stopped_at - float(order["grace_s"])


def _press(attempt: AttemptRun, status: AttemptStatus, here: Json) -> AttemptStatus:
    """Make sure that a living shim ends what it was asked to end."""
    waited = _waited_s(attempt)
    patience = PATIENCE_S if attempt.silent_s >= ONE_BEAT_S or status.trouble else LONG_PATIENCE_S
    shims = launcher.shims(attempt.folder)
    for pid, ticks in shims:
        send(pid, ticks, signal.SIGCONT)  # a stopped one can do nothing
        if waited > patience:
            attempt.forced = True
            send(pid, ticks, signal.SIGKILL)
    if waited <= patience:
        return status
    until = time.monotonic() + KILLED_S
    while any(lives(pid, ticks) for pid, ticks in shims) and time.monotonic() < until:
        time.sleep(0.01)
    return _inspect(attempt, here)


def _bury(attempt: AttemptRun, status: AttemptStatus) -> bool:
    """Write the end of an attempt whose shim is gone, once what it left running on this machine has ended."""
    launch, order = attempt.launch, attempt.stop
    if status.life is Life.REBOOTED:
        reason, message = "HostRebooted", f"{status.host} was restarted while it ran"
    elif status.life is Life.CONTAINER_GONE:
        reason, message = "HostGone", "the container it ran in is gone"
    else:
        killed, attempt.left = sweep(launch.uid, launch.attempt, status.state)
        if attempt.left:
            return False
        reason, message = "SupervisorLost", f"its supervisor died; {_left_behind(killed)}"
        complaint = launcher.complaint(attempt.folder)
        message = f"{message} ({complaint})" if complaint else message
    if order is not None:
        forced = "; its supervisor did not answer and was killed" if attempt.forced else ""
        reason, message = order["reason"], f"{order['message']}{forced}"
    return attempt.folder.finish(ended(launch, status.state, reason, message))


def _left_behind(killed: int) -> str:
    if sys.platform != "linux":
        return "what it left running has to be ended by hand"
    ended = f"{killed} processes it left were ended" if killed else "no process it left was found"
    return f"{ended}, but a process that it started in its last second and that hides its origin may go on"
