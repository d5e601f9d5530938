from __future__ import annotations

import contextlib
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.commands.expansion import expanded
from submarine_jupyter.errors import UsageError

NAMES: dict[str, Any] = {
    "lr": 0.1, "name": "a b", "path": Path("/x"), "cfg": SimpleNamespace(n=3), "math": math, "rates": [0.1, 0.2],
    "run": lambda: None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "becomes"),
    [
        ("LR={lr}", "LR=0.1"),
        ("{name}-{lr}", "a b-0.1"),
        ("{path}/y", "/x/y"),
        ("lr={rates}", "lr=0.1,0.2"),
        ("N={cfg.n}", "N=3"),
        ("{{lr}}", "{lr}"),
        ('X={"a": 1}', 'X={"a": 1}'),
        ("{}", "{}"),
        ("{1..3}", "{1..3}"),
        ("${lr_}", "${lr_}"),
        ("$HOME", "$HOME"),
        ("cpu=1", "cpu=1"),
    ],
)
def test_a_name_in_braces_is_its_value(word: str, becomes: str) -> None:
    assert expanded(["--env", word], NAMES) == ["--env", becomes]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["LR={rate}"], "no variable 'rate'; {{rate}} for the text itself"),
        (["LR={lr*2}"], "braces take only a name; write {{lr*2}} for the text itself"),
        (["N={cfg.m}"], "'cfg' has no 'm'"),
        (["N={run}"], "is function, which an option cannot take"),
        (["LR=$lr"], "write {lr} for the variable of the notebook"),
        (["LR=${lr}"], "write {lr} for"),
        (["--cmd", "train --lr {lr}"], "{lr} is not replaced in a command: add --env LR={lr} and write $LR"),
        (["--cmd=train --lr {lr}"], "{lr} is not replaced in a command"),
    ],
)
def test_what_would_be_sent_as_it_stands_is_refused(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        expanded(words, NAMES)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "cmd", ["awk '{print}'", "echo ${lr} $lr", "echo {1..3} {a,b}", "x='{}'", "python -c '{\"lr\": 1}'"]
)
def test_a_command_is_the_shells(cmd: str) -> None:
    assert expanded(["--cmd", cmd], NAMES) == ["--cmd", cmd]


@given(st.lists(st.text("{}$lrx.*\"' =-cmd", max_size=12), max_size=4))
def test_any_words_are_taken_or_refused(words: list[str]) -> None:
    with contextlib.suppress(UsageError):
        assert len(expanded(words, NAMES)) == len(words)


def test_behind_two_dashes_a_parameter_stays_and_a_dollar_reaches_no_shell() -> None:
    assert expanded(["train.py", "--", "--lr", "{lr}", "{{m}}"], NAMES) == ["train.py", "--", "--lr", "0.1", "{{m}}"]
    with pytest.raises(UsageError, match="reaches no shell"):
        expanded(["train.py", "--", "$HOME"], NAMES)
