"""What a pod takes of its node, as the scheduler counts it.

https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache

from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

Amounts = dict[str, Decimal]
"""Resource -> amount in cores, bytes or pieces."""
_NONE = Decimal(0)


def requests_of(pod: Json) -> Amounts:
    """Return what a pod reserves: cpu, memory and GPUs."""
    spec = pod.get("spec") or {}
    running = total(_requests(container) for container in spec.get("containers") or ())
    starting: Amounts = {}
    helpers: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _requests(container)
        if container.get("restartPolicy") == "Always":  # it goes on beside those that follow
            helpers = total((helpers, own))
            own = helpers
        else:
            own = total((helpers, own))
        starting = _most(starting, own)
    found = _most(total((running, helpers)), starting)
    # What is asked for the pod as a whole counts instead, where there is such.
    return total((found | _requests(spec), amounts(spec.get("overhead"))))


def amounts(quantities: Mapping[str, str] | None) -> Amounts:
    """Return the cpu, memory and GPUs in a resource list; nothing else is read."""
    return {
        name: amount_of(text) for name, text in (quantities or {}).items() if name in ("cpu", "memory") or is_gpu(name)
    }


def is_gpu(resource: str) -> bool:
    """Return whether a resource is a GPU or a part of one: ``nvidia.com/gpu``, ``nvidia.com/mig-1g.5gb``."""
    _, slash, name = resource.partition("/")
    return bool(slash) and (name == "gpu" or name.startswith("mig-"))


def total(each: Iterable[Amounts]) -> Amounts:
    """Return the sum of amounts."""
    found: Amounts = {}
    for item in each:
        for name, amount in item.items():
            found[name] = found.get(name, _NONE) + amount
    return found


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, _NONE), other.get(name, _NONE)) for name in {**one, **other}}


def _requests(item: Json) -> Amounts:
    return amounts((item.get("resources") or {}).get("requests"))


@lru_cache(maxsize=4096)
def amount_of(text: str) -> Decimal:
    """Return a quantity; of what is none, nothing."""
    try:
        return quantity(text)
    except ValueError:
        return _NONE  # not worth failing for: it is somebody else's object
