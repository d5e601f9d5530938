"""Everything that works on one cluster, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from submarine_jupyter_server.targets.base import Recall, Sink

from .absence import Absences
from .belongings import Belongings, Signature
from .calls import Calls
from .capacity import Capacity
from .cluster import Cluster
from .deadlines import Deadlines
from .endings import Endings
from .logs.collector import PodLogs
from .loss import Losses
from .manifests import ClusterOptions
from .observing import Observer
from .orders import Orders
from .places import Places
from .records import Records
from .settings import KubernetesSettings
from .tracked import Tracked
from .watches import Watches


@dataclass(frozen=True, slots=True)
class Link:
    """Everything that works on one cluster."""

    cluster: Cluster
    watches: Watches
    orders: Orders
    observer: Observer
    capacity: Capacity
    logs: PodLogs
    losses: Losses
    deadlines: Deadlines
    endings: Endings
    records: Records
    recall: Recall
    places: Places


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
    touched: Callable[[Tracked], None],
) -> Link:
    """Return what works on a cluster; ``touched`` is called with each experiment of which something has changed."""
    logs = PodLogs(cluster, runs, cap_bytes=log_cap, mode=settings.log_collection, limit=settings.log_streams)
    watches = Watches(cluster, Belongings(signature), touched=touched, seen=logs.see, gone=logs.gone)
    calls, absences = Calls(cluster), Absences(cluster)
    records = Records(calls, watches.merge, options, signature)
    endings = Endings(calls, logs, watches.gone, records)
    observer = Observer(sink, logs, recall, endings.clean, absences.doomed)
    return Link(
        cluster=cluster,
        watches=watches,
        orders=Orders(calls, watches, endings, records, options, served),
        observer=observer,
        capacity=Capacity(cluster, settings.namespaces or (cluster.namespace,), served),
        logs=logs,
        losses=Losses(calls, absences, watches, observer, logs, recall),
        deadlines=Deadlines(calls),
        endings=endings,
        records=records,
        recall=recall,
        places=Places(cluster, watches.experiments, touched),
    )
