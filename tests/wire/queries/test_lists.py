"""What the URL asks for: what cannot be used is named."""

from __future__ import annotations

import time

import pytest

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.wire.queries.lists import list_query
from submarine_jupyter_server.wire.queries.parameters import moment


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"stauts": ["Running"]}, "Unknown parameter 'stauts'; known: status, name"),
        ({"limit": ["0"]}, "'limit' must be a whole number from 1 to 1000"),
        ({"limit": ["1e3"]}, "'limit' must be a whole number"),
        ({"limit": ["9" * 40]}, "'limit' must be a whole number"),
        ({"name": ["a", "b"]}, "'name' may be given only once"),
    ],
)
def test_a_query_that_cannot_be_used_is_named(query: dict[str, list[str]], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        list_query(query)
    assert problem in str(caught.value)


@pytest.mark.parametrize("bad", ["", "1", "10x", "-1m", "yesterday", "9" * 20 + "s"])
def test_since_refuses(bad: str) -> None:
    with pytest.raises(InvalidRequest, match="must be like 30s"):
        moment(bad, "since")


def test_moments() -> None:
    assert moment(None, "at") is None
    assert moment("2026-01-31T12:00:00Z", "at") == 1769860800.0
    ago = moment("10m", "at")
    assert ago is not None
    assert 0 <= time.time() - 600 - ago < 60
