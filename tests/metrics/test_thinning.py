"""A curve of which points are left out keeps its ends and its extremes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.metrics.thinning import thinned


@dataclass(frozen=True)
class Value:
    at: int
    value: float | None


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=300), st.integers(4, 60))
def test_keeps_ends_extremes_and_order(values: list[float | None], count: int) -> None:
    points = [Value(at, value) for at, value in enumerate(values)]
    found = thinned(points, count)
    assert len(found) <= count
    assert [point.at for point in found] == sorted({point.at for point in found})
    if len(points) <= count:
        assert found == points
        return
    assert (found[0], found[-1]) == (points[0], points[-1])
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    if numbers:
        kept = [point.value for point in found if point.value is not None and not math.isnan(point.value)]
        assert (min(kept), max(kept)) == (min(numbers), max(numbers))


def test_all_of_them() -> None:
    points = [Value(at, float(at)) for at in range(1000)]
    assert thinned(points, None) is points
