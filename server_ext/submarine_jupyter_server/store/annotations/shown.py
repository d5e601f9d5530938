"""The parameters and the last values of metrics that a row shows, each kind as one JSON text.

A list has ten thousand rows, and would read ten values of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from heapq import nsmallest

from sqlalchemy import Connection, delete, select

from submarine_jupyter_server.store.engine.prepared import Prepared
from submarine_jupyter_server.store.rows import Among
from submarine_jupyter_server.store.tables import shown_values
from submarine_jupyter_server.store.tables.dialect import insert_or_replace

MOST = 20
"""So many of each kind are shown, by name."""
# Beyond it a float is no exact whole number.
_EXACT = 2**53
_KEEP = Prepared(insert_or_replace(shown_values), "seq", "kind", "text")
_encode = json.JSONEncoder(separators=(",", ":")).encode
Value = float | str | bool | None


def value(number: float | None, text: str | None, truth: bool) -> Value:
    """Return what is shown of a value by the columns that it is kept in."""
    return written(number) if text is None else text == "true" if truth else text


def written(number: float | None) -> float | None:
    """Return a number as people write it: 3, not 3.0."""
    return int(number) if number is not None and number.is_integer() and abs(number) < _EXACT else number


def keep(tx: Connection, seq: int, kind: str, values: Mapping[str, Value]) -> None:
    """Keep what is shown of values, in place of what was: the first ones by name."""
    _KEEP(tx, [(seq, kind, _encode({name: values[name] for name in nsmallest(MOST, values)}))])


def remove(tx: Connection, seq: int, kind: str) -> None:
    """Show none of this kind."""
    tx.execute(delete(shown_values).where(shown_values.c.seq == seq, shown_values.c.kind == kind))


def of(tx: Connection, among: Among) -> dict[tuple[int, str], str]:
    """Return the JSON texts of some experiments by number and kind; what has none has no value."""
    columns = (shown_values.c.seq, shown_values.c.kind, shown_values.c.text)
    return {(seq, kind): text for seq, kind, text in tx.execute(select(*columns).where(among(shown_values.c.seq)))}
