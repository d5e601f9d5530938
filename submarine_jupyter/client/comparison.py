"""Experiments side by side, as the server answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from submarine_jupyter.display.tables import Table, bundle

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
    and metrics for which there was no room, ``missing`` ids of none. Shown as a table with the last values.
    """

    experiments: list[dict[str, Any]]
    params: dict[str, list[Value]]
    same: dict[str, Value]
    metrics: dict[str, Measured]
    others: tuple[str, ...]
    missing: tuple[str, ...]

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

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        columns: list[Sequence[object]] = [*self.params.values(), *(one.last for one in self.metrics.values())]
        rows = [
            (one["experimentId"], one["name"], one["state"], *(column[at] for column in columns))
            for at, one in enumerate(self.experiments)
        ]
        return bundle([Table(("id", "name", "status", *self.params, *self.metrics), rows)], "no experiments")


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
