from __future__ import annotations

import pytest

from submarine_jupyter.spec import durations


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "90", "-1s", "1.5h", "1w", "1S", "1 s", " 1s", "1s\n", "9999999999s"])
def test_nothing_else_is_a_duration(text: str) -> None:
    assert durations.seconds(text) is None
