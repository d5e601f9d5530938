"""Everything that works on one cluster, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter_server.targets.protocol import Recall, Sink

from .absence import Absences
from .api.cluster import Cluster
from .api.object_calls import ObjectCalls
from .capacity import Capacity
from .disappearance import Disappearances
from .logs.pod_logs import PodLogs
from .manifests import ClusterOptions
from .orders.deadlines import Deadlines
from .orders.end import Endings
from .orders.ensure import Orders
from .orders.record_keeping import RecordKeeper
from .reporting import Reporter
from .settings import KubernetesSettings
from .state.experiment_state import ExperimentState
from .state.ownership import Ownership, Signature
from .watch.queue_places import QueuePlaces
from .watch.watches import Watches


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """Everything that works on one cluster."""

    cluster: Cluster
    watches: Watches
    orders: Orders
    reporter: Reporter
    capacity: Capacity
    logs: PodLogs
    disappearances: Disappearances
    deadlines: Deadlines
    endings: Endings
    records: RecordKeeper
    recall: Recall
    places: QueuePlaces


def build(
    cluster: Cluster,
    settings: KubernetesSettings,
    signature: Signature,
    options: ClusterOptions,
    served: frozenset[str],
    *,
    runs: Path,
    log_cap: int,
    sink: Sink,
    recall: Recall,
    touched: Callable[[ExperimentState], None],
) -> ClusterConnection:
    """Return what works on a cluster; ``touched`` is called with each experiment of which something has changed."""
    logs = PodLogs(cluster, runs, cap_bytes=log_cap, mode=settings.log_collection, limit=settings.log_streams)
    watches = Watches(cluster, Ownership(signature), touched=touched, appeared=logs.put_pod, gone=logs.gone)
    calls, absences = ObjectCalls(cluster), Absences(cluster)
    records = RecordKeeper(calls, watches.merge, options, signature)
    endings = Endings(calls, logs, watches.gone, records)
    reporter = Reporter(sink, logs, recall, endings.clean, absences.doomed)
    return ClusterConnection(
        cluster=cluster,
        watches=watches,
        orders=Orders(calls, watches, endings, records, options, served),
        reporter=reporter,
        capacity=Capacity(cluster, settings.namespaces or (cluster.namespace,), served),
        logs=logs,
        disappearances=Disappearances(calls, absences, watches, reporter, logs, recall),
        deadlines=Deadlines(calls),
        endings=endings,
        records=records,
        recall=recall,
        places=QueuePlaces(cluster, watches.experiments, touched),
    )
