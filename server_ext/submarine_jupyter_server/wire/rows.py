"""One experiment as a list shows it, in one compact row."""

from __future__ import annotations

from submarine_jupyter_server.store.summaries import Summary

from .answers import brief, json_text, time_text


def row_json(found: Summary) -> str:
    """Return a row as JSON text."""
    row = found.row
    return json_text(
        {
            "experimentId": row.id,
            "uid": row.uid,
            "name": row.name,
            "status": row.status,
            **brief(row, found.order),
            "framework": row.framework,
            "target": row.target,
            "namespace": row.namespace,
            "owner": row.owner,
            "tags": list(found.tags),
            "attempt": row.attempt,
            "generation": row.generation,
            "params": found.params,
            "metrics": found.metrics,
            "ready": found.ready,
            "total": found.total,
            "acceptedTime": time_text(row.accepted),
            "createdTime": time_text(row.created or row.accepted),
            "runningTime": time_text(row.running),
            "finishedTime": time_text(row.finished),
        }
    )
