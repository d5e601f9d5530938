"""What there is in logs and what was found there, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from submarine_jupyter_server.logs.archive import ReplicaLog
from submarine_jupyter_server.logs.lines.merged import Merged
from submarine_jupyter_server.logs.position import Position
from submarine_jupyter_server.logs.search.scan import Match
from submarine_jupyter_server.wire.encoding import json_text, time_text


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log of ``end`` bytes is at a moment: ``offset``, None: its times are not known.

    ``at_ns`` is when the line there was written, None: none was written since.
    """

    log: ReplicaLog
    offset: int | None
    at_ns: int | None
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the logs of an attempt are at a moment."""

    experiment_id: str
    attempt: int
    places: Sequence[Place]

    @property
    def next(self) -> Position:
        """The position of those whose times are known."""
        return Position(self.attempt, {one.log.name: one.offset for one in self.places if one.offset is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedLogs:
    """Lines of an attempt in the order of time."""

    experiment_id: str
    attempt: int
    merged: Merged


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
        "time": _time(match.at_ns),
        "line": found.line,
        "column": found.column,
        "columns": found.length,
    }
    around = {"before": found.before, "after": found.after}
    return about | {name: lines for name, lines in around.items() if lines}


def places_json(found: Places) -> str:
    """Return where the logs are."""
    places = [
        {
            "podName": one.log.pod_name,
            "replica": one.log.name,
            "offset": one.offset,
            "time": _time(one.at_ns),
            "end": one.end,
        }
        for one in found.places
    ]
    return json_text({"experimentId": found.experiment_id, "attempt": found.attempt, "replicas": places})


def merged_json(found: MergedLogs) -> str:
    """Return merged lines."""
    names = [log.name for log in found.merged.logs]
    lines = [
        {"replica": names[line.place], "offset": line.offset, "time": _time(line.at_ns or None), "line": line.text}
        for line in found.merged.lines
    ]
    return json_text({"experimentId": found.experiment_id, "attempt": found.attempt, "lines": lines})


def merged_about(found: MergedLogs) -> dict[str, object]:
    """Return the attributes of merged lines."""
    merged, attempt = found.merged, found.attempt
    return {
        "first": str(Position(attempt, merged.first)),
        "next": str(Position(attempt, merged.next)),
        "truncated": True if merged.more else None,
        "untimed": list(merged.untimed) or None,
        "gaps": merged.gaps or None,
        "errors": merged.errors or None,
    }


def _time(at_ns: int | None) -> str | None:
    return time_text(None if at_ns is None else at_ns // 1_000_000)


@dataclass(frozen=True, slots=True)
class LogNames:
    """The pods that have logs, of some experiments, id -> names; and the cursor of the page after them."""

    pods: Mapping[str, Sequence[str]]
    next_cursor: str | None


def log_names_json(found: LogNames) -> str:
    """Return a list of logs without their lines."""
    logs = (log_of(experiment_id, dict.fromkeys(names, ())) for experiment_id, names in found.pods.items())
    return json_text(list(logs))


def log_of(experiment_id: str, lines: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the log of an experiment, pod -> lines, as values."""
    content = [{"podName": name, "podLog": list(found)} for name, found in lines.items()]
    return {"experimentId": experiment_id, "logContent": content}
