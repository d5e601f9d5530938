from __future__ import annotations

import doctest
import json

import pytest

from submarine_jupyter import tracking


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


def test_a_setting_can_be_anything(capsys: pytest.CaptureFixture[str]) -> None:
    tracking.log_param("layers", [64, 10])
    tracking.log_param("optimizer", object)

    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0].partition(" ")[2]) == {"name": "layers", "value": [64, 10]}
    assert json.loads(lines[1].partition(" ")[2])["value"] == "<class 'object'>"
