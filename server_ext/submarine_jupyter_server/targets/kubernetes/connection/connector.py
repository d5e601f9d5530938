"""The connection of a target to its cluster: made in the background, as often as it takes.

A server starts whether or not the cluster answers. Until it does, and until the streams are complete, orders are put
off with the reason shown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.errors import SubmarineError, TargetRefused, TargetUnavailable
from submarine_jupyter_server.targets.kubernetes.api import rights
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, Cluster, Unreachable
from submarine_jupyter_server.targets.kubernetes.api.discovery import discover, kueue_version
from submarine_jupyter_server.targets.kubernetes.api.own_namespace import own_namespace
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.manifests import KINDS
from submarine_jupyter_server.targets.kubernetes.settings import KubernetesSettings
from submarine_jupyter_server.targets.kubernetes.state.experiment_state import ExperimentState
from submarine_jupyter_server.targets.kubernetes.state.ownership import Signature
from submarine_jupyter_server.targets.protocol import Doubt, Known, Made, Recall, Sink

from .cluster_connection import ClusterConnection, build

log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.5
# An operator installed or a right granted meanwhile is found by the first experiment after that.
_KINDS_AGE_S, _MISSING_AGE_S = 60.0, 10.0
# In a namespace that cannot be seen nothing begins, so nothing would ask whether it can be seen by now.
_BLIND_AGE_S = 15.0


class Connector:
    """Owns the connection of one target."""

    def __init__(self, settings: KubernetesSettings, signature: Signature, *, runs: Path, log_cap: int) -> None:
        self.options = replace(
            settings.options, instance=signature.instance, target=signature.target, key=signature.key
        )
        self.namespaces = settings.namespaces or (
            own_namespace(settings.kubeconfig, settings.context, in_cluster=settings.in_cluster),
        )
        self.served: frozenset[str] = frozenset()
        self._settings = settings
        self._signature = signature
        self._runs, self._log_cap = runs, log_cap
        self._connection: ClusterConnection | None = None
        self._ready = False
        self._trouble = "not connected yet"
        self._missing: tuple[rights.Missing, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._kinds_task: asyncio.Task[bool] | None = None
        self._kinds_at = 0.0
        self._known: tuple[frozenset[str], tuple[rights.Missing, ...]] = frozenset(), ()

    @property
    def experiments(self) -> Mapping[str, ExperimentState]:
        """Return the experiments on the cluster, none before it is known."""
        return self._connection.watches.experiments if self._connection else {}

    @property
    def logs(self) -> PodLogs | None:
        """Return the collector of logs, None before the cluster has answered."""
        return self._connection.logs if self._connection else None

    async def start(self, sink: Sink, doubt: Doubt, made: Collection[Made], recall: Recall | None) -> None:
        """Connect in the background; ``doubt`` is called when all that is on the cluster is known.

        ``made`` is what was made there, ``recall`` says what the database has of it.
        """
        await self.close()
        run = self._run(sink, doubt, made, recall or _nothing)
        self._task = asyncio.create_task(run, name=f"cluster of {self._settings.name}")

    def connection(self, namespace: str | None = None) -> ClusterConnection:
        """Return the connection. Raises TargetUnavailable without one, TargetRefused for another ``namespace``."""
        if self._connection is None or not self._ready:
            reason = "NoPermission" if rights.blind(self._missing) else "ClusterUnavailable"
            raise TargetUnavailable(f"the cluster cannot be used now: {self._why()}", reason=reason)
        if namespace is None or namespace in self._connection.watches.synced:
            return self._connection
        if namespace not in self.namespaces:
            raise TargetRefused(f"namespace '{namespace}' is no longer one of {', '.join(self.namespaces)}")
        why = rights.blind(self._missing).get(namespace)
        raise TargetUnavailable(
            f"the cluster cannot be used now: {_ours(why) if why else self._reading(namespace)}",
            reason="NoPermission" if why else "ClusterUnavailable",
        )

    async def lacks_right(self, sentence: str) -> bool:
        """Ask the cluster whether the right is missing that a sentence names, whatever was known before."""
        connection = self._connection
        return connection is not None and await self._find_kinds(connection) and rights.denies(self._missing, sentence)

    async def ask_for_kinds(self) -> None:
        """Find out now what the cluster serves: it has answered that it does not have a kind."""
        if self._connection is not None:
            await self._find_kinds(self._connection)

    def refresh_kinds(self) -> None:
        """Find out in the background what the cluster serves by now, if that was not asked for a while."""
        running = self._kinds_task is not None and not self._kinds_task.done()
        age = _MISSING_AGE_S if self._missing or self._troubled() else _KINDS_AGE_S
        if self._connection is not None and not running and time.monotonic() - self._kinds_at > age:
            self._kinds_task = asyncio.create_task(self._find_kinds(self._connection), name="kinds of the cluster")

    def health(self) -> dict[str, object]:
        """Return how the connection is, for people."""
        connection = self._connection
        whole = self._ready and not rights.blind(self._missing)
        found: dict[str, object] = {"ok": whole, "trouble": None if whole else self._why()}
        if connection is None:
            return found
        if self._missing or self._troubled():
            self.refresh_kinds()
        streams = connection.watches.health()
        found["ok"] = whole and all(health.trouble is None for health in streams.values())
        return found | {
            "server": connection.cluster.server,
            "kinds": sorted(self.served),
            "missing": rights.sentences(self._missing),
            "strangers": connection.watches.ownership.described(),
            "streams": [
                {
                    "path": path,
                    "synced": health.synced,
                    "lastEventAge": None if health.last_event_age_s is None else round(health.last_event_age_s, 1),
                    "restarts": health.restarts,
                    "trouble": health.trouble,
                    "unreadable": list(health.quarantined),
                }
                for path, health in streams.items()
            ],
            "logs": connection.logs.health(),
        }

    async def close(self) -> None:
        """Let go of the cluster."""
        tasks = [task for task in (self._task, self._kinds_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task, self._ready = None, False
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disappearances.close()
            await connection.deadlines.close()
            await connection.records.close()
            await connection.reporter.close()
            await connection.watches.close()
            await connection.logs.close()
            await connection.capacity.close()
            await connection.cluster.close()

    async def _run(self, sink: Sink, doubt: Doubt, made: Collection[Made], recall: Recall) -> None:
        backoff = Backoff(_FIRST_PAUSE_S)
        while self._connection is None:
            try:
                self._connection = await self._connect(sink, made, recall)
            except (ApiError, Unreachable, SubmarineError, OSError) as error:
                self._trouble = str(error)
                log.warning("Target %s: %s", self._settings.name, error)
            except Exception as error:
                self._trouble = f"{type(error).__name__}: {error}"
                log.exception("Target %s cannot be connected", self._settings.name)
            if self._connection is None:
                await asyncio.sleep(backoff.failed())
        await self._connection.watches.wait_synced()
        if self._missing:
            await self._find_kinds(self._connection)  # what was missing may have been granted meanwhile
        self._ready = True
        log.info(
            "Target %s: %s, kinds %s", self._settings.name, self._connection.cluster.server, ", ".join(self.served)
        )
        connection = self._connection

        def inspect_all() -> None:
            for state in list(connection.watches.experiments.values()):
                connection.watches.hidden.seek(state)
                self._touched(state)
            doubt()

        inspect_all()
        await asyncio.gather(connection.watches.run(inspect_all), connection.places.run(), self._refresh_while_blind())

    async def _refresh_while_blind(self) -> None:
        while True:
            await asyncio.sleep(_BLIND_AGE_S)
            if rights.blind(self._missing) or self._troubled():
                self.refresh_kinds()

    def _troubled(self) -> bool:
        """Return whether a stream does not work: its kind may be gone."""
        return self._connection is not None and self._connection.watches.trouble() is not None

    async def _connect(self, sink: Sink, made: Collection[Made], recall: Recall) -> ClusterConnection:
        settings = self._settings
        cluster = await Cluster.connect(
            kubeconfig=settings.kubeconfig, context=settings.context, in_cluster=settings.in_cluster
        )
        try:
            self.namespaces = settings.namespaces or (cluster.namespace,)
            served = await discover(cluster)
            self._kinds_at = time.monotonic()
            self._missing = await rights.missing(cluster, self.namespaces, served)
            self._known = served, self._missing
            too_much = await rights.too_much(cluster)
            for sentence in (*rights.sentences(self._missing), *([too_much] if too_much else [])):
                log.warning("Target %s: %s", settings.name, sentence)
            self.served = self._usable(served)
            queues = await kueue_version(cluster)
            connection = build(
                cluster, settings, self._signature, self.options, self.served,
                runs=self._runs, log_cap=self._log_cap, sink=sink, recall=recall, touched=self._touched,
            )  # fmt: skip
            for item in made:
                connection.watches.claim(connection.watches.ownership.state_of(item.experiment_id), item)
            self._follow(connection, served, queues)
            return connection
        except BaseException:
            await cluster.close()
            raise

    def _touched(self, state: ExperimentState) -> None:
        connection = self._connection
        if connection is None or not self._ready or not connection.watches.is_synced(state):
            return  # what is known is not all: it is looked at again when that is there
        done = state.ending_since is not None or state.over or state.settled
        if state.empty and done and not state.lock.locked():
            connection.watches.forget(state)
            connection.logs.forget(state.experiment_id)
            return
        state.unread = state.own is not None and state.own.namespace not in connection.watches.queued
        connection.disappearances.suspect(state)
        connection.deadlines.watch(state)
        connection.records.watch(state)
        connection.reporter.touch(state)

    async def _find_kinds(self, connection: ClusterConnection) -> bool:
        """Find out what the cluster serves and allows now; return whether it said so."""
        self._kinds_at = time.monotonic()
        try:
            served = await discover(connection.cluster)
            missing = await rights.missing(connection.cluster, self.namespaces, served)
            queues = await kueue_version(connection.cluster) if (served, missing) != self._known else None
        except (ApiError, Unreachable) as error:
            log.info("Target %s cannot say which kinds it serves now: %s", self._settings.name, error)
            return False
        if (served, missing) != self._known:
            self._known, self._missing = (served, missing), missing
            usable = self._usable(served)
            if usable != self.served:
                log.info("Target %s serves %s now", self._settings.name, ", ".join(sorted(usable)) or "no operator")
            self.served = connection.orders.served = connection.capacity.served = usable
            self._follow(connection, served, queues)
        return True

    def _follow(self, connection: ClusterConnection, served: frozenset[str], queues: str | None) -> None:
        """Follow all that is served and may be: also of a kind that nothing new becomes, something may be there."""
        for namespace in self._visible():
            connection.watches.watch(namespace, served, rights.hidden(self._missing, namespace), queues)

    def _why(self) -> str:
        """Return why the cluster cannot be used yet."""
        if self._connection is None:
            return self._trouble
        if blind := rights.blind(self._missing):
            return _ours(*blind.values())
        return self._reading()

    def _reading(self, namespace: str | None = None) -> str:
        trouble = self._connection.watches.trouble(namespace) if self._connection else None
        return trouble or "the server is still reading what runs there"

    def _usable(self, served: frozenset[str]) -> frozenset[str]:
        """Return what is served, configured, and allowed to this server."""
        wanted = self._settings.kinds
        unwanted = {kind.kind for name, kind in KINDS.items() if wanted and name not in wanted}
        return rights.usable(served, self._missing, self._visible()) - unwanted

    def _visible(self) -> tuple[str, ...]:
        """Return the namespaces that may be followed; all, to try it, where none is known to."""
        blind = rights.blind(self._missing)
        return tuple(namespace for namespace in self.namespaces if namespace not in blind) or self.namespaces


async def _nothing(experiment_id: str) -> Known | None:
    return None


def _ours(*sentences: list[str]) -> str:
    """Return what this server may not do, as the reason of an experiment."""
    return "; ".join(sentence for found in sentences for sentence in found)
