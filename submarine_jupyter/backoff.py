"""How long to wait before the next try: random, longer after each failure, so that many clients do not come at once."""

from __future__ import annotations

import random

SHORTEST_S = 0.2
LONGEST_S = 30.0
# A server that says longer is asked again all the same.
LONGEST_ASKED_S = 60.0


def pause_s(failures: int, shortest_s: float, longest_s: float, asked_s: float | None = None) -> float:
    """Return the seconds to wait after so many failures in a row; ``asked_s`` is what the server asks for."""
    highest = min(longest_s, shortest_s * 2.0 ** min(failures, 32))
    pause = random.uniform(min(shortest_s, highest), highest)  # noqa: S311 - jitter
    if asked_s is None:
        return pause
    asked_s = min(max(asked_s, 0.0), LONGEST_ASKED_S)
    return max(pause, asked_s + random.uniform(0, 0.2 * asked_s))  # noqa: S311 - jitter


class Backoff:
    """Counts failures in a row; without bounds of its own it waits for 0.2 to 30 s."""

    def __init__(self, shortest_s: float | None = None, longest_s: float | None = None) -> None:
        self.failures = 0
        self._shortest_s = shortest_s
        self._longest_s = longest_s

    def failed(self, asked_s: float | None = None) -> float:
        """Count a failure and return the seconds to wait; ``asked_s`` is the server's Retry-After."""
        self.failures += 1
        shortest_s = SHORTEST_S if self._shortest_s is None else self._shortest_s
        return pause_s(self.failures, shortest_s, LONGEST_S if self._longest_s is None else self._longest_s, asked_s)

    def worked(self) -> None:
        """Begin again with the shortest wait."""
        self.failures = 0
