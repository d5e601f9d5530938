"""Why no node takes a replica, from what the scheduler says.

``0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. preemption: 0/4 nodes ...``:
https://github.com/kubernetes/kubernetes/blob/master/pkg/scheduler/framework/types.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .trouble import cut

_NODES = re.compile(r"0/(\d{1,6}) nodes are available: ?")
# What could be done about it by pushing others aside is not what a person asks.
_ASIDE = re.compile(r"\.? (?:preemption: |no new claims to deallocate|Preemption is not helpful)")
_COUNTED = re.compile(r"(\d{1,6}) (.+)", re.DOTALL)
_CLAIM = re.compile(r'persistentvolumeclaim "([^"]{1,253})" (not found|is being deleted)')
_TAINT = re.compile(r"untolerated taint \{([^:}]{1,300})")
_LACK = "Insufficient "
_SELECTOR = "node(s) didn't match Pod's node affinity/selector"
_WORDS = {
    _SELECTOR: "not meant for it",
    "node(s) had untolerated taint": "reserved for others (by a taint)",
    "node(s) had taints that the pod didn't tolerate": "reserved for others (by a taint)",
    "node(s) were unschedulable": "closed for new work",
    "node(s) were not ready": "not ready",
    "Too many pods": "full: no more pods fit",
    "node(s) didn't match PersistentVolume's node affinity": "too far from the volume",
    "node(s) had volume node affinity conflict": "too far from the volume",
    "node(s) had no available volume zone": "too far from the volume",
    "node(s) didn't find available persistent volumes to bind": "without storage for the volume claim",
    "node(s) did not have enough free storage": "without enough storage for the volume claim",
    "node(s) exceed max volume count": "full: no more volumes fit",
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod": "cut off: another pod has the volume",
}


def why_no_node(message: str, asked: Mapping[str, str], selector: Mapping[str, str] | None) -> str:
    """Return the rest of the sentence ``worker-0 cannot be scheduled: ...``.

    ``asked`` is what the replica asks for, ``selector`` the experiment's ``runtime.nodeSelector``.
    """
    text = _ASIDE.split(message[:2000], maxsplit=1)[0].strip().rstrip(".")
    if claim := _CLAIM.search(text):
        return f"the volume claim '{claim[1]}' {'does not exist' if claim[2] == 'not found' else claim[2]}"
    if "unbound immediate PersistentVolumeClaims" in text:
        return "its volume claim has no storage yet"
    if text.startswith("no nodes available"):
        return "the cluster has no nodes"
    found = _NODES.match(text)
    pieces = [_COUNTED.fullmatch(piece) for piece in re.split(r", (?=\d)", text[found.end() :])] if found else []
    counted = [(int(piece[1]), piece[2]) for piece in pieces if piece]
    if found is None or not counted or len(counted) < len(pieces):
        return cut(text) or "the cluster does not say why"
    nodes = int(found[1])
    if len(counted) == 1 and counted[0][0] == nodes and counted[0][1].startswith(_LACK):
        return f"0/{nodes} nodes have {_amount(counted[0][1].removeprefix(_LACK), asked)} free"
    counted.sort(key=lambda part: -part[0])
    parts = [f"{number} {_part(why, asked, selector or {})}" for number, why in counted]
    return f"0/{nodes} nodes fit: {', '.join(parts)}"


def _part(why: str, asked: Mapping[str, str], selector: Mapping[str, str]) -> str:
    if why.startswith(_LACK):
        return f"without {_amount(why.removeprefix(_LACK), asked)} free"
    if why.startswith(_SELECTOR) and selector:
        wanted = cut(",".join(f"{key}={value}" for key, value in selector.items()), 100)
        return f"not as runtime.nodeSelector wants them ({wanted})"
    if taint := _TAINT.search(why):
        return f"reserved for others (taint {cut(taint[1], 80)})"
    return next((words for start, words in _WORDS.items() if why.startswith(start)), cut(why, 100))


def _amount(resource: str, asked: Mapping[str, str]) -> str:
    amount = asked.get(resource)
    return f"{cut(resource, 80)}={amount}" if amount else cut(resource, 80)
