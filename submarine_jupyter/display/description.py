"""Everything about an experiment, for a person."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from html import escape
from typing import Any

from submarine_jupyter.client.answers import clock
from submarine_jupyter.client.experiment import Experiment
from submarine_jupyter.display.tables import LONGEST_SENTENCE, Table, bundle


class Description:
    """How an experiment is, what happened when, and its spec as YAML."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    @property
    def known(self) -> dict[str, Any]:
        """What the server answered."""
        return self._experiment.known

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        shown = self._experiment._repr_mimebundle_()
        known = self._experiment.known
        events = (known.get("detail") or {}).get("events") or ()
        rows = [(clock(one["time"]), one["status"] or one["type"], one["reason"], one["message"]) for one in events]
        replicas = [
            (one["name"], one["status"], one["exitCode"], one["signal"], one["message"] or one["reason"])
            for one in (known.get("detail") or {}).get("replicas") or ()
        ]
        columns = ("replica", "status", "exit code", "signal", "message")
        table = Table(columns, replicas, longest=LONGEST_SENTENCE)
        history = bundle([table, Table(("time", "status", "reason", "message"), rows)], "no events")
        spec = _yaml(known["spec"])
        return {
            "text/plain": "\n\n".join((shown["text/plain"], history["text/plain"], spec)),
            "text/html": "\n".join((shown["text/html"], history["text/html"], f"<pre>{escape(spec)}</pre>")),
        }


def _yaml(spec: Mapping[str, Any]) -> str:
    import yaml

    shown = copy.deepcopy(dict(spec))
    files = (shown.get("code") or {}).get("files") or {}
    for name, text in files.items():
        files[name] = f"({len(text.splitlines())} lines)"
    return str(yaml.safe_dump(_set_only(shown), sort_keys=False, allow_unicode=True))


def _set_only(value: Any) -> Any:
    """Return a value without what is not set: the wire format is full of nulls."""
    if not isinstance(value, dict):
        return value
    return {key: _set_only(one) for key, one in value.items() if one not in (None, {}, [])}
