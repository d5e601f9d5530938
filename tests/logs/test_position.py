"""Positions survive the way through a client, and nothing else passes for one."""

from __future__ import annotations

import base64
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.logs.position import Position, parse_position

names = st.from_regex(r"(ps|worker|chief)-(0|[1-9][0-9]{0,3})", fullmatch=True)


@given(st.integers(0, 999), st.dictionaries(names, st.integers(0, 10**17)))
def test_round_trip(attempt: int, offsets: dict[str, int]) -> None:
    position = Position(attempt, offsets)
    assert parse_position(str(position)) == position


def test_looks_as_documented() -> None:
    assert str(Position(1, {"ps-0": 1832, "worker-0": 77})) == "1.ps-0:1832,worker-0:77"
    assert parse_position("1.") == Position(1, {})


@pytest.mark.parametrize("replicas", [400, 1500, 5000])
def test_a_position_in_the_logs_of_many_replicas_fits_into_a_header(replicas: int) -> None:
    dice = random.Random(replicas)
    position = Position(3, {f"worker-{number}": dice.randint(0, 10**9) for number in range(replicas)})
    text = str(position)
    assert len(text) < 60_000  # the server takes 64 KiB of headers
    assert text.isascii()
    assert parse_position(text) == position


def test_a_packed_position_that_would_fill_the_memory_is_refused() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(b"9" * 100_000_000)).decode()
    for text in (f"1.~{bomb}", "1.~AAAA", "1.~A", "1.~"):
        with pytest.raises(InvalidRequest):
            parse_position(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        ".ps-0:1",
        "x.ps-0:1",
        "-1.ps-0:1",
        "1.ps-0:-1",
        "1.ps-0",
        "1.ps-0:1,",
        "1.ps-0:1,ps-0:2",
        "1.../etc:1",
        "1.ps-0:1\n",
        "1.ps-0:\uff11",
        "1.ps-0:" + "9" * 5000,
        "1." + ",".join(f"worker-{number}:1" for number in range(10_000)),
        "\x00",
        "1.ps-0:1 ",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_position(text)
    assert len(str(refused.value)) < 400


@given(st.text())
def test_any_text_is_a_position_or_refused(text: str) -> None:
    try:
        position = parse_position(text)
    except InvalidRequest:
        return
    assert position.attempt >= 0
