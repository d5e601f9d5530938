"""Find metrics and settings in log lines.

Read are ``submarine-metric {"name": "accuracy", "value": 0.97, "step": 3}`` (what ``tracking.log_metric`` prints,
anywhere in a line), a user's own templates, ``Accuracy at step 10: 0.91``, the line that ends an epoch of Keras,
XGBoost's and LightGBM's ``[10]\\teval-merror:0.05``, CatBoost's ``10:\\tlearn: 0.05``, dictionaries of numbers as JSON
or Python prints them, tables (``columns``) and names before numbers (``pairs``). ``submarine-param`` is a setting, as
``tracking.log_param`` prints it.

A value that is NaN or infinite is a metric without a number, kept as NaN (the store's null): it shows that training
has diverged. What follows the last ``\\r`` of a line is examined, ``EXAMINED_BYTES`` at most.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from submarine_jupyter_server.metrics import worthy_lines
from submarine_jupyter_server.metrics.columns import Columns
from submarine_jupyter_server.metrics.names import goes_along, is_metric
from submarine_jupyter_server.metrics.pairs import pairs, step_of
from submarine_jupyter_server.metrics.progress.bars import may_be_of_keras
from submarine_jupyter_server.metrics.progress.outermost import Outermost
from submarine_jupyter_server.metrics.templates import NUMBER, STEP, Template

EXAMINED_BYTES = 4096
MAX_NAME = 128
MAX_PER_LINE = 64
MAX_STEP = 2**53
PREFIX = "submarine-metric "

Values = Iterable[tuple[str, object]]

PARAM = "submarine-param "
MAX_PARAM = 4096

_COLOUR = re.compile(r"\x1b\[[0-9;:]*+m")
_AT_STEP = re.compile(rf" at (?:step|epoch|iteration) ([0-9]{{1,15}}) ?[:=] ?({NUMBER})(?=\s|[,;]|$)")
_BEFORE_NAME = re.compile(r"[:\]|>] | - ")
_NAME = re.compile(r"[A-Za-z][\w./-]*(?: [\w./-]+){0,3}", re.ASCII)
_EPOCH = re.compile(r"[\s=*#-]{0,40}+Epoch:? ([0-9]{1,15})(?:/[0-9]{1,15})?:?[\s=*#-]*+", re.IGNORECASE)
_KERAS = re.compile(r"\s{0,8}([0-9]{1,15})/\1 ")
_KERAS_VALUE = re.compile(rf" - ([A-Za-z_][\w./-]{{0,63}}): ({NUMBER})(?=\s|$)", re.ASCII)
_BOOST = re.compile(r"(?:\[[0-9:]{8}\] ?)?\[([0-9]{1,15})\](?=\t)")
_BOOST_VALUE = re.compile(rf"\t([^\t:]{{1,100}}): ?({NUMBER})(?: ?\+ ?{NUMBER})?(?=\s|$)")
_CATBOOST = re.compile(r"([0-9]{1,15}):(?=\tlearn: )")
_CATBOOST_VALUE = re.compile(rf"\t(learn|test[0-9]?|best): ({NUMBER})(?=\s|$)")
# Python's own way to print a dictionary, arrays of one element included.
_ITEM = re.compile(rf"'([^'\\]{{1,128}})': (?:(?:tensor|np\.\w{{1,12}}|array)\()?('?)({NUMBER})(?=\2[,)}}]|, )")
_STEPS = (STEP, "global_step", "iteration", "num_updates", "epoch")
_NO_METRICS = frozenset((*_STEPS, "time", "timestamp", "ts", "pid", "rank", "update", "wall", "train_wall", "eta"))
# JSON has no numbers for these.
_WORDS = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True, slots=True)
class Metric:
    """A value, at a step if one was given; NaN stands for every number that is not finite."""

    name: str
    value: float
    step: int | None


@dataclass(frozen=True, slots=True)
class Param:
    """A setting of the run; ``value`` is JSON."""

    name: str
    value: str


class MetricScanner:
    """Reads the lines of one replica in order: ``Epoch 3/10`` is the step of what follows, and tables have heads."""

    def __init__(self, templates: Sequence[Template] = ()) -> None:
        self._templates = templates
        self._needles = [template.needle.lower() for template in templates]
        self._epoch: int | None = None
        self._columns = Columns()
        self.progress = Outermost()
        """How far the replica says it is, by the lines that were scanned."""

    def scan(self, block: bytes, at: int = 0) -> list[tuple[int, Metric | Param]]:
        """Return the metrics and settings of a block of whole lines, each with where its line begins (bytes).

        ``at`` is the offset of the block in the log.
        """
        found: list[tuple[int, Metric | Param]] = []
        worthy, bars = worthy_lines.find(block, self._needles)
        for start, end in self._in_order(block, worthy):
            line = block[start:end].rstrip(b"\r")
            examined = line[line.rfind(b"\r") + 1 :][:EXAMINED_BYTES]
            text = _COLOUR.sub("", examined.decode("utf-8", "replace"))
            values = self._line(text)
            if values and not worthy_lines.is_quoted(block, start, EXAMINED_BYTES):
                found += [(start, each) for each in values]
            if may_be_of_keras(text):
                bars.add((start, end))
        for start, end in sorted(bars):
            self.progress.feed(block[start:end], at + start)
        return found

    def prime(self, block: bytes, at: int = 0) -> None:
        """Learn from lines that were scanned before which epoch it is, which table, and how far the replica is."""
        self._epoch, self._columns, self.progress = None, Columns(), Outermost()
        self.scan(block, at)

    def _in_order(self, block: bytes, worthy: Iterable[worthy_lines.Line]) -> Iterator[worthy_lines.Line]:
        """Yield the lines that may hold a metric, in order: those that are worthy, and the rows of tables."""
        at = 0
        for start, end in (*sorted(worthy), (len(block), len(block))):
            while self._columns.open and at < start:
                stop = worthy_lines.line_end(block, at)
                yield at, stop
                at = stop + 1
            if start < end:
                yield start, end
            at = max(at, end + 1)

    def _line(self, line: str) -> Sequence[Metric | Param]:
        epoch = _EPOCH.fullmatch(line)
        if epoch:
            self._epoch = int(epoch[1])
            return []
        if PARAM in line:
            return _param(line)
        for values, step in self._readings(line):
            found = list(_named(values, step))
            if found:
                return found
        return []

    def _readings(self, line: str) -> Iterator[tuple[Values, object]]:
        yield _of_tracking(line)
        for template in self._templates:
            numbers = template.match(line) or {}
            yield ((pair for pair in numbers.items() if pair[0] != STEP), numbers.get(STEP))
        if self._columns.open:
            yield self._columns.row(line)
        yield _at_step(line)
        yield self._keras(line)
        yield _boost(line)
        yield _dictionary(line)
        if not self._columns.head(line):
            step = step_of(line)
            yield pairs(line), self._epoch if step is None else step

    def _keras(self, line: str) -> tuple[Values, object]:
        match = _KERAS.match(line)
        if match is None:
            return (), None
        # Without an epoch of its own a line like this is the result of an evaluation.
        step, self._epoch = self._epoch, None
        return _pairs(_KERAS_VALUE, line, match.end() - 1), step


def _of_tracking(line: str) -> tuple[Values, object]:
    at = line.find(PREFIX)
    fields = _object(line[at + len(PREFIX) :]) if at >= 0 else {}
    name, value = fields.get("name"), fields.get("value")
    if not isinstance(name, str) or not (isinstance(value, int | float) or value in _WORDS):
        return (), None
    return [(name, value)], fields.get(STEP)


def _param(line: str) -> list[Param]:
    fields = _object(line[line.find(PARAM) + len(PARAM) :])
    name = fields.get("name")
    if not isinstance(name, str) or not _is_name(name) or "value" not in fields:
        return []
    value = json.dumps(_finite(fields["value"]))
    return [Param(name, value if len(value) <= MAX_PARAM else json.dumps(value[:MAX_PARAM] + " ..."))]


def _finite(value: object) -> object:
    """Return a value as JSON can represent it: as text where it is not a finite number."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return str(value)
    return value


def _pairs(pattern: re.Pattern[str], line: str, start: int) -> Iterator[tuple[str, object]]:
    return ((match[1], match[2]) for match in pattern.finditer(line, start))


def _at_step(line: str) -> tuple[Values, object]:
    match = _AT_STEP.search(line)
    if match is None:
        return (), None
    before = line[max(match.start() - MAX_NAME, 0) : match.start()]
    name = _NAME.fullmatch(_BEFORE_NAME.split(before)[-1].strip())
    if name is None:
        return (), match[1]
    return [(name[0].lower().replace(" ", "_"), match[2]), *pairs(line[match.end() :])], match[1]


def _boost(line: str) -> tuple[Values, object]:
    for first, value in ((_BOOST, _BOOST_VALUE), (_CATBOOST, _CATBOOST_VALUE)):
        if match := first.match(line):
            return _pairs(value, line, match.end()), match[1]
    return (), None


def _dictionary(line: str) -> tuple[Values, object]:
    """Read a dictionary that stands in a line: all its numbers, if one of them is a metric or a step is among them."""
    at = line.find("{")
    if at < 0 or line[:at].endswith("["):
        return (), None
    fields = _object(line[at:]) or _printed(line, at)
    step = next((fields[name] for name in _STEPS if name in fields), None)
    numbers = [
        (name, value)
        for name, value in fields.items()
        if name not in _NO_METRICS and not isinstance(value, bool) and _number(value) is not None
    ]
    if any(is_metric(name, str(value)) for name, value in numbers) or (step is not None and at == 0):
        return [pair for pair in numbers if not isinstance(pair[1], str) or _named_text(pair[0], pair[1])], step
    return (), None


def _printed(line: str, at: int) -> dict[str, object]:
    """Return the numbers of a dictionary as Python prints it."""
    return {match[1]: match[3] if match[2] else float(match[3]) for match in _ITEM.finditer(line, at)}


def _named_text(name: str, value: str) -> bool:
    return is_metric(name, value) or goes_along(name)


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
        if number is not None and _is_name(name):
            yield Metric(name, number if math.isfinite(number) else math.nan, _step(step))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and name.isprintable()


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
