"""Report to the server what training code measures: one line on standard output each.

For training scripts: needs the standard library only, and works without any server, as plain text.

>>> log_metric("accuracy", 0.91, step=10)
submarine-metric {"name": "accuracy", "value": 0.91, "step": 10}
>>> log_param("learning_rate", 0.1)
submarine-param {"name": "learning_rate", "value": 0.1}
>>> progress(20, 100)
submarine-progress {"done": 20, "total": 100}
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import sys
import threading
import time

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


def progress(done: float, total: float | None = None) -> None:
    """Tell how far this run is: ``done`` of ``total``, in whatever unit; no ``total`` where that is not known.

    It may be called a million times: a line is printed at most every half second, at once at the end, and the last call
    is never left out. The time to go is estimated from the calls so far. What is no finite number is left out.
    """
    _PROGRESS.report(done, total)


class _Progress:
    """What was told, and what was printed of it."""

    EACH_S = 0.5

    def __init__(self) -> None:
        self._lock = threading.RLock()  # no older line after a newer one
        self._next = 0.0
        self._waiting: tuple[float, float | None] | None = None
        self._timer: threading.Timer | None = None
        self._began: tuple[float, float, float | None] | None = None
        self._last = -math.inf

    def report(self, done: float, total: float | None) -> None:
        """Print it now, or soon; in between nothing is kept but the newest."""
        done, total = float(done), None if total is None else float(total)
        now = time.monotonic()
        if now >= self._next or done == total:
            with self._lock:
                self._next = now + self.EACH_S
                self._waiting = None
                self._print(done, total, now)
            return
        self._waiting = done, total
        if self._timer is None:
            self._timer = threading.Timer(self._next - now, self._late)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Print what has waited."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._print(*waiting, time.monotonic())

    def renew(self) -> None:
        """Begin anew in a process that was forked: it has no timer, and what waits is its parent's."""
        self._lock = threading.RLock()
        self._timer = self._waiting = None

    def _late(self) -> None:
        self._timer = None
        self._next = time.monotonic() + self.EACH_S
        self.flush()

    def _print(self, done: float, total: float | None, now: float) -> None:
        if not math.isfinite(done):
            return
        total = total if total is not None and math.isfinite(total) else None
        if self._began is None or done < self._last or total != self._began[2]:
            self._began = now, done, total
        began, first, _ = self._began
        self._last = done
        record = {"done": _short(done), "total": None if total is None else _short(total)}
        if total is not None and first < done <= total:
            record["eta"] = round((now - began) * (total - done) / (done - first), 1)
        _say("submarine-progress", json.dumps(record))


def _short(number: float) -> float:
    return int(number) if number.is_integer() else number


_PROGRESS = _Progress()
atexit.register(_PROGRESS.flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROGRESS.renew)


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
