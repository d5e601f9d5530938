"""One call of a remote function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from submarine_jupyter.discovery.running import runtime_dir
from submarine_jupyter.errors import RemoteError, UsageError
from submarine_jupyter.functions import answer, keys
from submarine_jupyter.functions.call import CALL
from submarine_jupyter.functions.replica import MOST_BYTES
from submarine_jupyter.functions.tracebacks import exception

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.experiment import Experiment

R = TypeVar("R")
LEADER = "SUBMARINE_CALL_LEADER"


class RemoteCall(Generic[R]):
    """A call that was submitted: ``result()`` waits for its value; ``experiment`` has state, logs and metrics."""

    def __init__(self, client: SubmarineClient, experiment: Experiment) -> None:
        self.experiment = experiment
        self._client = client
        self._answer: answer.Answer | None = None
        self._from = ""

    @property
    def id(self) -> str:
        """The id of its experiment, by which ``attach`` comes back to it."""
        return self.experiment.id

    def done(self) -> bool:
        """Return whether it has ended, one way or the other."""
        return self.experiment.status in ("Succeeded", "Failed", "Deleted")

    def result(self, timeout: float | None = None) -> R:
        """Wait for the value and return it, or raise what the function has raised, with its traceback.

        Raises WaitTimeout after ``timeout`` seconds: the call goes on. Raises ExperimentFailed when it ended without
        an answer (stopped, out of memory), RemoteError for a value that cannot come back.
        """
        if self._answer is None:
            for _ in self._client.events(self.id, timeout=timeout):
                pass
            self._answer = self._read()
        found = self._answer
        if found.kind == "value":
            return found.content  # type: ignore[no-any-return]
        if found.kind == "error":
            raise exception(found.content, self._from)
        raise RemoteError(_complaint(found), hint="Write it to a file or a bucket, and return the path of that.")

    def stop(self) -> None:
        """End it."""
        self.experiment.stop()

    def __repr__(self) -> str:
        return f"<RemoteCall {self.experiment.name!r} {self.id}>"

    def _answering(self) -> Iterator[str]:
        """Yield the replica that leads, and those that have failed: they end it before it has an answer."""
        leader = str(_variables(self.experiment)[LEADER])
        yield leader
        replicas = (self.experiment.refresh().known.get("detail") or {}).get("replicas") or ()
        yield from (one["name"] for one in replicas if one["status"] == "Failed" and one["name"] != leader)

    def _read(self) -> answer.Answer:
        key = keys.key_of(str(_variables(self.experiment)[CALL]), runtime_dir())
        for replica in self._answering():
            log = self._client.end_of_log(self.id, replica, answer.READ_BYTES)
            found = answer.read(log, key, self.id)
            if found is not None:
                self._from = f"{replica} of {self.id}"
                return found
        self.experiment.ended()
        raise RemoteError(
            f"The log of {self.id} has no value that is signed by your key.",
            hint="A value is read by the user, on the machine, that made the call; its log has all that was printed.",
        )


def attach(experiment_id: str, client: SubmarineClient | None = None) -> RemoteCall[Any]:
    """Return a call that was submitted before, also by a kernel that is gone. Raises NotFound, UsageError."""
    if client is None:
        from submarine_jupyter.functions.server import own_client

        client = own_client()
    experiment = client.get(experiment_id)
    if CALL not in _variables(experiment):
        raise UsageError(f"{experiment_id} is not the call of a remote function")
    return RemoteCall(client, experiment)


def _variables(experiment: Experiment) -> Mapping[str, Any]:
    found: Mapping[str, Any] = experiment.known["spec"]["meta"].get("envVars") or {}
    return found


def _complaint(found: answer.Answer) -> str:
    if found.kind == "large":
        return f"The value has {found.content / 1024:,.0f} KiB, and {MOST_BYTES // 1024} KiB can come back."
    return f"The value cannot be sent: {found.content}."
