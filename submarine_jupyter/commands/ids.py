"""Which experiment is meant: the last one, a part of an id, a name, a whole id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec.experiment_ids import parts

SHOWN = 5
_USED = ("tags", "params", "metrics", "group", "target")


class Known(NamedTuple):
    """What is known of an experiment by its id, to show beside it; empty where nothing is."""

    name: str = ""
    state: str = ""


class KnownIds:
    """The experiments this kernel has met, newest last; the last one is meant when none is given."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._used: dict[str, dict[str, None]] = {}
        self.last: str | None = None

    def use(self, experiment_id: str) -> None:
        """Remember an experiment as the last one."""
        self._known[experiment_id] = self._known.pop(experiment_id, Known())
        self.last = experiment_id

    def meet(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Remember the rows of a list, newest first."""
        for row in reversed(list(rows)):
            experiment_id = str(row["experimentId"])
            self._known.pop(experiment_id, None)
            self._known[experiment_id] = Known(str(row["name"]), str(row["state"]))
            for part in _USED:
                self._used.setdefault(part, {}).update(dict.fromkeys(_words(row.get(part))))

    def forget(self, experiment_id: str) -> None:
        """Forget an experiment that was deleted."""
        self._known.pop(experiment_id, None)
        if self.last == experiment_id:
            self.last = None

    def used(self, part: str) -> list[str]:
        """Return what the experiments have been met with, by the part of a row: ``tags``, ``metrics``."""
        return sorted(self._used.get(part, ()))

    def newest_first(self) -> list[tuple[str, Known]]:
        """Return what was met."""
        return list(reversed(self._known.items()))


def short(experiment_id: str, others: Iterable[str]) -> str:
    """Return the end of an id that means it and none of the ``others``; the whole id where no end does."""
    end = experiment_id.rpartition("-")[2]
    same = sum(other.rpartition("-")[2] == end for other in others if other != experiment_id)
    return experiment_id if same else end


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
            raise UsageError(f"{text!r} matches several: {_shown(found)}")
    named = [pair for pair in pairs if pair[1] == text]
    if len(named) > 1 and not newest:
        raise UsageError(f"{text!r} is the name of several experiments; give an id: {_shown(named)}")
    if named:
        return named[0]
    raise UsageError(f"No experiment has an id like {text!r}, nor that name; %submarine list shows them")


def _words(found: Any) -> list[str]:
    """Return the words in a part of a row: one, a list, names with values."""
    return [found] if isinstance(found, str) else list(found or ())


def _shown(found: list[tuple[str, str]]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(one for one, _ in found[:SHOWN])}{more}"


def _number(experiment_id: str, text: str) -> bool:
    found = parts(experiment_id)
    return found is not None and text.isascii() and text.isdecimal() and found[1] == int(text)
