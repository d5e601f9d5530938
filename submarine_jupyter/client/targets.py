"""Compute targets, as a person reads them."""

from __future__ import annotations

from typing import Any


class Targets(tuple[dict[str, Any], ...]):
    """The targets as the server answers them; shown as a card each, with what is free."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        from submarine_jupyter.display.card.show import show_target

        shown = [show_target(one) for one in self] or [{"text/plain": "no such target", "text/html": "no such target"}]
        between = {"text/plain": "\n\n", "text/html": '<div style="height:14px"></div>'}
        return {kind: gap.join(one[kind] for one in shown) for kind, gap in between.items()}
