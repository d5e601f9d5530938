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
    shown = (
        f"{name} {_amount(name, one['free'])} of {_amount(name, one.get('total'))}" for name, one in amounts.items()
    )
    return ", ".join(shown) or "not known"


def _amount(name: str, value: Any) -> str:
    """Return an amount for a person: bytes of memory in GiB."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "?" if value is None else str(value)
    return f"{value / 2**30:.1f} GiB" if name == "memory" and value > 2**20 else f"{value:g}"
