"""Everything that works on one cluster, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter_server.targets.kubernetes.api.cluster import Cluster
from submarine_jupyter_server.targets.kubernetes.api.object_calls import ObjectCalls
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import Capacity
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions
from submarine_jupyter_server.targets.kubernetes.orders.deadlines import Deadlines
from submarine_jupyter_server.targets.kubernetes.orders.end import Endings
from submarine_jupyter_server.targets.kubernetes.orders.ensure import Orders
from submarine_jupyter_server.targets.kubernetes.orders.record_keeping import RecordKeeper
from submarine_jupyter_server.targets.kubernetes.reporting.absence import Absences
from submarine_jupyter_server.targets.kubernetes.reporting.disappearance import Disappearances
from submarine_jupyter_server.targets.kubernetes.reporting.reporter import Reporter
from submarine_jupyter_server.targets.kubernetes.settings import KubernetesSettings
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.ownership import Ownership, Signature
from submarine_jupyter_server.targets.kubernetes.watch.queue_places import QueuePlaces
from submarine_jupyter_server.targets.kubernetes.watch.watches import Watches
from submarine_jupyter_server.targets.protocol import Recall, Sink


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
