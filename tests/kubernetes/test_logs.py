"""Logs of real containers come whole into the archive, whatever happens to the connection, the server and the pods."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api import Api, wait
from tests.cluster.cluster import Cluster
from tests.kubernetes.proxy import Proxy
from tests.kubernetes.server import ClusterServer, left, spec

LINES = 200_000
BIG_LINES, PADDING = 120_000, "x" * 100


@pytest.fixture
def proxy(real: ClusterServer, tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy(Path(str(real.target_options["kubeconfig"])), tmp_path)
    real.with_options(kubeconfig=str(made.kubeconfig))
    yield made
    real.kill()
    made.close()


def script(text: str, replicas: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    body = spec("Standalone", replicas or {"worker": 1}, "python $CODE_PATH/say.py", **more)
    return body | {"code": {"syncMode": "inline", "files": {"say.py": text}}}


def raw(server: ClusterServer, experiment_id: str, replica: str = "worker-0", **params: Any) -> bytes:
    answer = server.http.get(
        f"{server.url}/logs/{experiment_id}", params={"replica": replica, "download": "true", **params}, timeout=60
    )
    answer.raise_for_status()
    return answer.content


@pytest.mark.timeout(240)
def test_no_line_is_lost_or_doubled_when_the_connection_is_cut_every_second(real: ClusterServer, proxy: Proxy) -> None:
    real.ready()
    # In bursts over half a minute; every tenth line ends in bytes that are no UTF-8.
    text = f"""
import sys, time
out = sys.stdout.buffer
for i in range({LINES}):
    out.write(b"line %d \\xff\\xfe\\n" % i if i % 10 == 0 else b"line %d\\n" % i)
    if i % 5000 == 4999:
        out.flush()
        time.sleep(0.6)
"""
    experiment_id = real.submit(script(text, resources="cpu=500m,memory=64Mi"))
    over, cuts = threading.Event(), 0

    def cut() -> None:
        nonlocal cuts
        while not over.wait(1):
            proxy.cut_streams()
            cuts += 1

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        found = real.ended(experiment_id, 110)
    finally:
        over.set()
        thread.join()
    assert found["status"] == "Succeeded", found
    expected = b"".join(b"line %d \xff\xfe\n" % i if i % 10 == 0 else b"line %d\n" % i for i in range(LINES))
    wait("the whole log", lambda: len(raw(real, experiment_id)) >= len(expected), seconds=60)
    kept = raw(real, experiment_id)
    assert len(kept) == len(expected)
    assert kept == expected
    assert cuts >= 20
    newest = real.result("GET", f"/logs/{experiment_id}", params={"tail": 2})["logContent"][0]["podLog"]
    assert newest == [f"line {LINES - 2}", f"line {LINES - 1}"]


def test_a_killed_server_goes_on_where_the_archive_ends_and_reports_no_end_before(
    cluster: Cluster, real: ClusterServer
) -> None:
    real.ready()
    alive = "import time\nwhile True:\n    print('alive', flush=True)\n    time.sleep(0.2)\n"
    gone, lost = (real.submit(script(alive, resources="cpu=50m,memory=64Mi")) for _ in range(2))
    # More than a kubelet keeps in one file and time to begin a new one, then less than that: what a kubelet puts
    # away while there is no server is lost.
    text = f"""
import sys, time
for i in range({BIG_LINES}):
    sys.stdout.write("line %07d {PADDING}\\n" % i)
    if i == {BIG_LINES} * 3 // 4:
        sys.stdout.flush()
        time.sleep(5)
    if i > {BIG_LINES} * 3 // 4 and i % 4000 == 0:
        sys.stdout.flush()
        time.sleep(1)
"""
    experiment_id = real.submit(script(text, resources="cpu=500m,memory=64Mi"))
    expected = b"".join(f"line {i:07d} {PADDING}\n".encode() for i in range(BIG_LINES))
    wait("the second file", lambda: len(raw_or_none(real, experiment_id)) > len(expected) * 3 // 4 + 1000)
    kept = len(raw_or_none(real, experiment_id))
    real.kill()
    real.start()
    assert real.wait_ready(), real.log()
    wait("more of the log", lambda: len(raw_or_none(real, experiment_id)) > kept)
    remove(cluster.api, real, lost)
    real.kill()
    remove(cluster.api, real, gone)
    pods = f"/api/v1/namespaces/{real.namespace}/pods"
    wait("the end", lambda: cluster.api.get(pods)["items"][0]["status"]["phase"] == "Succeeded", seconds=90)
    real.start()
    assert real.wait_ready(), real.log()
    deadline = time.monotonic() + 90
    while (status := real.result("GET", f"/{experiment_id}")["status"]) != "Succeeded":
        assert status == "Running", status
        assert time.monotonic() < deadline, real.log()
    found = raw(real, experiment_id)
    assert len(found) == len(expected)
    assert found == expected
    for vanished in (gone, lost):
        assert real.ended(vanished, 60)["status"] == "Failed"
        assert raw(real, vanished).startswith(b"alive\n")
        assert_has_no_end(real, vanished)


def remove(api: Api, server: ClusterServer, experiment_id: str) -> None:
    """Delete the own object of an experiment, as somebody else would."""
    [name] = [name for name in left(api, server.namespace, experiment_id) if name.startswith(("jobs/", "jobsets/"))]
    group = "batch/v1" if name.startswith("jobs/") else "jobset.x-k8s.io/v1alpha2"
    api.delete(f"/apis/{group}/namespaces/{server.namespace}/{name}")


def assert_has_no_end(server: ClusterServer, experiment_id: str) -> None:
    """Assert that every way to read a log says that its end is missing, and that none waits for it."""
    url = f"{server.url}/logs/{experiment_id}"
    for params in ({"replica": "worker-0", "download": "true"}, {"download": "true"}):
        answer = server.http.get(url, params=params)
        assert answer.text.endswith("==> 1 bytes are missing here <==\n"), answer.text[-100:]
        assert answer.headers["Submarine-Log-Gaps"]
    assert server.http.get(url).json()["attributes"]["gaps"]
    stream = server.http.get(url, params={"follow": "true"}, timeout=30).text
    assert "event: gap" in stream
    assert stream.rpartition("event: end")[2].splitlines()[1].endswith('"complete":false}'), stream[-200:]


def raw_or_none(server: ClusterServer, experiment_id: str) -> bytes:
    answer = server.http.get(f"{server.url}/logs/{experiment_id}", params={"replica": "worker-0", "download": "true"})
    return answer.content if answer.status_code == 200 else b""


def test_what_a_crashed_container_wrote_before_its_retry_is_kept(real: ClusterServer) -> None:
    real.with_options(kinds=["tfjob"]).ready()
    text = """
import os, sys
tries = len(os.listdir("/tmp/once"))
print("try", tries)
open(f"/tmp/once/{os.urandom(4).hex()}", "w").close()
sys.exit(0 if tries else 5)
"""
    body = spec("TensorFlow", {"worker": 1}, "python $CODE_PATH/say.py", runtime={"retries": 3})
    body["runtime"]["volumes"] = [{"name": "once", "mountPath": "/tmp/once", "emptyDir": {}}]
    body |= {"code": {"syncMode": "inline", "files": {"say.py": text}}}
    experiment_id = real.submit(body)
    found = real.ended(experiment_id, 110)
    assert found["status"] == "Succeeded", found
    assert real.lines(experiment_id)[f"{experiment_id}-worker-0"] == ["try 0", "try 1"]
    assert found["detail"]["replicas"][0]["restarts"] == 1


def logs_of(server: ClusterServer) -> dict[str, Any]:
    """Return how the reading of logs is."""
    found: dict[str, Any] = server.target()["health"]["logs"]
    return found


def test_on_demand_logs_are_there_when_asked_for_and_at_the_end(cluster: Cluster, real: ClusterServer) -> None:
    real.with_options(log_collection="on-demand").ready()
    text = "import time\nprint('begun', flush=True)\ntime.sleep(20)\nprint('done', flush=True)\n"
    experiment_id = real.submit(script(text))
    real.status(experiment_id, "Running")
    real.until(experiment_id, lambda _: real.lines(experiment_id) == {f"{experiment_id}-worker-0": ["begun"]}, "it")
    # Two read it, and leave one after the other in the middle of it: its stream is let go while it runs on.
    url = f"{real.url}/logs/{experiment_id}?follow=true"
    with real.http.stream("GET", url, timeout=10) as first:
        lines = first.iter_lines()  # to drop it would close the connection
        assert any("begun" in line for line in lines)
        with real.http.stream("GET", url, timeout=10) as second:
            assert any("begun" in line for line in second.iter_lines())
        # A node that is out of watches for files allows no stream: it is asked again and again.
        wait("one stream", lambda: logs_of(real)["following"] == 1 or logs_of(real)["trouble"], seconds=10)
    wait("nothing followed", lambda: logs_of(real)["following"] == 0, seconds=10)
    assert real.result("GET", f"/{experiment_id}")["status"] == "Running"
    real.ended(experiment_id, 60)
    assert real.lines(experiment_id) == {f"{experiment_id}-worker-0": ["begun", "done"]}


def test_what_pods_wrote_is_found_by_text_by_time_and_as_the_first_error(real: ClusterServer) -> None:
    real.ready()
    # A pause before the error: what comes on two pipes at once may be written down in the other order.
    text = "import time\nprint('begun', flush=True)\ntime.sleep(1.5)\nprint('needle', flush=True)\n"
    text += "time.sleep(1)\n{}['lr']\n"
    experiment_id = real.submit(script(text, {"worker": 2}))
    found = real.ended(experiment_id, 60)
    first = found["detail"]["firstError"]
    assert (first["text"], first["where"].rpartition("/")[2]) == ("KeyError: 'lr'", "say.py:6")
    matches = real.result("GET", f"/logs/{experiment_id}", params={"search": "needle"})["matches"]
    assert {(match["replica"], match["offset"]) for match in matches} >= {(first["replica"], len("begun\n"))}
    assert all(match["time"] for match in matches)
    lines = real.result("GET", f"/logs/{experiment_id}", params={"merged": "true"})["lines"]
    assert [line["line"] for line in lines if line["replica"] == first["replica"]][:2] == ["begun", "needle"]
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    place = real.result("GET", f"/logs/{experiment_id}", params={"at": matches[0]["time"]})["replicas"]
    assert [one["offset"] for one in place if one["replica"] == matches[0]["replica"]] == [len("begun\n")]
