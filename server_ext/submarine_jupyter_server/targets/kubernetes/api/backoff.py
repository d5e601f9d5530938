"""How long to wait before the next try: random, longer after each failure, so that many clients do not come at once."""

from __future__ import annotations

import random

SHORTEST_S = 0.2
LONGEST_S = 30.0
# A server that says longer is asked again all the same.
LONGEST_TOLD_S = 60.0


class Backoff:
    """Counts failures in a row."""

    def __init__(self) -> None:
        self.failures = 0

    def failed(self, told_s: float | None = None) -> float:
        """Count a failure and return the seconds to wait; ``told_s`` is the server's Retry-After."""
        self.failures += 1
        highest = min(LONGEST_S, SHORTEST_S * 2.0 ** min(self.failures, 32))
        pause = random.uniform(min(SHORTEST_S, highest), highest)  # noqa: S311 - jitter
        if told_s is None:
            return pause
        told_s = min(max(told_s, 0.0), LONGEST_TOLD_S)
        return max(pause, told_s + random.uniform(0, 0.2 * told_s))  # noqa: S311 - jitter

    def worked(self) -> None:
        """Begin again with the shortest wait."""
        self.failures = 0
