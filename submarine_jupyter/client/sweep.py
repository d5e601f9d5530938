"""A sweep: one experiment for each combination of parameters, as a group of the server."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Any

from submarine_jupyter.client.reasons import together
from submarine_jupyter.errors import ExperimentFailed, InvalidRequest, SubmarineError, WaitTimeout
from submarine_jupyter.spec.params import Value

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.comparison import Comparison
    from submarine_jupyter.client.experiment import Experiment

# So many trials have a curve on the card of a sweep.
MOST_CURVES = 16
Params = Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Value]]


class Sweep:
    """The trials of a group by the name ``name``; ``params`` are those of each, by its id.

    The ``best`` has the highest ``metric``, the lowest where ``highest`` is False.
    """

    def __init__(
        self,
        client: SubmarineClient,
        name: str,
        experiments: Sequence[Experiment],
        metric: str | None,
        *,
        highest: bool,
    ) -> None:
        self._client = client
        self.name = name
        self.experiments = tuple(experiments)
        self.params: dict[str, dict[str, Value]] = {one.id: one.params for one in experiments}
        self.metric = metric
        self.highest = highest

    @property
    def best(self) -> Experiment | None:
        """The trial that is best by its metric so far; None where none has measured it, or no metric is named."""
        if self.metric is None:
            return None
        found = self.compare()
        first = found.experiments[0]["experimentId"] if found.best is not None else None
        return next((one for one in self.experiments if one.id == first), None)

    def value(self, experiment: Experiment) -> float:
        """Return what a trial has measured last of the metric; not a number where it has not."""
        found = self._client.compare(experiment, metrics=[self.metric] if self.metric else ())
        values = found.metrics[self.metric].last if self.metric else [None]
        return math.nan if values[0] is None else values[0]

    def compare(self) -> Comparison:
        """Return the trials side by side, the best first."""
        found = self._client.compare(where={"group": self.name, "archived": "any", "sort": "accepted"})
        return found if self.metric is None else found.ranked(self.metric, highest=self.highest)

    def ends(self, timeout: float | None = None) -> Iterator[Experiment]:
        """Yield each trial once it has ended, in the order of their submission. Raises WaitTimeout."""
        for one in self.experiments:
            for _ in one.events(timeout):
                pass
            yield one.refresh()

    def wait(self, timeout: float | None = None) -> Sweep:
        """Wait until all have ended, at most ``timeout`` seconds for each. Raises ExperimentFailed, WaitTimeout."""
        for _ in self.ends(timeout):
            pass
        return self.ended()

    def ended(self) -> Sweep:
        """Return it if all trials have succeeded. Raises ExperimentFailed, WaitTimeout if one has not ended."""
        failed: list[ExperimentFailed] = []
        for one in self.experiments:
            try:
                one.ended()
            except ExperimentFailed as error:
                failed.append(error)
            except WaitTimeout:
                raise WaitTimeout(f"{one.id} of {self.name} has not ended.") from None
        if failed:
            raise together(failed, len(self.experiments), f"trials of {self.name}")
        return self

    def summary(self) -> dict[str, Any]:
        """Return it by plain values: name, metric, the id of the best, and its experiments."""
        best = self.best
        experiments = [one.known for one in self.experiments]
        return {"name": self.name, "metric": self.metric, "best": best and best.id, "experiments": experiments}

    def stop(self) -> Sweep:
        """End the trials that have not ended; their records and logs stay."""
        self._client.stop_all({"group": self.name, "archived": "any"})
        return self

    def __len__(self) -> int:
        return len(self.experiments)

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.experiments)

    def __repr__(self) -> str:
        return f"<Sweep {self.name!r} of {len(self)} experiments>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        from submarine_jupyter.display.card.show import show_group

        rows = self._client.rows({"group": self.name, "archived": "any"})
        better = ("max" if self.highest else "min") if self.metric else ""
        return show_group(self.name, rows, metric=self.metric or "", better=better, curves=self._curves(rows))

    def _curves(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
        """Return the values of the metric by the id of the trial, of the first few."""
        if self.metric is None:
            return {}
        return self._client.curves([row["experimentId"] for row in rows if row["metrics"]][:MOST_CURVES], self.metric)


def submit(
    client: SubmarineClient,
    spec: Mapping[str, Any],
    params: Params,
    *,
    parallel: int | None,
    name: str | None,
    metric: str | None,
    highest: bool,
) -> Sweep:
    """Submit the trials of a sweep. Raises InvalidRequest, InvalidSpec; then what was submitted is stopped."""
    trials = combinations(params)
    if not trials:
        raise InvalidRequest("A sweep needs values of a parameter.", hint='params={"lr": [0.1, 0.2]}')
    runtime = dict(spec.get("runtime") or {})
    group: dict[str, Any] = {"name": name or _name(str(spec["meta"]["name"]))}
    if parallel:
        group["maxRunning"] = parallel
    made: list[Experiment] = []
    try:
        for trial in trials:
            own = {**runtime, "params": {**(runtime.get("params") or {}), **trial}, "group": group}
            made.append(client.create({**spec, "runtime": own}))
    except BaseException:
        for one in made:
            with contextlib.suppress(SubmarineError):
                one.stop()
        raise
    return Sweep(client, str(group["name"]), made, metric, highest=highest)


def _name(name: str) -> str:
    """Return a name that no other sweep has: that of its experiments, with the time."""
    return f"{name[:200]}-{datetime.now().astimezone():%m%d-%H%M%S-%f}"[:-3]


def combinations(params: Params) -> list[dict[str, Value]]:
    """Return each combination of values by name, or the dictionaries as they are."""
    if not isinstance(params, Mapping):
        return [dict(one) for one in params]
    return [dict(zip(params, values, strict=True)) for values in product(*params.values())] if params else []
