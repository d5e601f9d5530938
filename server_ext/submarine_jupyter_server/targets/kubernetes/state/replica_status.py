"""How each replica of an experiment is."""

from __future__ import annotations

from dataclasses import replace

from submarine_jupyter.models import Status
from submarine_jupyter_server.targets.protocol import ReplicaState
from submarine_jupyter_server.targets.replicas import Member

from .diagnosis import may_start_again, trouble_of
from .reasons.creation import why_not_made
from .reasons.exits import disruption, failure, last_failure, signal_name
from .reasons.trouble import Trouble
from .snapshot import AttemptView, ended_by_order
from .views import PodView

WAITING, RUNNING, SUCCEEDED, FAILED, STOPPED = "Waiting", "Running", "Succeeded", "Failed", "Stopped"


def replicas(view: AttemptView) -> tuple[ReplicaState, ...]:
    """Return all replicas that are to be, then those that are no more because their number was lowered."""
    unmade = why_not_made(view) if view.verdict is None else {}
    wanted = {member.name for member in view.members}
    roles = {member.role.lower(): member.role for member in view.members}
    rest = sorted({(pods[0].role, pods[0].index) for name, pods in view.pods.items() if name not in wanted})
    return (
        *(_state(member, view, unmade.get(member.name)) for member in view.members),
        *(_surplus(Member(roles.get(role, role.capitalize()), index), view) for role, index in rest),
    )


def _state(member: Member, view: AttemptView, unmade: Trouble | None = None) -> ReplicaState:
    pod = view.newest(member)
    if pod is None:
        found = ReplicaState(member.name, member.role, member.index, _without_pod(member, view))
        return replace(found, reason=unmade.reason, message=unmade.message) if unmade else found
    status = _status(pod, view)
    container = pod.container
    ended = container.state == "terminated" and status in (SUCCEEDED, FAILED, STOPPED)
    code = container.exit_code if container.state == "terminated" else container.last_exit_code
    code = None if status == RUNNING else code
    found = ReplicaState(
        name=member.name,
        role=member.role,
        index=member.index,
        status=status,
        exit_code=code,
        signal=signal_name(code),
        node=pod.node,
        restarts=view.restarts(pod),
        started_ms=container.started_ms,
        finished_ms=container.finished_ms if ended else None,
    )
    return _explained(found, member, pod, view)


def _status(pod: PodView, view: AttemptView) -> str:
    succeeded = pod.phase == "Succeeded" or (pod.container.state == "terminated" and pod.container.exit_code == 0)
    if view.verdict is not None and not succeeded and _succeeded_unseen(pod, view):
        return SUCCEEDED
    ended = pod.phase in ("Succeeded", "Failed") or pod.container.state == "terminated"
    if ended and (disruption(pod) or not ended_by_order(pod)):
        if succeeded:
            return SUCCEEDED
        return WAITING if may_start_again(pod, view) else FAILED
    if view.verdict is not None:
        failed = disruption(pod) or (view.verdict.status == Status.FAILED and last_failure(pod))
        return FAILED if failed else STOPPED
    if pod.gone or ended:
        return WAITING  # it was removed, and the cluster makes it anew
    return RUNNING if pod.container.state == "running" else WAITING


def _succeeded_unseen(pod: PodView, view: AttemptView) -> bool:
    """Return whether it was removed so soon after its end that nobody saw how it ended, and must have succeeded."""
    success = view.verdict is not None and view.verdict.status == Status.SUCCEEDED
    return success and pod.gone and pod.container.state != "terminated" and pod.role in view.deciding


def _explained(found: ReplicaState, member: Member, pod: PodView, view: AttemptView) -> ReplicaState:
    if view.verdict is not None and found.status in (FAILED, STOPPED) and found.finished_ms is None:
        last = pod.container.finished_ms or pod.deleted_ms or view.verdict.at_ms
        found = replace(found, finished_ms=last)
    if found.status == FAILED:
        trouble = failure(pod) or last_failure(pod)
    else:
        trouble = trouble_of(member, view) if found.status in (WAITING, RUNNING) else None
    return replace(found, reason=trouble.reason, message=trouble.message) if trouble else found


def _without_pod(member: Member, view: AttemptView) -> str:
    if view.verdict is None:
        return WAITING
    success = view.verdict.status == Status.SUCCEEDED and member.role.lower() in view.deciding
    return SUCCEEDED if success else STOPPED


def _surplus(member: Member, view: AttemptView) -> ReplicaState:
    found = _state(member, view)
    if found.status in (SUCCEEDED, FAILED):
        return found
    return replace(found, status=STOPPED, reason="ScaledDown", message=None)
