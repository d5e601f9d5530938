"""Real containers train together under a real kubelet and the real operators, as every kind there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.kernel.real_kernel import RealKernel
from tests.kubernetes.server import ClusterServer, left, spec
from tests.live_server import TOKEN

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"

# Who is first listens until all others have said who they are; parameter servers then go on for ever, as real ones do.
TALK = """
import json, os, socket, time

if "TF_CONFIG" in os.environ:
    config = json.loads(os.environ["TF_CONFIG"])
    everyone = [(role, i) for role in ("chief", "ps", "worker") for i in range(len(config["cluster"].get(role, [])))]
    me = everyone.index((config["task"]["type"], config["task"]["index"]))
    host, _, port = config["cluster"][everyone[0][0]][0].rpartition(":")
    size, role = len(everyone), config["task"]["type"]
else:
    me, size, role = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), ""
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]

if me == 0:
    heard = []
    with socket.create_server(("", int(port))) as server:
        while len(heard) < size - 1:
            with server.accept()[0] as peer:
                heard.append(peer.recv(100).decode())
    print(f"0 of {size} heard {', '.join(sorted(heard))}", flush=True)
else:
    for _ in range(1200):  # names of pods appear some seconds after the pods
        try:
            with socket.create_connection((host, int(port)), timeout=5) as peer:
                peer.sendall(f"rank {me}".encode())
            break
        except OSError:
            time.sleep(0.1)
    print(f"{me} of {size} spoke to {host}", flush=True)
while role == "ps":
    time.sleep(1)
"""


def talking(framework: str, replicas: dict[str, int]) -> dict[str, Any]:
    body = spec(framework, replicas, "python $CODE_PATH/talk.py", resources="cpu=200m,memory=128Mi")
    return body | {"code": {"syncMode": "inline", "files": {"talk.py": TALK}}}


@pytest.fixture
def kernel(real: ClusterServer, tmp_path: Path) -> Iterator[RealKernel]:
    real.ready()
    folder = tmp_path / "kernel"
    folder.mkdir()
    url = real.url.removesuffix("api/v1/experiment")
    made = RealKernel(folder, {"SUBMARINE_URL": url, "SUBMARINE_TOKEN": TOKEN})
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_the_quickstart_trains_on_the_cluster(cluster: Cluster, kernel: RealKernel, real: ClusterServer) -> None:
    notebook = nbformat.read(QUICKSTART, as_version=4)  # type: ignore[no-untyped-call]
    text = ""
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        source = cell.source.replace("%%submarine run ", "%%submarine run --target kubernetes ")
        ran = kernel.run(source)
        assert ran.status == "ok", (ran, real.log())
        text += ran.text
    for expected in ("rank 0 of 3 trains", "rank 1 of 3 trains", "rank 2 of 3 trains", "Accuracy at step 30: 0.9"):
        assert expected in text
    assert float(ran.plain) >= 0.95
    [found] = real.result("GET")
    assert found["status"] == "Succeeded"
    [made] = cluster.api.get(f"/apis/kubeflow.org/v1/namespaces/{real.namespace}/xgboostjobs")["items"]
    assert made["metadata"]["name"] == found["experimentId"]
    detail = real.get(found["experimentId"])["detail"]
    assert {replica["node"] for replica in detail["replicas"]} == {"real-0"}
    real.result("DELETE", f"/{found['experimentId']}")
    wait("nothing to be left", lambda: left(cluster.api, real.namespace) == [], seconds=90)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("framework", "kind", "replicas"),
    [
        ("TensorFlow", "tfjob", {"ps": 1, "worker": 2}),
        ("PyTorch", "pytorchjob", {"master": 1, "worker": 1}),
        ("PyTorch", "jobset", {"master": 1, "worker": 1}),
        ("TensorFlow", "indexed_jobs", {"ps": 1, "worker": 2}),
    ],
)
def test_replicas_find_each_other(
    cluster: Cluster, real: ClusterServer, framework: str, kind: str, replicas: dict[str, int]
) -> None:
    real.with_options(kinds=[kind]).ready()
    experiment_id = real.submit(talking(framework, replicas))
    found = real.ended(experiment_id, 150)
    assert found["status"] == "Succeeded", (found, real.lines(experiment_id))
    size = sum(replicas.values())
    lines = real.lines(experiment_id)
    first = f"{experiment_id}-{next(iter(replicas))}-0"
    assert lines[first] == [f"0 of {size} heard {', '.join(f'rank {i}' for i in range(1, size))}"]
    assert sorted(line.partition(" spoke")[0] for name in lines if name != first for line in lines[name]) == [
        f"{i} of {size}" for i in range(1, size)
    ]
    states = {replica["name"]: replica["status"] for replica in found["detail"]["replicas"]}
    assert states.pop("ps-0", "Stopped") in ("Stopped", "Running")
    assert set(states.values()) == {"Succeeded"}
    real.result("DELETE", f"/{experiment_id}")
    wait("nothing to be left", lambda: left(cluster.api, real.namespace) == [], seconds=90)


def test_workers_join_a_running_tfjob(real: ClusterServer) -> None:
    real.with_options(kinds=["tfjob"]).ready()
    script = "import os, time\nprint('I am worker', os.environ['SUBMARINE_REPLICA_INDEX'], flush=True)\ntime.sleep(600)"
    body = spec("TensorFlow", {"ps": 1, "worker": 1}, "python $CODE_PATH/wait.py")
    body |= {"code": {"syncMode": "inline", "files": {"wait.py": script}}}
    experiment_id = real.submit(body)
    real.status(experiment_id, "Running")
    body["spec"]["Worker"]["replicas"] = 2
    answer = real.result("PATCH", f"/{experiment_id}", json=body)
    assert answer["spec"]["spec"]["Worker"]["replicas"] == 2
    second = f"{experiment_id}-worker-1"
    real.until(experiment_id, lambda _: real.lines(experiment_id).get(second) == ["I am worker 1"], "its log", 90)
