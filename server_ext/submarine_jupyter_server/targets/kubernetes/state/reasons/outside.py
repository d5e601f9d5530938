"""What others have changed about the object of an experiment: it is shown as it is, not as it was ordered."""

from __future__ import annotations

from submarine_jupyter_server.targets.kubernetes.state.snapshot import AttemptView

from .trouble import Rank, Trouble


def changed_outside(look: AttemptView) -> Trouble | None:
    """Return how the numbers of replicas on the cluster differ from those that were ordered, and taken."""
    if look.own is None or look.own.deleting or look.generation != look.launch.generation:
        return None
    found = {role: count for job in (look.own, *look.jobs) for role, count in job.replicas}
    changed = [
        f"{name} has {found[role]} replica{'s' if found[role] != 1 else ''} there and not {task.replicas}"
        for name, task in look.spec.spec.items()
        if (role := name.lower()) in found and found[role] != task.replicas
    ]
    if not changed:
        return None
    sentence = f"somebody changed the {look.own.kind} on the cluster: {', '.join(changed)}"
    return Trouble(Rank.WAITS, "ChangedOutside", sentence)
