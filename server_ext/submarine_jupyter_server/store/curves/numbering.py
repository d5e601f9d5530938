"""The numbers of points: they grow, and none is given twice, also when points are removed.

Whoever reads on after a number would miss what was given a smaller one.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from submarine_jupyter_server.store.tables import meta, metric
from submarine_jupyter_server.store.tables.dialect import insert_or_replace

_KEPT = "last_point"
LAST = (
    select(func.max(metric.c.seq)).scalar_subquery(),
    select(meta.c.value).where(meta.c.key == _KEPT).scalar_subquery(),
)
"""What is to be selected for ``greatest``."""
_LAST = select(*LAST)
_KEEP = insert_or_replace(meta)


def last(tx: Connection) -> int:
    """Return the greatest number that was ever given."""
    return greatest(*tx.execute(_LAST).one())


def greatest(there: int | None, kept: str | None) -> int:
    """Return the greatest number that was ever given, by the greatest that there is and what was kept."""
    return max(there or 0, int(kept or 0))


def keep(tx: Connection) -> None:
    """Keep what the greatest number was: points are about to be removed."""
    tx.execute(_KEEP, {"key": _KEPT, "value": str(last(tx))})
