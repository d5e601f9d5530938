"""Whether an experiment starts, as clients see it: the ``plan`` of a dry run, and of what waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from submarine_jupyter_server.targets.protocol import Forecast

# Of what waits before an experiment so many are named; all are counted.
NAMED = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """How an experiment waits, and since when (ms)."""

    forecast: Forecast
    since: int | None


def forecast_data(found: Forecast) -> dict[str, Any]:
    """Return the ``plan`` of a dry run."""
    ahead = found.ahead
    shown = None if ahead is None else {"count": ahead.count, "experimentIds": list(ahead.ids[:NAMED])}
    fits = {} if found.fits is None else {"fits": found.fits}
    return {"verdict": found.verdict, "why": found.why, "ahead": shown, **fits}


def waiting_data(found: Waiting) -> dict[str, Any]:
    """Return the ``plan`` of what waits, but for its time; ``place`` (1: the next) is null where it is not known."""
    ahead = found.forecast.ahead
    return {**forecast_data(found.forecast), "place": None if ahead is None else ahead.count + 1}
