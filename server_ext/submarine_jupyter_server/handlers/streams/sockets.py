"""Own every open WebSocket of this server: they are counted, and closed when it stops."""

from __future__ import annotations

from typing import Protocol

from submarine_jupyter.errors import TooManyRequests

MAX_SOCKETS = 256
MAX_SOCKETS_EACH = 32
RESTARTING = 1012
"""The close code for a server that comes back: https://www.iana.org/assignments/websocket"""


class Socket(Protocol):
    """A WebSocket that can be closed."""

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class Sockets:
    """The sockets that are open, each with whose it is."""

    def __init__(self) -> None:
        self._open: dict[Socket, str] = {}

    def __len__(self) -> int:
        return len(self._open)

    def refuse_more(self, owner: str, *, for_one: bool) -> None:
        """Raise TooManyRequests where one more is too many: of several people nobody may take all there are."""
        if not for_one and list(self._open.values()).count(owner) >= MAX_SOCKETS_EACH:
            raise TooManyRequests(
                f"You have {MAX_SOCKETS_EACH} open sockets on this server already.", hint="Close a tab."
            )
        if len(self._open) >= MAX_SOCKETS:
            raise TooManyRequests(f"This server has {MAX_SOCKETS} open sockets, and no more.", hint="Try again later.")

    def add(self, socket: Socket, owner: str) -> None:
        """Count one more."""
        self._open[socket] = owner

    def remove(self, socket: Socket) -> None:
        """Count one less."""
        self._open.pop(socket, None)

    async def close(self) -> None:
        """Close all; their clients come back and go on where they were."""
        for socket in list(self._open):
            socket.close(RESTARTING, "The server stops or restarts.")
        self._open.clear()
