"""One experiment as a list shows it, in one compact row."""

from __future__ import annotations

from dataclasses import replace

from submarine_jupyter_server.store.summaries import Summary

from .answers import brief, json_text, noted, time_text

LONGEST_NOTE = 200


def shortened(note: str | None) -> str | None:
    """Return as much of a note as a row has."""
    return note if note is None or len(note) <= LONGEST_NOTE else f"{note[:LONGEST_NOTE]} ..."


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
            **({"origin": found.origin} if found.origin else {}),
            **noted(found.noted and replace(found.noted, note=shortened(found.noted.note))),
        }
    )
