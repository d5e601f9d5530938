"""Report to the server what training code measures: one line on standard output each.

For training scripts: needs the standard library only, and works without any server, as plain text.

>>> log_metric("accuracy", 0.91, step=10)
submarine-metric {"name": "accuracy", "value": 0.91, "step": 10}
>>> log_param("learning_rate", 0.1)
submarine-param {"name": "learning_rate", "value": 0.1}
"""

from __future__ import annotations

import contextlib
import json
import math
import sys

# Characters of the JSON of a value, and what is kept of a longer one: the server examines 4 KiB of a line.
_LONGEST, _KEPT = 3000, 250


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Record a number, at a step of the training if given.

    Anything ``float()`` takes is a value, also a NumPy scalar or a tensor of one element. Infinity and NaN are sent
    as the strings ``Infinity``, ``-Infinity`` and ``NaN``, for which JSON (RFC 8259) has no number.
    """
    number = float(value)
    record: dict[str, object] = {"name": str(name), "value": number if math.isfinite(number) else _word(number)}
    if step is not None:
        record["step"] = int(step)
    _say("submarine-metric", json.dumps(record))


def log_param(name: str, value: object) -> None:
    """Record a setting of this run, in place of what was recorded or declared under that name before.

    NumPy scalars and tensors of one element are numbers; what JSON does not know is sent as text. Of a value whose JSON
    has more than 3,000 characters the first 250 are sent.
    """
    try:
        text = json.dumps(value, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # names that are no text, not finite, within itself
        text = json.dumps(_word(value) if isinstance(value, float) else str(value))
    if len(text) > _LONGEST:
        text = json.dumps((value if isinstance(value, str) else text)[:_KEPT] + " ...")
    _say("submarine-param", f'{{"name": {json.dumps(str(name))}, "value": {text}}}')


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    if callable(item):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # it has several elements
            found = item()
            if isinstance(found, str | int | float):
                return found
    return str(value)


def _word(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _say(kind: str, record: str) -> None:
    # One write: lines of several threads must not run into each other.
    sys.stdout.write(f"{kind} {record}\n")
    sys.stdout.flush()
