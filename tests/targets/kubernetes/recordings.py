"""Objects as a real cluster gave them, trimmed to what somebody reads."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.own_record import record
from submarine_jupyter_server.targets.kubernetes.state import projection
from submarine_jupyter_server.targets.kubernetes.state.snapshot import Snapshot
from submarine_jupyter_server.targets.kubernetes.state.status import observe
from submarine_jupyter_server.targets.protocol import Observation

Json = dict[str, Any]

FOLDER = Path(__file__).with_name("recorded")
ID = "experiment-1647574374688-0002"
NAMESPACE = "team"
_MOST_EVENTS = 40
_DROP = frozenset(
    re.split(
        r"\s+",
        """
        managedFields resourceVersion selfLink containerID imageID hostIP hostIPs podIP podIPs volumes volumeMounts
        tolerations source reportingInstance allocatedResources user env command template ownerReferences finalizers
        uncountedTerminatedPods terminationMessagePath terminationMessagePolicy schedulerName affinity dnsPolicy
        securityContext selector ports qosClass enableServiceLinks automountServiceAccountToken preemptionPolicy
        observedGeneration lastProbeTime serviceAccount serviceAccountName imagePullPolicy action related workingDir
        resourceClaims hostname subdomain nodeSelector network successPolicy podReplacementPolicy
    """.strip(),
    )
)


@dataclass(frozen=True)
class Recording:
    """The own object, other Jobs, pods, the last sight of pods that are gone, events; all as JSON."""

    own: Json
    jobs: list[Json]
    pods: list[Json]
    gone: list[Json]
    events: list[Json]

    @classmethod
    def load(cls, name: str) -> Recording:
        """Return the recording of a situation."""
        return cls(**json.loads((FOLDER / f"{name}.json").read_text()))

    def snapshot(self) -> Snapshot:
        """Return it as the target sees it."""
        gone = [replace(projection.pod(item), gone=True) for item in self.gone]
        jobs = []
        for item in self.jobs:
            try:
                jobs.append(projection.job(item))
            except ValueError:
                continue
        own = projection.job(self.own)
        return Snapshot(
            # What was recorded named no namespace.
            record(self.own["metadata"]["annotations"], replace(own.ref, namespace="default"), ID),
            own,
            tuple(jobs),
            (*gone, *map(projection.pod, self.pods)),
            tuple(map(projection.event, self.events)),
        )

    def observe(self, kind: str, *, now_ms: int | None = None) -> Observation:
        """Return what the status is; by default a minute after it was made."""
        seen = self.snapshot()
        assert seen.own is not None
        return observe(seen, kind=KINDS[kind], now_ms=now_ms or seen.own.created_ms + 60_000)


def trimmed(recording: Recording, experiment_id: str, namespace: str) -> Json:
    """Return it without what nobody reads, and with the names of the documentation."""
    recording = replace(recording, events=recording.events[-_MOST_EVENTS:])
    text = json.dumps(_without(copy.deepcopy(asdict(recording))))
    fields: Json = json.loads(text.replace(experiment_id, ID).replace(namespace, NAMESPACE))
    return fields


def write(name: str, fields: Json) -> None:
    """Store a recording, one object a line."""
    parts = [f'"own": {json.dumps(fields["own"])}']
    for part in ("jobs", "pods", "gone", "events"):
        lines = ",\n".join(json.dumps(item) for item in fields[part])
        parts.append(f'"{part}": [\n{lines}\n]')
    (FOLDER / f"{name}.json").write_text("{" + ",\n".join(parts) + "}\n")


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in _DROP}
    return [_without(item) for item in value] if isinstance(value, list) else value
