"""The frames of ``experiment/stream``: requests in, rows, points and log bytes out.

A log travels as binary frames: the channel (32 bits), the offset of the first byte (a float of 64 bits), both with the
most significant byte first, then the bytes themselves. All else is JSON.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from submarine_jupyter.errors import InvalidRequest, SubmarineError
from submarine_jupyter.spec.experiment_ids import is_id

from .encoding import json_text

if TYPE_CHECKING:
    from submarine_jupyter_server.store.curves.following import NewPoint

MAX_CREDIT = 16 * 1024 * 1024
MOST_FOLLOWED = 100
MOST_POINTS = 10_000
_CURVE = ("experimentId", "attempt", "name", "replica", "points")
_HEAD = struct.Struct(">Id")


@dataclass(frozen=True, slots=True)
class FollowRows:
    """Follow the rows of all experiments, from ``after``, a cursor of an earlier frame; None: a snapshot first."""

    ch: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class FollowLog:
    """Follow the bytes of one replica from ``offset``, or its last ``tail`` bytes, at most ``credit`` unpaid ones.

    ``skip``: leave out what is more than the credit behind the end.
    """

    ch: int
    experiment_id: str
    replica: str
    credit: int
    attempt: int | None = None
    offset: int | None = None
    tail: int | None = None
    skip: bool = False


@dataclass(frozen=True, slots=True)
class FollowPoints:
    """Follow the points of experiments from ``after``, a cursor of an earlier frame; None: first what there is.

    Of what there is at most ``points`` of each curve come; ``names`` are the metrics wanted, none: all.
    """

    ch: int
    ids: tuple[str, ...]
    credit: int
    names: tuple[str, ...] = ()
    points: int = 1000
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Pay:
    """Let ``count`` more bytes of a log come."""

    ch: int
    count: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Follow a channel no more."""

    ch: int


Request = FollowRows | FollowLog | FollowPoints | Pay | Leave


def parse(message: str | bytes) -> Request:
    """Read a request. Raises InvalidRequest, which says what is wrong."""
    try:
        found = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest("A request is a text frame with a JSON object, such as {'op': 'rows', 'ch': 1}.")
    op = found.pop("op", None)
    read = _OPS.get(op) if isinstance(op, str) else None
    if read is None:
        raise InvalidRequest(f"op: {_shown(op)} is not one of {', '.join(_OPS)}.")
    request = read(found)
    if found:
        raise InvalidRequest(f"{_shown(next(iter(found)))} is not a field of '{op}'.")
    return request


def rows_frame(
    ch: int, rows: Sequence[str], *, gone: Sequence[str] = (), cursor: str | None = None, snapshot: bool = False
) -> str:
    """Return a frame of rows, each JSON text. Without a ``cursor`` more frames of the same snapshot follow."""
    parts = [f'"ch":{ch}', f'"rows":[{",".join(rows)}]']
    parts += [f'"gone":{json_text(list(gone))}'] if gone else []
    parts += ['"snapshot":true'] if snapshot else []
    parts += [f'"cursor":"{cursor}"'] if cursor is not None else []
    return f"{{{','.join(parts)}}}"


def points_frame(ch: int, found: Sequence[NewPoint], *, cursor: str | None = None, snapshot: bool = False) -> str:
    """Return a frame of points, by curve. Without a ``cursor`` more frames of the same snapshot follow."""
    curves: dict[tuple[str, int, str, str], list[tuple[int | None, float | None, int]]] = {}
    for one in found:
        curves.setdefault(one[:4], []).append(one[4:7])
    series = [dict(zip(_CURVE, (*key, points), strict=True)) for key, points in curves.items()]
    return json_text({"ch": ch, "series": series} | _set(snapshot=snapshot or None, cursor=cursor))


def _set(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def log_frame(ch: int, offset: int, data: bytes) -> bytes:
    """Return a frame of log bytes."""
    return _HEAD.pack(ch, offset) + data


def notice(ch: int, **fields: object) -> str:
    """Return a frame that says something of a log: a ``gap``, a ``skip``, its ``end``."""
    return json_text({"ch": ch, **fields})


def failed(ch: int | None, error: SubmarineError) -> str:
    """Return the frame that says why a request was refused, or a channel ended."""
    words = {"code": error.status, "message": error.message, "hint": error.hint, "error": type(error).__name__}
    return json_text({"ch": ch, "error": words})


def _rows(found: dict[str, Any]) -> Request:
    after = found.pop("after", None)
    if after is not None and not isinstance(after, str):
        raise InvalidRequest(f"after: {_shown(after)} is not a cursor of this stream.")
    return FollowRows(_number(found, "ch", 2**32 - 1), after)


def _log(found: dict[str, Any]) -> Request:
    experiment_id, replica = found.pop("experimentId", None), found.pop("replica", None)
    if not isinstance(experiment_id, str) or not is_id(experiment_id):
        raise InvalidRequest(f"experimentId: {_shown(experiment_id)} is not the id of an experiment.")
    if not isinstance(replica, str):
        raise InvalidRequest(f"replica: {_shown(replica)} is not the name of a replica, such as 'worker-0'.")
    skip = found.pop("skip", False)
    if not isinstance(skip, bool):
        raise InvalidRequest(f"skip: {_shown(skip)} is neither true nor false.")
    # Without any nothing could ever come: what is paid back is never more than was lent.
    ch, credit = _number(found, "ch", 2**32 - 1), _number(found, "credit", MAX_CREDIT, least=1)
    attempt, offset, tail = (_maybe(found, name) for name in ("attempt", "offset", "tail"))
    if offset is not None and tail is not None:
        raise InvalidRequest("offset, tail: give one of them.")
    return FollowLog(ch, experiment_id, replica, credit, attempt, offset, tail, skip)


def _metrics(found: dict[str, Any]) -> Request:
    ids, names = _texts(found, "experiments", MOST_FOLLOWED), _texts(found, "names", MOST_FOLLOWED)
    if not ids:
        raise InvalidRequest('experiments: name one at least, as ["experiment-1794290000000-0041"].')
    if wrong := next((one for one in ids if not is_id(one)), None):
        raise InvalidRequest(f"experiments: {_shown(wrong)} is not the id of an experiment.")
    after = found.pop("after", None)
    if after is not None and not isinstance(after, str):
        raise InvalidRequest(f"after: {_shown(after)} is not a cursor of points.")
    ch, credit = _number(found, "ch", 2**32 - 1), _number(found, "credit", MAX_CREDIT, least=1)
    points = _number({"points": found.pop("points", 1000)}, "points", MOST_POINTS, least=4)
    return FollowPoints(ch, ids, credit, names, points, after)


def _texts(found: dict[str, Any], name: str, most: int) -> tuple[str, ...]:
    values = found.pop(name, [])
    if not isinstance(values, list) or len(values) > most or not all(isinstance(one, str) for one in values):
        raise InvalidRequest(f"{name}: {_shown(values)} is not a list of at most {most} texts.")
    return tuple(dict.fromkeys(values))


def _pay(found: dict[str, Any]) -> Request:
    return Pay(_number(found, "ch", 2**32 - 1), _number(found, "bytes", MAX_CREDIT))


def _leave(found: dict[str, Any]) -> Request:
    return Leave(_number(found, "ch", 2**32 - 1))


_OPS: Mapping[str, Callable[[dict[str, Any]], Request]] = {
    "rows": _rows,
    "log": _log,
    "metrics": _metrics,
    "credit": _pay,
    "close": _leave,
}


def _maybe(found: dict[str, Any], name: str) -> int | None:
    return _number(found, name, 2**53 - 1) if found.get(name) is not None else found.pop(name, None)


def _number(found: dict[str, Any], name: str, most: int, *, least: int = 0) -> int:
    value = found.pop(name, None)
    if type(value) is not int or not least <= value <= most:
        raise InvalidRequest(f"{name}: {_shown(value)} is not a whole number from {least} to {most}.")
    return value


def _shown(value: object) -> str:
    return json.dumps(value)[:80]
