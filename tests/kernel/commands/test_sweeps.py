from __future__ import annotations

import argparse
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.commands.sweeps import MOST_TRIALS, swept, trials
from submarine_jupyter.errors import UsageError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("lr=0.01,0.1", [0.01, 0.1]),
        ("lr=log(1e-3,1e-1,3)", [0.001, 0.01, 0.1]),
        ("lr=lin(0, 1, 5)", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("n=1..5", [1, 2, 3, 4, 5]),
        ("n=0..100..50", [0, 50, 100]),
        ("n=3..1", [3, 2, 1]),
        ("opt=adam, sgd", ["adam", "sgd"]),
        ("amp=true,false", [True, False]),
        ("path=../data", ["../data"]),
        ("one=5", [5]),
    ],
)
def test_values_are_what_is_written(text: str, values: list[object]) -> None:
    assert swept(text) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lr", "NAME=VALUE"),
        ("lr=1,,2", "empty value"),
        ("lr=log(0,1,3)", "above 0"),
        ("lr=log(1,2)", r"write log\(FROM,TO,HOW_MANY\)"),
        ("lr=log(1,2,1)", "2 to 1,000 values"),
        ("n=1..100000", "1 to 1,000 values"),
        ("n=1..5..0", "1 to 1,000 values"),
    ],
)
def test_what_is_no_list_of_values_is_refused(text: str, why: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=why):
        swept(text)


def test_each_combination_is_a_trial() -> None:
    assert trials([("a", [1, 2]), ("b", ["x"]), ("c", [True, False])]) == [
        {"a": 1, "b": "x", "c": True},
        {"a": 1, "b": "x", "c": False},
        {"a": 2, "b": "x", "c": True},
        {"a": 2, "b": "x", "c": False},
    ]
    with pytest.raises(UsageError, match="--param a is given twice"):
        trials([("a", [1]), ("a", [2])])
    with pytest.raises(UsageError, match=r"1,001 combinations, 1,000 are the most"):
        trials([("a", list(range(MOST_TRIALS + 1)))])


@given(st.text(max_size=30) | st.text("log(1,e-.)=", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        name, values = swept(text)
        assert name
        assert 0 < len(values) <= MOST_TRIALS or "," in text
