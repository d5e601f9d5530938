"""Why an experiment is as it is, from what the server says of it."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from submarine_jupyter.errors import ExperimentFailed


def why(known: Mapping[str, Any]) -> str:
    """Return in sentences why an experiment waits, runs or has ended."""
    detail = known.get("detail") or {}
    state, message = detail.get("state") or known["status"], detail.get("message")
    lines = [f"{state}: {message}" if message else f"{state}: nothing else is known"]
    error = detail.get("firstError")
    if error:
        place = f", in {error['where']}" if error.get("where") else ""
        lines.append(f"First error: {error['text']} ({error['replica']}{place})")
    plan = detail.get("plan") or {}
    if plan.get("why") and plan["why"] not in lines[0]:
        lines.append(plan["why"])
    lines += [note for note in detail.get("notes") or () if note not in lines[0]]
    return "\n".join(lines)


def together(failures: Sequence[ExperimentFailed], count: int, what: str) -> ExperimentFailed:
    """Return one error for those of ``count`` experiments that have failed."""
    first = failures[0]
    message = f"{len(failures)} of {count} {what} have failed. {first.message}"
    return ExperimentFailed(message, reason=first.reason, hint=first.hint, exit_code=first.exit_code)


def first_ended(replicas: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return replicas in the order of their end; those without one come last."""
    return sorted(replicas, key=lambda one: (one["finishedTime"] is None, one["finishedTime"] or ""))


def exit_code(replicas: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the exit code of the replica that failed first as a shell has it; None where it is not known."""
    for one in first_ended(replicas):
        if one["status"] == "Failed":
            number = getattr(signal, str(one["signal"] or ""), None)
            return 128 + int(number) if isinstance(number, signal.Signals) else one["exitCode"] or None
    return None
