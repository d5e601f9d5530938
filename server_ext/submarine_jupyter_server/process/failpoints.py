"""Named places where a test can make the server die or fail, to prove that nothing acknowledged is lost.

Off unless ``SUBMARINE_FAILPOINT=name:action[:nth]`` is set when the server starts. ``kill`` ends the process as
SIGKILL would (no clean-up, no flush), ``error`` raises, ``hang`` never returns; ``nth`` counts the times the place is
reached (default 1).
The local target's shim reads the same variable for the names that begin with ``shim_``.
"""

from __future__ import annotations

import os
import threading

NAMES = (
    "body_parsed",
    "tx_begin",
    "tx_commit_before",
    "tx_commit_after",
    "submit_before",
    "submit_after",
    "outbox_done_before",
    "outbox_done_after",
    "response_before",
    "observation_before",
    "observation_after",
    "stop_intent",
    "stop_target",
    "delete_intent",
    "delete_target",
    "delete_done",
    "scale_intent",
    "reconcile",
    "rundir_created",
    "plan_written",
    "shim_spawn_before",
    "shim_spawn_after",
    "metrics_record",
    "migrate_step",
    "backup",
)
KUBERNETES_NAMES = (
    "k8s_create_before",
    "k8s_create_after",
    "k8s_owned_before",
    "k8s_owned_after",
    "k8s_patch_before",
    "k8s_patch_after",
    "k8s_delete_before",
    "k8s_delete_after",
)
SHIM_NAMES = ("shim_spawned", "shim_started", "shim_running", "shim_exit_before", "shim_exit_after")

_name, _, _rest = os.environ.get("SUBMARINE_FAILPOINT", "").partition(":")
_action, _, _nth = _rest.partition(":")
_left = int(_nth or 1)


def reach(name: str) -> None:
    """Pass the failpoint ``name``: nothing happens unless it is the one that was asked for."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        if _action == "kill":
            os._exit(137)
        if _action == "hang":
            threading.Event().wait()
        raise RuntimeError(f"failpoint {name}")
