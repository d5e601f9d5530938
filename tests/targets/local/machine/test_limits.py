"""What the machine has to give."""

from __future__ import annotations

import os

import psutil

from submarine_jupyter_server.targets.local.machine import limits


def test_capacity_is_what_this_process_may_use() -> None:
    assert 0 < limits.cpus() <= (os.cpu_count() or 1)
    assert 0 < limits.memory() <= psutil.virtual_memory().total
