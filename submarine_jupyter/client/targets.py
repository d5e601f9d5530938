"""Compute targets, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from submarine_jupyter.display.tables import LONGEST_SENTENCE, Table, bundle


class Targets(tuple[dict[str, Any], ...]):
    """The targets as the server answers them; shown as a table with what is free."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        rows = [
            (
                f"{one['name']}{' (default)' if one['default'] else ''}",
                one["kind"],
                _free(one.get("capacity")),
                "ok" if one["health"]["ok"] else f"not ok: {one['health'].get('message') or 'no reason is known'}",
            )
            for one in self
        ]
        return bundle([Table(("target", "kind", "free", "health"), rows, longest=LONGEST_SENTENCE)], "no such target")


def _free(capacity: Mapping[str, Any] | None) -> str:
    if not capacity:
        return "not known"
    amounts = {name: one for name, one in capacity.items() if isinstance(one, Mapping) and "free" in one}
    return ", ".join(f"{name} {one['free']} of {one.get('total')}" for name, one in amounts.items()) or "not known"
