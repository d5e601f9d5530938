"""Which change of a spec gives roles another number of replicas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from submarine_jupyter.errors import InvalidRequest


def replica_patch(roles: Mapping[str, Any], replicas: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return the merge patch that gives ``roles`` the number of ``replicas``, named in any case."""
    if not replicas:
        raise InvalidRequest("Say which role to scale.", hint=f"worker=3, of {', '.join(roles)}")
    known = {role.lower(): role for role in roles}
    for name in replicas:
        if name.lower() not in known:
            raise InvalidRequest(f"The experiment has no role {name!r}.", hint=f"It has {', '.join(roles)}.")
    return {known[name.lower()]: {"replicas": number} for name, number in replicas.items()}
