"""Read ``cpu=1,memory=1024M,nvidia.com/gpu=1`` and Kubernetes quantities; what is wrong is named, with what to write.

Grammar of quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal
from difflib import get_close_matches
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
_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-([1-9][0-9]{0,5}[KMG]i)")
# The document's examples show memory before cpu, whatever the order in `resources`.
_FIRST = ("memory", "cpu")
_CORES = ("core", "cores", "vcpu", "vcpus", "vcores", "processor", "processors")
_MEANT = {
    **dict.fromkeys(("gpu", "gpus", "cuda", "nvidia-gpu"), "nvidia.com/gpu"),
    **dict.fromkeys(("mem", "ram", "memory-mb", "mem-mb"), "memory"),
    **dict.fromkeys(_CORES, "cpu"),
    **dict.fromkeys(("disk", "storage"), "ephemeral-storage"),
}
_WRITTEN = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)
_BYTES = re.compile(r"([kmgtpe])i?b?", re.IGNORECASE)
# Less than this no program can start with, or write.
_LEAST_BYTES = Decimal(10) ** 6
_MOST = {"cpu": Decimal(10) ** 6, "memory": Decimal(2) ** 60, "ephemeral-storage": Decimal(2) ** 60}
_MOST_DEVICES = Decimal(10) ** 6


def quantity(text: str) -> Decimal:
    """Return a quantity in base units: cores for cpu, bytes for memory, pieces for anything else.

    Raises ValueError for what Kubernetes would not take, and for negative amounts.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text[:80]}' is not a quantity")
    number, suffix, exponent = match.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _SUFFIX[suffix or ""])


def in_unit_of(text: str, amount: int | Decimal) -> str:
    """Return an amount in the unit in which ``text``, a quantity, is written: 5e11 like ``400G`` is ``500G``.

    Less than one of these is written in the next smaller unit of the same family: 1e9 like ``1T`` is ``1G``.
    """
    match = _QUANTITY.fullmatch(text)
    suffix = (match[2] if match else None) or ""
    family = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei") if suffix.endswith("i") else ("", "k", "M", "G", "T", "P", "E")
    fitting = family[: family.index(suffix) + 1 if suffix in family else 1]
    unit = next((unit for unit in reversed(fitting) if amount >= _SUFFIX[unit]), "")
    return f"{round(float(Decimal(amount) / _SUFFIX[unit]), 1):.12g}{unit}"


def parse_resources(text: str) -> dict[str, str]:
    """Return the resource map of ``name=quantity`` pieces; spaces around them do not matter.

    Quantities stay as written (``1024M`` is not turned into ``1.024G``). Raises ValueError naming the piece that
    cannot be read, or that no program could run with: nothing is dropped in silence.
    """
    return dict(_parsed(text))


@lru_cache(maxsize=64)  # of one experiment it is asked a dozen times
def _parsed(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for piece in text.split(",") if text.strip() else ():
        name, equals, amount = (part.strip() for part in piece.partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"'{piece.strip()[:80]}' is not of the form name=quantity")
        _check_name(name)
        if name in found:
            raise ValueError(f"'{name}' is given twice")
        _check_amount(name, amount, piece.strip()[:80])
        found[name] = amount
    return tuple({name: found[name] for name in (*_FIRST, *found) if name in found}.items())


def _check_name(name: str) -> None:
    """Refuse a resource that no target knows: without a ``/`` there are four, with one it is a device."""
    if "/" in name or _STANDARD.fullmatch(name):
        return
    low = name.lower().replace("_", "-")
    meant = _MEANT.get(low) or next(iter(get_close_matches(low, ("cpu", "memory", "ephemeral-storage"), 1, 0.6)), None)
    if meant:
        raise ValueError(f"unknown resource '{name}', did you mean '{meant}'?")
    raise ValueError(f"unknown resource '{name}': use cpu, memory, or a device like nvidia.com/gpu")


def _check_amount(name: str, amount: str, piece: str) -> None:
    """Refuse what is no quantity, and amounts that no machine has and no program can live with."""
    try:
        value = quantity(amount)
    except ValueError:
        raise ValueError(f"'{piece}' is not a quantity{_advice(name, amount)}") from None
    if "/" in name and value % 1:
        raise ValueError(f"'{piece}' must be a whole number")
    if value > _MOST.get(name, _MOST_DEVICES if "/" in name else Decimal(2) ** 60):
        raise ValueError(f"'{piece}' is more than any machine has")
    if name == "cpu" and value < Decimal("0.001"):
        raise ValueError(f"'{piece}' is less than 1m, the minimum; leave cpu out if it does not matter")
    if name in ("memory", "ephemeral-storage") and value < _LEAST_BYTES:
        raise ValueError(f"'{piece}' is {_little(name, amount, value)}")
    page = _STANDARD.fullmatch(name)
    if page and page[1] and (not value or value % quantity(page[1])):
        raise ValueError(f"'{piece}' is not a multiple of {page[1]}: write {name}={page[1]} or a multiple of it")


def _little(name: str, amount: str, value: Decimal) -> str:
    number = Decimal(_QUANTITY.sub(r"\1", amount).rstrip(".") or 0)
    if not number:
        return f"none at all; leave {name} out for no limit"
    size = "a fraction of a byte each (m is a thousandth)" if amount.endswith(("m", "u", "n")) else f"{value:,f} bytes"
    return f"{size}, too little for any program: did you mean {number:f}M or {number:f}Mi?"


def _advice(name: str, amount: str) -> str:
    """Return what to write instead of an amount, as far as it can be guessed."""
    if "=" in amount:
        first, _, rest = amount.partition(" ")
        return f"; put a comma between resources: {name}={first},{rest.strip()}"[:160] if rest else ""
    match = _WRITTEN.fullmatch(amount)
    if match is None:
        return ""
    number, unit = match.groups()
    if name == "cpu":
        return (
            f"; write {name}={number}"
            if _MEANT.get(unit.lower()) == "cpu" or unit.lower() in ("", "cpu", "cpus", "c")
            else ""
        )
    if unit.lower() in ("", "b", "byte", "bytes"):
        return f"; write {name}={number}"
    size = _BYTES.fullmatch(unit)
    if size is None:
        return ""
    letter = size[1].upper()
    decimal, binary = ("k" if letter == "K" else letter), f"{letter}i"
    sizes = {suffix: Decimal(number) * _SUFFIX[suffix] for suffix in (decimal, binary)}
    return "; write " + " or ".join(f"{number}{suffix} ({size:,.0f} bytes)" for suffix, size in sizes.items())
