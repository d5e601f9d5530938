"""The runs of a replica: what is known of its pods, and what that means for its log."""

from __future__ import annotations

import time

from submarine_jupyter_server.targets.kubernetes.state.views import PodView

from .next_step import Step, Way, next_step
from .reading import Reader
from .tail import Tail

# What was read so long ago is all there was, for an end that was told since.
FRESH_S = 10.0


class ContainerRuns:
    """Knows the pods of one replica; ``begin``, ``lose`` and ``end`` write and belong to the thread of the tail."""

    def __init__(self, tail: Tail, reader: Reader) -> None:
        self._tail = tail
        self._reader = reader
        self._pods: dict[str, PodView] = {}
        self._gone: set[str] = set()

    def put_pod(self, pod: PodView) -> None:
        """Record a pod as it is now."""
        before = self._pods.get(pod.uid, pod)
        self._pods[pod.uid] = pod
        if _end_of(before) != _end_of(pod):
            self._reader.know_end()

    def vanish(self, pod: PodView) -> None:
        """Record that a pod is no more."""
        self._pods[pod.uid] = pod
        self._gone.add(pod.uid)

    def next(self) -> Step | None:
        """Return what is to be read next."""
        return next_step([*self._pods.values()], self._gone, self._tail.sources)

    def is_going(self, step: Step) -> bool:
        """Return whether the pod is being deleted, so that a stream that is closed may not be opened again."""
        return step.pod.uid in self._gone or self._pods[step.pod.uid].deleting

    def is_gone(self, step: Step) -> bool:
        """Return whether the pod is no more: an open stream is about to end."""
        return step.pod.uid in self._gone

    def is_last(self, step: Step) -> bool:
        """Return whether the pod has ended, so that no other run of it can answer."""
        return self._pods[step.pod.uid].phase in ("Succeeded", "Failed")

    def has_all(self, step: Step) -> bool:
        """Return whether the log of a run was read to its end, and it was the end of the run as well."""
        ending = step.pod.deleting or step.pod.container.state == "terminated"
        return ending and step.way is not Way.RUNNING and self._reader.to_end == step.source

    def begin(self, step: Step) -> None:
        """Let what follows be of the step's run, with a gap before it if the one before was not read to its end."""
        known = self._tail.sources
        if known.current is None or known.current.source != step.source:
            self._tail.begin(step.source, lost=step.skipped or known.unfinished)

    def lose(self, step: Step) -> None:
        """Give up a run whose pod is gone; nothing is lost if it was read to its end."""
        known = self._tail.sources
        if known.current is None or known.current.source != step.source:
            self._tail.begin(step.source, lost=True)
        elif not self.has_all(step):
            self._tail.lose()
            return
        self._tail.done()

    def end(self, streaming: bool) -> None:
        """Mark the log as ended, with a gap if there was more to read; ``streaming`` if a stream was open until now."""
        known, step = self._tail.sources, self.next()
        if step is None:
            lost = known.unfinished and known.current is not None and known.current.source.uid not in self._pods
        elif known.current is None or known.current.source != step.source:
            lost = True
        elif step.way is Way.RUNNING:
            lost = not streaming and time.monotonic() - self._reader.current_at > FRESH_S
        else:
            lost = not self.has_all(step)
        self._tail.end(lost=lost)


def _end_of(pod: PodView) -> tuple[bool, int]:
    """Return what changes when a run ends."""
    return pod.deleting or pod.container.state != "running", pod.container.restarts
