"""What the server answers about an experiment, in forms that Python and a notebook can use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from submarine_jupyter.client.frames import pandas
from submarine_jupyter.display.tables import LONGEST_SENTENCE, Table, bundle
from submarine_jupyter.errors import NotFound
from submarine_jupyter.spec.vocabulary import VALUE_MARK


class Ids(list[str]):
    """Ids of experiments, the newest 1,000 of ``total``."""

    def __init__(self, ids: Iterable[str], total: int) -> None:
        super().__init__(ids)
        self.total = total

    @classmethod
    def read(cls, result: Mapping[str, Any]) -> Ids:
        """Return the answer to an order for many."""
        return cls(result["experimentIds"], result["count"])


class LogLine(NamedTuple):
    """One line of one replica; as text it is ``[worker-0] line``."""

    replica: str
    text: str

    def __str__(self) -> str:
        return f"[{self.replica}] {self.text}"


class Logs(dict[str, list[str]]):
    """The lines of each replica by its name (``worker-0``); shown with the names before the lines."""

    @classmethod
    def read(cls, result: dict[str, Any]) -> Logs:
        """Return the result of ``GET logs/{id}``, without the values of remote functions."""
        prefix = f"{result['experimentId']}-"
        return cls(
            {
                one["podName"].removeprefix(prefix): [line for line in one["podLog"] if not line.startswith(VALUE_MARK)]
                for one in result["logContent"]
            }
        )

    def __repr__(self) -> str:
        lines = [str(LogLine(replica, text)) for replica, found in self.items() for text in found]
        return "\n".join(lines) or "no lines yet"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # IPython would show the items of a dict; colours are for the notebook to render.
        printer.text(repr(self))


_STARTS = {"now": "It would start now", "waits": "It would wait", "never": "It would never start"}


class Plan(NamedTuple):
    """What a submission would make on ``target`` (``spec``, ``objects``), and whether it would start now.

    ``verdict`` is ``now``, ``waits`` or ``never`` if nothing else changes, None where that is not known; ``why`` says
    it in a sentence. ``ahead`` is how many wait before it, None where that is not known. With the resources ``fits``
    of each replica it would start now, None where none are known. As text it is the verdict with its reason.
    """

    target: str
    verdict: str | None
    why: str
    ahead: int | None
    fits: str | None
    spec: dict[str, Any]
    objects: list[dict[str, Any]]

    @classmethod
    def read(cls, result: Mapping[str, Any], attributes: Mapping[str, Any]) -> Plan:
        """Return the answer to ``POST experiment?dryRun=true``."""
        found = attributes.get("plan") or {"verdict": None, "why": "this server does not say it", "ahead": None}
        ahead = found["ahead"]["count"] if found["ahead"] else None
        about = (found["verdict"], found["why"], ahead, found.get("fits"))
        return cls(result["target"], *about, result["spec"], result["objects"])

    def __str__(self) -> str:
        starts = _STARTS.get(self.verdict or "", "Whether it would start now is not known")
        return f"{starts} on {self.target}: {self.why}"


class LogMatch(NamedTuple):
    """A place in the log of a replica, at byte ``offset``, with its line; as text it is ``[worker-0] line``."""

    replica: str
    offset: int
    time: datetime | None
    line: str

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> LogMatch:
        """Return one of the matches of ``GET logs/{id}?search=``."""
        time = datetime.fromisoformat(found["time"]) if found["time"] else None
        return cls(found["replica"], found["offset"], time, found["line"])

    def __str__(self) -> str:
        return f"[{self.replica}] {self.line}"


class Progress(NamedTuple):
    """How far a run is: ``percent`` from 0 to 100, None where no total is known.

    ``eta_seconds`` was the time to go when it moved last, ``stalled_seconds`` ago; None where that is not known, and
    after the end. ``source`` said so (tracking, tqdm, keras, rich), ``label`` are its words.
    """

    percent: float | None
    eta_seconds: int | None
    source: str
    label: str
    stalled_seconds: int | None

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Progress:
        """Return the field ``detail.progress`` of an experiment."""
        label, stalled = found.get("label", ""), found.get("stalledSeconds")
        return cls(found["percent"], found["etaSeconds"], found["source"], label, stalled)

    def __str__(self) -> str:
        return commas(filter(None, ("" if self.percent is None else f"{self.percent:g} %", self.label)))


class Point(NamedTuple):
    """A value at a step of the training, None if it has none; ``time`` is when it was logged."""

    step: int | None
    value: float
    time: datetime | None


class Series(NamedTuple):
    """One metric of one replica, in the order it was logged."""

    name: str
    replica: str
    points: tuple[Point, ...]


class Metrics(tuple[Series, ...]):  # noqa: SLOT001 - a tuple cannot have slots for more
    """All that the replicas have measured; shown with the last, the least and the greatest value of each.

    ``note`` says what is not among it, None: nothing is left out.
    """

    note: str | None

    @classmethod
    def read(cls, result: dict[str, Any], attributes: Mapping[str, Any]) -> Metrics:
        """Return the result and the attributes of ``GET {id}/metrics``."""
        found = (Series(one["name"], one["replica"], tuple(map(_point, one["points"]))) for one in result["series"])
        made = cls(found)
        made.note = attributes.get("note")
        return made

    def last(self, name: str) -> float:
        """Return the newest value of a metric, named in any case. Raises NotFound, which names those there are."""
        points = [point for one in self if one.name.lower() == name.lower() for point in one.points[-1:]]
        if not points:
            known = commas(sorted({one.name for one in self})) or "none yet"
            raise NotFound(f"There is no metric {name!r}.", hint=f"There is {known}.")
        return max(points, key=lambda point: point.time.timestamp() if point.time else 0.0).value

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame: a row for each point, with metric, replica, step, value and time."""
        rows = [(one.name, one.replica, *point) for one in self for point in one.points]
        return pandas().DataFrame(rows, columns=["metric", "replica", "step", "value", "time"])

    def plot(self, *names: str) -> Any:
        """Return a picture of the curves, of ``names`` only where they are given: matplotlib's axes, else an SVG."""
        from submarine_jupyter.display.plots import plot

        curves = {
            f"{one.name} {one.replica}": [
                (float(at if point.step is None else point.step), point.value) for at, point in enumerate(one.points)
            ]
            for one in self
            if not names or one.name in names
        }
        return plot(curves)

    def documents(self) -> list[dict[str, Any]]:
        """Return the series with their points as the server answers them, without times."""
        return [
            {
                "name": one.name,
                "replica": one.replica,
                "points": [{"step": at.step, "value": at.value} for at in one.points],
            }
            for one in self
        ]

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        rows = [
            (one.name, one.replica, _number(values[-1]), _number(min(values)), _number(max(values)), *_steps(one))
            for one in self
            if (values := [point.value for point in one.points if not math.isnan(point.value)])
        ]
        headers = ("metric", "replica", "last", "min", "max", "at step", "points")
        note = Table(("",), [(self.note,)] if self.note else [], longest=LONGEST_SENTENCE)
        return bundle([note, Table(headers, rows)], "no metrics yet")


def moment(text: str | None) -> datetime | None:
    """Return a time of an answer (ISO 8601 with its offset), None if it is not set."""
    return None if text is None else datetime.fromisoformat(text)


def clock(text: str | None) -> str:
    """Return a time of an answer as this machine's clock shows it, with the day."""
    when = moment(text)
    return "" if when is None else f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def span(start: str | None, end: str | None) -> str:
    """Return how long it took, or has taken up to now, as ``850 ms``, ``12.3 s``, ``3 min 20 s``, ``2 h 5 min``."""
    first = moment(start)
    if first is None:
        return ""
    last = moment(end) or datetime.now().astimezone()
    seconds = max(0.0, (last - first).total_seconds())
    if seconds < 60:
        return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min {int(seconds % 60)} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def commas(items: Iterable[object]) -> str:
    """Return items with commas between."""
    return ", ".join(str(item) for item in items)


def _point(point: dict[str, Any]) -> Point:
    value = point["value"]
    return Point(point["step"], math.nan if value is None else value, moment(point["time"]))


def _steps(series: Series) -> tuple[object, int]:
    return series.points[-1].step, len(series.points)


def _number(value: float) -> str:
    return f"{value:.6g}"
