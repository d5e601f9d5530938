"""Names before numbers: which are metrics, and which step a line names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.metrics.columns import Columns
from submarine_jupyter_server.metrics.names import is_metric, plain
from submarine_jupyter_server.metrics.pairs import pairs, step_of


@pytest.mark.parametrize(
    ("name", "number", "found"),
    [
        ("loss", "1", True),
        ("train/Loss", "1", True),
        ("valAccuracy", "0.5", True),
        ("Acc@1", "75", True),
        ("eval_f1", "1", True),
        ("precision", "16", False),
        ("precision", "0.5", True),
        ("error", "0.5", False),
        ("mean squared error", "0.5", True),
        ("test error rate", "0.1", True),
        ("iou_threshold", "0.5", False),
        ("loss_weight", "0.5", False),
        ("batch_size", "32", False),
        ("loss.py", "12", False),
        ("accelerate", "0.27", False),
    ],
)
def test_names(name: str, number: str, found: bool) -> None:
    assert is_metric(name, number) is found


def test_names_are_kept_plain() -> None:
    assert plain(" Avg. Val  Loss ") == "avg_val_loss"


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("step 10 loss 0.5", 10),
        ("global_step: 7", 7),
        ("Epoch 3/10", 3),
        ("Epoch: [2][ 10/100]", 210),
        ("Epoch [2/5], Step [3/100]", 103),
        ("Train Epoch: 2 [64/1000 (6%)]", 1064),
        ("epoch: 0.5", None),
        ("12 ms/step", None),
        ("loss 0.5", None),
    ],
)
def test_steps(line: str, step: int | None) -> None:
    assert step_of(line) == step


@given(st.text(max_size=300))
def test_any_line_can_be_read(line: str) -> None:
    for name, number in pairs(line):
        assert name
        float(number)
    step_of(line)


def test_a_table_ends() -> None:
    table = Columns()
    assert not table.open
    assert not table.head("epoch 1 loss 0.5")
    assert table.head("epoch  train_loss  accuracy")
    assert table.row("3  0.5  0.9") == ([("train_loss", "0.5"), ("accuracy", "0.9")], "3")
    for _ in range(20):
        if table.open:
            assert table.row("something else") == ([], None)
    assert not table.open
