"""One experiment, as an object to hold on to."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from submarine_jupyter.client.answers import LogLine, Logs, Metrics, Progress, commas, span
from submarine_jupyter.client.changes import changed
from submarine_jupyter.client.documents import Moment, of_the_documents
from submarine_jupyter.client.following import Lines
from submarine_jupyter.client.reasons import exit_code, first_ended, why
from submarine_jupyter.errors import ExperimentFailed, InvalidRequest, SubmarineError, WaitTimeout
from submarine_jupyter.spec.params import Value
from submarine_jupyter.spec.vocabulary import FINAL

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.comparison import Difference
    from submarine_jupyter.display.description import Description
    from submarine_jupyter.models import ExperimentSpec

LAST_LINES = 5
# Of a curve on a card so many points are drawn, and so many experiments of a list have their metrics there.
CURVE_POINTS, MOST_COMPARED = 120, 30


class Experiment:
    """An experiment of a server; what it knows is as fresh as the last ``refresh``, but ``status`` always is."""

    def __init__(self, client: SubmarineClient, known: Mapping[str, Any], *, attached: bool = False) -> None:
        self._client = client
        self._known = dict(known)
        # Whether it was running already when it was asked for (``create(if_not_running=True)``).
        self.attached = attached

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return what the documents call so: ``experimentId``, ``acceptedTime``."""
            return of_the_documents(self, name)

    @property
    def id(self) -> str:
        """The id, like ``experiment-1647574374688-0002``."""
        return str(self._known["experimentId"])

    @property
    def name(self) -> str:
        """The name given in ``meta.name``; several experiments can have the same."""
        return str(self._known["spec"]["meta"]["name"])

    @property
    def status(self) -> str:
        """The status now: Accepted, Created, Running, Succeeded, Failed or Deleted."""
        if self._known["status"] not in FINAL:
            self.refresh()
        return str(self._known["status"])

    @property
    def state(self) -> str:
        """The word for people, as fresh as the last ``refresh``: a status, or Queued, Starting, Stopping, Stopped."""
        return str((self._known.get("detail") or {}).get("state") or self._known["status"])

    accepted_time = Moment("acceptedTime")
    created_time = Moment("createdTime")
    running_time = Moment("runningTime")
    finished_time = Moment("finishedTime")

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters as of the last ``refresh``: those declared, and those its code has reported."""
        detail = self._known.get("detail") or {}
        found: dict[str, Any] = detail.get("params") or (self._known["spec"].get("runtime") or {}).get("params") or {}
        return dict(found)

    @property
    def progress(self) -> Progress | None:
        """How far it was at the last ``refresh``; None where it has not said."""
        found = (self._known.get("detail") or {}).get("progress")
        return Progress.read(found) if found else None

    @property
    def has_ended(self) -> bool:
        """Whether it had ended when it was last fetched."""
        return self._known["status"] in FINAL

    @property
    def known(self) -> dict[str, Any]:
        """What the server answered last: ids, status, times and spec, with ``detail`` after a ``refresh``."""
        return copy.deepcopy(self._known)

    @property
    def spec(self) -> ExperimentSpec:
        """The spec, secrets masked; it can be changed and sent to ``SubmarineClient.create``."""
        from submarine_jupyter.models import ExperimentSpec

        return ExperimentSpec.parse(copy.deepcopy(self._known["spec"]))

    def refresh(self) -> Self:
        """Ask the server again. Raises NotFound when it was deleted."""
        self._known = self._client.read(self.id)
        return self

    def wait(self, timeout: float | None = None, *, on_log: Callable[[LogLine], object] | None = None) -> Self:
        """Wait until it has ended, at most ``timeout`` seconds; ``on_log`` gets each line as it comes.

        Raises ExperimentFailed with the reason and the last lines, WaitTimeout when it goes on after that time.
        """
        if on_log is None:
            for _ in self._client.events(self.id, timeout=timeout):
                pass
        else:
            for line in self._lines(timeout=timeout):
                on_log(line)
        return self.ended()

    def ended(self) -> Self:
        """Return the experiment if it has succeeded. Raises ExperimentFailed, WaitTimeout if it has not ended."""
        status = self.refresh()._known["status"]
        if status not in FINAL:
            raise WaitTimeout(f"{self.id} is still {status}.")
        if status == "Failed":
            detail = self._known.get("detail") or {}
            because, *lines = (detail.get("message") or "no reason is known").splitlines()
            # Where the target has not said how it ended, the log may.
            lines = lines[-LAST_LINES:] or self._last_lines()
            raise ExperimentFailed(
                "\n".join([f"{self.id} ({self.name}): {because}", *lines]),
                reason=detail.get("reason"),
                exit_code=exit_code(detail.get("replicas") or ()),
            )
        return self

    @overload
    def logs(self, tail: int | None = ..., *, since: str | None = ..., replica: str | None = ...) -> Logs: ...

    @overload
    def logs(
        self, tail: int | None = ..., *, replica: str | None = ..., follow: Literal[True]
    ) -> Iterator[LogLine]: ...

    def logs(
        self, tail: int | None = None, *, since: str | None = None, replica: str | None = None, follow: bool = False
    ) -> Logs | Iterator[LogLine]:
        """Return the newest lines of each replica: the last ``tail``, those ``since`` ``10m`` or an ISO 8601 time.

        With ``follow`` return an iterator over the lines of all replicas as they come, until it has ended.
        """
        if follow and since is not None:
            raise InvalidRequest("A followed log cannot begin at a time. Give tail, or neither to begin at the start.")
        if follow:
            return self._lines(tail=tail, replica=replica)
        return self._client.logs(self.id, tail=tail, since=since, replica=replica)

    def scale(self, **replicas: int) -> Self:
        """Change how many replicas roles have, while it runs: ``scale(worker=3)``."""
        self._known = self._client.scale(self.id, **replicas)._known
        return self

    def stop(self) -> Self:
        """End it; its record and its logs stay."""
        self._known = self._client.stop(self.id)._known
        return self

    def delete(self) -> None:
        """End it and forget it."""
        self._client.delete(self.id)
        self._known |= {"status": "Deleted", "detail": {"replicas": []}}

    def clone(
        self,
        *,
        name: str | None = None,
        cmd: str | None = None,
        env: Mapping[str, object] | None = None,
        params: Mapping[str, Value] | None = None,
        resources: str | None = None,
        **replicas: int,
    ) -> Experiment:
        """Submit it again as a new experiment, with these changes: ``clone(params={"lr": 0.1}, worker=3)``.

        ``env`` and ``params`` are added to those it has, ``resources`` and numbers of replicas replace them.
        """
        spec = changed(self._client.read(self.id)["spec"], name, cmd, env, params, resources, replicas)
        return self._client.create(spec)

    def rerun(self, **changes: Any) -> Experiment:
        """Submit it again, with changes as of ``clone``, and wait for its end. Raises ExperimentFailed."""
        return self.clone(**changes).wait()

    def diff(self, other: Experiment | str) -> Difference:
        """Return how ``other`` differs from it."""
        return self._client.diff(self, other)

    def events(self, timeout: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield its events from the first one to its end, at most ``timeout`` seconds. Raises WaitTimeout."""
        return self._client.events(self.id, timeout=timeout)

    def describe(self) -> Description:
        """Return all that is known of it, for a person: state, replicas, events, spec."""
        from submarine_jupyter.display.description import Description

        return Description(self.refresh())

    def why(self) -> str:
        """Return why it waits, runs or has ended, in sentences."""
        return why(self.refresh()._known)

    def took(self) -> str:
        """Return its state and for how long it runs, or ran: ``Succeeded in 12.3 s``."""
        time = span(self._known["runningTime"], self._known["finishedTime"])
        link = "in" if self.state == "Succeeded" else "after"
        return f"{self.state} {link} {time}" if time else self.state

    def metrics(self, *, names: Sequence[str] = (), points: int | None = None) -> Metrics:
        """Return what the replicas have measured so far: of ``names`` only, at most ``points`` of each series."""
        return self._client.metrics(self.id, names=names, points=points)

    def __repr__(self) -> str:
        return f"<Experiment {self.id} {self.name!r} {self.state}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if self._known["status"] not in FINAL or "replicas" not in (self._known.get("detail") or {}):
            # What is known is shown when the server is away.
            with contextlib.suppress(SubmarineError):
                self.refresh()
        from submarine_jupyter.display.card.experiment import Scene
        from submarine_jupyter.display.card.show import show_experiment

        series: list[dict[str, Any]] = []
        with contextlib.suppress(SubmarineError):
            series = self._client.metrics(self.id, points=CURVE_POINTS).documents()
        return show_experiment(self._known, Scene(series=series, attached=self.attached and not self.has_ended))

    def _lines(self, **how: Any) -> Iterator[LogLine]:
        for item in self._client.follow(self.id, **how):
            if isinstance(item, Lines):
                yield from (LogLine(item.replica, text) for text in item.lines)

    def _last_lines(self) -> list[str]:
        """Return the last lines of the replica that failed first."""
        replicas = (self._known.get("detail") or {}).get("replicas") or ()
        failed = [one["name"] for one in first_ended(replicas) if one["status"] == "Failed"]
        with contextlib.suppress(SubmarineError):
            return self.logs(LAST_LINES, replica=failed[0]).get(failed[0], []) if failed else []
        return []


class ExperimentList(tuple[Experiment, ...]):  # noqa: SLOT001 - a tuple cannot have slots for more
    """Experiments, newest first; a notebook shows them as a table, below what people should know of the server."""

    notices: tuple[str, ...]

    def __new__(cls, found: Iterable[Experiment] = (), notices: Iterable[str] = ()) -> Self:
        """Return the experiments found, with the server's ``notices``."""
        made = super().__new__(cls, found)
        made.notices = tuple(notices)
        return made

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        from submarine_jupyter.display.card.show import show_list

        return show_list(self._rows(), notices=self.notices)

    def _rows(self) -> list[dict[str, Any]]:
        """Return the documents with the last values of their metrics, as far as the server tells them."""
        known = [dict(one._known) for one in self]
        with contextlib.suppress(SubmarineError):
            compared = self[0]._client.compare(*self[:MOST_COMPARED]) if self else None
            for at, one in enumerate(compared.experiments if compared else ()):
                measured = {name: column.last[at] for name, column in compared.metrics.items()} if compared else {}
                found = {name: value for name, value in measured.items() if value is not None}
                for row in known:
                    if row["experimentId"] == one["experimentId"]:
                        row["detail"] = {**(row.get("detail") or {}), "metrics": found}
        return known


def replica_counts(known: Mapping[str, Any]) -> str:
    """Return ``1 Master, 2 Worker``."""
    return commas(f"{task['replicas']} {role}" for role, task in known["spec"]["spec"].items())


def _because(status: str, detail: Mapping[str, Any]) -> str:
    """Return the status and why it is so."""
    reason = detail.get("reason")
    why = ": ".join(part for part in (reason if reason != status else None, detail.get("message")) if part)
    return f"{status} ({why})" if why else status
