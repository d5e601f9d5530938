"""The wire format of the Experiment REST API.

Fields stand in the order of the answers, in snake_case here and camelCase on the wire. Input is strict: what is not
known is refused with its path; what only the server sets (ids, times, ``resourceMap``) may be sent back and is ignored,
so that the spec of a GET is a valid body for PATCH and POST.

    answers  What the server answers
    base     What all models of the wire format have in common
    runtime  Where and how to run: the optional block ``runtime``
    spec     An experiment as a person describes it
"""

from submarine_jupyter.vocabulary import Status

from .answers import Experiment, ExperimentLog, PodLog
from .base import WireModel
from .runtime import RuntimeSpec, Toleration, Volume
from .spec import (
    MAX_REPLICAS,
    CodeSpec,
    EnvironmentSpec,
    ExperimentMeta,
    ExperimentSpec,
    GitCode,
    KernelSpec,
    TaskSpec,
)

__all__ = [
    "MAX_REPLICAS",
    "CodeSpec",
    "EnvironmentSpec",
    "Experiment",
    "ExperimentLog",
    "ExperimentMeta",
    "ExperimentSpec",
    "GitCode",
    "KernelSpec",
    "PodLog",
    "RuntimeSpec",
    "Status",
    "TaskSpec",
    "Toleration",
    "Volume",
    "WireModel",
]
