"""The life of one replica: its process, its output, and all that it left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time

from .archive import Archive
from .identity import start_ticks
from .plan import Item
from .ports import PortHolder
from .spawn import spawn

PIPE_BYTES = 1024 * 1024
LAST_LINES = 20
LAST_BYTES = 2048
WAITING, RUNNING, SUCCEEDED, FAILED, STOPPED = "Waiting", "Running", "Succeeded", "Failed", "Stopped"
_buffer = bytearray(PIPE_BYTES)
_view = memoryview(_buffer)


class Replica:
    """One replica. ``status`` is final as soon as its process ended; ``closed`` when nothing of it is left."""

    def __init__(self, item: Item, archive: Archive) -> None:
        self.item = item
        self.archive = archive
        self.status = WAITING
        self.reason: str | None = None
        self.message: str | None = None
        self.exit_code: int | None = None
        self.signal: str | None = None
        self.restarts = 0
        self.started_ms: int | None = None
        self.finished_ms: int | None = None
        self.pid: int | None = None  # of the process, until it is closed: a zombie keeps its number from others
        self.ticks: int | None = None
        self.pipe = -1
        self.exited = self.closed = False
        self.ending = False  # somebody wants its end
        self.out_of_memory = False
        self.kill_at: float | None = None
        self.restart_at: float | None = 0.0
        self._ports = PortHolder(item.held_ports)

    @property
    def alive(self) -> bool:
        """Tell whether its process runs."""
        return self.pid is not None and not self.exited

    @property
    def unclean(self) -> bool:
        """Tell whether its process ended, but what it left behind is still to be looked for."""
        return self.pid is not None and self.exited

    @property
    def must_die(self) -> bool:
        """Tell whether it was asked to end, and its time is over."""
        return self.alive and self.kill_at is not None and time.monotonic() >= self.kill_at

    @property
    def settled(self) -> bool:
        """Tell whether its result stands."""
        return self.status in (SUCCEEDED, FAILED, STOPPED)

    def start(self) -> int | None:
        """Start the process; return a pipe that closes once it runs, None if the system has no room for it."""
        self._ports.hold()
        self.archive.begin()
        try:
            self.pipe, output = os.pipe()
            os.set_blocking(self.pipe, False)
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            try:
                self.pid, ready = spawn(self.item.argv, self.item.env, self.item.cwd, output)
            finally:
                os.close(output)
        except OSError as error:
            self.settle(FAILED, "CannotStart", f"{self.item.name} cannot be started: {error.strerror}")
            self.close()
            return None
        self.ticks = start_ticks(self.pid)
        self.exited = self.out_of_memory = False
        self.restart_at = self.exit_code = self.signal = self.finished_ms = None
        self.status, self.reason, self.message = RUNNING, None, None
        self.started_ms = now_ms()
        return ready

    def pump(self) -> bool:
        """Move what is in the pipe to the archive, one buffer at most; return whether there was something."""
        try:
            count = os.readv(self.pipe, [_buffer])
        except BlockingIOError:
            return False
        if count == 0:
            self.close_pipe()
            return False
        self.archive.write(_view[:count])
        return True

    def drain(self) -> None:
        """Move all that was written until now: never more than a pipe holds, however much comes meanwhile."""
        left = PIPE_BYTES
        while left > 0 and self.pipe >= 0:
            before = self.archive.offset
            if not self.pump():
                return
            left -= self.archive.offset - before

    def poll(self) -> bool:
        """Tell whether the process ended just now, without reaping it; its output until then is in the archive."""
        if self.pid is None or self.exited:
            return False
        code = _exit_of(self.pid)
        if code is None:
            return False
        self.exited = True
        self.drain()
        self.finished_ms = now_ms()
        self.exit_code, self.signal = (code, None) if code >= 0 else (None, signal.Signals(-code).name)
        return True

    def settle(self, status: str, reason: str | None = None, message: str | None = None) -> None:
        """Give it its final result."""
        self.status, self.reason, self.message = status, reason, message
        self.restart_at = None

    def restart_in(self, seconds: float, message: str) -> None:
        """Start it once more, later."""
        self.restarts += 1
        self.restart_at = time.monotonic() + seconds
        self.status, self.reason, self.message = WAITING, "Restarting", message

    def end(self, grace_s: float) -> None:
        """End it for good, with ``grace_s`` seconds between asking and killing."""
        self.ending = True
        if not self.alive and not self.settled:
            self.settle(STOPPED)
        if self.pid is None:
            self.close()
        else:
            self.ask(grace_s)

    def ask(self, grace_s: float) -> None:
        """Send SIGTERM to its processes, and have them killed after ``grace_s`` seconds."""
        kill_at = time.monotonic() + grace_s
        self.kill_at = kill_at if self.kill_at is None else min(kill_at, self.kill_at)
        self.signal_group(signal.SIGTERM)

    def signal_group(self, number: int) -> None:
        """Send a signal to its process group. Its leader is never reaped before the end, so it is the right one."""
        if self.pid is not None:
            try:
                os.killpg(self.pid, number)
            except OSError:
                if not self.exited:  # it did not come so far as to have a group
                    with contextlib.suppress(OSError):
                        os.kill(self.pid, number)

    def close_pipe(self) -> None:
        """Take no more output."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def clean(self) -> None:
        """Let go of the process that ended."""
        self.drain()
        self.close_pipe()
        if self.pid is not None:
            self.signal_group(signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        self.pid = self.kill_at = None

    def close(self) -> None:
        """Let go of everything: no byte and no process will come any more."""
        if self.closed:
            return
        self.clean()
        self.archive.end()
        self._ports.release()
        self.closed = True

    def how_it_ended(self) -> str:
        """Say how it failed, with its last lines, for a person."""
        how = f"was killed by {self.signal}" if self.signal else f"failed with exit code {self.exit_code}"
        if self.signal == "SIGKILL":
            how += " (by somebody, or by the kernel for want of memory)"
        lines = _last_lines(self.archive.tail(LAST_BYTES))
        return f"{self.item.name} {how}; last lines:\n{lines}" if lines else f"{self.item.name} {how}; it wrote nothing"

    def report(self) -> dict[str, object]:
        """Return its part of ``state.json``."""
        message = self.message
        if self.archive.dropped:
            lost = f"{self.archive.dropped} bytes of its log were lost: the disk took no more"
            message = f"{message}; {lost}" if message else lost
        return {
            "name": self.item.name,
            "role": self.item.role,
            "index": self.item.index,
            "status": self.status,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "reason": self.reason,
            "message": message,
            "pid": self.pid,
            "ticks": self.ticks,
            "restarts": self.restarts,
            "started_ms": self.started_ms,
            "finished_ms": self.finished_ms,
        }


def now_ms() -> int:
    """Return Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _exit_of(pid: int) -> int | None:
    """Return the exit code, or minus the signal, of a child that ended; where possible without reaping it."""
    if sys.platform == "linux":
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    reaped, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if reaped else None


def _last_lines(tail: bytes) -> str:
    """Return the last lines as plain text: of a progress bar its last state, and no control characters."""
    text = tail.decode(errors="replace")
    if len(tail) >= LAST_BYTES and "\n" in text:
        text = text.partition("\n")[2]  # the first line is cut
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    plain = ["".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in lines]
    return "\n".join([line for line in plain if line][-LAST_LINES:])
