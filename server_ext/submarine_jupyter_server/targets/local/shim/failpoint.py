"""Places where a test lets the shim die: ``SUBMARINE_FAILPOINT=shim_started:kill`` in its environment.

It means what it means to the server (``name:action[:nth]``), whose module the shim cannot import: it runs on the
standard library alone.
"""

import os
import signal

_name, _, _rest = os.environ.get("SUBMARINE_FAILPOINT", "").partition(":")
_action, _, _nth = _rest.partition(":")
_left = int(_nth or 1)


def reach(name: str) -> None:
    """Pass the failpoint ``name``: nothing happens unless it is the one that was asked for, the nth time."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        if _action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while _action == "hang":
            signal.pause()
        raise RuntimeError(f"failpoint {name}")
