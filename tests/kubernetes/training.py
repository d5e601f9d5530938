"""Training in real containers: what the tests run on clusters with operators and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from submarine_jupyter.spec import code_files
from tests.cluster.api import Api, wait
from tests.kernel.real_kernel import RealKernel
from tests.kubernetes.server import ClusterServer, left, spec

Json = dict[str, Any]
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"

# Who is first listens until all others have said who they are; parameter servers then go on until they are ended, as
# real ones do. The first process of a container is not ended by a signal that it does not handle.
TALK = """
import json, os, signal, socket, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

import kept
from pathlib import Path

assert Path("kept/bytes.bin").read_bytes() == bytes(range(256))
params = json.loads(os.environ["SUBMARINE_PARAMS"])
assert (os.environ["SUBMARINE_PARAM_LR"], sys.argv[1:]) == ("0.1", [params["note"]]), (sys.argv, params)

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


def talking(framework: str, replicas: dict[str, int]) -> Json:
    body = spec(framework, replicas, "python $CODE_PATH/talk.py {{note}}", resources="cpu=200m,memory=128Mi")
    params = {"lr": 0.1, "note": "it's $(JOB_ID), $HOME and `id` ✓"}
    files = {"talk.py": TALK, "kept/__init__.py": "", "kept/bytes.bin": code_files.encoded(bytes(range(256)))}
    code = {"syncMode": "inline", "files": files}
    return body | {"code": code, "runtime": {**(body.get("runtime") or {}), "params": params}}


def run_quickstart(kernel: RealKernel, server: ClusterServer) -> Json:
    """Run the quickstart notebook with another target and nothing else changed; return its experiment."""
    notebook = nbformat.read(QUICKSTART, as_version=4)  # type: ignore[no-untyped-call]
    cells = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        source = cell.source.replace("%%submarine run ", "%%submarine run --target kubernetes ")
        ran = kernel.run(source)
        assert ran.status == "ok", (ran, server.log())
        cells.append(ran)
    for expected in ("rank 0 of 3 trains", "rank 1 of 3 trains", "rank 2 of 3 trains", "Accuracy at step 30: 0.9"):
        assert any(cell.has(expected) for cell in cells), expected
    assert float(ran.plain) >= 0.95
    [found] = server.result("GET")
    assert found["status"] == "Succeeded"
    detail: Json = server.get(found["experimentId"])
    assert {replica["node"] for replica in detail["detail"]["replicas"]} == {"real-0"}
    return detail


def talk(server: ClusterServer, framework: str, replicas: dict[str, int]) -> str:
    """Run replicas that have to find each other; return the id of their experiment."""
    experiment_id = server.submit(talking(framework, replicas))
    found = server.ended(experiment_id, 150)
    assert found["status"] == "Succeeded", (found, server.lines(experiment_id))
    size = sum(replicas.values())
    lines = server.lines(experiment_id)
    first = f"{experiment_id}-{next(iter(replicas))}-0"
    assert lines[first] == [f"0 of {size} heard {', '.join(f'rank {i}' for i in range(1, size))}"]
    assert sorted(line.partition(" spoke")[0] for name in lines if name != first for line in lines[name]) == [
        f"{i} of {size}" for i in range(1, size)
    ]
    states = {replica["name"]: replica["status"] for replica in found["detail"]["replicas"]}
    assert states.pop("ps-0", "Stopped") in ("Stopped", "Running")
    assert set(states.values()) == {"Succeeded"}
    return experiment_id


def delete(server: ClusterServer, api: Api, experiment_id: str) -> None:
    """Delete an experiment, which leaves nothing of ours in the namespace."""
    server.result("DELETE", f"/{experiment_id}")
    wait("nothing to be left", lambda: left(api, server.namespace) == [], seconds=90)
