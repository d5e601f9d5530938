"""What is known of the attempts that report metrics: else each batch of points would read it all again.

It is true of the positions in the logs that it was stored with, in one transaction. Where the database has others, it
was somebody else who has recorded something.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from submarine_jupyter_server.store.annotations.searchable import Measured
from submarine_jupyter_server.store.curves.growth import Curve
from submarine_jupyter_server.store.engine.memory import memory

MOST = 100_000
"""So many curves and values are remembered, of whatever attempts: those that reported last."""


@dataclass(slots=True)
class Remembered:
    """The curves of an attempt by replica and name, its values by name; what is missing may be in the database."""

    positions: dict[str, int]
    curves: dict[tuple[str, str], Curve] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many curves and values it holds."""
        return len(self.curves) + len(self.measured)


def remembered(tx: Connection, experiment_id: str, attempt: int, positions: dict[str, int]) -> Remembered:
    """Return what is remembered of an attempt whose logs were read to ``positions``."""
    attempts: dict[tuple[str, int], Remembered] = memory(tx).setdefault(__name__, {})
    found = attempts.pop((experiment_id, attempt), None)
    if found is None or found.positions != positions:
        found = Remembered(positions)
    size = sum(map(len, attempts.values()))
    while size > MOST:
        size -= len(attempts.pop(next(iter(attempts))))
    attempts[experiment_id, attempt] = found
    return found
