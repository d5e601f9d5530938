"""Which worker of `pytest -n` begins with which tests.

xdist deals the tests in their order, a piece of the same length to each worker; one that has nothing left takes from
the end of the longest piece. So what is long comes first, where nobody takes it and nobody waits for it at the end. It
waits for a cluster for most of its time: half of the workers have it, and the others use the processors meanwhile.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def dealt(long: Sequence[Item], short: Sequence[Item], workers: int) -> Iterator[Item]:
    """Yield all in an order in which the pieces of half of the workers begin with their part of what is long."""
    first, then = deque(long), deque(short)
    for worker in range(workers):
        size = (len(first) + len(then)) // (workers - worker)
        part = math.ceil(len(first) / max((workers + 1) // 2 - worker, 1))
        part = max(min(part, size), size - len(then))
        yield from (first.popleft() for _ in range(part))
        yield from (then.popleft() for _ in range(size - part))
