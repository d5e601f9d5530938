"""Stamps are taken off, the bytes behind them stay as they are, however the answer is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.logs.lines import MORE, UNSTAMPED, Line, StampedLines
from tests.targets.kubernetes.logs.kubelet import EPOCH, stamp

TEXTS = st.binary(max_size=80).map(lambda data: data.replace(b"\n", b"\r"))


def joined(lines: list[Line]) -> list[Line]:
    """Put the pieces of each line together."""
    whole: list[Line] = []
    for at_ns, text in lines:
        if at_ns == MORE:
            whole[-1] = (whole[-1][0], whole[-1][1] + text)
        else:
            whole.append((at_ns, text))
    return whole


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    st.lists(st.tuples(st.integers(0, 10**10), TEXTS), max_size=12),
    st.lists(st.integers(0, 10**6), max_size=20),
    st.booleans(),
)
def test_any_bytes_cut_anywhere(lines: list[tuple[int, bytes]], places: list[int], complete: bool) -> None:
    wanted = [(EPOCH + at_ns, text + b"\n") for at_ns, text in lines]
    if wanted and not complete and len(wanted[-1][1]) > 1:
        wanted[-1] = (wanted[-1][0], wanted[-1][1][:-1])
    answer = b"".join(stamp(at_ns) + b" " + text for at_ns, text in wanted)
    parser = StampedLines()
    found = [line for chunk in cut(answer, places) for line in parser.feed(chunk)]
    assert joined(found) == wanted


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        (b"2023-11-14T22:13:20Z", EPOCH),
        (b"2023-11-14T22:13:20.5Z", EPOCH + 500_000_000),
        (b"2023-11-15T00:13:20.000000007+02:00", EPOCH + 7),
        (b"2023-11-14T16:43:20.25-05:30", EPOCH + 250_000_000),
    ],
)
def test_every_form_of_a_stamp(text: bytes, at_ns: int) -> None:
    parser = StampedLines()
    assert parser.feed(text + b" a b\n" + text + b" \n") == [(at_ns, b"a b\n"), (at_ns, b"\n")]
    assert parser.feed(text + b" unfinished") == [(at_ns, b"unfinished")]
    assert parser.feed(b" line\n") == [(MORE, b" line\n")]


@pytest.mark.parametrize(
    "line",
    [
        b"unable to retrieve container logs for containerd://0",
        b"2023-11-14T22:13:20.000000000Z",
        b"2023-13-14T22:13:20.000000000Z x",
        b"1023-11-14T22:13:20.000000000Z x",
        b"x" * 100,
    ],
)
def test_a_line_without_a_stamp_is_told_apart(line: bytes) -> None:
    assert StampedLines().feed(line + b"\n") == [(UNSTAMPED, line + b"\n")]


def test_a_long_line_is_not_held_back() -> None:
    parser = StampedLines()
    assert parser.feed(stamp(EPOCH) + b" " + b"a" * 1000) == [(EPOCH, b"a" * 1000)]
    assert parser.feed(b"b" * 1000) == [(MORE, b"b" * 1000)]
    assert parser.feed(b"\n" + stamp(EPOCH + 1)) == [(MORE, b"\n")]
    assert parser.feed(b" c\n") == [(EPOCH + 1, b"c\n")]
