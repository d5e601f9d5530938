"""Read one progress bar, as ``tracking.progress``, tqdm, Keras and rich print it.

Sources: ``tqdm.std.tqdm.format_meter``; ``keras.src.utils.progbar.Progbar.update`` (Keras 3, ``━``) and that of Keras 2
(``[==>...]``); ``rich.progress.Progress`` with its default columns, and with those of Lightning's ``RichProgressBar``.
Lightning's other bar is one of tqdm. Of a text that is cut anywhere nothing is read that the whole one does not say.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

PREFIX = "submarine-progress "
TRACKING = "tracking"
LONGEST_LABEL = 60
_FARTHEST_S = 10**9
"""A longer time to go is none that anybody waits for."""

_SCALE = "[kKMGTPEZY]?"
_COUNT = rf"[0-9]{{1,15}}(?:\.[0-9]{{1,6}})?{_SCALE}"
_TIME = r"[0-9]{1,6}(?::[0-9]{2}){1,2}"
_TQDM = re.compile(
    rf"(?<![0-9])([0-9]{{1,3}})%(?:\|[^|]{{0,400}}\|)? ({_COUNT})/({_COUNT}) \[{_TIME}<({_TIME}|\?)[,\]]", re.ASCII
)
_TQDM_UNKNOWN = re.compile(rf"(?:^|: )({_COUNT})[A-Za-z]{{0,10}} \[{_TIME}, {{1,4}}[0-9?]", re.ASCII)
_KERAS = re.compile(
    r"\s{0,8}([0-9]{1,15})/([0-9]{1,15}|Unknown)(?: (?:(━{1,200})|(\[[=>.]{1,200}\])))?(?: -)? (?:ETA: )?"
    rf"(?:([0-9]{{1,9}})s(?=\s|$)|({_TIME})(?=\s))"
)
_EPOCH = re.compile(r"[\s=*#-]{0,40}+Epoch:? ([0-9]{1,15})/([0-9]{1,15}):?[\s=*#-]*+", re.IGNORECASE)
_OF_KERAS = re.compile(r"\s{0,8}[0-9]{1,15}/(?:[0-9]{1,15}|Unknown) |[\s=*#-]{0,40}+epoch:? [0-9]", re.IGNORECASE)
_RICH = re.compile(r"[━╸╺]{5}")
_CLOCK = r"(-:--:--|[0-9]{1,6}:[0-9]{2}:[0-9]{2})(?![0-9:])"
_RICH_COLUMNS = re.compile(
    rf"[━╸╺]{{5,400}}\s{{1,4}}(?:([0-9]{{1,3}})%\s{{1,4}}{_CLOCK}|"
    rf"([0-9]{{1,15}})/([0-9]{{1,15}})\s{{1,4}}[0-9:]{{7,12}} • {_CLOCK})"
)
_OF_LIGHTNING = re.compile(r"Epoch ([0-9]{1,9})/([0-9]{1,9})")
_DIGITS = re.compile(r"[0-9.]{1,30}")

Epoch = tuple[int, int]
"""The epoch it is, counted from 1, and how many there are to be."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a bar says: ``percent`` from 0 to 100, rounded down, None where no total is known.

    ``eta_seconds`` is the time to go, ``label`` are the words before the bar. Of two with the same ``position`` none is
    farther; ``total`` is that of the bar, as it is printed.
    """

    source: str
    percent: float | None
    eta_seconds: int | None
    label: str
    position: str
    total: str

    @property
    def kind(self) -> tuple[str, str, str]:
        """What stays the same while a bar moves."""
        return self.source, self.total, _DIGITS.sub("#", self.label)

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return self.percent == 100

    @property
    def ends_epoch(self) -> bool:
        """Whether Keras has come to the end of an epoch, or of an evaluation."""
        return self.source == "keras" and self.position.endswith(f" {self.total}/{self.total}")


def read(text: str, epoch: Epoch | None) -> Progress | None:
    """Return what a bar says, None where there is none. ``text`` has no control characters."""
    if PREFIX in text:
        return _tracking(text)
    return (
        ("%" in text and _tqdm(text))
        or ("/" in text and (_keras(text, epoch) or (" [" in text and _unknown(text))))
        or ("━" in text and _rich(text))
        or None
    )


def read_epoch(text: str) -> Epoch | None:
    """Return which epoch a line like Keras' ``Epoch 3/10`` begins."""
    match = _EPOCH.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        return None
    return int(match[1]), int(match[2])


def may_be_of_keras(line: str) -> bool:
    """Return whether a line without colours may say how far Keras is."""
    return _OF_KERAS.match(line) is not None


def _tracking(text: str) -> Progress | None:
    try:
        found, _ = _JSON.raw_decode(text[text.find(PREFIX) + len(PREFIX) :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or (done := _finite(found.get("done"))) is None:
        return None
    total, eta = _finite(found.get("total")), _finite(found.get("eta"))
    position = f"{done!r}/{total!r}"
    return Progress(TRACKING, _percent(done, total), _seconds(eta), "", position, str(total))


def _tqdm(text: str) -> Progress | None:
    match = _TQDM.search(text)
    if match is None:
        return None
    printed, count, total, left = match.groups()
    label = _label(text[: match.start()])
    if count[-1].isdigit() and total[-1].isdigit():
        percent = _percent(float(count), float(total))
    else:
        # Rounded as tqdm rounds; only what is equal is at its end.
        percent = _percent(min(int(printed), 100 if count == total else 99), 100)
    return Progress("tqdm", percent, _clock(left), label, f"{label} {count}/{total}", total)


def _unknown(text: str) -> Progress | None:
    match = _TQDM_UNKNOWN.search(text)
    if match is None:
        return None
    label = _label(text[: match.start()])
    return Progress("tqdm", None, None, label, f"{label} {match[1]}", "")


def _keras(text: str, epoch: Epoch | None) -> Progress | None:
    match = _KERAS.match(text)
    if match is None or not (match[3] or match[4] or "/step" in text):
        return None
    steps, (done, total) = int(match[1]), match.group(1, 2)
    left = float(match[5]) if match[5] else _clock(match[6])
    label = f"epoch {epoch[0]} of {epoch[1]}" if epoch else ""
    position = f"{label} {done}/{total}"
    if total == "Unknown" or int(total) == 0:
        whole = None if epoch is None else _percent(epoch[0] - 1, epoch[1])
        return Progress("keras", whole, None, label, position, "")
    number, many = epoch or (1, 1)
    of_each, steps = int(total), min(steps, int(total))
    still = of_each - steps
    # At its very end Keras prints the time that an epoch took, before that the time that it still takes.
    eta = left and left * (many - number if still == 0 else 1 + (many - number) * of_each / still)
    eta = None if not eta and many > number else eta
    percent = _percent((number - 1) * of_each + steps, many * of_each)
    return Progress("keras", percent, _seconds(eta), label, position, total)


def _rich(text: str) -> Progress | None:
    begin = _RICH.search(text)
    match = _RICH_COLUMNS.match(text, begin.start()) if begin else None
    if begin is None or match is None:
        return None
    label = _label(text[: begin.start()])
    if match[1]:
        left = _clock(match[2])
        percent = _percent(min(int(match[1]), 100 if left == 0 else 99), 100)
        return Progress("rich", percent, _seconds(left), label, f"{label} {match[1]}", "")
    steps, of_each, left = int(match[3]), int(match[4]), _clock(match[5])
    counted = _OF_LIGHTNING.fullmatch(label)
    # Lightning counts from 0, up to one less than there are to be.
    number, many = (int(counted[1]), int(counted[2]) + 1) if counted else (0, 1)
    if number >= many or of_each == 0:
        return Progress("rich", None, None, label, f"{label} {match[3]}", match[4])
    label = f"epoch {number + 1} of {many}" if counted else label
    still = of_each - min(steps, of_each)
    eta = None if left is None or not still else left * (1 + (many - number - 1) * of_each / still)
    percent = _percent(number * of_each + of_each - still, many * of_each)
    return Progress("rich", percent, _seconds(eta), label, f"{label} {match[3]}/{match[4]}", match[4])


def _percent(done: float, total: float | None) -> float | None:
    """Return how much of a total is done, rounded down so that 100 means all of it; None for no such total."""
    if total is None or total <= 0:
        return None
    if done >= total:
        return 100.0
    # A little more: 0.57 of something must not be 56.9 %.
    return math.floor(min(max(done / total, 0.0) * 1000 + 1e-9, 999.0)) / 10


def _clock(text: str) -> int | None:
    """Return the seconds of ``1:02:03`` or ``02:03``; None for a time that is not known."""
    if not text[0].isdigit():
        return None
    seconds = 0
    for part in text.split(":"):
        seconds = seconds * 60 + int(part)
    return _seconds(seconds)


def _seconds(value: float | None) -> int | None:
    return None if value is None or not 0 <= value < _FARTHEST_S else math.ceil(value)


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _label(text: str) -> str:
    """Return the words before a bar."""
    words = text.strip().removesuffix(":").strip()
    return "".join(each for each in words if each.isprintable())[:LONGEST_LABEL]


_JSON = json.JSONDecoder()
