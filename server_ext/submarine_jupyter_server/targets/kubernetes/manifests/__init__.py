"""From an experiment to Kubernetes objects: pure functions, one module per kind of object.

``choose`` names the kind, ``render`` makes the objects: the first is the experiment's own, ``owned`` makes it the owner
of the rest once the cluster has given its uid, and ``is_same`` judges what has the name of one of these already.
``check`` refuses what cannot change while it runs, ``changes`` makes the patches for what can, ``time_to_live`` the one
for what has ended. ``refuse`` says before any of that what can never run. What is found on a cluster is judged by
``recognition``.

    kinds/        one module per kind of object
    pod/          what every pod has, whatever kind of object makes it
    recognition/  what we write on objects to know them again
    checks        What Kubernetes takes as a name, a label, a resource, an image
    choice        Which kind an experiment becomes, what is refused, and the objects
    draft         What every part of a manifest is made from
    kind          What a kind of object is: all that the rest of this target has to know of it
    lifetime      When the cluster removes an experiment that has ended: said only once its end is stored here
    registry      All kinds of object that an experiment can become
    scaling       Change what runs: the patches a kind allows for another number of workers
    signatures    Signatures of texts with the server's key: HMAC-SHA256 (RFC 2104)
    sizes         How large objects become on the cluster: what is too large for its store can never run
"""

from .choice import choose, refuse, render
from .draft import ClusterOptions
from .kind import Kind
from .lifetime import time_to_live
from .recognition.owned import is_same, owned
from .registry import KINDS, OWN_KINDS
from .scaling import Patch, Rendered, changes, check

__all__ = [
    "KINDS",
    "OWN_KINDS",
    "ClusterOptions",
    "Kind",
    "Patch",
    "Rendered",
    "changes",
    "check",
    "choose",
    "is_same",
    "owned",
    "refuse",
    "render",
    "time_to_live",
]
