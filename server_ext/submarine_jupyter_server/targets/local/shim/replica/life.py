"""The life of one replica: its process, its output, and all that it left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time

from .. import words
from ..exchange.plan import Item
from ..processes.identity import start_ticks
from .log_files import Archive
from .ports import PortHolder
from .spawn import spawn

PIPE_BYTES = 1024 * 1024
EXEC_PATIENCE_S = 5.0
NOTICE_MS = 1000
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
        self.ready = -1  # closes once the program runs
        self.exited = self.closed = False
        self.ending = False  # somebody wants its end
        self.behind = 0  # how many processes its command, which succeeded, left in the background
        self.behind_failed = ""  # how the last of them failed, if any did
        self.out_of_memory = False
        self.memory_used = 0
        self.kill_at: float | None = None
        self.restart_at: float | None = 0.0
        self._ready_until = 0.0
        self.asked_rest = False  # its process group was asked to end after its process had
        self._ports = PortHolder(item.held_ports)

    @property
    def alive(self) -> bool:
        """Return whether its process runs."""
        return self.pid is not None and not self.exited

    @property
    def works(self) -> bool:
        """Return whether its process runs, or others that it left in the background."""
        return self.alive or self.behind > 0

    @property
    def starting(self) -> bool:
        """Return whether its program does not run yet; not for ever: its folder may be on a dead server."""
        return self.ready >= 0 and time.monotonic() < self._ready_until

    @property
    def unclean(self) -> bool:
        """Return whether its process ended, but what it left behind is still to be found."""
        return self.pid is not None and self.exited

    @property
    def must_die(self) -> bool:
        """Return whether it was asked to end, and its time is over."""
        return self.alive and self.kill_at is not None and time.monotonic() >= self.kill_at

    @property
    def settled(self) -> bool:
        """Return whether its result stands."""
        return self.status in (SUCCEEDED, FAILED, STOPPED)

    def start(self) -> None:
        """Start the process; ``ready`` can be read once its program runs."""
        self._ports.hold()
        self.archive.begin()
        try:
            self.pipe, output = os.pipe()
            os.set_blocking(self.pipe, False)
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            try:
                self.pid, self.ready = spawn(self.item, output)
            finally:
                os.close(output)
        except OSError as error:
            self.settle(FAILED, "CannotStart", f"{self.item.name} cannot be started: {error.strerror}")
            self.finished_ms = now_ms()
            self.close()
            return
        self._ready_until = time.monotonic() + EXEC_PATIENCE_S
        self.ticks = start_ticks(self.pid)
        self.exited = self.out_of_memory = self.asked_rest = False
        self.restart_at = self.exit_code = self.signal = self.finished_ms = None
        self.status, self.reason, self.message = RUNNING, None, None
        self.started_ms = now_ms()

    def begun(self) -> None:
        """Record that its program runs, or that nobody waits for that any more."""
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1

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
        """Return whether the process ended just now, without reaping it; its output until then is in the archive."""
        if self.pid is None or self.exited:
            return False
        code = _exit_of(self.pid)
        if code is None:
            return False
        self.lost()
        self.exit_code, self.signal = (code, None) if code >= 0 else (None, words.signal_name(-code))
        if self.kill_at is not None and time.monotonic() < self.kill_at:
            self._ask_rest()
        return True

    def lost(self) -> None:
        """Record that the process is there no more, or that nothing ends it."""
        self.exited = True
        self.begun()
        self.drain()
        self.finished_ms = now_ms()

    def settle(self, status: str, reason: str | None = None, message: str | None = None) -> None:
        """Give it its final result."""
        if self.behind:
            self.behind, self.finished_ms = 0, now_ms()
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
        """Ask it to end, and have everything of it killed after ``grace_s`` seconds.

        As in a container, only its main process is asked: a launcher tells its own workers, and needs them to write a
        last checkpoint. Once that process has ended, the others are asked, and have the rest of the time. A shell that
        waits for a command does not hand on the signal but dies of it at once, so its command is asked next; one that
        has a trap waits for its command first, as ever: if that takes longer than the grace time, all are killed.
        """
        kill_at = time.monotonic() + grace_s
        self.kill_at = kill_at if self.kill_at is None else min(kill_at, self.kill_at)
        if self.exited:
            self._ask_rest()
        elif self.pid is not None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill its process group. Raises PermissionError if its process is somebody else's."""
        self._signal_group(signal.SIGKILL)
        if self.alive and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _ask_rest(self) -> None:
        if not self.asked_rest:
            self.asked_rest = True
            self._signal_group(signal.SIGTERM)

    def _signal_group(self, number: int) -> None:
        """Send a signal to its process group. Its leader is never reaped before the end, so it is the right one."""
        if self.pid is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, number)

    def close_pipe(self) -> None:
        """Take no more output."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def clean(self) -> None:
        """Let go of the process that ended."""
        self.begun()
        self.drain()
        self.close_pipe()
        if self.pid is not None:
            self._signal_group(signal.SIGKILL)
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

    def give_up(self, reason: str) -> None:
        """Close it as well as can be: its supervisor failed, and its processes are killed."""
        if not self.settled:
            self.settle(FAILED if self.pid is not None else STOPPED, reason)
            self.finished_ms = self.finished_ms or now_ms()
        with contextlib.suppress(Exception):  # this may be what failed, and the others have to be closed too
            self.close()
        self.pid = None

    def say_behind(self) -> bool:
        """Note for a person that its command ended and others go on; return whether that is news."""
        if now_ms() - (self.finished_ms or 0) < NOTICE_MS:
            return False  # what ends by itself in a moment is not worth a word
        verb = "in the background goes on" if self.behind == 1 else "in the background go on"
        before, self.message = self.message, f"its command ended, {words.processes(self.behind, verb)}"
        return before != self.message

    def how_it_ended(self) -> str:
        """Describe how it failed, with its last lines, for a person."""
        return words.failure(self.item.name, self.exit_code, self.signal, self.archive.tail(words.LAST_BYTES))

    def report(self) -> dict[str, object]:
        """Return its part of ``state.json``."""
        said = [self.message] if self.message else []
        if self.archive.dropped:
            said.append(f"{self.archive.dropped} bytes of its log were lost: the disk took no more")
        if self.archive.removed:
            said.append(f"{self.archive.removed} bytes of its log were lost: their files were removed while it ran")
        return {
            "name": self.item.name,
            "role": self.item.role,
            "index": self.item.index,
            "status": self.status,
            "exit_code": self.exit_code if not self.behind else None,
            "signal": self.signal,
            "reason": self.reason,
            "message": "; ".join(said) or None,
            "pid": self.pid,
            "ticks": self.ticks,
            "restarts": self.restarts,
            "started_ms": self.started_ms,
            "finished_ms": self.finished_ms if not self.behind else None,
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
