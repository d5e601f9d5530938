"""What was found in logs, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.search import Match
from submarine_jupyter_server.wire.answers import json_text, time_text


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInLogs:
    """The matches of a search, replica by replica, each in the order of its log.

    The search goes on at ``next``. ``truncated``: why not all was searched (``limit``, ``size``, ``time``). By pod,
    ``gaps`` are lost bytes (from, to), and ``errors`` say why a log cannot be read.
    """

    experiment_id: str
    next: Position
    matches: Sequence[Match]
    truncated: str | None
    gaps: Mapping[str, Sequence[tuple[int, int]]]
    errors: Mapping[str, str]


def matches_json(found: FoundInLogs) -> str:
    """Return the result of a search."""
    matches = [_match(one) for one in found.matches]
    return json_text({"experimentId": found.experiment_id, "attempt": found.next.attempt, "matches": matches})


def matches_about(found: FoundInLogs) -> dict[str, object]:
    """Return the attributes of a search."""
    about = {"next": str(found.next), "truncated": found.truncated}
    return about | {"gaps": found.gaps or None, "errors": found.errors or None}


def _match(match: Match) -> dict[str, object]:
    found = match.excerpt
    about = {
        "podName": match.log.pod_name,
        "replica": match.log.name,
        "offset": match.offset,
        "length": match.stop - match.offset,
        "time": time_text(None if match.at_ns is None else match.at_ns // 1_000_000),
        "line": found.line,
        "column": found.column,
        "columns": found.length,
    }
    around = {"before": found.before, "after": found.after}
    return about | {name: lines for name, lines in around.items() if lines}
