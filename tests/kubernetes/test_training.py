"""Real containers train together under a real kubelet and the real operators, as every kind there is."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.kernel.real_kernel import RealKernel
from tests.kubernetes.server import ClusterServer, spec
from tests.kubernetes.training import delete, run_quickstart, talk


@pytest.mark.timeout(240)
def test_the_quickstart_trains_on_the_cluster(cluster: Cluster, kernel: RealKernel, real: ClusterServer) -> None:
    found = run_quickstart(kernel, real)
    [made] = cluster.api.get(f"/apis/kubeflow.org/v1/namespaces/{real.namespace}/xgboostjobs")["items"]
    assert made["metadata"]["name"] == found["experimentId"]
    delete(real, cluster.api, found["experimentId"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("framework", "kind", "replicas"),
    [
        ("TensorFlow", "tfjob", {"ps": 1, "worker": 2}),
        ("PyTorch", "pytorchjob", {"master": 1, "worker": 1}),
        ("PyTorch", "jobset", {"master": 1, "worker": 1}),
    ],
)
def test_replicas_find_each_other(
    cluster: Cluster, real: ClusterServer, framework: str, kind: str, replicas: dict[str, int]
) -> None:
    real.with_options(kinds=[kind]).ready()
    delete(real, cluster.api, talk(real, framework, replicas))


@pytest.mark.timeout(240)
def test_functions_and_cells_bring_the_modules_beside_the_notebook(kernel: RealKernel, real: ClusterServer) -> None:
    kernel.run("import pathlib; pathlib.Path('beside.py').write_text('NAME = \\'beside\\'\\n')")
    cell = "%%submarine run --target kubernetes --cpu 100m --memory 64M\nimport beside\nprint('cell has', beside.NAME)"
    function = (
        "from submarine_jupyter import remote\n"
        "@remote(worker=2, target='kubernetes', cpu='100m', memory='128M')\n"
        "def f(x):\n    import beside, os\n    return beside.NAME, os.environ['WORLD_SIZE'], 1 / x\n"
    )
    kernel.run("%load_ext submarine_jupyter")

    ran = kernel.run(cell)
    assert ran.status == "ok", (ran, real.log())
    assert "1 file goes along (16 bytes): beside.py" in ran.text
    assert ran.has("cell has beside")

    assert kernel.run(f"{function}f(2)").plain == "('beside', '2', 0.5)", real.log()
    assert kernel.run("f(0)").error == "ZeroDivisionError: division by zero"


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
