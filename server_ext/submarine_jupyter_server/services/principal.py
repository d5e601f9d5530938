"""Who asks: the first argument of every service call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whom the server has let in: ``name`` owns what is accepted from it.

    ``owns_all``: the experiments of all owners are its own to see and to change, as on a server of one person. What
    follows from both is decided in ``access`` alone.
    """

    name: str
    owns_all: bool = False
