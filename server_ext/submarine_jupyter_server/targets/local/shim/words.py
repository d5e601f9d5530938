"""Describe in words for a person how a replica ended and how much memory it took."""

from __future__ import annotations

import math
import signal

LAST_LINES = 20
LAST_BYTES = 2048
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def signal_name(number: int) -> str:
    """Return the name of a signal; ``SIG40`` for one that has none, as real-time signals."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def memory_in_unit_of(limit: str | None, size: int) -> str:
    """Return ``size`` bytes in the unit in which ``limit`` is written, rounded up: what is above it looks above it."""
    unit = (limit or "").strip().lstrip("0123456789.")
    if unit not in _UNITS or (unit == "" and size >= 10_000):
        unit = "Mi"
    value = size / _UNITS[unit]
    rounded = math.ceil(value) if value >= 100 else math.ceil(value * 10) / 10
    return f"{rounded:g}{unit}" if rounded < 1_000_000 else f"{rounded:.0f}{unit}"


def out_of_memory(name: str, used: int, limit: str | None) -> str:
    """Describe that a replica took more than it asked for."""
    return f"{name} ran out of memory: it used {memory_in_unit_of(limit, used)} of its {limit}; ask for more memory"


def failure(name: str, exit_code: int | None, signal_name: str | None, tail: bytes) -> str:
    """Describe how a replica failed, with the last lines it wrote."""
    how = f"was killed by {signal_name}" if signal_name else f"failed with exit code {exit_code}"
    if signal_name == "SIGKILL":
        how += " (by another process, or by the kernel because memory ran out)"
    lines = _last_lines(tail)
    return f"{name} {how}; last lines:\n{lines}" if lines else f"{name} {how}; it wrote nothing"


def processes(count: int, rest: str) -> str:
    """Return ``1 process rest`` or ``2 processes rest``."""
    return f"{count} process{'' if count == 1 else 'es'} {rest}"


def _last_lines(tail: bytes) -> str:
    """Return the last lines as plain text: of a progress bar its last state, and no control characters."""
    text = tail.decode(errors="replace")
    if len(tail) >= LAST_BYTES and "\n" in text:
        text = text.partition("\n")[2]  # the first line is cut
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    plain = ["".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in lines]
    return "\n".join([line for line in plain if line][-LAST_LINES:])
