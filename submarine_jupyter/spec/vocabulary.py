"""The words of an experiment: statuses, frameworks, roles. Plain values: nothing light needs pydantic for them."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The six states of an experiment; the last three are final."""

    ACCEPTED = "Accepted"
    CREATED = "Created"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETED = "Deleted"

    @property
    def final(self) -> bool:
        """Return whether nothing can follow (but Deleted)."""
        return self in (Status.SUCCEEDED, Status.FAILED, Status.DELETED)


FINAL = tuple(status for status in Status if status.final)
FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "TensorFlow": ("Ps", "Worker", "Chief", "Master", "Evaluator"),
    "PyTorch": ("Master", "Worker"),
    "XGBoost": ("Master", "Worker"),
    "Standalone": ("Worker",),
}
"""Each framework with the roles that it knows."""

LEADERS = ("Chief", "Master")
"""Of these roles an experiment has one replica at most; it decides how the experiment ends."""

ROLES = (*LEADERS, "Ps", "Worker", "Evaluator")
"""All roles in the order of ranks and of logs: leaders first, then who serves, then who works."""

VALUE_MARK = "submarine-value "
"""What a line begins with that carries the value of a remote function: for programs, so people are not shown it."""

_PLACES = {role.lower(): place for place, role in enumerate(ROLES)}


def replica_order(name: str) -> tuple[int, str, int]:
    """Return the key that sorts names of replicas, such as ``worker-0``, by role and index; unknown roles come last."""
    role, _, index = name.rpartition("-")
    return _PLACES.get(role, len(_PLACES)), role, int(index)
