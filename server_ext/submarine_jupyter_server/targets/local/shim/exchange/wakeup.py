"""What wakes the shim: signals, and the FIFO through which the server asks it to read the plan again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat

STOP = b"stop"  # for a server that cannot write the plan, because the disk is full

_KEPT = (
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE),
    *(signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


class Wakeup:
    """A signal wakes it, and where the file system has FIFOs a line in ``ctl``.

    A FIFO and no Unix socket, whose path may be 107 bytes long only, and no signal, which needs a pid one can be
    sure of.
    """

    def __init__(self, folder: str) -> None:
        self.terminated = False
        self.child_died = False
        self.stop_ordered = False
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._child_died)
        signal.signal(signal.SIGTERM, self._terminate)
        # A replica can send any signal to its parent, by mistake as well. What it can do to itself only stays as it is.
        for number in signal.valid_signals() - {signal.SIGCHLD, signal.SIGTERM, *_KEPT}:
            signal.signal(number, signal.SIG_IGN)
        self.ctl = _fifo(f"{folder}/ctl")

    def wait(self, descriptors: Iterable[int], timeout_ms: int) -> list[int]:
        """Sleep until a signal or a call comes, or something can be read; return which ``descriptors`` can be."""
        poll = select.poll()
        for fd in (self._reader, *([self.ctl] if self.ctl >= 0 else ()), *descriptors):
            poll.register(fd, select.POLLIN)
        return [fd for fd, _ in poll.poll(timeout_ms) if fd not in (self._reader, self.ctl)]

    def read(self) -> bool:
        """Take what has come; return whether the server called."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        try:
            called = os.read(self.ctl, 4096) if self.ctl >= 0 else b""
        except BlockingIOError:
            return False
        self.stop_ordered = self.stop_ordered or STOP in called
        return called != b""

    def _child_died(self, number: int, frame: FrameType | None) -> None:
        self.child_died = True

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.terminated = True


def _fifo(path: str) -> int:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # For writing too, so that it does not end when a server closes it.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return -1
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fd
    os.close(fd)  # a file can always be read, and would wake us for ever
    return -1
