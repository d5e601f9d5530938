from __future__ import annotations

import doctest
import json
import subprocess
import sys

import pytest

from submarine_jupyter import tracking
from submarine_jupyter_server.metrics.scanner import EXAMINED_BYTES, MetricScanner, Param


def test_the_examples_of_the_docstring() -> None:
    assert doctest.testmod(tracking).failed == 0


@pytest.mark.parametrize(("value", "sent"), [(1, 1.0), (0.1, 0.1), (float("nan"), "NaN"), (float("-inf"), "-Infinity")])
def test_a_metric_is_one_line_of_json(value: float, sent: object, capsys: pytest.CaptureFixture[str]) -> None:
    tracking.log_metric('a "name"\nof two lines', value)

    kind, _, text = capsys.readouterr().out.partition(" ")
    assert kind == "submarine-metric"
    assert text.count("\n") == 1
    assert json.loads(text, parse_constant=pytest.fail) == {"name": 'a "name"\nof two lines', "value": sent}


def test_numbers_of_numpy_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    numpy = pytest.importorskip("numpy")

    tracking.log_metric("loss", numpy.float32(0.5), step=numpy.int64(3))

    assert json.loads(capsys.readouterr().out.partition(" ")[2]) == {"name": "loss", "value": 0.5, "step": 3}


def sent(value: object, capsys: pytest.CaptureFixture[str]) -> object:
    """Return the value of the one line that is printed for a setting."""
    tracking.log_param("x", value)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert len(line.encode()) <= EXAMINED_BYTES
    [(_, found)] = MetricScanner().scan(line.encode())
    assert isinstance(found, Param)
    assert json.loads(found.value, parse_constant=pytest.fail) == json.loads(line.partition(" ")[2])["value"]
    return json.loads(found.value)


@pytest.mark.parametrize(
    ("value", "told"),
    [(True, True), (3, 3), (1e-05, 1e-05), ("a b", "a b"), (None, None), ({"a": [1]}, {"a": [1]}),
     ({(1, 2): 3}, "{(1, 2): 3}"), (float("nan"), "NaN"), (float("-inf"), "-Infinity"), ([float("nan")], "[nan]"),
     ({1, 2}, "{1, 2}")],
)  # fmt: skip
def test_a_setting_is_told_as_it_is(value: object, told: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert sent(value, capsys) == told


def test_a_setting_of_numpy_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    numpy = pytest.importorskip("numpy")
    assert sent(numpy.float32(0.5), capsys) == 0.5
    assert sent(numpy.array([3]), capsys) == 3
    assert sent({"n": numpy.int64(3)}, capsys) == {"n": 3}
    assert sent(numpy.array([1, 2]), capsys) == "[1 2]"


@pytest.mark.parametrize("letter", ["x", '"', "\\", "\n", "ä", "\U0001f600"])
def test_a_long_setting_is_cut_not_lost(letter: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = sent(letter * 5000, capsys)
    assert isinstance(found, str)
    assert found.startswith(letter * 100)
    assert found.endswith(" ...")
    assert str(sent([letter] * 5000, capsys)).endswith(" ...")
    round_: list[object] = []
    round_.append(round_)
    assert sent(round_, capsys) == "[[...]]"


def test_a_setting_can_be_anything(capsys: pytest.CaptureFixture[str]) -> None:
    tracking.log_param("layers", [64, 10])
    tracking.log_param("optimizer", object)

    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0].partition(" ")[2]) == {"name": "layers", "value": [64, 10]}
    assert json.loads(lines[1].partition(" ")[2])["value"] == "<class 'object'>"


def records(text: str) -> list[dict[str, object]]:
    """Return what lines of progress say."""
    lines = text.splitlines()
    assert all(line.startswith("submarine-progress {") for line in lines)
    return [json.loads(line.partition(" ")[2], parse_constant=pytest.fail) for line in lines]


def test_progress_is_printed_now_and_then_and_its_end_always(capsys: pytest.CaptureFixture[str]) -> None:
    many, found = 200_000, tracking._Progress()
    for done in range(many + 1):
        found.report(done, many)

    said = records(capsys.readouterr().out)

    assert said[0] == {"done": 0, "total": many}
    assert (said[-1]["done"], said[-1]["total"], said[-1]["eta"]) == (many, many, 0.0)
    assert len(said) < 200
    found.flush()
    assert capsys.readouterr().out == ""


def test_the_last_progress_is_printed_soon_though_nothing_more_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = tracking._Progress()
    found.report(1, None)
    for done in range(2, 9):
        found.report(done, None)
    timer = found._timer
    assert timer is not None
    timer.join(30)
    said = records(capsys.readouterr().out)
    assert (said[0], said[-1]) == ({"done": 1, "total": None}, {"done": 8, "total": None})


def test_the_last_progress_is_printed_when_the_program_ends() -> None:
    code = "from submarine_jupyter.tracking import progress\nfor done in range(500):\n    progress(done, 1000)\n"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert records(out)[-1]["done"] == 499


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        (float("nan"), 3, []), (float("inf"), 3, []), (1, float("nan"), [{"done": 1, "total": None}]),
        (0.5, 2, [{"done": 0.5, "total": 2}]), (-1, -3, [{"done": -1, "total": -3}]), (5, 0, [{"done": 5, "total": 0}]),
    ],
)  # fmt: skip
def test_odd_progress(done: float, total: float, expected: object, capsys: pytest.CaptureFixture[str]) -> None:
    tracking._Progress().report(done, total)
    assert records(capsys.readouterr().out) == expected
