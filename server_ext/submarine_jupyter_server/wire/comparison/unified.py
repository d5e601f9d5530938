"""The difference of two texts as unified text, found in bounded time.

`difflib` takes hours for some texts of a MiB. Here its work is counted beforehand: when that is used up, what is left
between two lines that are the same is shown as replaced. That is longer than it need be, and true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate, takewhile

MOST_WORK = 2_000_000
"""Of comparisons of two lines; about a third of a second."""
_CONTEXT = 3
_UNFINISHED = "\n\\ No newline at end of file"
Step = tuple[str, int, int, int, int]


def unified(before: str, after: str, names: tuple[str, str]) -> str:
    """Return the difference of two texts in the format of ``diff -u``, empty where there is none."""
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    whole = SequenceMatcher[str](None, (), ())
    whole.opcodes = list(_steps(old, new))  # type: ignore[attr-defined]
    found = [f"--- {names[0]}", f"+++ {names[1]}"]
    for group in whole.get_grouped_opcodes(_CONTEXT):
        spans = (_span(group[0][1], group[-1][2]), _span(group[0][3], group[-1][4]))
        found.append(f"@@ -{spans[0]} +{spans[1]} @@")
        for tag, old_start, old_stop, new_start, new_stop in group:
            if tag == "equal":
                found += [f" {line}" for line in old[old_start:old_stop]]
                continue
            found += [f"-{line}" for line in old[old_start:old_stop]]
            found += [f"+{line}" for line in new[new_start:new_stop]]
    return "\n".join([*found, ""])


class _Bounded(SequenceMatcher[str]):
    """Finds no more matches once so much work is done."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new)
        places: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        self._work = list(accumulate((1 + len(places.get(line, ())) for line in old), initial=0))
        self._left = MOST_WORK

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        stop = len(self._work) - 1 if ahi is None else ahi
        self._left -= self._work[stop] - self._work[alo]
        return Match(alo, blo, 0) if self._left < 0 else super().find_longest_match(alo, ahi, blo, bhi)


def _steps(old: Sequence[str], new: Sequence[str]) -> Iterator[Step]:
    """Yield how to come from old to new; beginnings and ends that are the same cost nothing."""
    start = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(old, new, strict=False)))
    back = zip(reversed(old[start:]), reversed(new[start:]), strict=False)
    end = sum(1 for _ in takewhile(lambda two: two[0] == two[1], back))
    if start:
        yield "equal", 0, start, 0, start
    for tag, *places in _Bounded(old[start : len(old) - end], new[start : len(new) - end]).get_opcodes():
        yield tag, *(start + place for place in places)  # type: ignore[misc]
    if end:
        yield "equal", len(old) - end, len(old), len(new) - end, len(new)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1]:
        return [*lines[:-1], lines[-1] + _UNFINISHED]
    return lines[:-1]


def _span(start: int, stop: int) -> str:
    """Return the range of a hunk; an empty one begins before its place."""
    length = stop - start
    return f"{start + 1 if length else start}" if length == 1 else f"{start + 1 if length else start},{length}"
