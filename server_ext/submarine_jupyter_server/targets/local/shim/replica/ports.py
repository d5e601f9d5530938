"""Hold the ports a replica was promised, from before its start until its end."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket


class PortHolder:
    """Keeps ports bound but not listening.

    On Linux a program that sets SO_REUSEADDR can still listen on such a port, while no other program gets it: not by
    ``bind(0)``, nor by a bind without that option (``socket(7)``). So nobody takes the port between the choice and the
    moment the framework needs it.
    """

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._held: list[socket.socket] = []

    def hold(self) -> None:
        """Bind the ports; one that is taken is left to the replica, whose error then says it."""
        if sys.platform != "linux" or not self._ports or self._held:
            return
        import socket  # takes 3 ms: only when there are ports

        for port in self._ports:
            holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind(("", port))
            except OSError:
                holder.close()
            else:
                self._held.append(holder)

    def release(self) -> None:
        """Give the ports back."""
        while self._held:
            self._held.pop().close()
