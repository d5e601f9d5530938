"""What a list asks of a parameter or a metric: which one, and how it compares."""

from __future__ import annotations

from dataclasses import dataclass

NOUNS = {"param": "parameter", "metric": "metric"}
KINDS = tuple(NOUNS)
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
HAS = "has"
LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Named:
    """A parameter or a metric: ``kind`` is one of ``KINDS``."""

    kind: str
    name: str

    @classmethod
    def of(cls, text: str) -> Named | None:
        """Return what ``param.lr`` or ``metric.accuracy`` means, None for anything else."""
        kind, dot, name = text.partition(".")
        return cls(kind, name) if kind in KINDS and dot and 0 < len(name) <= LONGEST_NAME else None


@dataclass(frozen=True, slots=True)
class Condition:
    """``named`` compares so (one of ``OPERATORS``, or ``HAS``) with ``text``, a ``number`` where it is one.

    What has no such value fits none, ``!=`` neither. Only numbers are lower or higher.
    """

    named: Named
    operator: str
    text: str
    number: float | None
