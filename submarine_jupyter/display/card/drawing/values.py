"""Write numbers, lengths of time and texts of others as a card shows them; each is plain text, one line, cut."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime

from submarine_jupyter.spec.experiment_ids import parts

_ID = re.compile(r"\bexperiment-\d{1,20}-\d{4,}\b(?!-)")
LONGEST_NAME, LONGEST_LINE, LONGEST_REASON = 32, 200, 400
MISSING = "–"
# ECMA-48: control sequences (CSI), strings for the terminal (OSC and its kin), other escapes of two or three bytes.
SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|\x9b[0-?]*[ -/]*[@-~]"
)


def clean(text: object, longest: int = LONGEST_REASON) -> str:
    """Return a text of others on one line, without what moves a cursor, cut to ``longest`` characters."""
    return cut(" ".join(printable(str(text)[: longest * 8]).split()), longest)


def printable(text: str) -> str:
    """Return a line without control sequences; what cannot be shown becomes a space."""
    plain = SEQUENCE.sub("", text).expandtabs()
    return plain if plain.isprintable() else "".join(char if char.isprintable() else " " for char in plain)


def cut(text: str, longest: int) -> str:
    """Return at most ``longest`` columns of a text; an ellipsis stands for the rest."""
    if len(text) <= longest and (text.isascii() or width(text) <= longest):
        return text
    kept, used = [], 1
    for char in text[:longest]:
        used += width(char)
        if used > longest:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def width(text: str) -> int:
    """Return how many columns a text takes in a terminal (Unicode Standard Annex 11; ambiguous ones count as one)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def left(text: str, columns: int) -> str:
    """Return a text with spaces after it."""
    return text + " " * (columns - width(text))


def right(text: str, columns: int) -> str:
    """Return a text with spaces before it."""
    return " " * (columns - width(text)) + text


def number(value: float | None) -> str:
    """Return a measured value with three significant digits: ``0.912``, ``5,130``, ``2.5e-05``."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return str(float(value))
    if abs(value) >= 1e9:
        return f"{value:.3g}"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def setting(value: object) -> str:
    """Return a parameter as it was written: ``0.0001``, ``adam``, ``true``."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else clean(value, LONGEST_NAME)


def duration(seconds: float, *, exact: bool = False) -> str:
    """Return ``9 s``, ``4 min 12 s``, ``1 h 4 min``, ``2 d 3 h``; ``exact``: below a minute ``850 ms``, ``12.4 s``."""
    seconds = max(0.0, seconds)
    if seconds < 59.95 and exact:
        return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def age(seconds: float) -> str:
    """Return a length of time in one unit: ``21 min``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def moment(text: object) -> datetime | None:
    """Return a time of an answer (ISO 8601 with its offset), None if it is not set."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def between(start: object, end: object, now: datetime) -> float | None:
    """Return the seconds from one time of an answer to another, or to the present; None if it has not begun."""
    first = moment(start)
    return None if first is None else max(0.0, ((moment(end) or now) - first).total_seconds())


def clock(when: datetime, now: datetime) -> str:
    """Return a time as this machine's clock shows it, with the day where that is not today."""
    here = when.astimezone(now.tzinfo)
    return f"{here:%H:%M}" if here.date() == now.date() else f"{here:%d %b %H:%M}"


def short(experiment_id: object) -> str:
    """Return the number of an experiment, which is what a person types: ``41``."""
    found = parts(str(experiment_id))
    return str(found[1]) if found else clean(experiment_id, LONGEST_NAME)


def shortened_ids(text: str) -> str:
    """Return a text in which experiments are called by their numbers: ``experiment 38 holds 6``."""
    return _ID.sub(lambda found: f"experiment {short(found[0])}", text)


def counted(count: int, one: str, many: str = "") -> str:
    """Return ``1 worker``, ``3 workers``, ``1,204 lines``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
