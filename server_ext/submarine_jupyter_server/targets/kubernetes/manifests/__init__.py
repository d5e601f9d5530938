"""From an experiment to Kubernetes objects: pure functions, one module per kind of object.

``choose`` names the kind, ``render`` makes the objects: the first is the experiment's own, ``owned`` makes it the owner
of the rest once the cluster has given its uid, and ``is_same`` judges what has the name of one of these already.
``check`` refuses what cannot change while it runs, ``changes`` makes the patches for what can, ``time_to_live`` the one
for what has ended. ``refuse`` says before any of that what can never run. What is found on a cluster is judged by
`seal`, and read by `record`.
"""

from .draft import ClusterOptions, Json, Kind
from .kinds import KINDS, OWN_KINDS, choose, refuse, render
from .lifetime import time_to_live
from .owned import is_same, owned
from .scaling import Patch, changes, check

__all__ = [
    "KINDS",
    "OWN_KINDS",
    "ClusterOptions",
    "Json",
    "Kind",
    "Patch",
    "changes",
    "check",
    "choose",
    "is_same",
    "owned",
    "refuse",
    "render",
    "time_to_live",
]
