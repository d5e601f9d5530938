"""Which experiment is meant: the last one, a part of an id, a whole one."""

from __future__ import annotations

from collections.abc import Iterable

from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec.experiment_ids import parts

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


def choose(text: str, known: Iterable[tuple[str, str]], *, newest: bool = True) -> tuple[str, str]:
    """Return id and name of the experiment that ``text`` means, of those ``known``, newest first.

    It is a number (``3`` or ``0003``), an end or a beginning of an id, or a name; of several with one name the
    ``newest``, if that is good enough. Raises UsageError.
    """
    pairs = list(known)
    for means in (_number, str.endswith, str.startswith):
        found = [pair for pair in pairs if means(pair[0], text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{text!r}matches several: {_shown(found)}")
    named = [pair for pair in pairs if pair[1] == text]
    if len(named) > 1 and not newest:
        raise UsageError(f"{text!r} is the name of several experiments; give an id: {_shown(named)}")
    if named:
        return named[0]
    raise UsageError(f"No experiment has an id like {text!r}, nor that name; %submarine list shows them")


def _shown(found: list[tuple[str, str]]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(one for one, _ in found[:SHOWN])}{more}"


def _number(experiment_id: str, text: str) -> bool:
    found = parts(experiment_id)
    return found is not None and text.isascii() and text.isdecimal() and found[1] == int(text)
