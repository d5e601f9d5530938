"""The commands of ``%submarine``, a small file for each family: the table of its commands and what carries them out.

changing    ``scale``, ``stop``, ``delete``: of what runs
comparing   ``compare``, ``diff``
finding     ``list``, ``status``, ``describe``, ``why``
following   ``logs``, ``metrics``, ``wait``
noting      ``tag``, ``note``, ``archive``
repeating   ``clone``, ``rerun``
running     ``run``
serving     ``target``, ``connect``, ``config``, ``help``
sweeping    ``sweep``
"""

from __future__ import annotations

from submarine_jupyter.commands.families import (
    changing,
    comparing,
    finding,
    following,
    noting,
    repeating,
    running,
    serving,
    sweeping,
)

COMMANDS = (
    running.RUN,
    sweeping.SWEEP,
    *finding.COMMANDS,
    *following.COMMANDS,
    *changing.COMMANDS,
    *repeating.COMMANDS,
    *comparing.COMMANDS,
    *noting.COMMANDS,
    *serving.COMMANDS,
)
