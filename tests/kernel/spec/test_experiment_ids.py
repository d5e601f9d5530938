from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.spec import experiment_ids

ID = "experiment-1647574374688-0012"


@given(st.integers(0, 10**15 - 1), st.integers(0, 10**9 - 1))
def test_what_is_made_is_an_id_and_can_be_taken_apart(start_ms: int, number: int) -> None:
    made = experiment_ids.make(start_ms, number)
    assert experiment_ids.is_id(made)
    assert experiment_ids.parts(made) == (str(start_ms), number)
    assert experiment_ids.at_start(f"{made}-worker-0") == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "experiment-1-001",
        f"{ID}\n",
        f"../{ID}",
        f"{ID}/..",
        ID.upper(),
        "experiment-1-\N{ARABIC-INDIC DIGIT ZERO}001",
        f"experiment-{'1' * 16}-0001",
    ],
)
def test_what_could_leave_a_path_or_a_name_is_none(text: str) -> None:
    assert not experiment_ids.is_id(text)
    assert experiment_ids.parts(text) is None


def test_a_name_that_begins_otherwise_has_no_id() -> None:
    assert experiment_ids.at_start("my-experiment-1-0001") is None
