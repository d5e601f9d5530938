"""The wire format of the Experiment REST API.

Fields stand in the order of the answers, in snake_case here and camelCase on the wire. Input is strict: what is not
known is refused with its path; what only the server sets (ids, times, ``resourceMap``) may be sent back and is ignored,
so that the spec of a GET is a valid body for PATCH and POST.

    base             What all models of the wire format have in common
    experiment_spec  An experiment as a person describes it
    fields           The texts of a spec: what a system takes as a command, a variable, a file name, an address
    response         What the server answers
    runtime          Where and how to run: the optional block ``runtime``
"""

from submarine_jupyter.spec.vocabulary import Status

from .base import WireModel
from .experiment_spec import (
    MAX_REPLICAS,
    CodeSpec,
    EnvironmentSpec,
    ExperimentMeta,
    ExperimentSpec,
    GitCode,
    KernelSpec,
    TaskSpec,
)
from .response import Experiment, ExperimentLog, PodLog
from .runtime import RuntimeSpec, Toleration, Volume

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
