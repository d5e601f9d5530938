"""Read ``cpu=1,memory=1024M,nvidia.com/gpu=1`` and Kubernetes quantities.

Grammar of quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_SUFFIX: dict[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{s: Decimal(1000) ** i for i, s in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{s: Decimal(1024) ** i for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{0,9})?|\.\d{1,9})(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?", re.ASCII)
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
# The document's examples show memory before cpu, whatever the order in `resources`.
_FIRST = ("memory", "cpu")


def quantity(text: str) -> Decimal:
    """Return a quantity in base units: cores for cpu, bytes for memory, pieces for anything else.

    Raises ValueError for what Kubernetes would not take, and for negative amounts.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text[:80]}' is not a quantity")
    number, suffix, exponent = match.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _SUFFIX[suffix or ""])


def parse_resources(text: str) -> dict[str, str]:
    """Return the resource map of ``name=quantity`` pieces; spaces around them do not matter.

    Quantities stay as written (``1024M`` is not turned into ``1.024G``). Raises ValueError naming the piece that
    cannot be read: nothing is dropped in silence.
    """
    return dict(_parsed(text))


@lru_cache(maxsize=64)  # of one experiment it is asked a dozen times
def _parsed(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for piece in text.split(",") if text.strip() else ():
        name, equals, amount = (part.strip() for part in piece.partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"'{piece.strip()[:80]}' is not of the form name=quantity")
        if name in found:
            raise ValueError(f"'{name}' is given twice")
        try:
            value = quantity(amount)
        except ValueError:
            raise ValueError(f"'{piece.strip()[:80]}' is not a quantity") from None
        if "/" in name and value % 1:
            raise ValueError(f"'{piece.strip()[:80]}' must be a whole number")
        found[name] = amount
    return tuple({name: found[name] for name in (*_FIRST, *found) if name in found}.items())
