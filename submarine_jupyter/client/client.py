"""Talk to a Submarine server from Python."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from submarine_jupyter.client.answers import Ids, LogMatch, Logs, Metrics, Plan
from submarine_jupyter.client.calls.request_parts import id_of, notices_of, path_of, wire
from submarine_jupyter.client.calls.transport import Transport
from submarine_jupyter.client.comparison import Comparison, Difference
from submarine_jupyter.client.experiment import Experiment, ExperimentList
from submarine_jupyter.client.following import Cut, Item, follow_events, follow_log
from submarine_jupyter.client.scaling import replica_patch

if TYPE_CHECKING:
    from submarine_jupyter.client.calls.request_parts import Spec
    from submarine_jupyter.client.sweep import Params, Sweep

# Filters of lists; several values of one name hold together.
Where = Mapping[str, str | Sequence[str]]

# A server that is just starting may be known a moment before it listens (s).
PING_S = 2.0


class SubmarineClient:
    """The experiments of one server.

    ``url`` is that of the Jupyter Server, with its base URL; ``token`` authenticates there. Every call raises a
    SubmarineError with the server's own words, or ServerNotFound when nothing answers. What can be repeated safely
    is, for about 10 s.

    >>> with SubmarineClient("http://127.0.0.1:8888/", "secret") as client:  # doctest: +SKIP
    ...     client.create({"meta": {"name": "hello", "framework": "Standalone", "cmd": "echo hello"},
    ...                    "spec": {"Worker": {"replicas": 1}}}).wait()

    ``on_use`` is called with the id of each experiment that was created or changed.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._transport = Transport(url, token)
        self.on_use: Callable[[str], object] = _nobody

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.url

    def ping(self) -> builtins.list[str]:
        """Return what people should know about the server, whole sentences. Raises ServerNotFound, Forbidden."""
        return notices_of(self._transport.ask("GET", "experiment/ping", patience=PING_S).attributes)

    def targets(self, *, capacity: bool = True) -> builtins.list[dict[str, Any]]:
        """Return the compute targets: ``name``, ``kind``, ``default``, ``namespaces``, ``health``, ``capacity``.

        To leave ``capacity`` out is quick, for a busy cluster takes a while to count.
        """
        params = {} if capacity else {"capacity": "false"}
        found: list[dict[str, Any]] = self._transport.ask("GET", "target", params=params).result
        return found

    def create(self, spec: Spec, *, key: str | None = None, if_not_running: bool = False) -> Experiment:
        """Submit an experiment; the same ``key`` and spec never make a second one (None: a new key).

        With ``if_not_running`` what the same spec from the same cell (``runtime.origin``) has made, and what has not
        ended, is the answer, with ``attached``.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        params = {"ifNotRunning": "true"} if if_not_running else {}
        found, attributes = self._transport.ask(
            "POST", "experiment", params=params, body=wire(spec), headers=headers, repeatable=True
        )
        return self._used(Experiment(self, found, attached=bool(attributes.get("attached"))))

    def sweep(
        self,
        spec: Spec,
        params: Params,
        *,
        parallel: int | None = None,
        name: str | None = None,
        metric: str | None = None,
        highest: bool = True,
    ) -> Sweep:
        """Submit an experiment for each of ``params``, or each combination: ``{"lr": [0.1, 0.2], "bs": [32, 64]}``.

        They are a group of the server, of which ``parallel`` run at a time (None: as many as have room). The best has
        the ``highest`` (else the lowest) ``metric``. Raises InvalidSpec; what was submitted before that is stopped.
        """
        from submarine_jupyter.client.sweep import submit

        return submit(self, wire(spec), params, parallel=parallel, name=name, metric=metric, highest=highest)

    def plan(self, spec: Spec) -> Plan:
        """Return what ``create`` would make and whether it would start now, and make nothing."""
        return Plan.read(
            *self._transport.ask("POST", "experiment", body=wire(spec), params={"dryRun": "true"}, repeatable=True)
        )

    def list(
        self,
        *,
        status: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        framework: str | None = None,
        limit: int | None = None,
        sort: str | None = None,
        where: Where | None = None,
    ) -> ExperimentList:
        """Return the experiments, newest first, at most ``limit`` (None: what the server gives at once).

        ``where`` are further conditions (``{"param.lr": "<0.01", "since": "7d"}``), ``sort`` is what to sort by.
        """
        query: dict[str, Any] = {"status": status, "name": name, "tag": tag, "framework": framework, "limit": limit}
        query |= {"view": "summary", "sort": sort, **(where or {})}
        found, attributes = self._transport.ask("GET", "experiment", params=query)
        return ExperimentList((Experiment(self, one) for one in found), notices_of(attributes))

    def rows(
        self, where: Where | None = None, *, limit: int | None = None, every: bool = False
    ) -> builtins.list[dict[str, Any]]:
        """Return experiments as compact rows, newest first: at most ``limit``, what comes at once, or ``every`` one."""
        query: dict[str, Any] = {"view": "row", "limit": limit, **(where or {})}
        found: builtins.list[dict[str, Any]] = []
        while True:
            rows, about = self._transport.ask("GET", "experiment", params=query)
            found += rows
            query["cursor"] = about.get("nextCursor")
            if not every or query["cursor"] is None:
                return found

    def knows(self, name: str) -> bool:
        """Return whether any experiment has a parameter or a metric: ``param.lr``, ``metric.loss``."""
        query = {"view": "row", "limit": 1, "archived": "any", "sort": f"-{name}"}
        return "note" not in self._transport.ask("GET", "experiment", params=query).attributes

    def get(self, experiment_id: str) -> Experiment:
        """Return one experiment with its ``detail``. Raises NotFound."""
        return Experiment(self, self.read(experiment_id))

    def read(self, experiment_id: str) -> dict[str, Any]:
        """Return one experiment as the server answers it, with ``detail``. Raises NotFound."""
        found: dict[str, Any] = self._transport.ask("GET", path_of(experiment_id), params={"view": "full"}).result
        return found

    def patch(self, experiment_id: str, change: Mapping[str, Any]) -> Experiment:
        """Change an experiment by a JSON merge patch of its spec (RFC 7396)."""
        headers = {"Content-Type": "application/merge-patch+json"}
        found = self._transport.ask("PATCH", path_of(experiment_id), body=dict(change), headers=headers).result
        return self._used(Experiment(self, found))

    def annotate(self, experiment_id: str, change: Mapping[str, Any]) -> None:
        """Note something about an experiment: ``note``, ``pinned``, ``archived``, each where it is given."""
        self._transport.ask("PATCH", f"{path_of(experiment_id)}/notes", body=dict(change), repeatable=True)

    def _used(self, experiment: Experiment) -> Experiment:
        self.on_use(experiment.id)
        return experiment

    def scale(self, experiment_id: str, **replicas: int) -> Experiment:
        """Change how many replicas roles have: ``scale(id, worker=3)``."""
        spec = self.read(experiment_id)["spec"]["spec"]
        return self.patch(experiment_id, {"spec": replica_patch(spec, replicas)})

    def stop(self, experiment_id: str) -> Experiment:
        """End an experiment; its record and its logs stay."""
        found, attributes = self._transport.ask("POST", f"{path_of(experiment_id)}/stop")
        return Experiment(self, found | ({"detail": attributes} if "state" in attributes else {}))

    def delete(self, experiment_id: str) -> None:
        """End an experiment and forget it."""
        self._transport.ask("DELETE", path_of(experiment_id))

    def stop_all(self, where: Where, *, dry_run: bool = False) -> Ids:
        """End all experiments that fit the filters of `list` (``{"group": "lr"}``); their records and logs stay.

        Returns the ids of those concerned, newest first, 1,000 at most, and their ``total``; with ``dry_run`` nothing
        is done to them. Raises InvalidRequest without any filter.
        """
        query = {**where, "dryRun": dry_run}
        return Ids.read(self._transport.ask("POST", "experiment/stop", params=query).result)

    def delete_all(self, where: Where, *, dry_run: bool = False) -> Ids:
        """End and forget all experiments that fit the filters of `list`, as `stop_all` does."""
        query = {**where, "dryRun": dry_run}
        return Ids.read(self._transport.ask("DELETE", "experiment", params=query).result)

    def logs(
        self,
        experiment_id: str,
        *,
        tail: int | None = None,
        since: str | None = None,
        replica: str | None = None,
    ) -> Logs:
        """Return the newest lines of each replica: the last ``tail``, those ``since`` ``10m`` or an ISO time."""
        path_of(experiment_id)
        query = {"tail": tail, "since": since, "replica": replica}
        return Logs.read(self._transport.ask("GET", f"experiment/logs/{experiment_id}", params=query).result)

    def search(
        self,
        experiment_id: str,
        text: str,
        *,
        regex: bool = False,
        ignore_case: bool = False,
        replica: str | None = None,
    ) -> Iterator[LogMatch]:
        """Yield where ``text`` is in the whole logs, replica by replica; stop taking when there are enough.

        With ``regex`` it is a regular expression of RE2, line by line. Raises InvalidRequest.
        """
        path_of(experiment_id)
        query = {"search": text, "regex": regex, "ignoreCase": ignore_case, "replica": replica, "after": None}
        while True:
            found, about = self._transport.ask("GET", f"experiment/logs/{experiment_id}", params=query)
            yield from map(LogMatch.read, found["matches"])
            if "truncated" not in about:
                return
            query["after"] = about["next"]

    def end_of_log(self, experiment_id: str, replica: str, size: int) -> bytes:
        """Return the last ``size`` bytes that a replica has written, as they are; what is lost is marked in them."""
        path_of(experiment_id)
        return self._transport.read_end(f"experiment/logs/{experiment_id}", {"format": "raw", "replica": replica}, size)

    def follow(
        self,
        experiment_id: str,
        *,
        tail: int | None = None,
        replica: str | None = None,
        timeout: float | None = None,
        cut: Cut | None = None,
    ) -> Iterator[Item]:
        """Yield lines and changes of state as they come, from the start or the last ``tail`` lines, to the end.

        A connection that breaks is made again where it broke; another thread ends it by ``cut``. Raises WaitTimeout
        after ``timeout`` seconds.
        """
        path_of(experiment_id)
        return follow_log(self._transport, experiment_id, {"tail": tail, "replica": replica}, timeout, cut)

    def events(self, experiment_id: str | None = None, *, timeout: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events of an experiment from first to last, or those of all experiments from now on."""
        if experiment_id is not None:
            path_of(experiment_id)
        return follow_events(self._transport, experiment_id, timeout)

    def metrics(self, experiment_id: str, *, names: Sequence[str] = (), points: int | None = None) -> Metrics:
        """Return what the replicas have measured: after the end all of it, else ``note`` says why not.

        Of the metrics ``names`` only (none: of all), at most ``points`` of each series, ends and extremes among them.
        """
        query = {"names": ",".join(names) or None, "points": points}
        return Metrics.read(*self._transport.ask("GET", f"{path_of(experiment_id)}/metrics", params=query))

    def compare(
        self,
        *experiments: Experiment | str,
        where: Where | None = None,
        metrics: Sequence[str] = (),
        params: Sequence[str] = (),
    ) -> Comparison:
        """Return experiments side by side: those given, or else those that fit ``where``, as in ``list``.

        ``metrics`` and ``params`` name the columns wanted, by default those of most experiments and those that differ.
        """
        query = {"ids": ",".join(map(id_of, experiments)), "metrics": ",".join(metrics), "params": ",".join(params)}
        chosen = {**{name: text for name, text in query.items() if text}, **(where or {})}
        return Comparison.read(*self._transport.ask("GET", "experiment/compare", params=chosen))

    def curves(self, ids: Sequence[str], metric: str, points: int = 60) -> dict[str, builtins.list[float]]:
        """Return the values of a metric by the id of the experiment, of the replica that comes first, thinned."""
        found = {}
        for experiment_id in ids:
            series = self.metrics(experiment_id, names=[metric], points=points)
            if series:
                found[experiment_id] = [point.value for point in series[0].points]
        return found

    def diff(self, a: Experiment | str, b: Experiment | str) -> Difference:
        """Return how experiment ``b`` differs from ``a``. Raises NotFound."""
        return Difference(**self._transport.ask("GET", "experiment/diff", params={"a": id_of(a), "b": id_of(b)}).result)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SubmarineClient({self.url!r})"


def _nobody(experiment_id: str) -> None:
    pass
