"""What is told of a long message is where it is wrong, and what."""

from __future__ import annotations

import json

import pytest

from submarine_jupyter_server.targets.kubernetes.state.reasons.shortening import shortened

POD = json.dumps({"metadata": {"labels": {f"label-{number}": "x" * 40 for number in range(40)}}})
RUNTIME = (
    f'spec.RuntimeRef: Invalid value: {POD}: ClusterTrainingRuntime.trainer.kubeflow.org "no-such" not found:'
    " specified clusterTrainingRuntime must be created before the TrainJob is created"
)
# Kubernetes' own message, whole; what is left of it in 140 characters.
MESSAGES = {
    "only at night": "only at night",
    RUNTIME: (
        'spec.RuntimeRef: Invalid value: …: ClusterTra … " not found: specified clusterTrainingRuntime must be created'
        " before the TrainJob is created"
    ),
    f"spec.template: Invalid value: core.PodTemplateSpec{POD}: field is immutable": (
        "spec.template: Invalid value: …: field is immutable"
    ),
    'Job.batch "experiment-1-0001" is invalid: spec.completionMode: Invalid value: "Indexed": field is immutable': (
        'spec.completionMode: Invalid value: "Indexed": field is immutable'
    ),
    'Job.batch "j" is invalid: [spec.parallelism: Invalid value: -2: must be greater than or equal to 0,'
    " spec.completions: Invalid value: -1: must be greater than or equal to 0, spec.completions: Invalid value: -1:"
    " must be greater than or equal to 0, spec.completions: Invalid value: -1: field is immutable]": (
        "spec.parallelism: Invalid value: -2: must be greater than or equal to 0; and 2 more"
    ),
    f'metadata.name: Invalid value: "{"x" * 300}": must be no more than 63 characters': (
        f'metadata.name: Invalid value: "{"x" * 28}…": must be no more than 63 characters'
    ),
    "first line\nsecond\x1b[31m line": "first line second [31m line",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_the_place_and_the_fault_stay(message: str) -> None:
    found = shortened(message, 140)
    assert found == MESSAGES[message]


@pytest.mark.parametrize("longest", [40, 140, 400])
@pytest.mark.parametrize("piece", ["value: {", "value: [", 'value: "', ", a: Invalid", "x", "[", "\n"])
def test_nothing_is_too_long(longest: int, piece: str) -> None:
    assert len(shortened(piece * 300_000, longest)) <= longest


def test_the_end_of_a_long_sentence_is_told() -> None:
    message = f"{'because of this and that, ' * 30}it has to be smaller"
    assert shortened(message, 100).endswith("it has to be smaller")
    assert shortened(message, 100).startswith("because of this")
