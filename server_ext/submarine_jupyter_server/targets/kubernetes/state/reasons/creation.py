"""Why the cluster does not let the pods of an experiment be made, from the events of their Jobs.

Quotas, limits, security standards, policies, webhooks: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

import re

from submarine_jupyter.spec.resources import quantity
from submarine_jupyter_server.targets.kubernetes.state.snapshot import AttemptView
from submarine_jupyter_server.targets.kubernetes.state.views import EventView

from .shortening import shortened
from .trouble import Rank, Trouble, cut

_REFUSED = (
    "FailedCreate",
    "FailedCreatePod",
    "FailedCreateService",
    "JobCreationFailed",
    "HeadlessServiceCreationFailed",
)
_POD = re.compile(r'(?:pods|jobs\.batch|services) "([^"]{1,253})"')
_QUOTA = re.compile(r"exceeded quota: ([^,]{1,253}), requested: (.+?), used: (.+?), limited: (.+)", re.DOTALL)
_MUST = re.compile(r"failed quota: ([^:]{1,253}): must specify (.+)", re.DOTALL)
_STANDARD = re.compile(r'violates PodSecurity "([^":]{1,63})[^"]*": (.+)', re.DOTALL)
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']{1,253})'.*? denied request: (.+)", re.DOTALL)
_WEBHOOK = re.compile(r'admission webhook "([^"]{1,253})" denied the request:? ?(.*)', re.DOTALL)
_UNANSWERED = re.compile(r'failed calling webhook "([^"]{1,253})"')
_ACCOUNT = re.compile(r'serviceaccount "([^"]{1,253})" not found')
_PRIORITY = re.compile(r"no PriorityClass with name (\S{1,253}) was found")
_LIMITS = re.compile(r"((?:maximum|minimum) .+)", re.DOTALL)


def why_not_made(view: AttemptView) -> dict[str, Trouble]:
    """Return the trouble of each replica that has no pod, first that which the cluster speaks of."""
    missing = [member.name for member in view.members if view.misses(member)]
    refused = [event for event in view.made_by() if event.reason in _REFUSED]
    if not missing or not refused:
        return {}
    event = max(refused, key=lambda event: event.at_ms)
    spoken_of = _replica(event, view)
    missing.sort(key=lambda name: name != spoken_of)
    rank, reason, why = refusal(event.message)
    return {name: Trouble(rank, reason, f"{name} cannot be made: {why}") for name in missing}


def refusal(message: str, room: int = 140) -> tuple[Rank, str, str]:
    """Return what the API server means that does not take an object: how bad it is, a word, a sentence.

    ``room`` is how many characters of the words of others are kept.
    """
    if found := _QUOTA.search(message):
        rank, why = over_quota(found[1], *(_amounts(text) for text in found.groups()[1:]))
        return rank, "QuotaExceeded", why
    if found := _MUST.search(message):
        what = cut(re.sub(r" for: .*| |requests\.|limits\.", "", found[2]).replace(",", " and "), 80)
        return (
            Rank.NEVER,
            "QuotaExceeded",
            f"under the quota '{cut(found[1], 60)}' it needs {what}: add it to resources",
        )
    if found := _STANDARD.search(message):
        why = f"the namespace's security standard '{found[1]}' does not allow it: {cut(found[2], 160)}"
        return Rank.NEVER, "Denied", why
    if found := _POLICY.search(message) or _WEBHOOK.search(message):
        why = shortened(found[2], room) or "it does not say why"
        return Rank.NEVER, "Denied", f"the policy '{cut(found[1], 80)}' of the cluster denies it: {why}"
    if found := _UNANSWERED.search(message):
        why = f"the cluster's webhook '{cut(found[1], 80)}' does not answer: check that its operator runs"
        return Rank.BLOCKED, "WebhookUnavailable", why
    if found := _ACCOUNT.search(message):
        return Rank.NEVER, "Denied", f"there is no service account '{found[1]}' (runtime.serviceAccount)"
    if found := _PRIORITY.search(message):
        return Rank.NEVER, "Denied", f"the cluster has no priority '{found[1]}' (runtime.priority)"
    text = message.partition("is forbidden: ")[2] or message.removeprefix("Error creating: ")
    if found := _LIMITS.search(text):
        return Rank.NEVER, "LimitExceeded", f"the namespace has limits: {cut(found[1].rstrip(']'))}"
    return Rank.BLOCKED, "CreationFailed", shortened(text, max(room, 220)) or "the cluster does not say why"


def over_quota(name: str, asked: dict[str, str], used: dict[str, str], limits: dict[str, str]) -> tuple[Rank, str]:
    """Return how bad it is that a quota has not what is ``asked``, resource -> amount, and a sentence."""
    never = [what for what, amount in asked.items() if _exceeds(amount, limits.get(what, ""))]
    if never:
        parts = [f"{cut(what, 60)}: {asked[what]} of {limits[what]}" for what in never[:2]]
        return (
            Rank.NEVER,
            f"it asks for more than the quota '{cut(name, 60)}' of the namespace has ({', '.join(parts)})",
        )
    parts = [
        f"{cut(what, 60)}: {used.get(what, '?')} of {limits.get(what, '?')} used, it asks for {amount}"
        for what, amount in list(asked.items())[:2]
    ]
    return Rank.BLOCKED, f"the quota '{cut(name, 60)}' of the namespace is used up ({', '.join(parts)})"


def _exceeds(amount: str, limit: str) -> bool:
    try:
        return quantity(amount) > quantity(limit)
    except ValueError:
        return False


def _amounts(text: str) -> dict[str, str]:
    return {what: cut(amount, 30) for what, _, amount in (part.strip().partition("=") for part in text.split(","))}


def _replica(event: EventView, view: AttemptView) -> str:
    """Return the replica an event is about: its pod is named after it, with more behind it in a Job's."""
    named = _POD.search(event.message)
    rest = (named[1] if named else event.object_name).removeprefix(f"{view.launch.experiment_id}-")
    for member in view.members:
        inner = f"{member.role.lower()}-0-{member.index}-"  # in a JobSet the number of the Job comes between
        if rest == member.name or rest.startswith((f"{member.name}-", inner)):
            return member.name
    role = rest.partition("-")[0]
    return next((member.name for member in view.members if member.role.lower() == role), "")
