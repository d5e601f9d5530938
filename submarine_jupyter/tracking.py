"""Tell the server what training code measures: one line on standard output each.

For training scripts: needs the standard library only, and works without any server, as plain text.

>>> log_metric("accuracy", 0.91, step=10)
submarine-metric {"name": "accuracy", "value": 0.91, "step": 10}
>>> log_param("learning_rate", 0.1)
submarine-param {"name": "learning_rate", "value": 0.1}
"""

from __future__ import annotations

import json
import math
import sys


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Record a number, at a step of the training if given.

    Anything ``float()`` takes is a value, also a NumPy scalar or a tensor of one element. Infinity and NaN are sent
    as the strings ``Infinity``, ``-Infinity`` and ``NaN``, for which JSON (RFC 8259) has no number.
    """
    number = float(value)
    record: dict[str, object] = {"name": str(name), "value": number if math.isfinite(number) else _word(number)}
    if step is not None:
        record["step"] = int(step)
    _say("submarine-metric", record)


def log_param(name: str, value: object) -> None:
    """Record a setting of this run; what JSON does not know is sent as text."""
    _say("submarine-param", {"name": str(name), "value": value})


def _word(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _say(kind: str, record: dict[str, object]) -> None:
    # One write: lines of several threads must not run into each other.
    sys.stdout.write(f"{kind} {json.dumps(record, default=str)}\n")
    sys.stdout.flush()
