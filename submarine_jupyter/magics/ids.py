"""Which experiment is meant: the last one, a part of an id, a whole one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from IPython.core.error import UsageError

_WHOLE = re.compile(r"experiment-\d+-\d{4,}")
SHOWN = 5


class KnownIds:
    """The ids this kernel has met, newest last; the last one is meant when none is given."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self.last: str | None = None

    def use(self, experiment_id: str) -> None:
        """Remember an id as the last one."""
        self.meet([experiment_id])
        self.last = experiment_id

    def meet(self, ids: Iterable[str]) -> None:
        """Remember ids, for completion."""
        for experiment_id in ids:
            self._ids.pop(experiment_id, None)
            self._ids[experiment_id] = None

    def forget(self, experiment_id: str) -> None:
        """Forget an id that was deleted."""
        self._ids.pop(experiment_id, None)
        if self.last == experiment_id:
            self.last = None

    def newest_first(self) -> list[str]:
        """Return what was met."""
        return list(reversed(self._ids))


def is_whole(text: str) -> bool:
    """Tell whether a text is a whole id, so that nobody need be asked."""
    return _WHOLE.fullmatch(text) is not None


def choose(text: str, ids: Iterable[str]) -> str:
    """Return the id that ``text`` means: its number (``3`` or ``0003``), an end or a beginning. Raises UsageError."""
    known = list(ids)
    for means in (_number, str.endswith, str.startswith):
        found = [one for one in known if means(one, text)]
        if len(found) == 1:
            return found[0]
        if found:
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise UsageError(f"{text!r} can mean several: {', '.join(found[:SHOWN])}{more}")
    raise UsageError(f"No experiment has an id like {text!r}; %submarine list shows them")


def _number(experiment_id: str, text: str) -> bool:
    last = experiment_id.rpartition("-")[2]
    return text.isascii() and text.isdecimal() and last.isdecimal() and int(last) == int(text)
