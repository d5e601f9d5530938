"""The two threads that bring what a waiting cell shows: one follows the log, one polls state and metrics."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from submarine_jupyter.client.following import Cut, End, Item
from submarine_jupyter.display.card.drawing.curves import POINTS
from submarine_jupyter.display.waiting.board import Board
from submarine_jupyter.errors import KernelError, SubmarineError

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient

log = logging.getLogger(__name__)
# How often state and metrics are polled (s); a change of state that the log brings is polled at once.
POLL_S = 1.0


class Sources:
    """Fill a board until ``close``; the threads are daemons, so that no kernel waits for them to end."""

    def __init__(
        self, client: SubmarineClient, experiment_id: str, items: Iterable[Item], cut: Cut, board: Board
    ) -> None:
        self._client = client
        self._id = experiment_id
        self._items = items
        self._cut = cut
        self._board = board
        self._closed = threading.Event()
        for work in (self._follow, self._poll):
            threading.Thread(target=work, name=f"submarine {work.__name__.strip('_')}", daemon=True).start()

    def close(self) -> None:
        """End both; what they are about to bring is not waited for."""
        self._closed.set()
        self._board.stale.set()
        self._cut.make()

    def _follow(self) -> None:
        try:
            for item in self._items:
                if self._closed.is_set():
                    break
                self._board.take(item)
                if isinstance(item, End):
                    break
            self._board.end()
        except (SubmarineError, KernelError) as error:
            self._board.end(error)
        except Exception as error:
            log.exception("following %s has failed", self._id)
            self._board.end(error)

    def _poll(self) -> None:
        try:
            while not self._closed.is_set():
                self._board.stale.clear()
                self._once()
                self._board.stale.wait(POLL_S)
        except Exception:
            log.exception("polling %s has failed", self._id)

    def _once(self) -> None:
        try:
            known = self._client.read(self._id)
            series = self._client.metrics(self._id, points=POINTS).documents()
        except SubmarineError as error:
            if not self._closed.is_set():
                self._board.lose(datetime.now().astimezone(), str(error).partition("\n")[0])
            return
        if not self._closed.is_set():
            self._board.know(known, series)
