from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.commands.filters import conditions
from submarine_jupyter.errors import UsageError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("lr<0.1", [("lr", "<0.1")]),
        ("lr < 0.1 AND  accuracy>=0.9", [("lr", "<0.1"), ("accuracy", ">=0.9")]),
        ("param.lr=1e-3 and param.lr!=2", [("param.lr", "=1e-3"), ("param.lr", "!=2")]),
        ("opt='adam and sgd' and lr<1", [("opt", "=adam and sgd"), ("lr", "<1")]),
        ("opt='a b'", [("opt", "=a b")]),
        ('opt="a b"', [("opt", "=a b")]),
        ("images/s>3", [("images/s", ">3")]),
        ("lr<1 and ", None),
        ("lr<1and x>2", None),
        ("lr", None),
        ("lr<0.1 or lr>2", None),
        ("lr<", None),
    ],
)
def test_conditions_are_joined_with_and(text: str, found: list[tuple[str, str]] | None) -> None:
    if found is None:
        with pytest.raises(UsageError, match=r"is not a condition like lr<0.1"):
            list(conditions(text))
    else:
        assert list(conditions(text)) == found


@given(st.text("lr<>=!0.1 and'\"", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert all(name and condition for name, condition in conditions(text))
