"""Places where a test lets the shim die: ``SUBMARINE_FAILPOINT=shim_started:kill`` in its environment."""

import os
import signal

_name, _, _action = os.environ.get("SUBMARINE_FAILPOINT", "").partition(":")


def reach(name: str) -> None:
    """Pass the failpoint ``name``: nothing happens unless it is the one that was asked for."""
    if name == _name and _action.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == _name:
        raise RuntimeError(f"failpoint {name}")
