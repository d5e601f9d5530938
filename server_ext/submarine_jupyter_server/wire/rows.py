"""One experiment as a list shows it, in one compact row."""

from __future__ import annotations

from dataclasses import replace
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from submarine_jupyter_server.store.lists.summaries import Summary

from .answers.detail import noted
from .answers.progress import progress_fields
from .answers.states import brief
from .encoding import json_text, time_text

LONGEST_NOTE = 200


def shortened(note: str | None) -> str | None:
    """Return as much of a note as a row has."""
    return note if note is None or len(note) <= LONGEST_NOTE else f"{note[:LONGEST_NOTE]} ..."


def row_json(found: Summary) -> str:
    """Return a row as JSON text."""
    row, known = found.row, brief(found.row, found.order)
    more: dict[str, Any] = {"group": found.group} if found.group else {}
    more |= {"origin": found.origin} if found.origin else {}
    more |= noted(found.noted and replace(found.noted, note=shortened(found.noted.note)))
    more |= progress_fields(row, found.progress)
    accepted = _time(row.accepted)
    created = accepted if row.created in (None, row.accepted) else _time(row.created)
    # Put together by hand: ten thousand rows are made at a time. Ids, words of ours and times need no escaping.
    return (
        f'{{"experimentId":"{row.id}","uid":"{row.uid}","name":{_quoted(row.name)},"status":"{row.status}",'
        f'"state":"{known["state"]}","reason":{_text(known["reason"])},"message":{_text(known["message"])},'
        f'"framework":"{row.framework}","target":{_quoted(row.target)},"namespace":{_quoted(row.namespace)},'
        f'"owner":{_quoted(row.owner)},"tags":[{",".join(map(_quoted, found.tags))}],"params":{found.params},'
        f'"metrics":{found.metrics},'
        f'"ready":{found.ready},"total":{row.replicas},"attempt":{row.attempt},"generation":{row.generation},'
        f'"acceptedTime":{accepted},"createdTime":{created},'
        f'"runningTime":{_time(row.running)},"finishedTime":{_time(row.finished)}'
        f"{f',{json_text(more)[1:-1]}' if more else ''}}}"
    )


def _text(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _time(ms: int | None) -> str:
    return "null" if ms is None else f'"{time_text(ms)}"'
