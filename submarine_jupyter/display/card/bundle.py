"""The MIME bundle of a card: for JupyterLab which experiment it is of, for every front end how it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from submarine_jupyter.display.card.drawing.blocks import COLUMNS, Card
from submarine_jupyter.spec.experiment_ids import parts

MIME = "application/vnd.submarine.experiment+json"
VERSION = 1
MOST_IDS = 200

Bundle = dict[str, Any]


def bundle(card: Card, about: Mapping[str, Any] | None = None, columns: int = COLUMNS) -> Bundle:
    """Return a card as ``text/html`` and ``text/plain``, and ``about``, which experiments it is of, as our own type."""
    shown: Bundle = {"text/html": card.html(), "text/plain": card.text(columns)}
    return {MIME: dict(about), **shown} if about else shown


def about_one(experiment_id: str, state: str, now: datetime) -> dict[str, Any]:
    """Return what the renderer needs of one experiment."""
    return {**_common([experiment_id], now), "experiment": experiment_id, "state": state}


def about_many(ids: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return what the renderer needs of a list or a comparison; of very many the first."""
    return {**_common(ids, now), "experiments": list(ids[:MOST_IDS])}


def about_group(name: str, ids: Sequence[str], state: str, now: datetime) -> dict[str, Any]:
    """Return what the renderer needs of a group."""
    return {**_common(ids, now), "group": name[:200], "state": state}


def _common(ids: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return version, instance of the server and time of writing; ids of a server begin with its instance."""
    found = parts(ids[0]) if ids else None
    written = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"
    return {"version": VERSION, "instance": str(found[0]) if found else None, "written": written}
