"""Pods whose logs a test writes line by line, and a cluster that answers for them as kubelets do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from submarine_jupyter_server.targets.kubernetes.api.errors import ApiError, Unreachable
from submarine_jupyter_server.targets.kubernetes.state.views import ContainerView, PodView
from tests.targets.kubernetes.logs.kubelet import EPOCH, Entry, Log

EXPERIMENT = "experiment-1647574374688-0002"
MS = 1_000_000


@dataclass
class Pod:
    """One pod; ``state`` is its container's. ``said`` is what the cluster's status says if it lags behind."""

    uid: str
    role: str = "worker"
    index: int = 0
    attempt: int = 1
    created_ms: int = 1000
    state: str = "waiting"
    runs: list[Log] = field(default_factory=list)
    deleting: bool = False
    lost: bool = False

    clock = EPOCH

    @property
    def name(self) -> str:
        return f"{EXPERIMENT}-{self.role}-{self.index}"

    @property
    def view(self) -> PodView:
        ran_before = len(self.runs) > 1 or (self.state == "waiting" and bool(self.runs))
        container = ContainerView(
            name="tensorflow",
            image="i",
            state=self.state,
            restarts=max(len(self.runs) - 1, 0),
            exit_code=1 if self.state == "terminated" else None,
            last_exit_code=1 if ran_before else None,
        )
        return PodView(
            name=self.name,
            uid=self.uid,
            namespace="ns",
            experiment_id=EXPERIMENT,
            owner_uid="u",
            role=self.role,
            index=self.index,
            phase="Running",
            reason="",
            message="",
            node="n",
            deleting=self.deleting,
            created_ms=self.created_ms,
            container=container,
            init=None,
            conditions=(),
            requests=(),
        )

    def start(self) -> None:
        """Start the container, for the first time or again."""
        self.runs.append(Log())
        self.state = "running"

    def write(self, *lines: bytes, step_ns: int = MS) -> None:
        """Let the running container write lines."""
        for line in lines:
            Pod.clock += step_ns
            self.runs[-1].write(Entry(Pod.clock, line))

    def end(self, state: str = "terminated") -> None:
        """Let the container end; ``waiting`` when it is to be started again."""
        self.state = state

    @property
    def content(self) -> bytes:
        """All that its containers wrote."""
        return b"".join(run.content for run in self.runs)


Fault = Callable[[Mapping[str, str]], Exception | bytes | None]


class FakeCluster:
    """Answers requests for logs; the newest pod of a name is the one that is there.

    ``cut_after`` breaks every answer after so many bytes; ``fault`` may answer in its place. ``pause_s`` comes after
    each ``chunk`` of bytes.
    """

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.requests: list[dict[str, str]] = []
        self.open = self.answering = 0
        self.most_open = 0
        self.cut_after: int | None = None
        self.fault: Fault = lambda _: None
        self.chunk = 1000
        self.pause_s = 0.0
        self._drops = 0

    def add(self, pod: Pod) -> Pod:
        self.pods.append(pod)
        return pod

    def remove(self, pod: Pod) -> None:
        """Delete a pod: its log cannot be asked for any more, and its container ends."""
        self.pods.remove(pod)
        pod.state = "terminated"

    def drop(self) -> None:
        """Break all streams."""
        self._drops += 1

    @asynccontextmanager
    async def stream(
        self, path: str, *, params: Mapping[str, str], idle_s: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.requests.append({**params, "pod": path.split("/")[-2]})
        await asyncio.sleep(0)
        fault = self.fault(params)
        if isinstance(fault, Exception):
            raise fault
        if isinstance(fault, bytes):
            yield _once(fault)
            return
        follow = "follow" in params
        pod, log = self._find(path.split("/")[-2], previous="previous" in params)
        self.open += follow
        self.answering += 1
        self.most_open = max(self.most_open, self.open)
        try:
            yield self._answer(pod, log, params)
        finally:
            self.open -= follow
            self.answering -= 1

    def _find(self, name: str, *, previous: bool) -> tuple[Pod, Log]:
        pod = next((pod for pod in reversed(self.pods) if pod.name == name), None)
        if pod is None:
            raise ApiError(404, "NotFound", f'pods "{name}" not found')
        current = len(pod.runs) - (0 if pod.state == "waiting" else 1)
        number = current - 1 if previous or pod.state == "waiting" else current
        if number < 0 or pod.lost:
            raise ApiError(400, "BadRequest", f"container of {name} is waiting to start")
        return pod, pod.runs[number]

    async def _answer(self, pod: Pod, log: Log, params: Mapping[str, str]) -> AsyncIterator[bytes]:
        sent, drops = 0, self._drops
        while True:
            if drops != self._drops:
                raise Unreachable("the connection broke")
            live = "follow" in params and log is pod.runs[-1] and pod.state == "running"
            answer = log.read(params.get("sinceTime"))
            while sent < len(answer):
                if self.cut_after is not None and sent >= self.cut_after:
                    raise Unreachable("the connection broke")
                until = min(sent + self.chunk, len(answer), *([self.cut_after] if self.cut_after else []))
                yield answer[sent:until]
                sent = until
                await asyncio.sleep(self.pause_s)
            if not live:
                return
            await asyncio.sleep(0.005)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
