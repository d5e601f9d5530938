"""Describe how an experiment is, for the person who owns it, from what is known of its attempts."""

from __future__ import annotations

import time
from dataclasses import replace

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.local.attempts.attempt_status import SILENCE_S, Life, observe, waiting
from submarine_jupyter_server.targets.local.run import AttemptRun, Run
from submarine_jupyter_server.targets.local.rundir.files import Json
from submarine_jupyter_server.targets.protocol import Observation

from .settling import PATIENCE_S

Reason = tuple[str, str]


def report(run: Run, here: Json, queued: str | None, failure: Reason | None = None) -> Observation:
    """Return the observation of an experiment's present attempt.

    ``queued`` says what it waits for, if it does; ``failure`` is why it could not be inspected just now.
    """
    present = run.present
    trouble = failure or next(filter(None, map(_trouble, run.attempts)), None)
    if run.older:
        late = obstacle(run)
        return waiting(run.launch, *((late.reason, late.message) if late else ("Replacing", _being_ended(run.older))))
    if present.plan is None and present.status.life is Life.UNSTARTED:
        if trouble is None and run.unreadable:
            trouble = ("Unreadable", run.unreadable)
        if trouble is None and run.trouble is not None:
            trouble = ("CannotStart", run.trouble)
        return waiting(run.launch, *(trouble or ("Queued", queued or "it is next")))
    observation = observe(run.launch, present.status, here)
    if observation.status.final and failure is None:
        return observation
    if run.reported is not None and run.reported.attempt == observation.attempt and present.status.state is None:
        # Its shim has not yet said more, or what it says cannot be read.
        observation = (
            run.reported
            if trouble is None and run.reported.reason is None
            else _plain(run.reported, run.reported.status)
        )
    elif present.status.life is Life.UNREADABLE and observation.status is Status.CREATED:
        observation = _plain(observation, Status.RUNNING)  # it may: nobody can tell
    if trouble is None and run.unreadable:
        trouble = ("Unreadable", run.unreadable)
    if trouble is None and run.trouble is not None:
        trouble = ("CannotStart", f"more replicas: {run.trouble}")
    if trouble is None and queued is not None:
        trouble = ("Queued", f"more replicas: {queued}")
    return observation if trouble is None else replace(observation, reason=trouble[0], message=trouble[1])


def steps(reported: Observation | None, observation: Observation) -> list[Observation]:
    """Return what is to be reported after ``reported``: nothing that is no news, and no end without the beginning."""
    if reported is not None and replace(reported, at_ms=0) == replace(observation, at_ms=0):
        return []
    before = reported.status if reported else Status.ACCEPTED
    if observation.status.final and observation.running_ms and before in (Status.ACCEPTED, Status.CREATED):
        running = replace(
            observation, status=Status.RUNNING, at_ms=observation.running_ms, finished_ms=None, replicas=()
        )
        return [replace(running, reason=None, message=None), observation]
    return [observation]


def obstacle(run: Run) -> TargetUnavailable | None:
    """Return what keeps an experiment from what was ordered, if it does; waiting for its turn does not count."""
    if run.over:
        return None
    for attempt in run.older:
        order = attempt.stop or {"grace_s": 0.0}
        if attempt.left or time.monotonic() > attempt.stopped_at + order["grace_s"] + PATIENCE_S:
            why = (_trouble(attempt) or ("", "its processes go on"))[1]
            return TargetUnavailable(f"attempt {attempt.launch.attempt} does not end: {why}", reason="DoesNotEnd")
    return None if run.trouble is None else TargetUnavailable(run.trouble, reason="CannotStart")


def _being_ended(older: list[AttemptRun]) -> str:
    names = " and ".join(f"attempt {attempt.launch.attempt}" for attempt in older)
    return f"{names} is being ended before this one starts"


def _trouble(attempt: AttemptRun) -> Reason | None:
    if attempt.left:
        pids = ", ".join(map(str, attempt.left[:5]))
        return "DoesNotEnd", f"not even SIGKILL ends these processes of it, which hang in the kernel: {pids}"
    if attempt.status.trouble is not None:
        return "Unreadable", attempt.status.trouble
    if attempt.damage is not None:
        return "Unreadable", attempt.damage
    if attempt.stuck:
        who = f" (process {attempt.status.pid})" if attempt.status.pid else ""
        hint = (
            "it is killed if it does not end in time" if attempt.stop else "stop the experiment to end it all the same"
        )
        return "SupervisorStuck", f"its supervisor{who} has given no sign of life for {SILENCE_S:g} s: {hint}"
    return None


def _plain(observation: Observation, status: Status) -> Observation:
    return replace(observation, status=status, reason=None, message=None)
