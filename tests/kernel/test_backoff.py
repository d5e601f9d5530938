"""Pauses grow, are random, obey the server, and stay within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.backoff import LONGEST_ASKED_S, LONGEST_S, SHORTEST_S, Backoff


def test_grows_to_its_longest_and_begins_again() -> None:
    backoff = Backoff()
    pauses = [backoff.failed() for _ in range(2000)]
    assert all(
        SHORTEST_S <= pause <= min(LONGEST_S, SHORTEST_S * 2.0 ** min(i + 1, 99)) for i, pause in enumerate(pauses)
    )
    assert max(pauses) > 0.9 * LONGEST_S
    assert len(set(pauses)) > 1000
    backoff.worked()
    assert backoff.failed() <= 2 * SHORTEST_S


@given(st.floats(allow_nan=False), st.integers(1, 50))
def test_obeys_the_server_within_reason(asked_s: float, failures: int) -> None:
    backoff = Backoff()
    pause = [backoff.failed(asked_s) for _ in range(failures)][-1]
    assert min(asked_s, LONGEST_ASKED_S) <= pause <= max(LONGEST_S, 1.2 * LONGEST_ASKED_S)
