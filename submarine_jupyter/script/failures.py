"""Why an experiment failed, for the cell that waited for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from submarine_jupyter.errors import ExperimentFailed
from submarine_jupyter.script.tracebacks import as_written, innermost, place
from submarine_jupyter.spec.resources import in_unit_of, parse_resources, quantity

_OUT_OF_MEMORY = "OOMKilled"


def explained(error: ExperimentFailed, known: Mapping[str, Any], cell: str | None, *, shown: bool) -> ExperimentFailed:
    """Return the error with the line of the cell that failed, and what to write where memory ran out.

    ``shown`` says that the log stands above already: then its last lines are not repeated. ``known`` is the experiment
    as the server answers it, with its ``detail``.
    """
    first, *lines = as_written(error.message, cell).splitlines()
    if shown:
        first, lines = first.removesuffix("; last lines:"), []
    detail = known.get("detail") or {}
    sign = detail.get("firstError") or {}
    if sign.get("text") and not any(sign["text"] in line for line in lines):
        where = innermost(detail.get("message") or error.message, cell) or (
            place(sign["where"], cell) if sign.get("where") else None
        )
        lines.insert(0, ": ".join(part for part in (where, as_written(sign["text"], cell)) if part))
    hint = more_memory(known) if error.reason == _OUT_OF_MEMORY else error.hint
    return ExperimentFailed("\n".join([first, *lines]), reason=error.reason, hint=hint, exit_code=error.exit_code)


def more_memory(known: Mapping[str, Any]) -> str | None:
    """Return which option asks for twice the memory; None where none was asked for."""
    tasks = (known["spec"].get("spec") or {}).values()
    asked = [text for task in tasks if (text := parse_resources(task.get("resources") or "").get("memory"))]
    if not asked:
        return None
    most = max(asked, key=quantity)
    return f"Ask for more: --memory {in_unit_of(most, 2 * quantity(most))} is twice as much."
