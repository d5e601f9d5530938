"""Whether the clock may decide what is old: one that is wrong for a moment must not remove anything."""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from submarine_jupyter_server.process.clock import now_ms

from .tables import meta
from .tables.dialect import insert_or_replace

_KEY = "clock_ms"
_LEAP_MS = 7 * 86_400_000
_STEADY_S = 3600.0
_JUMP_S = 60.0


class SteadyClock:
    """The clock of this process, watched for jumps."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()
        self._since = time.monotonic()

    def trusted(self, tx: Connection) -> bool:
        """Return whether what is old by the clock is old.

        It is when the clock was read within the last week by its own word, or has gone on for an hour without a jump.
        """
        ahead = time.time() - time.monotonic()
        if abs(ahead - self._ahead) > _JUMP_S:
            self._ahead, self._since = ahead, time.monotonic()
        now = now_ms()
        before = tx.execute(select(meta.c.value).where(meta.c.key == _KEY)).scalar()
        steady = time.monotonic() - self._since >= _STEADY_S
        if before is not None and now - int(before) > _LEAP_MS and not steady:
            return False
        tx.execute(insert_or_replace(meta), {"key": _KEY, "value": str(now)})
        return True
