"""What the URL asks for: what cannot be used is named."""

from __future__ import annotations

import pytest

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.wire.queries import list_query, since


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"stauts": ["Running"]}, "'stauts' is not a parameter here; known: status, name"),
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
        since(bad)
