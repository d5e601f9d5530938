"""A wire between a client and a server that can be cut: TCP, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Forwards ``port`` to ``target``; counts connections and cuts them when told."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.connections = 0
        self._cuts: list[int] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, *sizes: int) -> None:
        """Cut each of the next connections when so many bytes of answers have gone through."""
        self._cuts = list(sizes)

    def cut(self) -> None:
        """Cut all connections there are."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut everything, and accept nothing more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._open += [near, far]
            limit = self._cuts.pop(0) if self._cuts else None
            for source, sink, most in ((near, far, None), (far, near, limit)):
                threading.Thread(target=_forward, args=(source, sink, most), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket, most: int | None) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            if most is not None and passed + len(data) > most:
                sink.sendall(data[: most - passed])
                break
            passed += len(data)
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
