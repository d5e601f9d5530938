"""Which server is used and which defaults hold, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from submarine_jupyter.display.tables import Table, bundle


class Configuration(NamedTuple):
    """The address of the server (None: not found yet), ``defaults`` with value and source, and the names ``unset``."""

    server: str | None
    defaults: Sequence[tuple[str, Any, str]]
    unset: Sequence[str]

    def __repr__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        server = ("server", self.server or "found when it is first needed", "")
        rows = [server, *self.defaults, *((name, "not set", "") for name in self.unset)]
        return bundle([Table(("name", "value", "from"), rows)])
