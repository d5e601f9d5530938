"""Metrics are found in what real frameworks print, and hostile lines cost no more than others."""

from __future__ import annotations

import contextlib
import io
import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter import tracking
from submarine_jupyter_server.metrics.scanner import EXAMINED_BYTES, MAX_PER_LINE, Metric, MetricScanner, Param
from submarine_jupyter_server.metrics.templates import parse_template

# Printed by Keras 3.15 into a pipe, with backspaces and colours, by model.fit(epochs=2) and model.evaluate().
GOLDEN = Path(__file__).parent / "golden" / "metrics.txt"
ORDINARY = GOLDEN.with_name("ordinary.txt")
KERAS = (
    "Epoch 1/2\n"
    "\r\x1b[1m1/4\x1b[0m \x1b[32m━━━━━\x1b[0m\x1b[37m━━━━━━━━━━━━━━━\x1b[0m \x1b[1m0s\x1b[0m 314ms/step"
    " - accuracy: 0.6875 - loss: 0.7242" + "\b" * 70 + "\r\x1b[1m4/4\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m"
    "\x1b[0m \x1b[1m0s\x1b[0m 47ms/step - accuracy: 0.4688 - loss: 0.7815 - val_accuracy: 0.4688 - val_loss: 7.8e-01\n"
    "Epoch 2/2\n"
    "4/4 - 0s - 17ms/step - accuracy: 0.4844 - loss: nan\n"
    "\r\x1b[1m2/2\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 15ms/step"
    " - accuracy: 0.4688 - loss: 0.7731\n"
)


def scan(text: str, *templates: str) -> list[tuple[str, float, int | None]]:
    scanner = MetricScanner([parse_template(template) for template in templates])
    found = [metric for _, metric in scanner.scan(text.encode())]
    return [(metric.name, metric.value, metric.step) for metric in found if isinstance(metric, Metric)]


def golden() -> list[tuple[str, list[tuple[str, float, int | None]]]]:
    """Return the lines of the golden file with their metrics."""
    found = []
    for row in GOLDEN.read_text().splitlines():
        if not row.startswith("# "):
            line, _, metrics = row.rpartition(" => ")
            told = [each.rsplit(" ", 2) for each in metrics.split("; ")]
            expected = [(name, float(value), None if step == "-" else int(step)) for name, value, step in told]
            found.append((line.replace("\\t", "\t").replace("\\n", "\n"), expected))
    return found


def test_the_golden_file_is_large() -> None:
    assert len(golden()) >= 60


@pytest.mark.parametrize(("line", "metrics"), golden())
def test_what_training_code_prints(line: str, metrics: list[tuple[str, float, int | None]]) -> None:
    found = scan(f"{line}\n")
    assert [(name, step) for name, _, step in found] == [(name, step) for name, _, step in metrics]
    assert [value for _, value, _ in found] == pytest.approx([value for _, value, _ in metrics], nan_ok=True)
    # Neither what stands around it nor colours change that.
    assert str(scan(f"before\n\x1b[32m{line}\x1b[0m\r\nafter\n")) == str(found)


WORDS = ["data", "model", "train", "test", "cache", "step", "epoch", "loss", "accuracy", "score", "error", "image"]


def filled(template: str, dice: random.Random) -> str:
    """Return a line of a template: a word, a whole number, a fraction, an address, a version, a time."""
    fields: dict[str, Callable[[], str]] = {
        "<w>": lambda: dice.choice(WORDS),
        "<n>": lambda: str(dice.choice([dice.randint(0, 9), dice.randint(0, 99999)])),
        "<f>": lambda: str(round(dice.random() * 10 ** dice.randint(-3, 4), 4)),
        "<ip>": lambda: ".".join(str(dice.randint(1, 254)) for _ in range(4)),
        "<v>": lambda: ".".join(str(dice.randint(0, 30)) for _ in range(3)),
        "<t>": lambda: f"2026-11-{dice.randint(10, 28)} {dice.randint(10, 23)}:{dice.randint(10, 59)}:07",
    }
    line = re.sub("<[a-z]+>", lambda match: fields[match[0]](), template)
    return line.replace("\\t", "\t").replace("\\n", "\n")


def test_no_metric_is_found_in_ordinary_logs() -> None:
    dice = random.Random(7)
    templates = ORDINARY.read_text().splitlines()
    for number in range(12_000):
        line = filled(templates[number % len(templates)], dice)
        assert scan(f"{line}\n") == [], line


def test_settings_are_read() -> None:
    scanner = MetricScanner()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tracking.log_param("learning_rate", 0.1)
        tracking.log_param("layers", [1, 2])
        tracking.log_param("rate", float("nan"))
        tracking.log_param("data", "x" * 10_000)
    found = [param for _, param in scanner.scan(printed.getvalue().encode()) if isinstance(param, Param)]
    values = {param.name: json.loads(param.value) for param in found}
    assert values["learning_rate"] == 0.1
    assert values["layers"] == [1, 2]
    assert values["rate"] == "NaN"
    assert all(len(param.value) <= EXAMINED_BYTES for param in found)
    assert scanner.scan(b'submarine-param {"name": 7, "value": 1}\nsubmarine-param {"name": "x"}\n') == []


def test_keras() -> None:
    found = scan(KERAS)
    assert found[:5] == [
        ("accuracy", 0.4688, 1),
        ("loss", 0.7815, 1),
        ("val_accuracy", 0.4688, 1),
        ("val_loss", 0.78, 1),
        ("accuracy", 0.4844, 2),
    ]
    assert math.isnan(found[5][1])
    # An evaluation belongs to no epoch.
    assert found[6:] == [("accuracy", 0.4688, None), ("loss", 0.7731, None)]


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        ("Accuracy at step 10: 0.91", [("accuracy", 0.91, 10)]),
        ("INFO:tensorflow:2026 - Test accuracy at step 12: 5e-1", [("test_accuracy", 0.5, 12)]),
        ("[worker] Loss at epoch 3 = .25, more", [("loss", 0.25, 3)]),
        ("Adding run metadata for 999", []),
        ("Accuracy at step ten: 0.91", []),
        ("[0]\ttrain-logloss:0.61091\teval-error:0.20000", [("train-logloss", 0.61091, 0), ("eval-error", 0.2, 0)]),
        ("[14:22:01] [11]\ttest-logloss:0.76269+0.00943", [("test-logloss", 0.76269, 11)]),
        ("[INFO]\tall:1", []),
        ('{"loss": 0.1, "step": 3, "nested": {"a": 1}, "ok": true, "phase": "x"}', [("loss", 0.1, 3)]),
        ('{"loss": 1, "epoch": 2.5}', [("loss", 1.0, None)]),
        ('{"level": "info", "msg": "x", "port": 80}', []),
        ('{"msg": "evaluated", "acc": 0.5, "global_step": 7, "time": 17.5}', [("acc", 0.5, 7)]),
        ('{"loss": 0.1', []),
        ('[{"loss": 0.1}]', []),
        ('submarine-metric {"name": "accuracy", "value": 0.97, "step": 3}', [("accuracy", 0.97, 3)]),
        ('[rank0]: submarine-metric {"name": "val acc", "value": -1}', [("val acc", -1.0, None)]),
        ('submarine-metric {"name": "a", "value": true}', []),
        ('submarine-metric {"name": "a", "value": "0.5"}', []),
        ('submarine-metric {"name": "", "value": 1}', []),
        ('submarine-metric {"name": "a\\u001b[2J", "value": 1}', []),
        ('submarine-metric {"name": "a", "value": 1, "step": 1e300}', [("a", 1.0, None)]),
        ("submarine-metric {", []),
    ],
)
def test_lines(line: str, metrics: list[tuple[str, float, int | None]]) -> None:
    assert scan(line + "\n") == metrics
    assert scan(f"before\n{line}\r\nafter\n") == metrics
    assert scan(f"10%\r50%\r{line}\n") == metrics or line.startswith("{")


@pytest.mark.parametrize("value", ["NaN", '"NaN"', '"Infinity"', "Infinity", "-Infinity", "1e999", "9" * 400])
def test_what_is_not_finite_is_a_metric_without_a_number(value: str) -> None:
    [(name, found, step)] = scan(f'submarine-metric {{"name": "loss", "value": {value}, "step": 1}}\n')
    assert (name, step) == ("loss", 1)
    assert math.isnan(found)


@given(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100), st.floats(), st.integers(0, 2**53)
)
def test_reads_what_tracking_prints(name: str, value: float, step: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        tracking.log_metric(name, value, step)
        tracking.log_param("rate", 0.1)
    [(found_name, found, found_step)] = scan(printed.getvalue())
    assert (found_name, found_step) == (name, step)
    assert found == value if math.isfinite(value) else math.isnan(found)


@pytest.mark.parametrize(
    ("template", "line", "metrics"),
    [
        ("loss={loss} step={step}", "x loss=0.5   step=7, lr=1", [("loss", 0.5, 7)]),
        ("Dice {val/dice}", "epoch end: Dice -.5", [("val/dice", -0.5, None)]),
        ("Dice {dice}", "Dice x Dice 1e-3", [("dice", 0.001, None)]),
        ("[{step}] a={a}|b={b}", "[3] a=1|b=2", [("a", 1.0, 3), ("b", 2.0, 3)]),
        ("a={a} step={step}", "a=1 stop=2", []),
        ("(a+)+ {a}", "aaaa 1", []),
        ("(a+)+ {a}", "(a+)+ 1", [("a", 1.0, None)]),
        ("größe {g}", "größe 4", [("g", 4.0, None)]),
    ],
)
def test_templates(template: str, line: str, metrics: list[tuple[str, float, int | None]]) -> None:
    assert scan(f"{line}\n", template) == metrics


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_any_bytes_can_be_scanned_in_any_pieces(data: bytes, at: int) -> None:
    data = (
        data.replace(b"a", b"\nsubmarine-metric {")
        .replace(b"b", b" at step 1: 2")
        .replace(b"c", b"\nEpoch 1/2\n1/1 - loss: 2")
    )
    data += b"\n"
    whole = MetricScanner().scan(data)
    middle = data.rfind(b"\n", 0, at % len(data)) + 1
    pieces = MetricScanner()
    first = pieces.scan(data[:middle])
    second = [(middle + place, metric) for place, metric in pieces.scan(data[middle:])]
    assert str(first + second) == str(whole)


def test_only_the_beginning_of_a_long_line_is_examined() -> None:
    metric = 'submarine-metric {"name": "a", "value": 1}'
    assert scan("x" * (EXAMINED_BYTES - len(metric)) + metric + "\n") == [("a", 1.0, None)]
    assert scan("x" * (EXAMINED_BYTES - len(metric) + 1) + metric + "\n") == []
    assert scan("x" * EXAMINED_BYTES + "\r" + metric + "\n") == [("a", 1.0, None)]
    assert len(scan(json.dumps({f"loss_{number}": number for number in range(200)}) + "\n")) == MAX_PER_LINE


@pytest.mark.parametrize(
    "line",
    [
        " at step " * 454,
        " at step 1: " * 340,
        "- " * 1000 + "a at step 1: x",
        "1/1 " + " - a: " * 600 + "loss: ",
        "loss: " + "{" * 4000,
        'submarine-metric {"a":' + "[" * 4000,
        "loss: LOSS=" + "1" * 4000,
        "LOSS=1" * 700,
        "Epoch " + " " * 4000,
        "\x1b[" * 2000 + "loss: ",
        "[1]\t" + "\ta" * 2000,
    ],
)
def test_hostile_lines_end(line: str) -> None:
    """Each of these would take minutes with a pattern that backtracks; the test's timeout is the measure."""
    scan(f"{line}\n" * 500, "LOSS={loss} step={step}")


def test_a_scanner_that_goes_on_knows_its_epoch() -> None:
    scanner = MetricScanner()
    scanner.prime(b"1/2 - loss: 3\nEpoch 6/9\n2/2 - 0s - loss: 1\nEpoch 7/9\n")
    assert scanner.scan(b"2/2 - 0s - loss: 0.5\n") == [(0, Metric("loss", 0.5, 7))]
    scanner.prime(b"Epoch 7/9\n2/2 - 0s - loss: 1\n")
    assert scanner.scan(b"2/2 - 0s - loss: 0.5\n") == [(0, Metric("loss", 0.5, None))]
