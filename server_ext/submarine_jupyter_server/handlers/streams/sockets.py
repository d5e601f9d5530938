"""Own every open WebSocket of this server: they are counted, and closed when it stops."""

from __future__ import annotations

from typing import Protocol

from submarine_jupyter_server.handlers.streams.connections import Connections

RESTARTING = 1012
"""The close code for a server that comes back: https://www.iana.org/assignments/websocket"""


class Socket(Protocol):
    """A WebSocket that can be closed."""

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class Sockets(Connections[Socket]):
    """The sockets that are open."""

    def __init__(self) -> None:
        super().__init__("sockets", close="Close a tab.", later="Try again later.")

    async def close(self) -> None:
        """Close all; their clients come back and go on where they were."""
        for socket in self:
            socket.close(RESTARTING, "The server stops or restarts.")
            self.remove(socket)
