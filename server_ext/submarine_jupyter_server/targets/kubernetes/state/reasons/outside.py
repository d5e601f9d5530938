"""What others have changed about the object of an experiment: it is shown as it is, not as it was ordered."""

from __future__ import annotations

from submarine_jupyter_server.targets.kubernetes.state.snapshot import AttemptView

from .trouble import Rank, Trouble


def changed_outside(view: AttemptView) -> Trouble | None:
    """Return how the numbers of replicas on the cluster differ from those that were ordered, and taken."""
    if view.own is None or view.own.deleting or view.generation != view.launch.generation:
        return None
    found = {role: count for job in (view.own, *view.jobs) for role, count in job.replicas}
    changed = [
        f"{name} has {found[role]} replica{'s' if found[role] != 1 else ''} there, not {task.replicas}"
        for name, task in view.spec.spec.items()
        if (role := name.lower()) in found and found[role] != task.replicas
    ]
    if not changed:
        return None
    sentence = f"somebody changed the {view.own.kind} on the cluster: {', '.join(changed)}"
    return Trouble(Rank.WAITS, "ChangedOutside", sentence)
