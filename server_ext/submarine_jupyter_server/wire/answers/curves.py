"""Write the metrics of an experiment: one series per metric and replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from submarine_jupyter_server.metrics.thinning import thinned
from submarine_jupyter_server.wire.encoding import json_text, time_text

if TYPE_CHECKING:
    from submarine_jupyter_server.store.curves.points import MetricRow


@dataclass(frozen=True, slots=True)
class Curves:
    """The points of an attempt in the order they were logged, and the parameters it logged (name -> JSON).

    ``last`` is the number of the newest point, ``points`` how many of each series are left (None: all), ``late``
    whether the logs are still being read, ``notes`` what a person should know.
    """

    experiment_id: str
    attempt: int
    last: int
    params: Mapping[str, str]
    found: Sequence[MetricRow]
    points: int | None
    late: bool
    notes: tuple[str, ...]


def curves_json(curves: Curves) -> str:
    """Return the answer as JSON, made in pieces: the event loop waits while one is made."""
    series: dict[tuple[str, str], list[MetricRow]] = {}
    for point in curves.found:
        series.setdefault((point.name, point.replica), []).append(point)
    texts = [
        f'{{"name":{json_text(name)},"replica":{json_text(replica)},'
        f'"points":[{_points(thinned(some, curves.points))}]}}'
        for (name, replica), some in series.items()
    ]
    params = ",".join(f"{json_text(name)}:{value}" for name, value in curves.params.items())
    return (
        f'{{"experimentId":"{curves.experiment_id}","attempt":{curves.attempt},"last":{curves.last},'
        f'"params":{{{params}}},"series":[{",".join(texts)}]}}'
    )


def curves_attributes(curves: Curves) -> dict[str, object]:
    """Return what stands beside the answer; None for what does not."""
    return {"incomplete": curves.late or None, "note": " ".join(curves.notes) or None}


def _points(found: Sequence[MetricRow]) -> str:
    # Put together by hand: a hundred thousand are made at a time. Numbers and times need no escaping.
    return ",".join(
        f'{{"step":{_number(point.step)},"value":{_number(point.value)},"time":"{time_text(point.at)}"}}'
        for point in found
    )


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)
