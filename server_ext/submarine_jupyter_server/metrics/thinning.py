"""Leave points out of a curve so that it looks the same: of each stretch the lowest and the highest stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeGuard, TypeVar


class Point(Protocol):
    """A value of a curve; None where it is not a number."""

    @property
    def value(self) -> float | None: ...


P = TypeVar("P", bound=Point)


def thinned(points: Sequence[P], count: int | None) -> Sequence[P]:
    """Return at most ``count`` (4 or more) of ``points`` in their order, the first and the last among them.

    None means all of them. Of a stretch without any number the first point stays.
    """
    if count is None or len(points) <= count:
        return points
    stretches = (count - 2) // 2
    inner = len(points) - 2
    chosen = {0, len(points) - 1}
    for number in range(stretches):
        start, stop = 1 + inner * number // stretches, 1 + inner * (number + 1) // stretches
        values = [(value, at) for at in range(start, stop) if _is_number(value := points[at].value)]
        chosen |= {min(values)[1], max(values)[1]} if values else {start}
    return [points[at] for at in sorted(chosen)]


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and not math.isnan(value)
