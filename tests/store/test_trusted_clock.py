"""A clock that is wrong for a moment removes nothing."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Connection

from submarine_jupyter_server.store.trusted_clock import SteadyClock

DAY_S = 86_400.0


class Times:
    """The clocks of a machine, to be set."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.up = 1000.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    found = Times()
    monkeypatch.setattr(time, "time", lambda: found.wall)
    monkeypatch.setattr(time, "time_ns", lambda: int(found.wall * 1e9))
    monkeypatch.setattr(time, "monotonic", lambda: found.up)
    return found


def test_a_clock_that_goes_on_is_trusted(tx: Connection, times: Times) -> None:
    clock = SteadyClock()
    for _ in range(100):
        assert clock.trusted(tx)
        times.passes(300)


def test_a_start_with_a_clock_that_is_years_ahead_is_not_trusted(tx: Connection, times: Times) -> None:
    assert SteadyClock().trusted(tx)
    times.wall += 3650 * DAY_S
    clock = SteadyClock()
    for _ in range(11):
        assert not clock.trusted(tx)
        times.passes(300)
    times.wall -= 3650 * DAY_S
    assert clock.trusted(tx)


def test_a_clock_that_jumps_while_the_server_runs_is_not_trusted(tx: Connection, times: Times) -> None:
    clock = SteadyClock()
    assert clock.trusted(tx)
    times.passes(4000)
    assert clock.trusted(tx)
    times.wall += 30 * DAY_S
    assert not clock.trusted(tx)


def test_after_weeks_without_a_server_the_clock_is_trusted_once_it_has_gone_on_for_an_hour(
    tx: Connection, times: Times
) -> None:
    assert SteadyClock().trusted(tx)
    times.passes(60 * DAY_S)
    clock = SteadyClock()
    assert not clock.trusted(tx)
    times.passes(3700)
    assert clock.trusted(tx)
    times.passes(300)
    assert SteadyClock().trusted(tx)


def test_a_night_without_a_server_is_nothing_special(tx: Connection, times: Times) -> None:
    assert SteadyClock().trusted(tx)
    times.passes(3 * DAY_S)
    assert SteadyClock().trusted(tx)
