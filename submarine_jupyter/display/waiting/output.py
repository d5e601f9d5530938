"""One output of a cell, written again in place: only so often, only when it differs, the last time always."""

from __future__ import annotations

import time
from typing import Any

from submarine_jupyter.display.card.bundle import MIME, Bundle

# At most four times and 200,000 bytes a second: a server cuts off who sends more than 1,000,000 on the average of 3 s.
LEAST_S = 0.25
BYTES_PER_S = 200_000.0


class Output:
    """An output below the cell that is executed now."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last: Bundle = {}
        self._free_at = 0.0

    @property
    def pause(self) -> float:
        """For how many seconds it should be left as it is."""
        return max(0.0, self._free_at - time.monotonic())

    def show(self, bundle: Bundle) -> None:
        """Write it, unless it is there already."""
        shown = {kind: value for kind, value in bundle.items() if kind != MIME}
        if shown == self._last:
            return
        from IPython.display import display

        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)
        self._last = shown
        size = sum(len(str(value)) for value in shown.values())
        self._free_at = time.monotonic() + max(LEAST_S, size / BYTES_PER_S)
