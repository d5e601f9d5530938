"""Find what holds the event loop: every callback is measured, and those that block are named, with their stack.

Only what a callback does itself is counted: its time on a processor, and the time it sleeps in a call. What it suffers
is not, however long that lasts on the clock: waiting for a processor or for the GIL, and full garbage collections: they
take their time from whichever callback happens to run. Sleeping is seen on Linux only.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import traceback
from asyncio.base_events import _format_handle  # type: ignore[attr-defined]
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LIMIT_S = 0.25
TICK_S = 0.01
SUSPECT_S = 0.1  # the stack of what runs for longer is looked at
DEPTH = 8


@dataclass(frozen=True)
class Stall:
    """A callback that held the loop: how long it computed and slept, and where it was seen most often."""

    computed: float
    slept: float
    callback: str
    stack: str

    @property
    def seconds(self) -> float:
        """How long it held the loop."""
        return self.computed + self.slept

    def __str__(self) -> str:
        shares = f"computing {self.computed * 1000:.0f} ms, waiting {self.slept * 1000:.0f} ms"
        return f"{self.seconds * 1000:.0f} ms ({shares}) by {self.callback}\n{self.stack}"


@dataclass(eq=False, slots=True)
class Running:
    """A callback that runs, as the watcher sees it from its own thread."""

    thread: int = field(default_factory=threading.get_ident)
    task: int = field(default_factory=threading.get_native_id)
    begin: float = field(default_factory=time.perf_counter)
    slept: float = 0.0
    stacks: Counter[str] = field(default_factory=Counter)
    _asleep: tuple[float, str] | None = None

    def look(self) -> None:
        """Count the time since the last look if the thread has slept all along."""
        now, sleep = time.perf_counter(), _sleep(self.task)
        if self._asleep is not None and self._asleep[1] == sleep:
            self.slept += now - self._asleep[0]
        self._asleep = None if sleep is None else (time.perf_counter(), sleep)
        frame = sys._current_frames().get(self.thread) if now - self.begin > SUSPECT_S else None
        if frame is not None:
            self.stacks[_stack(frame)] += 1


class Watcher(threading.Thread):
    """Looks at the callbacks that run, and knows how long each thread has collected garbage."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="stall watcher")
        self.running: dict[int, Running] = {}
        self.collecting: Counter[int] = Counter()
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(TICK_S):
            for running in list(self.running.values()):
                running.look()

    def collected(self, phase: str, info: dict[str, int]) -> None:
        """Be told by the collector that it starts or stops."""
        if info["generation"] == 2:
            self.collecting[threading.get_ident()] += time.thread_time_ns() * (1 if phase == "stop" else -1)

    def computed(self) -> int:
        """Return the nanoseconds this thread has had a processor, full collections left out."""
        return time.thread_time_ns() - self.collecting[threading.get_ident()]

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@contextmanager
def watched_loop(limit_s: float = LIMIT_S) -> Iterator[list[Stall]]:
    """Measure every callback of every asyncio loop; the list fills with those that held it for ``limit_s``."""
    stalls: list[Stall] = []
    original = asyncio.Handle._run
    watcher = Watcher()

    def measured(handle: asyncio.Handle) -> None:
        running = Running()
        watcher.running[running.thread] = running
        begin = watcher.computed()
        original(handle)
        computed = (watcher.computed() - begin) / 1e9
        del watcher.running[running.thread]
        if computed + running.slept > limit_s:
            stack = running.stacks.most_common(1)[0][0] if running.stacks else ""
            stalls.append(Stall(computed, running.slept, _format_handle(handle), stack))

    watcher.start()
    gc.callbacks.append(watcher.collected)
    asyncio.Handle._run = measured  # type: ignore[method-assign,assignment]
    try:
        yield stalls
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign]
        gc.callbacks.remove(watcher.collected)
        watcher.stop()


def _sleep(task: int) -> str | None:
    """Return what identifies the sleep a thread is in, None if it is not asleep.

    Linux counts how often a thread went to sleep. Who waits for the GIL wakes up every 5 ms to ask for it: never one
    sleep from one look to the next.
    """
    try:
        status = Path(f"/proc/self/task/{task}/status").read_text()
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields.get("voluntary_ctxt_switches") if fields["State"][0] in "SD" else None


def _stack(frame: FrameType) -> str:
    """Return the calls a callback is in, the innermost last."""
    calls = []
    for found, line in traceback.walk_stack(frame):
        if found.f_code.co_filename == __file__:
            break
        calls.append(f"  {found.f_code.co_filename}:{line} in {found.f_code.co_name}")
    return "\n".join(calls[DEPTH - 1 :: -1])
