"""The connections of a kind that are open, each with whose it is: nobody may take all there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from submarine_jupyter.errors import TooManyRequests

MOST, MOST_EACH = 256, 32

Connection = TypeVar("Connection")


class Connections(Generic[Connection]):
    """At most ``most`` at a time, and ``each`` of one user where a server has several."""

    def __init__(self, noun: str, *, close: str, later: str) -> None:
        """``noun`` names them; ``close`` and ``later`` say what to do when one user, or all, have too many."""
        self.most, self.each = MOST, MOST_EACH
        self._noun = noun
        self._close, self._later = close, later
        self._open: dict[Connection, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over those that are open now."""
        return iter(list(self._open))

    def refuse_more(self, owner: str, *, for_one: bool) -> None:
        """Raise TooManyRequests where one more is too many. ``for_one``: the server is one person's."""
        if not for_one and list(self._open.values()).count(owner) >= self.each:
            raise TooManyRequests(f"You have {self.each} open {self._noun} on this server already.", hint=self._close)
        if len(self._open) >= self.most:
            raise TooManyRequests(
                f"This server has {self.most} open {self._noun}, the most it allows.", hint=self._later
            )

    def add(self, connection: Connection, owner: str) -> None:
        """Count one more."""
        self._open[connection] = owner

    def remove(self, connection: Connection) -> None:
        """Count one less."""
        self._open.pop(connection, None)
