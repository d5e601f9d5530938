"""Call what blocks, because it touches files or processes, without waiting for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import ParamSpec, TypeVar

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.targets.local.run import Run

from .blocking_threads import Threads, finished

FILES_S = 10.0  # for what is done with the files of one experiment
WORK_S = 120.0  # for the plan of a thousand replicas on a slow disk
PATIENCE_S = 1.0  # then the next of several is called without waiting for this one
P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")


class BlockingCalls:
    """Blocking calls for the experiments in a folder, in threads that are left behind where they hang."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = Threads("local-target")

    async def io(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function in a thread. Raises TargetUnavailable if it does not come back."""
        future = self._threads.submit(function, *args, **kwargs)
        if not await finished(future, FILES_S):
            raise TargetUnavailable(f"the files in {self._folder} do not answer", reason="Unreadable")
        return future.result()

    async def each(self, function: Callable[[A], T], items: Sequence[A]) -> list[T | Exception | Future[None]]:
        """Run a blocking function for each item in threads; what hangs is left behind."""
        return await self._threads.each(function, items, PATIENCE_S)

    async def act(self, run: Run, limit_s: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function for an experiment, after the one before. Raises TargetUnavailable if it hangs."""
        busy = run.busy
        if busy is None or await finished(busy, limit_s):
            future = self._threads.submit(function, *args, **kwargs)
            run.busy = future  # type: ignore[assignment]
            if await finished(future, limit_s):
                return future.result()
        why = f"{run.folder.path} cannot be read: its file system does not answer"
        raise TargetUnavailable(why, reason="Unreadable", hint="the server tries again until it answers")
