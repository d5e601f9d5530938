"""Bring a cluster up and take it down again."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.cluster import build, components, inotify, kueue, manifests, node, node_programs, training_image
from tests.cluster import run as runs
from tests.cluster.api import holds, serves, wait
from tests.cluster.build import Programs
from tests.cluster.cluster import Cluster
from tests.cluster.components import launch
from tests.cluster.processes import Process, kill, myself
from tests.cluster.run import Run

_FAKE_NODES = 3
_NODES = "/api/v1/nodes"


def prepare(kubernetes: str) -> None:
    """Build and fetch everything that runs start from; minutes on a new machine, nothing on one that has it."""
    build.programs(kubernetes)
    if node_programs.unavailable() is None:
        training_image.base()


def up(kubernetes: str, owner: Process | None, *, with_node: bool, with_operators: bool = True) -> Cluster:
    """Bring up a cluster that lasts until `down`. If it does not come up, nothing stays but the error's logs.

    Without operators it knows no kinds but those of Kubernetes.
    """
    if short := inotify.shortage():
        raise RuntimeError(short)
    programs = build.programs(kubernetes)
    run = runs.create(kubernetes, owner, components.PORTS, node=with_node)
    try:
        return _start(run, programs, with_operators=with_operators)
    except BaseException as problem:
        problem.add_note(_last_words(run))
        down(run)
        raise


@contextmanager
def lasting(*, with_node: bool, with_operators: bool = True) -> Iterator[Cluster]:
    """Have a cluster of this process while the context is open."""
    cluster = up(build.chosen(), myself(), with_node=with_node, with_operators=with_operators)
    try:
        yield cluster
    finally:
        cluster.api.close()
        down(cluster.own())


def given() -> Path | None:
    """Return the kubeconfig of the cluster to use in place of one of our own, if one is given."""
    found = os.environ.get("SUBMARINE_TEST_KUBECONFIG")
    return Path(found) if found else None


def attach(kubeconfig: Path) -> Cluster:
    """Return the cluster that a kubeconfig is for: ours with all it can do, or a user's own."""
    mine = [run for run in runs.existing() if kubeconfig.is_relative_to(run.directory)]
    return Cluster(kubeconfig, mine[0] if mine else None)


def down(run: Run) -> None:
    """End everything of a run and remove all it left."""
    if run.node:
        node.end(run)
    kill(*run.processes.values())
    runs.forget(run)


def sweep() -> None:
    """Take down what test sessions left that were killed."""
    with runs.locked():
        for run in runs.existing():
            if run.abandoned():
                down(run)


def _start(run: Run, programs: Programs, *, with_operators: bool) -> Cluster:
    _write_files(run, programs)
    launch(run, components.etcd(run, programs))
    with ThreadPoolExecutor(1) as pool:
        if run.node:
            node.create(run, programs)
            launch(run, node.tunnel(run, programs))
        containerd = pool.submit(node.start_containerd, run, programs) if run.node else None
        launch(run, components.apiserver(run, programs))
        cluster = Cluster(components.kubeconfig(run, "admin"), run)
        _await(run, "the API server", lambda: cluster.api.text("/readyz") == "ok")
        _install(cluster, programs)
        if with_operators:
            _install_operators(cluster, programs)
        if containerd:
            containerd.result()
            node.start_kubelet(run, programs)
            node.start_names(run, programs)
    expected = _FAKE_NODES + run.node
    _await(run, "the nodes", lambda: _ready_nodes(cluster) == expected)
    return cluster


def _install(cluster: Cluster, programs: Programs) -> None:
    run = cluster.own()
    for component in components.controllers(run, programs):
        launch(run, component)
    for index in range(_FAKE_NODES):
        cluster.api.create(_NODES, manifests.fake_node(index))


def _install_operators(cluster: Cluster, programs: Programs) -> None:
    run = cluster.own()
    definitions = manifests.definitions(programs.manifests)
    for definition in definitions:
        cluster.api.create(manifests.DEFINITIONS, definition)
    _await(run, "the kinds of the operators", lambda: serves(cluster.api, definitions))
    for component in components.operators(run, programs):
        launch(run, component)
        _await(run, component.name, partial(run.listens, component.name))
    for collection, item in manifests.admission(run, programs.manifests):
        cluster.api.create(collection, item)


def _write_files(run: Run, programs: Programs) -> None:
    hosts = f"127.0.0.1,localhost,{kueue.HOST},{components.NODE_ADDRESS}"
    flags = [f"--directory={run.folder('pki')}", f"--hosts={hosts}"]
    subprocess.run([programs.controlplane, "certificates", *flags], check=True)
    tokens = {user: secrets.token_urlsafe() for user in components.USERS}
    lines = [f'{tokens[user]},{user},{user},"{groups}"' for user, groups in components.USERS.items()]
    run.path("tokens.csv").write_text("\n".join(lines))
    run.folder("kubeconfig")
    for user, token in tokens.items():
        _write_json(components.kubeconfig(run, user), manifests.kubeconfig(run, token))
    run.path("kwok.yaml").write_text(manifests.kwok(run, programs.manifests))
    run.path("fake.log").write_text("")
    run.path("init-container.yaml").write_text(manifests.init_container())
    _write_json(run.path("egress.json"), manifests.egress(node.proxy_socket(run)))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


def _ready_nodes(cluster: Cluster) -> int:
    return sum(holds(item, "Ready") for item in cluster.api.get(_NODES)["items"])


def _await(run: Run, what: str, look: Callable[[], bool]) -> None:
    """Wait for a part of the run to be ready, but not for one that has ended."""

    def ready() -> bool:
        if ended := run.ended():
            raise RuntimeError(f"{', '.join(ended)} ended instead of waiting for work")
        return look()

    wait(what, ready)


def _last_words(run: Run) -> str:
    """Return the ends of the logs: of what has ended, or else of all."""
    names = {name.removeprefix("nsenter-") for name in run.ended() or run.processes}
    return "\n".join(filter(None, map(run.last_words, sorted(names))))
