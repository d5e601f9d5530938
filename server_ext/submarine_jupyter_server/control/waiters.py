"""Who waits for which order: an answer belongs to one order, never to whatever ends next."""

from __future__ import annotations

import asyncio

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.store.orders.outbox import OutboxRow


class Waiters:
    """Who waits for which order."""

    def __init__(self) -> None:
        self._futures: dict[str, list[tuple[int, asyncio.Future[None]]]] = {}

    def join(self, order: OutboxRow) -> asyncio.Future[None]:
        """Return what is done once the order is decided."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(order.experiment_id, []).append((order.seq, future))
        return future

    def leave(self, order: OutboxRow, future: asyncio.Future[None]) -> None:
        """Wait no more."""
        left = [each for each in self._futures.get(order.experiment_id, ()) if each[1] is not future]
        if left:
            self._futures[order.experiment_id] = left
        else:
            self._futures.pop(order.experiment_id, None)

    def wait_for(self, order: OutboxRow) -> bool:
        """Return whether somebody waits for this order, or for one that it replaced."""
        return any(seq <= order.seq for seq, _ in self._futures.get(order.experiment_id, ()))

    def answer(self, order: OutboxRow, refused: SubmarineError | None = None, *, all_before: bool = False) -> None:
        """Notify those who wait for ``order``; those who wait for one that it replaced, that this is decided.

        With ``all_before`` they hear the refusal too.
        """
        for seq, future in self._futures.get(order.experiment_id, ()):
            if future.done() or seq > order.seq:
                continue
            if refused is not None and (seq == order.seq or all_before):
                future.set_exception(refused)
            else:
                future.set_result(None)
