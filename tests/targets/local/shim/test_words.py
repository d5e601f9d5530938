"""What a person reads about an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from submarine_jupyter_server.targets.local.shim import words


@pytest.mark.parametrize(
    ("limit", "size", "said"),
    [
        ("200Mi", 231 * 2**20, "231Mi"),
        ("200M", 200_000_001, "201M"),
        ("1Gi", 3 * 2**29, "1.5Gi"),
        ("1G", 10**9 + 1, "1.1G"),
        (" 64 Mi ", 65 * 2**20, "65Mi"),
        ("1000", 2000, "2000"),
        ("100000000", 2**30, "1024Mi"),
        ("0.5Gi", 2**30, "1Gi"),
        ("100m", 2**20, "1Mi"),
        (None, 2**20, "1Mi"),
    ],
)
def test_memory_in_the_unit_of_the_limit(limit: str | None, size: int, said: str) -> None:
    assert words.memory_in_unit_of(limit, size) == said


@given(some.binary(max_size=4000))
def test_any_output_gives_lines_that_can_be_shown(tail: bytes) -> None:
    said = words.failure("worker-0", 1, None, tail)
    assert said.startswith("worker-0 failed with exit code 1; ")
    assert all(character.isprintable() or character in "\n\t" for character in said)
    assert said.count("\n") <= words.LAST_LINES


def test_a_bar_has_its_last_state() -> None:
    assert words.failure("a", None, "SIGKILL", b"10%\r90%\n\x1b[31mred\n") == (
        "a was killed by SIGKILL (by another process, or by the kernel because "
        "memory ran out); last lines:\n90%\n[31mred"
    )


def test_one_and_many() -> None:
    assert [words.processes(count, "x") for count in (1, 2)] == ["1 process x", "2 processes x"]
