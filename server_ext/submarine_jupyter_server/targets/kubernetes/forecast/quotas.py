"""Whether the quotas of a namespace have room for the pods of an experiment.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from submarine_jupyter_server.targets.kubernetes.capacity.pod_requests import Amounts, amount_of
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.kubernetes.state.reasons.creation import over_quota
from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import Rank, cut
from submarine_jupyter_server.targets.protocol import Forecast, Verdict

from .pods import PodSet, written

_COMPUTE = ("cpu", "memory", "ephemeral-storage")


def under(quotas: Sequence[Json], pods: Sequence[PodSet]) -> Iterator[Forecast]:
    """Yield what keeps pods from being made under each quota, as far as one does."""
    for quota in quotas:
        name, spec, status = quota["metadata"]["name"], quota.get("spec") or {}, quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        asked: dict[str, str] = {}
        for what, limit in hard.items():
            _, resource = _parts(what)
            amount = _asked(what, pods)
            if amount is None:
                yield Forecast(None, f"under the quota '{cut(name, 60)}' each pod has to say its {resource}")
            elif amount and amount + amount_of(used.get(what, "0")) > amount_of(limit):
                asked[what] = written(resource, amount)
        if not asked:
            continue
        rank, why = over_quota(name, asked, used, hard)
        if spec.get("scopes") or spec.get("scopeSelector"):
            yield Forecast(None, f"{why}, if that quota applies to it")
        else:
            yield Forecast(Verdict.NEVER if rank is Rank.NEVER else Verdict.WAITS, why)


def _asked(what: str, pods: Sequence[PodSet]) -> Decimal | None:
    """Return how much of a quota's resource all pods take; None where one of them has to say that, and does not."""
    if what in ("pods", "count/pods"):
        return Decimal(sum(each.count for each in pods))
    kind, name = _parts(what)
    if kind not in ("requests", "limits"):
        return Decimal(0)
    every: list[Amounts] = [each.limits if kind == "limits" else each.requests for each in pods]
    if name in _COMPUTE[:2] and not all(name in each for each in every):
        return None
    return sum((of.get(name, Decimal(0)) * each.count for of, each in zip(every, pods, strict=True)), Decimal(0))


def _parts(what: str) -> tuple[str, str]:
    """Return ``requests`` or ``limits``, and of which resource; a quota of anything else is of no kind."""
    kind, dot, name = what.partition(".")
    return (kind, name) if dot and kind in ("requests", "limits") else ("requests" if what in _COMPUTE else "", what)
