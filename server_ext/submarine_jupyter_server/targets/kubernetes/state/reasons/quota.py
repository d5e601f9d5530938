"""Why a queue of Kueue gives no quota, by reason and message of the condition ``QuotaReserved``.

By default Kueue says Pending or Inadmissible, and only the message says more; with its feature gate
UnadmittedWorkloadsObservability the reason says it. Versions before 0.19 word some messages in other ways.
"""

from __future__ import annotations

import re
from decimal import Decimal

from submarine_jupyter.spec.resources import in_unit_of, quantity
from submarine_jupyter_server.targets.kubernetes.state.views import Condition

from .trouble import Rank, Trouble, cut

_ABSENT = r"(?:doesn't exist|not found|is terminating or missing)"
_STOPPED = r"is (?:stopped|inactive)"
# What the message says, its own words among it; the first that matches counts.
_SAID = [
    (rf"LocalQueue \S+ {_ABSENT}", Rank.NEVER, "NoQueue", "there is no queue '{name}' in this namespace"),
    (
        rf"ClusterQueue (?P<one>\S+) {_ABSENT}",
        Rank.NEVER,
        "NoQueue",
        "{queue} leads nowhere: its ClusterQueue '{one}' does not exist",
    ),
    (
        rf"LocalQueue \S+ {_STOPPED}",
        Rank.BLOCKED,
        "QueueStopped",
        "an administrator has stopped {queue}: it waits until that is over",
    ),
    (
        r"ClusterQueue (?P<one>\S+) is stopped",
        Rank.BLOCKED,
        "QueueStopped",
        "an administrator has stopped '{one}', the ClusterQueue of {queue}: it waits until that is over",
    ),
    (
        r"ClusterQueue (?P<one>\S+) is inactive",
        Rank.BLOCKED,
        "QueueStopped",
        "'{one}', the ClusterQueue of {queue}, is stopped or set up only in part: it waits until that is over",
    ),
    (r"workload is deactivated", Rank.NEVER, "Deactivated", "an administrator has taken it out of {queue}"),
    (r"namespace doesn't match", Rank.NEVER, "NoQueue", "{queue} takes nothing from this namespace"),
    (
        r"resource (?P<one>\S+) unavailable in ClusterQueue",
        Rank.NEVER,
        "QueueTooSmall",
        "it asks for {one}, and {queue} has none at all",
    ),
]
# What only the reason says; the message follows.
_MEANT = {
    "Misconfigured": (Rank.NEVER, "NoQueue", "{queue} cannot take it"),
    "Suspended": (Rank.BLOCKED, "QueueStopped", "{queue} takes nothing now"),
    "Inadmissible": (Rank.NEVER, "NoQueue", "{queue} cannot take it"),
    "ExceedsMaxQuota": (Rank.NEVER, "QueueTooSmall", "it asks for more than {queue} ever has"),
    "NoMatchingFlavor": (Rank.NEVER, "QueueUnfit", "{queue} has no machines of the kind that it asks for"),
}
_MORE = re.compile(
    r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>\S+), previously considered podsets requests "
    r"\((?P<before>\S+)\) \+ current podset request \((?P<asked>\S+)\) > maximum capacity \((?P<most>\S+)\)"
)
_MISSING = re.compile(r"insufficient unused quota for (\S+) in flavor (\S+), (\S+) more needed")
_UNFIT = re.compile(r"untolerated taint .*? in flavor (\S+?)(?=[,;.]|$)|flavor (\S+) doesn't match node affinity")
_MAKES_ROOM = re.compile(r"Pending the preemption of (\d+) workload")
_UID = re.compile(r"\s*\([^()]*UID[^()]*\)|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def why_not(reserved: Condition, name: str) -> Trouble | None:
    """Return why it gets no quota before somebody changes something; None if it only waits for its turn."""
    queue = f"the queue '{name}'"
    for pattern, rank, word, how in _SAID:
        if said := re.search(pattern, reserved.message):
            parts = {part: cut(text, 80) for part, text in said.groupdict().items()}
            return Trouble(rank, word, how.format(queue=queue, name=name, **parts))
    if found := _too_much(reserved.message):
        asked, most = found
        return Trouble(Rank.NEVER, "QueueTooSmall", f"it asks for {asked}, and {queue} never has more than {most}")
    if reserved.reason in _MEANT or (reserved.reason == "Pending" and _no_machines(reserved.message)):
        rank, word, how = _MEANT.get(reserved.reason, _MEANT["NoMatchingFlavor"])
        more = f": {cut(plain(reserved.message))}" if reserved.message else ""
        return Trouble(rank, word, f"{how.format(queue=queue)}{more}")
    return None


def what_is_missing(reserved: Condition) -> str:
    """Return what it waits for, as the end of a sentence; nothing where that is not known."""
    message = reserved.message
    if found := _MAKES_ROOM.search(message):
        return f": {found[1]} of lower priority make{'s' if found[1] == '1' else ''} room for it"
    if found := _MISSING.search(message):
        return f": {found[3]} {cut(found[1], 80)} more has to become free"
    return f": {cut(plain(message))}" if message else ""


def plain(text: str) -> str:
    """Return a text without the uids in it: they say nothing to a person."""
    return _UID.sub("", text)


def _too_much(message: str) -> tuple[str, str] | None:
    """Return what is asked for and the most there is, of the first pods that fit nowhere; None if all may fit."""
    for pods in message.split("couldn't assign flavors to pod set "):
        found = list(_MORE.finditer(pods))
        possible = {missing[2] for missing in _MISSING.finditer(pods)} - {more["flavor"] for more in found}
        if found and not possible:
            best = max((more for more in found if more["resource"] == found[0]["resource"]), key=_most)
            return f"{_sum(best['before'], best['asked'])} {cut(best['resource'], 80)}", best["most"]
    return None


def _no_machines(message: str) -> bool:
    """Return whether pods fit no machines of the queue, whatever becomes free."""
    pods = message.split("couldn't assign flavors to pod set ")
    return any(_UNFIT.search(one) and not _MISSING.search(one) for one in pods)


def _most(more: re.Match[str]) -> Decimal:
    return _amount(more["most"]) or Decimal(0)


def _sum(one: str, other: str) -> str:
    first, second = _amount(one), _amount(other)
    if first is None or second is None:
        return cut(f"{one} + {other}", 80)
    return in_unit_of(other, first + second)


def _amount(text: str) -> Decimal | None:
    try:
        return quantity(text)
    except ValueError:
        return None
