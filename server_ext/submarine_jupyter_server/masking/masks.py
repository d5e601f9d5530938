"""Hide secret values in what is answered, and find them again in what is sent back.

A spec is masked once, when it is stored: the masked text is all that lists and answers ever read. A client that sends
the mask back (a PATCH with the spec of a GET, a clone) means "unchanged". Whoever gives a ``source`` to ``restore``
hands out its secrets: it must belong to the one who asks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.masking.sensitive import MASK, hide, is_secret

__all__ = ["MASK", "conceal", "mask", "restore"]
Spec = dict[str, Any]
_Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Secret:
    """One text of a spec that is, or holds, a secret; ``masked`` is how its value is shown."""

    place: _Place
    holder: Any
    key: str | int
    masked: Callable[[str], str]

    @property
    def value(self) -> str:
        return str(self.holder[self.key])


def mask(spec: Spec) -> Spec:
    """Return a copy of a spec in wire form in which every secret value is ``******``."""
    shown = copy.deepcopy(spec)
    conceal(shown)
    return shown


def conceal(spec: Spec) -> None:
    """Make every secret value of a spec in wire form ``******``, in the very dict that is given."""
    for secret in _secrets(spec):
        secret.holder[secret.key] = secret.masked(secret.value)


def restore(spec: Spec, source: Spec | None) -> Spec:
    """Return ``spec`` if it has no mask, else a copy in which each is the value that ``source`` has at the same place.

    Raises InvalidSpec naming the places for which there is no value.
    """
    if not any(MASK in secret.value for secret in _secrets(spec)):
        return spec
    known = {secret.place: secret for secret in _secrets(source)} if source else {}
    restored, missing = copy.deepcopy(spec), []
    for secret in _secrets(restored):
        if MASK not in secret.value:
            continue
        before = known.get(secret.place)
        if before is not None and secret.value in (MASK, before.masked(before.value)):
            secret.holder[secret.key] = before.value
        else:
            missing.append(f"{'.'.join(secret.place)}: is the mask {MASK}, not a value: give the secret itself")
    if missing:
        raise InvalidSpec(missing)
    return restored


def _secrets(spec: Spec) -> Iterator[_Secret]:
    """Yield every text of a spec in wire form that is to be masked, or is a mask."""
    runtime = spec.get("runtime") or {}
    maps: list[tuple[_Place, Spec, bool]] = [(("meta", "envVars"), spec["meta"]["envVars"], False)]
    maps += [(("spec", role, "envVars"), task["envVars"] or {}, False) for role, task in spec["spec"].items()]
    maps.append((("runtime", "secrets"), runtime.get("secrets") or {}, True))
    for place, holder, every in maps:
        for key, value in holder.items():
            if every or value == MASK or is_secret(key, value):
                yield _Secret((*place, key), holder, key, lambda _: MASK)
    git = (spec.get("code") or {}).get("git") or {}
    if git.get("password"):
        yield _Secret(("code", "git", "password"), git, "password", lambda _: MASK)
    for place, holder, text_key in _texts(spec, git):
        text = holder[text_key]
        if text and (MASK in text or hide(text) != text):
            yield _Secret(place, holder, text_key, hide)


def _texts(spec: Spec, git: Spec) -> Iterator[tuple[_Place, Any, str | int]]:
    """Yield the texts that are shown but for the credentials within them."""
    yield ("meta", "cmd"), spec["meta"], "cmd"
    for role, task in spec["spec"].items():
        yield ("spec", role, "cmd"), task, "cmd"
    if git:
        yield ("code", "git", "url"), git, "url"
    kernel = spec["environment"].get("kernelSpec") or {}
    for name in ("channels", "condaDependencies", "pipDependencies"):
        for i, _ in enumerate(kernel.get(name) or ()):
            yield ("environment", "kernelSpec", name, str(i)), kernel[name], i
