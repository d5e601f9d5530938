"""Find metrics in log lines.

Read are ``submarine-metric {"name": "accuracy", "value": 0.97, "step": 3}`` (what ``tracking.log_metric`` prints,
anywhere in a line), ``Accuracy at step 10: 0.91`` (its name becomes ``accuracy``), the line that ends an epoch of
Keras, XGBoost's ``[10]\\teval-merror:0.05``, lines that are one JSON object of numbers, and a user's own templates.

A value that is NaN or infinite is a metric without a number, kept as NaN (the store's null): it shows that training
has diverged. What follows the last ``\\r`` of a line is looked at, ``EXAMINED_BYTES`` at most.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from submarine_jupyter_server.logs.templates import NUMBER, STEP, Template

EXAMINED_BYTES = 4096
MAX_NAME = 128
MAX_PER_LINE = 64
MAX_STEP = 2**53
PREFIX = "submarine-metric "

Values = Iterable[tuple[str, object]]

# A few fast searches for bytes pick the lines that are worth a closer look.
_NEEDLES = (
    b"submarine-metric {",
    b" at step ",
    b" at epoch ",
    b" at iteration ",
    b"Epoch ",
    b"loss: ",
    b"]\t",
    b"\n{",
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*+m")
_AT_STEP = re.compile(rf" at (?:step|epoch|iteration) ([0-9]{{1,15}}) ?[:=] ?({NUMBER})(?=\s|[,;]|$)")
_BEFORE_NAME = re.compile(r"[:\]|>] | - ")
_NAME = re.compile(r"[A-Za-z][\w./-]*(?: [\w./-]+){0,3}", re.ASCII)
_EPOCH = re.compile(r"\s{0,8}Epoch ([0-9]{1,15})(?:/[0-9]{1,15})?\s*+")
_KERAS = re.compile(r"\s{0,8}([0-9]{1,15})/\1 ")
_KERAS_VALUE = re.compile(rf" - ([A-Za-z_][\w./-]{{0,63}}): ({NUMBER})(?=\s|$)", re.ASCII)
_BOOST = re.compile(r"(?:\[[0-9:]{8}\] ?)?\[([0-9]{1,15})\](?=\t)")
_BOOST_VALUE = re.compile(rf"\t([^\s:]{{1,100}}):({NUMBER})(?:\+{NUMBER})?(?=\s|$)")
_STEPS = (STEP, "global_step", "iteration", "epoch")
_NO_METRICS = frozenset((*_STEPS, "time", "timestamp", "ts", "pid", "rank"))
# JSON has no numbers for these.
_WORDS = ("NaN", "Infinity", "-Infinity")
_LOG_RECORD = frozenset(("msg", "message", "level", "levelname"))


@dataclass(frozen=True, slots=True)
class Metric:
    """A value, at a step if one was given; NaN stands for every number that is not finite."""

    name: str
    value: float
    step: int | None


class MetricScanner:
    """Reads the lines of one replica in order: ``Epoch 3/10`` tells the step of the line that ends it."""

    def __init__(self, templates: Sequence[Template] = ()) -> None:
        self._templates = templates
        self._needles = (*_NEEDLES, *(template.needle for template in templates))
        self._epoch: int | None = None

    def scan(self, block: bytes) -> list[tuple[int, Metric]]:
        """Return the metrics of a block of whole lines, each with where its line begins (bytes)."""
        return [(start, metric) for start, line in self._worthy(block) for metric in self._line(line)]

    def prime(self, block: bytes) -> None:
        """Learn from lines that were scanned before which epoch it is."""
        self._epoch = None
        self.scan(block[max(block.rfind(b"Epoch "), 0) :])

    def _worthy(self, block: bytes) -> Iterator[tuple[int, str]]:
        """Yield the lines that may hold a metric, in order, as far as they are examined."""
        for start, end in sorted(_lines_with(block, self._needles)):
            line = block[start:end].rstrip(b"\r")
            examined = line[line.rfind(b"\r") + 1 :][:EXAMINED_BYTES]
            yield start, _COLOUR.sub("", examined.decode("utf-8", "replace"))

    def _line(self, line: str) -> list[Metric]:
        epoch = _EPOCH.fullmatch(line)
        if epoch:
            self._epoch = int(epoch[1])
            return []
        for values, step in self._readings(line):
            found = list(_named(values, step))
            if found:
                return found
        return []

    def _readings(self, line: str) -> Iterator[tuple[Values, object]]:
        yield _tracked(line)
        yield _at_step(line)
        yield self._keras(line)
        yield _boost(line)
        yield _json_line(line)
        for template in self._templates:
            numbers = template.match(line) or {}
            yield ((pair for pair in numbers.items() if pair[0] != STEP), numbers.get(STEP))

    def _keras(self, line: str) -> tuple[Values, object]:
        match = _KERAS.match(line)
        if match is None:
            return (), None
        # Without an epoch of its own a line like this is the result of an evaluation.
        step, self._epoch = self._epoch, None
        return _pairs(_KERAS_VALUE, line, match.end() - 1), step


def _lines_with(block: bytes, needles: Sequence[bytes]) -> set[tuple[int, int]]:
    """Return where the lines begin and end that hold one of ``needles``."""
    found: set[tuple[int, int]] = set()
    if block.startswith(b"{"):
        found.add((0, _line_end(block, 0)))
    for needle in needles:
        at = block.find(needle)
        while at >= 0:
            start = at + 1 if needle[0] == 10 else block.rfind(b"\n", 0, at) + 1
            end = _line_end(block, start)
            found.add((start, end))
            at = block.find(needle, end)
    return found


def _line_end(block: bytes, start: int) -> int:
    end = block.find(b"\n", start)
    return len(block) if end < 0 else end


def _tracked(line: str) -> tuple[Values, object]:
    at = line.find(PREFIX)
    fields = _object(line[at + len(PREFIX) :]) if at >= 0 else {}
    name, value = fields.get("name"), fields.get("value")
    if not isinstance(name, str) or not (isinstance(value, int | float) or value in _WORDS):
        return (), None
    return [(name, value)], fields.get(STEP)


def _pairs(pattern: re.Pattern[str], line: str, start: int) -> Iterator[tuple[str, object]]:
    return ((match[1], match[2]) for match in pattern.finditer(line, start))


def _at_step(line: str) -> tuple[Values, object]:
    match = _AT_STEP.search(line)
    if match is None:
        return (), None
    before = line[max(match.start() - MAX_NAME, 0) : match.start()]
    name = _NAME.fullmatch(_BEFORE_NAME.split(before)[-1].strip())
    return ([(name[0].lower().replace(" ", "_"), match[2])] if name else ()), match[1]


def _boost(line: str) -> tuple[Values, object]:
    match = _BOOST.match(line)
    return (_pairs(_BOOST_VALUE, line, match.end()), match[1]) if match else ((), None)


def _json_line(line: str) -> tuple[Values, object]:
    fields = _object(line) if line.startswith("{") else {}
    step = next((fields[name] for name in _STEPS if name in fields), None)
    if step is None and not _LOG_RECORD.isdisjoint(fields):
        return (), None
    numbers = [
        (name, value) for name, value in fields.items() if name not in _NO_METRICS and isinstance(value, int | float)
    ]
    return numbers, step


def _object(text: str) -> dict[str, object]:
    """Return the JSON object that ``text`` begins with, empty when there is none."""
    try:
        found, _ = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _named(values: Values, step: object) -> Iterator[Metric]:
    for name, value in islice(values, MAX_PER_LINE):
        number = _number(value)
        if number is not None and 0 < len(name) <= MAX_NAME and name.isprintable():
            yield Metric(name, number if math.isfinite(number) else math.nan, _step(step))


def _step(step: object) -> int | None:
    number = _number(step)
    return int(number) if number is not None and 0 <= number <= MAX_STEP and number.is_integer() else None


def _number(value: object) -> float | None:
    """Return a number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf


_JSON = json.JSONDecoder()
