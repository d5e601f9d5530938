"""How far an experiment is, as rows and details have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from submarine_jupyter.spec.vocabulary import Status
from submarine_jupyter_server.wire.encoding import time_text

if TYPE_CHECKING:
    from submarine_jupyter_server.metrics.progress.reports import Report
    from submarine_jupyter_server.store.rows import ListRow


def progress_fields(row: ListRow, report: Report | None) -> dict[str, Any]:
    """Return the field ``progress``; none where the experiment has not said how far it is.

    That it does not move is decided by time passing: who reads it compares ``movedTime`` with the time that it is.
    """
    if report is None:
        return {}
    label = {"label": report.label} if report.label else {}
    # What has ended has no time to go, wherever it was then.
    left = None if Status(row.status).final else report.eta_seconds
    moved = time_text(report.moved_ms)
    found = {"percent": report.percent, "etaSeconds": left, "source": report.source, **label, "movedTime": moved}
    return {"progress": found}


def stalled(row: ListRow, fields: dict[str, Any], report: Report | None, now_ms: int) -> dict[str, Any]:
    """Return the field with ``stalledSeconds``: since when nothing moved, at ``now_ms``; not of what has ended."""
    if report is None or Status(row.status).final:
        return fields
    return {"progress": {**fields["progress"], "stalledSeconds": max(now_ms - report.moved_ms, 0) // 1000}}
