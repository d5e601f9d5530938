"""What the compute targets are, and what they have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.targets.protocol import ComputeTarget

log = logging.getLogger(__name__)
CAPACITY_S = 5.0


class Targets:
    """The compute targets of this server.

    ``elsewhere`` returns what another server, which gives the orders, says of a target; None: there is none.
    """

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        default_target: str,
        elsewhere: Callable[[str], dict[str, Any] | None] = lambda name: None,
    ) -> None:
        self._db = db
        self._targets = targets
        self._default_target = default_target
        self._elsewhere = elsewhere

    async def list(self, principal: Principal, *, capacity: bool = True) -> list[dict[str, Any]]:
        """Return the compute targets: name, kind, whether it is the default, namespaces, health and ``capacity``.

        A target whose capacity cannot be read hides no other one: its ``capacity`` is null, and ``note`` tells why.
        Of those that wait for room only the principal's are named.
        """
        described = (self._described(target, capacity=capacity) for target in self._targets.values())
        found = await asyncio.gather(*described)
        if access.only_owner(principal) is None:
            return found
        return await self._db.read(lambda tx: [_without_others(tx, principal, each) for each in found])

    async def _described(self, target: ComputeTarget, *, capacity: bool) -> dict[str, Any]:
        known = self._elsewhere(target.name)
        if known is None:
            known = {"health": target.health(), **(await _capacity(target) if capacity else {})}
        return {
            "name": target.name,
            "kind": target.kind,
            "default": target.name == self._default_target,
            "namespaces": list(target.namespaces),
            **{key: value for key, value in known.items() if capacity or key not in ("capacity", "note")},
        }


async def _capacity(target: ComputeTarget) -> dict[str, Any]:
    note = f"no answer within {CAPACITY_S:.0f} s; try again"
    try:
        async with asyncio.timeout(CAPACITY_S):
            return {"capacity": await target.capacity()}
    except TimeoutError:
        pass
    except SubmarineError as error:
        note = str(error)
    except Exception as error:
        log.exception("The capacity of target %s cannot be read", target.name)
        note = f"its capacity cannot be read: {type(error).__name__}"
    return {"capacity": None, "note": note}


def _without_others(tx: Connection, principal: Principal, described: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a target, without the ids of experiments of others in its queue."""
    room = described.get("capacity")
    if not room or not room.get("queued"):
        return described
    return {**described, "capacity": {**room, "queued": access.own(tx, principal, room["queued"])}}
