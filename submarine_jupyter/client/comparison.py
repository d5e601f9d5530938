"""Experiments side by side, as the server answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from submarine_jupyter.client.frames import pandas
from submarine_jupyter.errors import NotFound

Value = float | str | bool | None


class Measured(NamedTuple):
    """What a metric was in each experiment; None where it was not measured. The lists are in the experiments' order."""

    last: list[float | None]
    step: list[int | None]
    min: list[float | None]
    min_step: list[int | None]
    max: list[float | None]
    max_step: list[int | None]


class Comparison(NamedTuple):
    """Experiments side by side: parameters that differ, those that are the ``same``, and metrics, by name.

    Of ``experiments`` each has ``experimentId``, ``name``, ``status``, ``state`` and times. ``others`` are parameters
    and metrics for which there was no room, ``missing`` ids of none. ``best`` is the metric by which they are ordered,
    the best (``highest`` or lowest value) first; None where none was asked for. ``curves`` are values of that metric by
    the id of the experiment. Shown as a table with the last values, and the curves.
    """

    experiments: list[dict[str, Any]]
    params: dict[str, list[Value]]
    same: dict[str, Value]
    metrics: dict[str, Measured]
    others: tuple[str, ...]
    missing: tuple[str, ...]
    best: str | None = None
    highest: bool | None = None
    curves: Mapping[str, Sequence[float]] | None = None

    @classmethod
    def read(cls, result: Mapping[str, Any], attributes: Mapping[str, Any]) -> Comparison:
        """Return the answer of ``GET experiment/compare``."""
        names = ("last", "step", "min", "minStep", "max", "maxStep")
        return cls(
            result["experiments"],
            {one["name"]: one["values"] for one in result["params"]},
            result["same"],
            {one["name"]: Measured(*(one[name] for name in names)) for one in result["metrics"]},
            (*result["otherParams"], *result["otherMetrics"]),
            tuple(attributes.get("missing") or ()),
        )

    def ranked(self, metric: str, *, highest: bool = True) -> Comparison:
        """Return them ordered by the last value of a metric, the best first, then those without a value.

        Raises NotFound where none has measured it.
        """
        name = next((one for one in self.metrics if one.lower() == metric.lower()), None)
        if name is None or all(value is None for value in self.metrics[name].last):
            known = ", ".join(self.metrics) or "none yet"
            raise NotFound(f"None of these experiments has measured {metric!r}.", hint=f"There is {known}.")
        values = self.metrics[name].last
        ranks = {at: -value if highest else value for at, value in enumerate(values) if value is not None}
        order = sorted(range(len(values)), key=lambda at: (at not in ranks, ranks.get(at, 0.0)))
        return self._replace(
            experiments=_in(order, self.experiments),
            params={key: _in(order, column) for key, column in self.params.items()},
            metrics={key: Measured(*(_in(order, part) for part in one)) for key, one in self.metrics.items()},
            best=name,
            highest=highest,
        )

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame: a row for each experiment, by id; parameters and last values as columns."""
        columns: dict[str, Any] = {"name": [one["name"] for one in self.experiments]}
        columns["state"] = [one["state"] for one in self.experiments]
        columns |= {name: [value] * len(self.experiments) for name, value in self.same.items()}
        columns |= {**self.params, **{name: one.last for name, one in self.metrics.items()}}
        index = [one["experimentId"] for one in self.experiments]
        return pandas().DataFrame(columns, index=index)

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        from submarine_jupyter.display.card.show import show_comparison

        better = "" if self.highest is None else "max" if self.highest else "min"
        return show_comparison(self.document(), metric=self.best or "", curves=self.curves, better=better)

    def document(self) -> dict[str, Any]:
        """Return what the server answered, in this order of the experiments."""
        return {
            "experiments": self.experiments,
            "params": [{"name": name, "values": values} for name, values in self.params.items()],
            "same": self.same,
            "metrics": [{"name": name, "last": one.last} for name, one in self.metrics.items()],
        }


def _in(order: Sequence[int], column: Sequence[Any]) -> list[Any]:
    return [column[at] for at in order]


class Difference(NamedTuple):
    """How experiment ``b`` differs from ``a``: three texts in the format of ``diff -u``, empty where nothing does."""

    a: str
    b: str
    params: str
    spec: str
    code: str

    def __str__(self) -> str:
        return f"{self.params}{self.spec}{self.code}" or f"{self.a} and {self.b} do not differ"

    def __repr__(self) -> str:
        return str(self)
