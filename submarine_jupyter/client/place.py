"""Where the replicas of a server run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from submarine_jupyter.client.calls.proxies import on_this_machine

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient


def runs_here(client: SubmarineClient, target: str | None) -> bool:
    """Return whether replicas run on this machine, where this kernel's interpreter and folder mean something.

    ``target`` is the name of a compute target, None for the server's default.
    """
    return on_this_machine(client.url) and any(
        one["kind"] == "local" and (one["name"] == target if target else one["default"])
        for one in client.targets(capacity=False)
    )
