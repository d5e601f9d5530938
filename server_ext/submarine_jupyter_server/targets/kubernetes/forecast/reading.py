"""Read what is to be known of a cluster before an experiment is submitted, and judge it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from submarine_jupyter.models import RuntimeSpec
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster, Unreachable
from submarine_jupyter_server.targets.kubernetes.api.verdicts import meaning
from submarine_jupyter_server.targets.kubernetes.capacity.cluster_capacity import Capacity
from submarine_jupyter_server.targets.kubernetes.manifests import ClusterOptions
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.protocol import Forecast, Launch

from . import queues
from .outlook import Facts, outlook
from .places import in_queue
from .pods import pod_sets

# What runs may change in a moment; to count all pods of a cluster takes one.
FRESH_S = 2.0


async def forecast(
    cluster: Cluster,
    capacity: Capacity,
    experiments: Mapping[str, ExperimentState],
    launch: Launch,
    options: ClusterOptions,
) -> Forecast:
    """Return what comes of a launch, as far as quotas, queue and nodes may be read; ``experiments`` are ours.

    Raises TargetUnavailable.
    """
    namespace = launch.spec.meta.namespace or "default"
    runtime = launch.spec.runtime or RuntimeSpec()
    if options.queue and not runtime.queue:
        runtime = runtime.model_copy(update={"queue": options.queue})
    try:
        reading = await capacity.read(FRESH_S)
        queue = await queues.read(cluster, namespace, runtime.queue) if runtime.queue else None
    except (ApiError, Unreachable) as error:
        raise meaning(error) from error
    waiting = in_queue(experiments, namespace, runtime.queue) if runtime.queue else ()
    facts = Facts(runtime, reading.nodes, reading.quotas.get(namespace), queue, waiting)
    return await asyncio.to_thread(outlook, facts, pod_sets(launch.spec, cpu_limit=options.cpu_limit))
