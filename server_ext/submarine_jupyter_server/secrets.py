"""Hide secret values in what is answered, and find them again in what is sent back.

A spec is masked once, when it is stored: the masked text is all that lists and answers ever read. A client that sends
the mask back (a PATCH with the spec of a GET, a clone) means "unchanged".
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from submarine_jupyter.errors import InvalidSpec

MASK = "******"
_SECRET = re.compile(
    r"(?i)token|secret|passw|credential|(api|access|private|auth|account|encryption)_?key|(^|_)(key|auth)$"
)

Spec = dict[str, Any]
_Place = tuple[str, ...]


def mask(spec: Spec) -> Spec:
    """Return a copy of a spec in wire form in which every secret value is ``******``."""
    masked = copy.deepcopy(spec)
    for place, holder, key in _secrets(masked):
        holder[key] = _mask_url(holder[key]) if place[-1] == "url" else MASK
    return masked


def restore(spec: Spec, source: Spec | None) -> Spec:
    """Return a copy of ``spec`` with each mask replaced by the value that ``source`` has at the same place.

    Raises InvalidSpec naming the places for which there is no value.
    """
    known = {place: holder[key] for place, holder, key in _secrets(source)} if source else {}
    restored, missing = copy.deepcopy(spec), []
    for place, holder, key in _secrets(restored):
        if MASK not in str(holder[key]):
            continue
        if place in known and (holder[key] == MASK or holder[key] == _mask_url(known[place])):
            holder[key] = known[place]
        else:
            missing.append(f"{'.'.join(place)}: is the mask {MASK}, not a value: give the secret itself")
    if missing:
        raise InvalidSpec(missing)
    return restored


def _secrets(spec: Spec) -> Iterator[tuple[_Place, Spec, str]]:
    """Yield (place, holder, key) of every secret value of a spec in wire form."""
    maps: list[tuple[_Place, Spec, bool]] = [(("meta", "envVars"), spec["meta"]["envVars"], False)]
    for role, task in spec["spec"].items():
        maps.append((("spec", role, "envVars"), task["envVars"] or {}, False))
    maps.append((("runtime", "secrets"), (spec.get("runtime") or {}).get("secrets") or {}, True))
    for place, holder, every in maps:
        for key, value in list(holder.items()):
            if every or _SECRET.search(key) or value == MASK:
                yield (*place, key), holder, key
    git = (spec.get("code") or {}).get("git") or {}
    if git.get("password"):
        yield ("code", "git", "password"), git, "password"
    if "@" in (git.get("url") or "") and urlsplit(git["url"]).password:
        yield ("code", "git", "url"), git, "url"


def _mask_url(url: str) -> str:
    password = urlsplit(url).password if "://" in url else None
    return url.replace(f":{password}@", f":{MASK}@", 1) if password else url
