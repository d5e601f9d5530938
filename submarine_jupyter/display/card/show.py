"""One function for each thing that a cell shows. Each takes answers of the server and returns a MIME bundle.

A bundle is ready for ``display(bundle, raw=True)`` and for ``_repr_mimebundle_``. ``now`` is the moment of writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from submarine_jupyter.display.card.bundle import Bundle, about_group, about_many, about_one, bundle
from submarine_jupyter.display.card.comparison import comparison_card
from submarine_jupyter.display.card.drawing.words import Words
from submarine_jupyter.display.card.experiment import Scene, experiment_card
from submarine_jupyter.display.card.facts import state_of
from submarine_jupyter.display.card.group import group_card
from submarine_jupyter.display.card.help_page import Group, function_card, help_card
from submarine_jupyter.display.card.listing import list_card
from submarine_jupyter.display.card.rows import Row, row_of
from submarine_jupyter.display.card.target import target_card
from submarine_jupyter.spec.vocabulary import FINAL


def show_experiment(known: Mapping[str, Any], scene: Scene | None = None, *, now: datetime | None = None) -> Bundle:
    """Return one experiment: ``known`` is the result of ``GET experiment/{id}?view=full`` (``Experiment.known``).

    ``scene`` holds what else is known: ``series`` (``result["series"]`` of its metrics), lines, whether the cell waits.
    """
    now = now or _now()
    return bundle(experiment_card(known, now, scene), about_one(str(known["experimentId"]), state_of(known), now))


def show_list(rows: Sequence[Row], *, now: datetime | None = None, **how: Any) -> Bundle:
    """Return a list: ``rows`` of ``GET experiment?view=row``, or documents of ``view=summary`` (without metrics).

    ``how``: ``of="this notebook"``, ``metrics=["accuracy"]``, ``notices=[...]``, ``more="%submarine list ..."``.
    """
    now = now or _now()
    return bundle(list_card([row_of(row) for row in rows], now, **how), about_many(_ids(rows), now))


def show_group(name: str, rows: Sequence[Row], *, now: datetime | None = None, **how: Any) -> Bundle:
    """Return a group: all its members as rows (``GET experiment?view=row&group=NAME``).

    ``how``: ``metric="accuracy"``, ``better="max"``, ``at_once=2`` (maxRunning), ``cell="Cell In[4]"``, and ``curves``:
    the values of the metric by the id of the experiment.
    """
    now = now or _now()
    going = [row for row in rows if row["status"] not in FINAL]
    state = "Running" if going else "Succeeded"
    return bundle(
        group_card(name, [row_of(row) for row in rows], now, **how), about_group(name, _ids(rows), state, now)
    )


def show_comparison(compared: Mapping[str, Any], *, now: datetime | None = None, **how: Any) -> Bundle:
    """Return a comparison: the result of ``GET experiment/compare``.

    ``how``: ``metric="accuracy"``, ``better="max"``, ``variable="cmp"``, ``of="lr"``, and ``curves``: the values of the
    metric by the id of the experiment.
    """
    now = now or _now()
    return bundle(comparison_card(compared, now, **how), about_many(_ids(compared["experiments"]), now))


def show_target(target: Mapping[str, Any], *, now: datetime | None = None) -> Bundle:
    """Return a compute target: one of those that ``GET target`` answers (``SubmarineClient.targets()``)."""
    return bundle(target_card(target, now or _now()))


def show_help(title: str, about: str, groups: Sequence[Group], foot: Words | None = None) -> Bundle:
    """Return the help: ``groups`` are ``("Run", [("%%submarine run --worker 3", "run this cell"), ...])``."""
    return bundle(help_card(title, about, groups, foot))


def show_value(title: str, number: str, took: str, below: str, value: str, foot: Words) -> Bundle:
    """Return what a remote function has given, ``value`` being its ``repr``."""
    return bundle(function_card(title, number, took, below, value, foot))


def _ids(rows: Sequence[Row]) -> list[str]:
    return [str(row["experimentId"]) for row in rows]


def _now() -> datetime:
    return datetime.now().astimezone()
